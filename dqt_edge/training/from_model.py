"""From a floating-point Network to what training starts with: a Spec and its weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..architectures.spec import (
    INPUT,
    Apply,
    AveragePool,
    Conv,
    Depthwise,
    Fully,
    Join,
    MaxPool,
    Move,
    Padding,
    Product,
    Spec,
    Sum,
)
from ..architectures.spec import Node as SpecNode
from ..errors import UnsupportedError
from ..graph import Pad, Rearrange, Resize, Shape, Window
from ..importers.files import read_model
from ..importers.functions import Function
from ..importers.network import LIMITS, MAC_KINDS, Network, Node
from ..importers.passes import fold_activations
from ..importers.problems import Problems, Unfit
from .initial import Initial, LayerWeights

CONTROL_GRID = 4
CONTROL_HIDDEN = 32


def read_trainable(path: Path, *, keep_end: bool = False) -> Initial:
    """Structure and weights of a ``.keras``, ``.h5``, ``.onnx`` or floating-point ``.tflite`` file.

    Args:
        path: The file.
        keep_end: Keep a softmax or sigmoid at its end.

    Raises:
        UsageError, BadFileError, ToolchainError: As ``read_model``.
        UnsupportedError: Lists every layer that cannot be trained; or the model is an integer one.
    """
    network = read_model(path)
    if network.integer:
        raise UnsupportedError(
            "the model holds integers, and training starts with floating-point weights",
            where=str(path),
            next_step="give the .keras, .h5 or floating-point .tflite model that it was made from",
        )
    return trainable(network.with_end() if keep_end else network, str(path))


def trainable(network: Network, source: str) -> Initial:
    """Structure and weights of a floating-point Network.

    All layers with weights adapt but the first and the last. The controller runs behind the first.
    """
    network = fold_activations(network)
    _refuse_more(network, source)
    problems = Problems(source, "trained")
    made_by = {network.input: INPUT}
    macs = [node.name for node in network.nodes if node.kind in MAC_KINDS]
    untouched = {INPUT}
    """Nodes whose output is made of the input alone, without any weight."""
    nodes: list[SpecNode] = []
    weights: dict[str, LayerWeights] = {}
    for node in network.nodes:
        with problems.collect(repr(node.name), node.kind):
            if _changes_nothing(node):
                made_by[node.output] = made_by.get(node.inputs[0], INPUT)
                continue
            inputs = tuple(made_by.setdefault(name, INPUT) for name in node.inputs)
            made = _node(node, inputs, network, node.name not in (macs[0], macs[-1]) if macs else False)
            made_by[node.output] = node.name
            nodes.append(made)
            if node.kind in MAC_KINDS:
                weights[node.name] = _weights(node)
            elif untouched.intersection(inputs):
                if isinstance(made, Apply | Join | Product | Sum):
                    raise Unfit("it reads the model's input, which no layer with weights has read yet", "weights first")
                untouched.add(node.name)
    problems.refuse()
    if not macs or not _ends_in_weights(nodes, macs[-1]):
        raise UnsupportedError(
            "the last layer has no weights, so that nothing of the outputs is learned",
            where=source,
            next_step="give a model that ends in a dense layer or a convolution, with or without an activation",
        )
    if nodes[-1].name == macs[-1]:
        last = nodes[-1]
        assert isinstance(last, Conv | Depthwise | Fully)
        nodes[-1] = replace(last, norm=False)
    spec = Spec(network.name, tuple(nodes), control=macs[0], hidden=CONTROL_HIDDEN, grid=CONTROL_GRID)
    return Initial(source, spec, weights)


def _refuse_more(network: Network, source: str) -> None:
    """One sentence for a network that has more than one way in and out."""
    counts = {"inputs": len(network.inputs), "outputs": len(network.outputs), "states": len(network.variables)}
    for what, count in counts.items():
        if count > (what != "states"):
            raise UnsupportedError(
                f"the model has {count} {what}, and training takes one input, one output and no state",
                where=source,
                next_step="train a part of it that has these, or import the finished model with `import`",
            )


def _changes_nothing(node: Node) -> bool:
    return node.kind == "lookup" and node.activation == "none" and node.function is not None and (
        node.function.name == "identity"
    )  # fmt: skip


def _ends_in_weights(nodes: list[SpecNode], last: str) -> bool:
    """Whether nothing but functions and moves follows the last layer with weights."""
    at = next(i for i, node in enumerate(nodes) if node.name == last)
    return all(isinstance(node, Apply | Move) for node in nodes[at + 1 :])


def _node(node: Node, inputs: tuple[str, ...], network: Network, adaptive: bool) -> SpecNode:
    if node.kind not in MAC_KINDS and node.kind not in ("max_pool", "average_pool", "add"):
        return _plain(node, inputs, network)
    if node.activation not in ("none", "relu", "relu6"):
        raise Unfit(f"its activation is {node.activation}", "none, relu or relu6")
    relu, limit = node.activation != "none", None
    if node.activation == "relu6":
        limit = LIMITS["relu6"][1]
    if node.kind == "add":
        return Sum(node.name, (inputs[0], inputs[1]), relu=relu, limit=limit, signs=node.signs)
    if node.kind == "dense":
        return Fully(node.name, inputs[0], len(node.weights), relu, norm=True, adaptive=adaptive, limit=limit)  # type: ignore[arg-type]
    return _windowed(node, inputs[0], network, adaptive, limit)


def _windowed(node: Node, source: str, network: Network, adaptive: bool, limit: float | None) -> SpecNode:
    """A convolution or a pooling."""
    assert node.window is not None
    relu = node.activation != "none"
    shape = network.edges[node.inputs[0]].shape
    kernel, stride, padding = node.window.kernel, node.window.stride, _padding(node.window, shape)
    if node.kind in MAC_KINDS:
        assert node.weights is not None
        facts: dict[str, Any] = {"relu": relu, "adaptive": adaptive, "limit": limit, "dilation": node.window.dilation}
        if node.kind == "conv":
            return Conv(node.name, source, len(node.weights), kernel, stride, padding, **facts)
        return Depthwise(node.name, source, kernel, stride, padding, **facts)
    if relu or node.factor != 1:
        raise Unfit("an activation follows a pooling, or it sums", "a plain pooling, and the activation before it")
    if node.kind == "max_pool":
        return MaxPool(node.name, source, kernel, stride, padding)
    return AveragePool(node.name, source, kernel, stride, padding)


def _plain(node: Node, inputs: tuple[str, ...], network: Network) -> SpecNode:
    """A layer without weights and windows."""
    if node.kind == "lookup" and node.function is not None:
        return _function(node, inputs[0], node.function)
    if node.activation != "none":
        raise Unfit(f"its activation is {node.activation}", "an activation of its own")
    if node.kind == "concat":
        return Join(node.name, inputs, node.axis)
    if node.kind == "multiply":
        return Product(node.name, (inputs[0], inputs[1]))
    names, shape = {"name": node.name, "input": "", "output": ""}, network.edges[node.output].shape
    if node.kind == "rearrange" and node.order is not None:
        order = node.order
        by = Rearrange(**names, start=order.start, sizes=order.sizes, strides=order.strides)
        return Move(node.name, inputs[0], by, shape)
    if node.kind == "pad" and node.padding is not None and node.padding.value == 0:
        return Move(
            node.name, inputs[0], Pad(**names, before=node.padding.before, step=node.padding.step, value=0), shape
        )
    if node.kind == "resize" and node.grid is not None:
        return Move(node.name, inputs[0], Resize(**names, rows=node.grid.rows, columns=node.grid.columns), shape)
    raise Unfit(
        f"layers of kind {node.kind} cannot be trained",
        "convolution, dense, addition, product, pooling, concatenation, an activation, or one that moves numbers",
    )


def _function(node: Node, source: str, function: Function) -> SpecNode:
    from .plain_layers import FUNCTIONS  # noqa: PLC0415 - starts TensorFlow

    name, parameters = function.name, function.parameters
    if name == "identity" and node.activation != "none":
        name = node.activation
    elif node.activation != "none":
        raise Unfit(f"{name} is followed by {node.activation}", "one activation")
    if name not in FUNCTIONS:
        raise Unfit(f"the function {name} cannot be trained through", ", ".join(sorted(FUNCTIONS)))
    found = {key: tuple(np.asarray(value, np.float64).ravel().tolist()) for key, value in parameters.items()}
    values = tuple((key, value[0] if len(value) == 1 else value) for key, value in found.items())
    return Apply(node.name, source, name, values)


def _padding(window: Window, shape: Shape) -> Padding:
    if not any(window.padding):
        return "valid"
    same = Window.same(shape[:2], window.kernel, window.stride, window.dilation)
    return "same" if same.padding == window.padding else window.padding


def _weights(node: Node) -> LayerWeights:
    assert node.weights is not None
    assert node.bias is not None
    return LayerWeights(np.moveaxis(node.weights, 0, -1).astype(np.float64), node.bias.astype(np.float64))
