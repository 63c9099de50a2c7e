"""From a floating-point Network to what training starts with: a Spec and its weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..architectures.spec import INPUT, AveragePool, Conv, Depthwise, Fully, MaxPool, Padding, Spec, Sum
from ..architectures.spec import Node as SpecNode
from ..errors import UnsupportedError
from ..graph import Shape, Window
from ..importers.files import read_model
from ..importers.network import LIMITS, MAC_KINDS, Network, Node
from ..importers.passes import fold_activations
from ..importers.problems import Problems, Unfit
from .initial import Initial, LayerWeights

CONTROL_GRID = 4
CONTROL_HIDDEN = 32


def read_trainable(path: Path) -> Initial:
    """Structure and weights of a ``.keras``, ``.h5`` or floating-point ``.tflite`` file.

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
    return trainable(network, str(path))


def trainable(network: Network, source: str) -> Initial:
    """Structure and weights of a floating-point Network.

    All layers with weights adapt but the first and the last. The controller runs behind the first.
    """
    network = fold_activations(network)
    problems = Problems(source)
    made_by = {node.output: node.name for node in network.nodes} | {network.input: INPUT}
    macs = [node.name for node in network.nodes if node.kind in MAC_KINDS]
    nodes: list[SpecNode] = []
    weights: dict[str, LayerWeights] = {}
    for node in network.nodes:
        with problems.collect(repr(node.name), node.kind):
            inputs = tuple(made_by[name] for name in node.inputs)
            shape = network.edges[node.inputs[0]].shape
            made = _node(node, inputs, shape, node.name not in (macs[0], macs[-1]))
            nodes.append(made)
            if node.kind in MAC_KINDS:
                weights[node.name] = _weights(node)
    problems.refuse()
    if not macs or nodes[-1].name != macs[-1]:
        raise UnsupportedError(
            "the last layer has no weights, so that it makes no logits",
            where=source,
            next_step="give a classifier that ends in a dense layer or a convolution",
        )
    last = nodes[-1]
    assert isinstance(last, Conv | Depthwise | Fully)
    nodes[-1] = replace(last, norm=False)
    spec = Spec(network.name, tuple(nodes), control=macs[0], hidden=CONTROL_HIDDEN, grid=CONTROL_GRID)
    return Initial(source, spec, weights)


def _node(node: Node, inputs: tuple[str, ...], shape: Shape, adaptive: bool) -> SpecNode:
    if node.activation not in ("none", "relu", "relu6"):
        raise Unfit(f"its activation is {node.activation}", "none, relu or relu6")
    relu, limit = node.activation != "none", None
    if node.activation == "relu6":
        limit = LIMITS["relu6"][1]
    if node.kind == "add":
        return Sum(node.name, (inputs[0], inputs[1]), relu=relu, limit=limit)
    if node.kind == "dense":
        return Fully(node.name, inputs[0], len(node.weights), relu, norm=True, adaptive=adaptive, limit=limit)  # type: ignore[arg-type]
    if node.window is None:
        raise Unfit("an activation stands alone, behind a layer that others read too", "an activation for all readers")
    kernel, stride, padding = node.window.kernel, node.window.stride, _padding(node.window, shape)
    if node.kind in MAC_KINDS:
        assert node.weights is not None
        if node.kind == "conv":
            return Conv(
                node.name, inputs[0], len(node.weights), kernel, stride, padding, relu, adaptive=adaptive, limit=limit
            )
        return Depthwise(node.name, inputs[0], kernel, stride, padding, relu, adaptive=adaptive, limit=limit)
    if relu:
        raise Unfit("an activation follows a pooling", "the activation before it")
    if node.kind == "max_pool":
        return MaxPool(node.name, inputs[0], kernel, stride, padding)
    if node.kind == "average_pool":
        return AveragePool(node.name, inputs[0], kernel, stride, padding)
    raise Unfit(f"layers of kind {node.kind} cannot be trained", "convolution, dense, addition or pooling")


def _padding(window: Window, shape: Shape) -> Padding:
    if not any(window.padding):
        return "valid"
    same = Window.same(shape[:2], window.kernel, window.stride)
    return "same" if same.padding == window.padding else window.padding


def _weights(node: Node) -> LayerWeights:
    assert node.weights is not None
    assert node.bias is not None
    return LayerWeights(np.moveaxis(node.weights, 0, -1).astype(np.float64), node.bias.astype(np.float64))
