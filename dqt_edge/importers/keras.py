"""From a Keras model to a floating-point Network, without running code of the file."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ToolchainError, UnsupportedError
from ..graph import FLAT, Shape, Window
from ..system.tensorflow import start_tensorflow
from .functions import Function
from .keras_config import bad, check_config
from .network import MAC_KINDS, Activation, Edge, Network, Node
from .passes import simplify
from .problems import Problems, Unfit
from .reading import graph_name, read_bytes

_ACTIVATIONS: dict[str, Activation] = {"linear": "none", "relu": "relu", "relu6": "relu6"}
_DROPPED = ("Dropout", "SpatialDropout2D", "GaussianNoise")
Padding = tuple[int, int, int, int]


def read_keras(path: Path) -> Network:
    """Read a ``.keras`` or ``.h5`` file.

    Raises:
        BadFileError: No model of Keras, or a damaged one.
        UnsupportedError: Lists every layer that cannot be imported, and whatever would run code.
        ToolchainError: TensorFlow is not installed.
    """
    content = read_bytes(path)
    try:
        start_tensorflow()
    except ToolchainError as error:
        raise ToolchainError(
            f"reading Keras models needs TensorFlow ({error.what})",
            where=str(path),
            next_step=error.next_step,
        ) from error
    check_config(path)
    import keras  # noqa: PLC0415 - TensorFlow is large

    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
        if isinstance(model, keras.Sequential):
            # Loading calls each layer several times, and only the first call's tensors can be asked for.
            loaded, model = model, keras.models.clone_model(model)
            model.set_weights(loaded.get_weights())
    except Exception as error:  # Keras raises whatever its layers do
        raise bad(f"Keras cannot load it ({type(error).__name__}: {str(error).splitlines()[0][:200]})", path) from error
    return from_model(model, path.name, graph_name(path), hashlib.sha256(content).hexdigest())


def from_model(model: Any, source: str, name: str, sha256: str = "") -> Network:  # noqa: ANN401 - a Keras model
    """Network of a loaded model; ``source`` names it in messages."""
    return _Reader(model, source, name, sha256).network()


class _Reader:
    """Walks the layers in the order of execution. Tensors of Keras are known by their identity."""

    def __init__(self, model: Any, source: str, name: str, sha256: str) -> None:  # noqa: ANN401
        self.model, self.source, self.name, self.sha256 = model, source, name, sha256
        self.problems = Problems(source)
        self.edges: dict[str, Edge] = {}
        self.of: dict[int, str] = {}
        self.padded: dict[int, Padding] = {}
        self.nodes: list[Node] = []

    def network(self) -> Network:
        inputs, outputs = self.model.inputs, self.model.outputs
        if len(inputs) != 1 or len(outputs) != 1:
            raise UnsupportedError(
                f"the model has {len(inputs)} inputs and {len(outputs)} outputs",
                where=self.source,
                next_step="save a model with one input and one output",
            )
        layers = [layer for layer in self.model.layers if type(layer).__name__ != "InputLayer"]
        with self.problems.collect("the input", "InputLayer"):
            self.edge(inputs[0], "input")
        self.last = layers[-1] if layers else None
        self.readers = Counter(id(t) for layer in layers for t in _tensors(layer))
        for layer in layers:
            with self.problems.collect(repr(layer.name), type(layer).__name__):
                try:
                    self.layer(layer)
                except Unfit:
                    self.recover(layer)
                    raise
        self.problems.refuse()
        output = self.of.get(id(outputs[0]))
        if output is None or not self.nodes:
            raise UnsupportedError("no layer makes the output", where=self.source, next_step="save the model again")
        used = {"input", *(node.output for node in self.nodes)}
        edges = {name: edge for name, edge in self.edges.items() if name in used}
        provenance = {"source": self.source, "sha256": self.sha256}
        return simplify(Network(self.name, edges, tuple(self.nodes), ("input",), (output,), provenance=provenance))

    def recover(self, layer: Any) -> None:  # noqa: ANN401 - a Keras layer
        try:
            if id(layer.output) not in self.of:
                self.edge(layer.output, f"refused_{_safe(layer.name)}")
        except (Unfit, AttributeError, ValueError, UnsupportedError):
            return

    # --- Edges ----------------------------------------------------------------------------------------------

    def edge(self, tensor: Any, name: str) -> str:  # noqa: ANN401 - a Keras tensor
        self.edges[name] = Edge(name, _shape(tensor.shape), source=str(getattr(tensor, "name", "")))
        self.of[id(tensor)] = name
        return name

    def input(self, layer: Any, *, flat: bool = False, pads: bool = False) -> Edge:  # noqa: ANN401
        tensor = _tensors(layer)[0]
        if id(tensor) in self.padded and not pads:
            raise Unfit("it reads a ZeroPadding2D", "ZeroPadding2D before a convolution")
        return self.resolve(tensor, flat=flat)

    def resolve(self, tensor: Any, *, flat: bool = False) -> Edge:  # noqa: ANN401
        if id(tensor) not in self.of:
            raise Unfit("it reads a tensor that no supported layer makes", "a supported layer before it")
        edge = self.edges[self.of[id(tensor)]]
        if not flat and id(tensor) not in self.padded and _shape(tensor.shape) != edge.shape:
            raise Unfit("it reads reshaped data", "Flatten or Reshape before Dense only")
        return edge

    def add(self, layer: Any, kind: Any, inputs: tuple[str, ...], **values: Any) -> None:  # noqa: ANN401
        name = _safe(layer.name)
        output = self.edge(layer.output, f"{name}_out")
        self.nodes.append(Node(name, kind, inputs, output, **values))

    # --- Layers ---------------------------------------------------------------------------------------------

    def layer(self, layer: Any) -> None:  # noqa: ANN401 - a Keras layer
        kind = type(layer).__name__
        if getattr(layer, "data_format", "channels_last") not in (None, "channels_last"):
            raise Unfit("its channels come first", "data_format channels_last")
        if kind in ("Conv2D", "DepthwiseConv2D", "Dense"):
            self.mac(layer, kind)
        elif kind == "Add":
            self.addition(layer)
        elif kind == "Concatenate":
            self.concat(layer)
        elif kind == "BatchNormalization":
            self.norm(layer)
        elif kind in ("ReLU", "Activation", "Softmax"):
            self.activation(layer)
        elif kind in ("Flatten", "Reshape", *_DROPPED):
            self.reshape(layer)
        elif kind == "ZeroPadding2D":
            edge = self.input(layer)
            (top, bottom), (left, right) = layer.padding
            self.of[id(layer.output)] = edge.name
            self.padded[id(layer.output)] = (top, left, bottom, right)
        else:
            self.pool(layer, kind)

    def mac(self, layer: Any, kind: str) -> None:  # noqa: ANN401 - a Keras layer
        activation, dropped = self.named(layer.activation, layer)
        weights = np.asarray(layer.get_weights()[0], np.float64)
        if kind == "Dense":
            edge = self.input(layer, flat=True)
            if weights.shape[0] != np.prod(edge.shape):
                raise Unfit(f"it is applied to each of several rows of {edge.shape}", "one row of inputs")
            self.finish(layer, "dense", edge, weights.T, None, activation)
            return
        edge = self.input(layer, pads=True)
        if tuple(layer.dilation_rate) != (1, 1):
            raise Unfit(f"its dilation is {layer.dilation_rate}", "dilation 1")
        tensor = _tensors(layer)[0]
        window = _window(layer, layer.kernel_size, _shape(tensor.shape), self.padded.get(id(tensor), (0, 0, 0, 0)))
        if kind == "Conv2D":
            if layer.groups != 1:
                raise Unfit(f"it has {layer.groups} groups", "a convolution over all channels")
            self.finish(layer, "conv", edge, weights.transpose(3, 0, 1, 2), window, activation)
        elif edge.shape[2] == 1:  # one input channel: the same as an ordinary convolution
            self.finish(layer, "conv", edge, weights.transpose(3, 0, 1, 2), window, activation)
        elif weights.shape[3] != 1:
            raise Unfit(f"its depth multiplier is {weights.shape[3]}", "depth multiplier 1")
        else:
            self.finish(layer, "depthwise", edge, weights[..., 0].transpose(2, 0, 1), window, activation)
        assert not dropped or self.last is layer

    def finish(
        self,
        layer: Any,  # noqa: ANN401 - a Keras layer
        kind: str,
        edge: Edge,
        weights: npt.NDArray[np.float64],
        window: Window | None,
        activation: Activation,
    ) -> None:
        found = layer.get_weights()
        bias = np.asarray(found[1], np.float64) if layer.use_bias else np.zeros(len(weights))
        if not (np.isfinite(weights).all() and np.isfinite(bias).all()):
            raise Unfit("its weights are not finite", "finite weights")
        values = {
            "weights": np.ascontiguousarray(weights),
            "bias": bias,
            "window": window,
            "activation": activation,
        }
        self.add(layer, kind, (edge.name,), **values)

    def addition(self, layer: Any) -> None:  # noqa: ANN401 - a Keras layer
        operands = [self.resolve(tensor) for tensor in _tensors(layer)]
        if any(id(tensor) in self.padded for tensor in _tensors(layer)):
            raise Unfit("it reads a ZeroPadding2D", "ZeroPadding2D before a convolution")
        if len({edge.shape for edge in operands}) != 1:
            raise Unfit("it adds tensors of different shapes", "tensors of one shape")
        total = operands[0]
        for i, edge in enumerate(operands[1:-1]):
            name = f"{_safe(layer.name)}_{i}"
            part = Edge(f"{name}_out", edge.shape)
            self.edges[part.name] = part
            self.nodes.append(Node(name, "add", (total.name, edge.name), part.name))
            total = part
        self.add(layer, "add", (total.name, operands[-1].name))

    def concat(self, layer: Any) -> None:  # noqa: ANN401 - a Keras layer
        tensors = _tensors(layer)
        if any(id(tensor) in self.padded for tensor in tensors):
            raise Unfit("it reads a ZeroPadding2D", "ZeroPadding2D before a convolution")
        rank = len(tensors[0].shape)
        axis = int(layer.axis) % rank
        flat = rank == 2
        edges = [self.resolve(tensor, flat=flat) for tensor in tensors]
        if len(edges) < 2 or axis == 0:
            raise Unfit(f"it joins {len(edges)} tensors along axis {axis}", "two tensors or more of one sample")
        self.add(layer, "concat", tuple(edge.name for edge in edges), axis=FLAT if flat else 3 - rank + axis)

    def norm(self, layer: Any) -> None:  # noqa: ANN401 - a Keras layer
        """Fold into the layer before it: ``w*f`` and ``(b - mean)*f + beta`` with ``f = gamma/sqrt(var + eps)``.

        Behind anything else, it becomes a depthwise layer with a kernel of 1x1.
        """
        tensor = _tensors(layer)[0]
        edge = self.input(layer)
        index = next((i for i, node in enumerate(self.nodes) if node.output == edge.name), None)
        maker = None if index is None else self.nodes[index]
        if layer.axis not in (-1, len(tensor.shape) - 1, [len(tensor.shape) - 1]):
            raise Unfit("it is not over channels", "axis -1")
        parts = [np.asarray(part, np.float64) for part in layer.get_weights()]
        gamma = parts.pop(0) if layer.scale else np.ones_like(parts[-1])
        beta = parts.pop(0) if layer.center else np.zeros_like(parts[-1])
        mean, variance = parts
        factor = gamma / np.sqrt(variance + layer.epsilon)
        foldable = maker is not None and maker.kind in MAC_KINDS and maker.activation == "none"
        if maker is None or index is None or not foldable or self.readers[id(tensor)] != 1:
            values = {"weights": factor[:, None, None], "bias": beta - mean * factor, "window": Window((1, 1))}
            self.add(layer, "depthwise", (edge.name,), **values)
            return
        assert maker.weights is not None
        assert maker.bias is not None
        weights = maker.weights * factor.reshape(-1, *[1] * (maker.weights.ndim - 1))
        self.nodes[index] = dataclasses.replace(maker, weights=weights, bias=(maker.bias - mean) * factor + beta)
        self.of[id(layer.output)] = edge.name

    def activation(self, layer: Any) -> None:  # noqa: ANN401 - a Keras layer
        edge = self.input(layer, flat=type(layer).__name__ == "Softmax")
        if type(layer).__name__ == "ReLU":
            slope, threshold, most = layer.negative_slope, layer.threshold, layer.max_value
            if slope or threshold or most not in (None, 6):
                raise Unfit(f"its slope is {slope}, threshold {threshold}, maximum {most}", "ReLU, or ReLU up to 6")
            kind, dropped = ("relu6" if most else "relu"), False
        elif type(layer).__name__ == "Softmax":
            kind, dropped = "none", True
        else:
            kind, dropped = self.named(layer.activation, layer)
        if dropped and layer is not self.last:
            raise Unfit("it is not at the end of the model", "softmax as the last layer")
        if kind == "none":
            self.of[id(layer.output)] = edge.name
        else:
            self.add(layer, "lookup", (edge.name,), function=Function("identity"), activation=kind)

    def named(self, function: Any, layer: Any) -> tuple[Activation, bool]:  # noqa: ANN401
        """Activation, and whether it was a softmax that is dropped."""
        name = getattr(function, "__name__", str(function))
        if name == "softmax" and layer is self.last:
            return "none", True
        if name not in _ACTIVATIONS:
            raise Unfit(f"its activation is {name}", "linear, relu or relu6; softmax as the last layer")
        return _ACTIVATIONS[name], False

    def reshape(self, layer: Any) -> None:  # noqa: ANN401 - a Keras layer
        tensor = _tensors(layer)[0]
        edge = self.input(layer, flat=True)
        shape = _shape(layer.output.shape)
        if edge.name == "input" and self.readers[id(tensor)] == 1 and type(layer).__name__ == "Reshape":
            self.edges["input"] = dataclasses.replace(edge, shape=shape)
        elif shape not in (edge.shape, (1, 1, int(np.prod(edge.shape)))):
            raise Unfit(f"it reshapes {edge.shape} to {shape}", "flattening, or a reshape of the model's input")
        self.of[id(layer.output)] = edge.name

    def pool(self, layer: Any, kind: str) -> None:  # noqa: ANN401 - a Keras layer
        edge = self.input(layer)
        name = "max_pool" if "Max" in kind else "average_pool"
        if kind.startswith("Global"):
            window = Window(edge.shape[:2])
        else:
            window = _window(layer, layer.pool_size, edge.shape, (0, 0, 0, 0))
        self.add(layer, name, (edge.name,), window=window)


def _tensors(layer: Any) -> list[Any]:  # noqa: ANN401 - a Keras layer
    try:
        found = layer.input
    except (AttributeError, ValueError) as error:
        raise Unfit("it is used more than once", "one layer for each use") from error
    return list(found) if isinstance(found, list | tuple) else [found]


def _shape(shape: tuple[int | None, ...]) -> Shape:
    """(height, width, channels) of one sample."""
    if not 2 <= len(shape) <= 4 or any(n is None for n in shape[1:]):
        raise Unfit(f"its shape is {shape}", "a batch of up to three known dimensions")
    return (1, 1, *shape[1:])[-3:]  # type: ignore[return-value]


def _safe(name: str) -> str:
    name = re.sub(r"[^A-Za-z0-9_]", "_", name)[:48]
    return name if re.match(r"[A-Za-z_]", name) else f"layer_{name}"


def _window(layer: Any, kernel: Any, shape: Shape, pads: Padding) -> Window:  # noqa: ANN401
    kernel, stride = (int(kernel[0]), int(kernel[1])), (int(layer.strides[0]), int(layer.strides[1]))
    if layer.padding not in ("same", "valid"):
        raise Unfit(f"its padding is {layer.padding}", "same or valid")
    own = Window.same(shape[:2], kernel, stride).padding if layer.padding == "same" else (0, 0, 0, 0)
    top, left, bottom, right = (a + b for a, b in zip(own, pads, strict=True))
    return Window(kernel, stride, (top, left, bottom, right))
