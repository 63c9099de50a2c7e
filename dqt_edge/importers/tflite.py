"""From the operators of a .tflite file to a Network."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import UnsupportedError
from ..graph import FLAT, Shape, Window
from . import affine
from .functions import Function
from .network import Edge, Network, Node
from .passes import simplify
from .problems import Problems, Unfit
from .tflite_file import RawModel, RawOperator, RawTensor, read_file
from .tflite_operators import (
    KINDS,
    LONE,
    NEAREST,
    SAME_DATA,
    SHAPES,
    SUPPORTED,
    Padding,
    fused,
    require_plain,
    shape_of,
    window_of,
)


def read_network(path: Path) -> Network:
    """Read a .tflite file.

    Returns:
        An integer network of an int8 or uint8 model, a floating-point network of a float model.

    Raises:
        BadFileError: The file is no model.
        UnsupportedError: Lists every layer that cannot be imported.
    """
    return _Reader(read_file(path), path).network()


def graph_name(path: Path) -> str:
    """A name for the Graph out of the file's."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", path.stem)[:48]
    return name if re.match(r"[A-Za-z_]", name) else f"model_{name}"


class _Reader:
    """Walks the operators once. Tensors that hold the same codes share one edge."""

    def __init__(self, raw: RawModel, path: Path) -> None:
        self.raw, self.path = raw, path
        self.problems = Problems(str(path))
        self.edges: dict[str, Edge] = {}
        self.of: dict[int, str] = {}
        """Tensor index -> edge."""
        self.padded: dict[int, tuple[int, Padding]] = {}
        """Output of a PAD -> its input and the padding to fold."""
        self.ended: set[int] = set()
        """Tensors behind a dropped last layer."""
        self.nodes: list[Node] = []
        self.readers = Counter(i for op in raw.operators for i in op.inputs)

    def network(self) -> Network:
        raw = self.raw
        if len(raw.inputs) != 1 or len(raw.outputs) != 1:
            raise UnsupportedError(
                f"the model has {len(raw.inputs)} inputs and {len(raw.outputs)} outputs",
                where=str(self.path),
                next_step="convert a model with one input and one output",
            )
        with self.problems.collect(f"input {raw.tensors[raw.inputs[0]].name!r}", "INPUT"):
            self.edge(raw.tensors[raw.inputs[0]], "input")
        for op in raw.operators:
            with self.problems.collect(f"{op.index} {self.label(op)!r}", op.type):
                try:
                    self.operator(op)
                except (Unfit, UnsupportedError):
                    self.recover(op)
                    raise
        self.problems.refuse()
        output = self.of.get(raw.outputs[0])
        if output is None or not self.nodes:
            raise UnsupportedError(
                "no supported layer makes the model's output",
                where=str(self.path),
                next_step="convert the model again",
            )
        provenance = {
            "source": self.path.name,
            "sha256": raw.sha256,
            "tensors": {edge.name: edge.source for edge in self.used()},
        }
        edges = {edge.name: edge for edge in self.used()}
        return simplify(
            Network(graph_name(self.path), edges, tuple(self.nodes), ("input",), (output,), provenance=provenance)
        )

    def used(self) -> list[Edge]:
        names = {"input", *(n for node in self.nodes for n in (*node.inputs, node.output))}
        return [edge for name, edge in self.edges.items() if name in names]

    def recover(self, op: RawOperator) -> None:
        """Give the outputs of a refused layer edges, so that later layers can be checked as well."""
        for index in op.outputs:
            try:
                if index not in self.of:
                    self.edge(self.raw.tensors[index], f"refused_{op.index}_{index}")
            except (Unfit, UnsupportedError):
                self.of.pop(index, None)

    def label(self, op: RawOperator) -> str:
        """The shortest of the names that the converter gave to the output."""
        name = self.raw.tensors[op.outputs[0]].name if op.outputs else ""
        return min(name.split(";"), key=len)[-80:]

    # --- Edges ----------------------------------------------------------------------------------------------

    def edge(self, tensor: RawTensor, name: str, shape: Shape | None = None) -> str:
        """Define the edge of an activation tensor."""
        scale, zero = None, 0
        if tensor.type in ("INT8", "UINT8"):
            if len(tensor.scales) != 1:
                raise Unfit("its activations have no single scale", "activations with one scale for each tensor")
            scale = float(tensor.scales[0])
            zero = int(tensor.zeros[0]) if len(tensor.zeros) else 0
            zero += 128 if tensor.type == "INT8" else 0
            if not 0 <= zero <= 255:
                raise Unfit(f"its zero point is {tensor.zeros[0]}", f"a zero point within {tensor.type}")
        elif tensor.type != "FLOAT32":
            raise Unfit(f"its activations are {tensor.type}", "INT8 activations")
        self.edges[name] = Edge(name, shape or shape_of(tensor), scale, zero, tensor.index)
        self.of[tensor.index] = name
        return name

    def source(self, index: int, *, flat: bool = False) -> Edge:
        """The edge that an operator reads; ``flat`` if it may read any shape."""
        if index < 0:
            raise Unfit("an input is missing", "the operator with all its inputs")
        tensor = self.raw.tensors[index]
        if index in self.padded:
            raise Unfit("it reads a PAD", "PAD before a convolution, or before MAX_POOL_2D")
        if index not in self.of:
            what = "a constant" if tensor.data is not None else "a tensor that no supported layer makes"
            raise Unfit(f"it reads {what}", "a tensor that an earlier layer makes")
        edge = self.edges[self.of[index]]
        if not flat and shape_of(tensor) != edge.shape:
            raise Unfit(f"it reads shape {shape_of(tensor)} of reshaped data {edge.shape}", "RESHAPE before dense only")
        return edge

    def layer(self, op: RawOperator, kind: Any, inputs: tuple[str, ...], **values: Any) -> None:  # noqa: ANN401
        name = f"{kind}_{op.index}"
        output = self.edge(self.raw.tensors[op.outputs[0]], f"{name}_out")
        self.nodes.append(Node(name, kind, inputs, output, **values))

    # --- Operators ------------------------------------------------------------------------------------------

    def operator(self, op: RawOperator) -> None:
        if len(op.outputs) != 1 or not op.inputs:
            raise Unfit(f"it has {len(op.inputs)} inputs and {len(op.outputs)} outputs", "one output")
        if op.type in SHAPES and self.raw.tensors[op.outputs[0]].type == "INT32":
            return
        if op.type in KINDS:
            getattr(self, KINDS[op.type])(op)
        elif op.type in ("PAD", "PADV2"):
            self.pad(op)
        elif op.type in SAME_DATA:
            self.reshape(op)
        elif op.type in ("SOFTMAX", "DEQUANTIZE"):
            self.border(op)
        else:
            raise Unfit("this operator is not supported", NEAREST.get(op.type, f"one of {SUPPORTED}"))

    def conv(self, op: RawOperator) -> None:
        """Weights [out, kh, kw, in]."""
        require_plain(op)
        edge, pads, index = self.unpadded(op.inputs[0])
        weights, scales = self.weights(op, 4, axis=0)
        channels = edge.shape[2]
        if weights.shape[3] != channels:
            raise Unfit(f"it has {channels // max(weights.shape[3], 1)} groups", "a convolution over all channels")
        self.mac(op, "conv", edge, index, pads, weights, scales)

    def depthwise(self, op: RawOperator) -> None:
        """Weights [1, kh, kw, channels]."""
        require_plain(op)
        edge, pads, index = self.unpadded(op.inputs[0])
        weights, scales = self.weights(op, 4, axis=3)
        channels = edge.shape[2]
        taps = np.moveaxis(weights[0], -1, 0)
        if channels == 1:  # one input channel: the same as an ordinary convolution
            self.mac(op, "conv", edge, index, pads, taps[..., None], scales)
            return
        if len(taps) != channels:
            raise Unfit(f"its depth multiplier is {len(taps) / channels:g}", "depth multiplier 1")
        self.mac(op, "depthwise", edge, index, pads, taps, scales)

    def mac(
        self,
        op: RawOperator,
        kind: str,
        edge: Edge,
        index: int,
        pads: Padding,
        weights: npt.NDArray[Any],
        scales: npt.NDArray[np.float64] | None,
    ) -> None:
        kernel = int(weights.shape[1]), int(weights.shape[2])
        window = window_of(op, kernel, shape_of(self.raw.tensors[index]), pads)
        bias = self.bias(op, len(weights))
        values = {"window": window, "weights": weights, "weight_scales": scales, "bias": bias}
        self.layer(op, kind, (edge.name,), **values, activation=fused(op))

    def dense(self, op: RawOperator) -> None:
        """Weights [out, in]; the input is flattened."""
        edge = self.source(op.inputs[0], flat=True)
        if op.options["WeightsFormat"]:
            raise Unfit("its weights are shuffled", "the default weights format")
        weights, scales = self.weights(op, 2, axis=0)
        if weights.shape[1] != int(np.prod(edge.shape)):
            raise Unfit(f"it is applied to each of several rows of {edge.shape}", "one row of inputs")
        values = {"weights": weights, "weight_scales": scales, "bias": self.bias(op, len(weights))}
        self.layer(op, "dense", (edge.name,), **values, activation=fused(op))

    def add(self, op: RawOperator) -> None:
        if len(op.inputs) != 2:
            raise Unfit(f"it adds {len(op.inputs)} tensors", "two tensors of one shape")
        if self.affine(op):
            return
        first, second = (self.source(i) for i in op.inputs)
        if first.shape != second.shape:
            raise Unfit(f"it adds shapes {first.shape} and {second.shape}", "two tensors of one shape")
        self.layer(op, "add", (first.name, second.name), activation=fused(op))

    def multiply(self, op: RawOperator) -> None:
        if len(op.inputs) != 2 or not self.affine(op):
            raise Unfit("both its factors are computed", "a factor for each channel, which is constant")

    def affine(self, op: RawOperator) -> bool:
        """A product or sum with constants; False if it reads none."""
        known = [i for i in op.inputs if i >= 0 and self.raw.tensors[i].data is not None]
        if len(known) != 1:
            return False
        edge = self.source(next(i for i in op.inputs if i != known[0]))
        values = affine.by_channel(self.raw.tensors[known[0]], edge.shape[2])
        plain = np.ones_like(values)
        both = (values, 0 * plain) if op.type == "MUL" else (plain, values)
        self.layer(op, "depthwise", (edge.name,), **affine.fields(edge, *both), activation=fused(op))
        return True

    def pool(self, op: RawOperator) -> None:
        kernel = op.options["FilterHeight"], op.options["FilterWidth"]
        edge, pads, index = self.unpadded(op.inputs[0])
        largest = op.type == "MAX_POOL_2D"
        if any(pads) and not (largest and edge.scale is not None and edge.zero_point == 0):
            nearest = "padding SAME of the pooling itself, which is not counted"
            raise Unfit("it pools over the values of an explicit PAD", nearest)
        window = window_of(op, kernel, shape_of(self.raw.tensors[index]), pads)
        kind = "max_pool" if largest else "average_pool"
        self.layer(op, kind, (edge.name,), window=window, activation=fused(op))

    def concat(self, op: RawOperator) -> None:
        rank = len(self.raw.tensors[op.inputs[0]].shape)
        axis = op.options["Axis"] % max(rank, 1)
        flat = rank == 2 and axis == 1
        edges = [self.source(i, flat=flat) for i in op.inputs]
        if len(edges) < 2 or axis == 0:
            raise Unfit(f"it joins {len(edges)} tensors along axis {axis}", "two tensors or more of one sample")
        axis = FLAT if flat else 3 - rank + axis
        self.layer(op, "concat", tuple(edge.name for edge in edges), axis=axis, activation=fused(op))

    def over_image(self, op: RawOperator) -> None:
        """Global pooling."""
        edge = self.source(op.inputs[0])
        axes = self.constant(op, 1, "the axes")
        rank = len(self.raw.tensors[op.inputs[0]].shape)
        if sorted(int(a) % max(rank, 1) for a in axes.ravel()) != [1, 2] or rank != 4:
            raise Unfit(f"it works over axes {axes.ravel().tolist()}", "a mean or maximum over height and width")
        kind = "average_pool" if op.type == "MEAN" else "max_pool"
        self.layer(op, kind, (edge.name,), window=Window(edge.shape[:2]))

    def relu(self, op: RawOperator) -> None:
        edge = self.source(op.inputs[0])
        self.layer(op, "lookup", (edge.name,), function=Function("identity"), activation=LONE[op.type])

    def quantize(self, op: RawOperator) -> None:
        """From real numbers at the input, or from one scale to another."""
        edge = self.source(op.inputs[0], flat=op.inputs[0] in self.ended)
        target = self.raw.tensors[op.outputs[0]]
        if op.inputs[0] in self.ended:
            self.border(op)
            return
        if edge.scale is not None:
            self.layer(op, "lookup", (edge.name,), function=Function("identity"))
            return
        if edge.name != "input" or self.readers[op.inputs[0]] != 1:
            raise Unfit("it quantises in the midst of a floating-point model", "QUANTIZE at the input only")
        self.edge(target, "input", edge.shape)

    def pad(self, op: RawOperator) -> None:
        edge = self.source(op.inputs[0])
        pads = self.constant(op, 1, "the padding").reshape(-1, 2).tolist()
        if len(pads) != 4 or any(pads[0] + pads[3]) or min(min(row) for row in pads) < 0:
            raise Unfit(f"it pads by {pads}", "padding of height and width")
        if len(op.inputs) > 2:
            value = float(self.constant(op, 2, "the value").ravel()[0])
            value += 128 if self.raw.tensors[op.inputs[2]].type == "INT8" else 0
            if value != edge.zero_point:
                raise Unfit("it pads with another value than zero", "padding with zero")
        (top, bottom), (left, right) = pads[1], pads[2]
        self.padded[op.outputs[0]] = op.inputs[0], (top, left, bottom, right)

    def reshape(self, op: RawOperator) -> None:
        """The data stays; the shape may change at the input and before a dense layer."""
        edge = self.source(op.inputs[0], flat=True)
        target = self.raw.tensors[op.outputs[0]]
        shape = shape_of(target)
        if np.prod(shape) != np.prod(edge.shape):
            raise Unfit(f"it changes the size from {edge.shape} to {shape}", "a reshape of one sample")
        if edge.name == "input" and self.readers[op.inputs[0]] == 1 and shape != edge.shape:
            self.edges["input"] = dataclasses.replace(edge, shape=shape)
        elif shape not in (edge.shape, (1, 1, int(np.prod(shape)))):
            raise Unfit(f"it reshapes {edge.shape} to {shape}", "flattening, or a reshape of the model's input")
        self.of[op.outputs[0]] = self.of[op.inputs[0]]
        if op.inputs[0] in self.ended:
            self.ended.add(op.outputs[0])

    def border(self, op: RawOperator) -> None:
        """Softmax and dequantisation keep the order of the outputs, so they are dropped at the end."""
        edge = self.source(op.inputs[0], flat=True)
        index = op.outputs[0]
        end = {"SOFTMAX", "DEQUANTIZE", "QUANTIZE", "RESHAPE"}
        while index != self.raw.outputs[0]:
            readers = [other for other in self.raw.operators if index in other.inputs]
            if len(readers) != 1 or readers[0].type not in end:
                raise Unfit("it is not at the end of the model", f"{op.type} as the last layer")
            index = readers[0].outputs[0]
        self.of[op.outputs[0]] = edge.name
        self.ended.add(op.outputs[0])

    # --- Operands -------------------------------------------------------------------------------------------

    def unpadded(self, index: int) -> tuple[Edge, Padding, int]:
        """Edge before any PAD, the padding, and the index whose shape counts for the operator's own padding."""
        origin, pads = self.padded.get(index, (index, (0, 0, 0, 0)))
        return self.source(origin), pads, index

    def constant(self, op: RawOperator, position: int, what: str) -> npt.NDArray[Any]:
        if len(op.inputs) > position and op.inputs[position] >= 0:
            data = self.raw.tensors[op.inputs[position]].data
            if data is not None:
                return data
        raise Unfit(f"{what} are not constant, or of an unknown type", "constant values")

    def weights(self, op: RawOperator, rank: int, axis: int) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64] | None]:
        """Masters and a scale for each output channel; real weights and None in a floating-point model."""
        data = self.constant(op, 1, "its weights")
        tensor = self.raw.tensors[op.inputs[1]]
        if data.ndim != rank or not data.size:
            raise Unfit(f"its weights have shape {data.shape}", f"weights of {rank} dimensions")
        real = self.raw.tensors[op.outputs[0]].type == "FLOAT32"
        if tensor.type == "FLOAT32" and real:
            if not np.isfinite(data).all():
                raise Unfit("its weights are not finite", "finite weights")
            return data.astype(np.float64), None
        if tensor.type not in ("INT8", "UINT8") or not len(tensor.scales):
            raise Unfit(f"its weights are {tensor.type}", "INT8 weights")
        channels = data.shape[axis]
        if len(tensor.scales) not in (1, channels):
            raise Unfit(f"it has {len(tensor.scales)} weight scales for {channels} channels", "one for each channel")
        zeros = tensor.zeros if len(tensor.zeros) else np.zeros(1, np.int64)
        along = [1] * rank
        along[axis] = -1
        masters = data.astype(np.int64) - zeros.reshape(along)
        scales = np.broadcast_to(tensor.scales, channels).astype(np.float64)
        if real:
            return masters * scales.reshape(along), None
        if masters.min() < -128 or masters.max() > 127:
            nearest = "weights with zero point 128 (uint8) or 0 (int8)"
            raise Unfit(f"its weights have zero point {zeros.tolist()[0]} and reach beyond 8 signed bits", nearest)
        return masters.astype(np.int8), scales

    def bias(self, op: RawOperator, channels: int) -> npt.NDArray[Any]:
        real = self.raw.tensors[op.outputs[0]].type == "FLOAT32"
        if len(op.inputs) < 3 or op.inputs[2] < 0:
            return np.zeros(channels, np.float64 if real else np.int64)
        data = self.constant(op, 2, "its biases").ravel()
        kind = self.raw.tensors[op.inputs[2]].type
        if kind != ("FLOAT32" if real else "INT32") or len(data) != channels or not np.isfinite(data).all():
            raise Unfit(f"it has {len(data)} biases of type {kind}", "one 32-bit bias for each channel")
        return data.astype(np.float64 if real else np.int64)
