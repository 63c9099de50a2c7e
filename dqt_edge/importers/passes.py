"""Passes over a Network: what a reader need not think of. Readers are counted by edge, outputs among them.

Each pass takes a Network and gives an equivalent one; real numbers stay what they are but for rounding, and codes of an
integer network stay exactly.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from ..graph import Window
from ..graph.samples import same_data
from .functions import MONOTONE
from .network import LIMITS, MAC_KINDS, Activation, Edge, Network, Node
from .order import Order

MOVED_MAX = 1 << 22
"""Elements of the largest tensor whose moves are joined into one."""


def simplify(network: Network, *, keep_end: bool = False) -> Network:
    """All passes, in an order in which each needs no other after it."""
    if not keep_end:
        network = drop_end(network)
    network = drop_dead(network)
    for step in (join_moves, drop_dead, fold_views, fold_pads, drop_dead):
        network = step(network)
    if not network.integer:
        network = fold_affines(network)
        network = fold_activations(network)
    return drop_dead(network)


# --- What is not needed ---------------------------------------------------------------------------------------


def drop_end(network: Network) -> Network:
    """Without the softmax, or the sigmoid of a single number, that a model's only output leaves by.

    Codes before and after have the same order, so that the largest, and the side of one half, are the same.
    """
    if len(network.outputs) != 1 or (network.variables and network.output in {v.write for v in network.variables}):
        return network
    makers = {node.output: node for node in network.nodes}
    name, dropped = network.output, []
    while name in makers:
        node = makers[name]
        shape = network.edges[node.inputs[0]].shape
        function = node.function.name if node.kind == "lookup" and node.function is not None else node.kind
        one = math.prod(shape) == 1
        known = function == "softmax" or (one and function in MONOTONE) or function == "identity"
        # Moves between belong to the end only if something is dropped behind them.
        if _is_view(node, network.edges) and shape[2] == network.edges[name].shape[2]:
            known = True
        if not known or node.activation != "none" or (function == "softmax" and shape[2] < 2):
            break
        if function in ("softmax", *MONOTONE[1:]):
            dropped.append(function)
        name = node.inputs[0]
    if not dropped or name in network.sources:
        return network
    provenance = network.provenance | {"dropped": dropped}
    return dataclasses.replace(network, outputs=(name,), provenance=provenance)


def drop_dead(network: Network) -> Network:
    """Without nodes whose results nobody reads, and without edges that nobody touches."""
    wanted = set(network.kept)
    nodes = []
    for node in reversed(network.nodes):
        if node.output in wanted:
            wanted.update(node.reads)
            nodes.append(node)
    wanted.update(network.sources)
    edges = {name: edge for name, edge in network.edges.items() if name in wanted}
    return dataclasses.replace(network, nodes=tuple(reversed(nodes)), edges=edges)


# --- Moves ----------------------------------------------------------------------------------------------------


def _is_view(node: Node, edges: dict[str, Edge]) -> bool:
    """Whether a node only shows the same data in another shape."""
    return node.order is not None and node.order.keeps(math.prod(edges[node.inputs[0]].shape))


def join_moves(network: Network) -> Network:
    """One move instead of several behind each other: transposes that undo each other vanish."""
    makers: dict[str, Node] = {}
    nodes = []
    for node in network.nodes:
        before = makers.get(node.inputs[0])
        made = node
        if node.kind == "rearrange" and before is not None and before.kind == "rearrange":
            joined = _joined(before, node, network.edges)
            if joined is not None:
                made = dataclasses.replace(node, inputs=before.inputs, order=joined)
        makers[node.output] = made
        nodes.append(made)
    return dataclasses.replace(network, nodes=tuple(nodes))


def _joined(first: Node, second: Node, edges: dict[str, Edge]) -> Order | None:
    assert first.order is not None
    assert second.order is not None
    if _is_view(first, edges):
        return second.order
    if _is_view(second, edges):
        return first.order
    if math.prod(edges[second.output].shape) > MOVED_MAX or math.prod(edges[first.output].shape) > MOVED_MAX:
        return None
    return Order.of_indices(first.order.indices()[second.order.indices()])


def fold_views(network: Network) -> Network:
    """Views of the same data in another shape, given to what makes or reads the data where it can take them."""
    replaced: dict[str, str] = {}
    edges = dict(network.edges)
    readers = network.readers()
    makers = {node.output: node for node in network.nodes}
    nodes: list[Node] = []
    for given in network.nodes:
        node = _renamed(given, replaced)
        if _is_view(node, edges):
            source, view = node.inputs[0], edges[node.output]
            same = edges[source].shape == view.shape
            borders = node.output in network.kept and source in network.sources
            # Samples have the input's own shape: it may become another one only where nobody can mistake it.
            own = edges[source].shape
            borders |= source in network.inputs and not (same_data(own, view.shape) or max(own) == math.prod(own))
            if not borders and (same or (readers[source] == 1 and _takes(makers.get(source), source, network))):
                edges[source] = dataclasses.replace(
                    edges[source], shape=view.shape, source=edges[source].source or view.source
                )
                replaced[node.output] = source
                readers[source] += readers[node.output] - 1
                continue
        nodes.append(node)
    nodes = [_flat(node, nodes, edges) for node in nodes]
    outputs = tuple(replaced.get(name, name) for name in network.outputs)
    if len(set(outputs)) != len(outputs):
        return network
    variables = tuple(dataclasses.replace(v, write=replaced.get(v.write, v.write)) for v in network.variables)
    return dataclasses.replace(network, nodes=tuple(nodes), edges=edges, outputs=outputs, variables=variables)


def _takes(maker: Node | None, name: str, network: Network) -> bool:
    """Whether the shape of an edge may change where it is made: nothing there depends on it."""
    if maker is None:
        return name in network.inputs
    return maker.kind == "rearrange"


def _flat(node: Node, nodes: list[Node], edges: dict[str, Edge]) -> Node:
    """A dense layer reads any shape, so it need not wait for a view."""
    if node.kind != "dense":
        return node
    maker = next((n for n in nodes if n.output == node.inputs[0]), None)
    if maker is None or not _is_view(maker, edges):
        return node
    return dataclasses.replace(node, inputs=maker.inputs)


def _renamed(node: Node, replaced: dict[str, str]) -> Node:
    if not any(name in replaced for name in node.reads):
        return node
    inputs = tuple(replaced.get(name, name) for name in node.inputs)
    residual = None if node.residual is None else replaced.get(node.residual, node.residual)
    return dataclasses.replace(node, inputs=inputs, residual=residual)


def fold_pads(network: Network) -> Network:
    """Explicit padding with zeros, made part of the windows that read it."""
    makers = {node.output: node for node in network.nodes if node.kind == "pad"}
    nodes = []
    for node in network.nodes:
        pad = makers.get(node.inputs[0])
        found = None if pad is None or node.window is None else _padded_window(pad, node, network.edges)
        if pad is not None and found is not None:
            nodes.append(dataclasses.replace(node, inputs=(pad.inputs[0], *node.inputs[1:]), window=found))
        else:
            nodes.append(node)
    return dataclasses.replace(network, nodes=tuple(nodes))


def _padded_window(pad: Node, node: Node, edges: dict[str, Edge]) -> Window | None:
    assert pad.padding is not None
    assert node.window is not None
    source, target = edges[pad.inputs[0]], edges[pad.output]
    before, value = pad.padding.before, pad.padding.value
    if pad.padding.step != (1, 1) or source.shape[2] != target.shape[2]:
        return None
    if node.kind in ("conv", "depthwise"):
        if value != 0:
            return None
    elif node.kind == "max_pool":
        # Padding of a window never wins: the same if its value is the least that there is.
        least = source.scale is not None and -source.zero_point * source.scale >= value - source.scale / 2
        if not least and not value <= np.finfo(np.float32).min:
            return None
    else:
        return None
    own = node.window.padding
    after = [target.shape[axis] - source.shape[axis] - before[axis] for axis in range(2)]
    sides = own[0] + before[0], own[1] + before[1], own[2] + after[0], own[3] + after[1]
    dilation = node.window.dilation
    reach = [(k - 1) * d + 1 for k, d in zip(node.window.kernel, dilation, strict=True)]
    if any(p >= r for p, r in zip(sides, reach * 2, strict=True)):
        return None
    return dataclasses.replace(node.window, padding=sides)


# --- Folding into layers with weights -------------------------------------------------------------------------


def fold_affines(network: Network) -> Network:
    """A factor and a summand by channel, made part of the layer before it, if nothing else reads that layer.

    ``w*f``, ``b*f + s``: batch normalisation, products and sums with constants. Several behind each other become one.
    """
    readers = network.readers()
    nodes: list[Node] = []
    at: dict[str, int] = {}
    for node in network.nodes:
        found = _affine(node, network.edges)
        maker = at.get(node.inputs[0])
        if found is not None and maker is not None and readers[node.inputs[0]] == 1:
            before = nodes[maker]
            factor, summand = found
            plain = before.kind in MAC_KINDS and before.activation == "none" and before.residual is None
            if plain and before.weights is not None and factor.size in (1, len(before.weights)):
                assert before.bias is not None
                along = np.broadcast_to(factor, len(before.weights)).reshape(-1, *[1] * (before.weights.ndim - 1))
                bias = before.bias * factor + summand
                nodes[maker] = dataclasses.replace(
                    before,
                    weights=before.weights * along,
                    bias=bias,
                    output=node.output,
                    activation=node.activation,
                    affine=before.affine and node.affine,
                )
                at[node.output] = maker
                continue
        at[node.output] = len(nodes)
        nodes.append(node)
    return drop_dead(dataclasses.replace(network, nodes=tuple(nodes)))


def _affine(node: Node, edges: dict[str, Edge]) -> tuple[np.ndarray, np.ndarray] | None:
    """Factor and summand by channel of what a node does; None if it does anything else."""
    if node.kind == "depthwise" and node.affine:
        assert node.weights is not None
        assert node.bias is not None
        if edges[node.inputs[0]].shape[2] != len(node.weights):
            return None
        return node.weights[:, 0, 0], node.bias
    if (
        node.kind == "lookup"
        and node.function is not None
        and node.function.name == "linear"
        and node.activation == "none"
    ):
        parameters = node.function.parameters
        return np.atleast_1d(parameters.get("factor", 1.0)), np.atleast_1d(parameters.get("summand", 0.0))
    return None


_LIMITING: dict[str, Activation] = {
    "relu": "relu",
    "relu6": "relu6",
    "relu_n1_to_1": "relu_n1_to_1",
    "identity": "none",
}
_FUSABLE = (*MAC_KINDS, "add", "multiply", "average_pool", "concat", "lookup")


def fold_activations(network: Network) -> Network:
    """Activations that only limit, made part of the layer before them, if nothing else reads that layer."""
    readers = network.readers()
    nodes: list[Node] = []
    at: dict[str, int] = {}
    for node in network.nodes:
        kind = _limiting(node)
        maker = at.get(node.inputs[0])
        if kind is not None and maker is not None and readers[node.inputs[0]] == 1:
            before = nodes[maker]
            joined = _both(before.activation, kind)
            if before.kind in _FUSABLE and joined is not None:
                nodes[maker] = dataclasses.replace(before, output=node.output, activation=joined)
                at[node.output] = maker
                continue
        at[node.output] = len(nodes)
        nodes.append(node)
    return drop_dead(dataclasses.replace(network, nodes=tuple(nodes)))


def _limiting(node: Node) -> Activation | None:
    """The activation that a lookup is, if it is no more."""
    if node.kind != "lookup" or node.function is None or node.function.limits is None:
        return None
    name = _LIMITING.get(node.function.name)
    return None if name is None else _both(name, node.activation)


def _both(first: Activation, second: Activation) -> Activation | None:
    """One activation that does what two do; None if there is none."""
    low, high = (max(LIMITS[first][0], LIMITS[second][0]), min(LIMITS[first][1], LIMITS[second][1]))
    return next((name for name, limits in LIMITS.items() if limits == (low, high)), None)
