"""Post-training quantisation: scales from typical inputs, masters from real weights, additions fused."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ..errors import BadFileError
from ..graph import nested
from ..graph.samples import same_data
from .builder_elementwise import SOFTMAX
from .channels import masters_of
from .floating import run
from .network import MAC_KINDS, SAME_SCALE, Edge, Network, Node

SAMPLES_MAX = 512
BATCH = 32
PERCENTILE = 99.99
"""Of the values of a batch: what lies beyond is clipped. Input and output keep their whole range."""
RESIDUAL_MAX = 2**20

Range = tuple[float, float]


def calibrate(network: Network, inputs: npt.NDArray[np.float32] | Mapping[str, npt.NDArray[np.float32]]) -> Network:
    """Integer network of a floating-point one.

    Weights get one symmetric scale for each channel. An edge without negative values gets zero point 0, so that its
    readers may use narrow activations; another edge gets the zero point that uses its range best. What only moves codes
    keeps the scale of its input, a softmax has one of its own, and what only a concatenation reads takes the scale of
    that. An addition is fused into the convolution before it where the multiplier is fine enough.

    Args:
        network: Edges without scales, simplified.
        inputs: Typical real inputs [samples, height, width, channels]; the first 512 are used. By name where the
            network has several.

    Raises:
        BadFileError: No input, or inputs of another shape.
    """
    samples = _checked(network, inputs)
    count = len(samples[network.input])
    ranges = _ranges(network, samples)
    edges = {name: _scaled(edge, ranges[name]) for name, edge in network.edges.items()}
    _join_scales(network, edges, ranges)
    _share_scales(network, edges)
    for _ in range(1 + len(network.variables)):  # a variable may go to another through layers that keep the scale
        _fix_scales(network, edges)
        for variable in network.variables:
            _copy_scale(edges, variable.write, variable.read)
    nodes = tuple(_integers(node, edges) if node.kind in MAC_KINDS else node for node in network.nodes)
    nodes = _fuse_additions(nodes, edges, network)
    used = {*network.sources, *(node.output for node in nodes)}
    provenance = network.provenance | {"calibration": {"samples": count, "percentile": PERCENTILE}}
    edges = {name: edge for name, edge in edges.items() if name in used}
    return dataclasses.replace(network, edges=edges, nodes=nodes, provenance=provenance)


def _fix_scales(network: Network, edges: dict[str, Edge]) -> None:
    """Scales that layers leave no choice of."""
    for node in network.nodes:
        if node.kind in SAME_SCALE:
            _copy_scale(edges, node.inputs[0], node.output)
        elif node.kind == "softmax":
            edges[node.output] = dataclasses.replace(
                edges[node.output], scale=SOFTMAX.scale, zero_point=SOFTMAX.zero_point
            )


def _checked(
    network: Network, inputs: npt.NDArray[np.float32] | Mapping[str, npt.NDArray[np.float32]]
) -> dict[str, npt.NDArray[np.float32]]:
    given = dict(inputs) if isinstance(inputs, Mapping) else {network.input: inputs}
    samples = {}
    for name in network.inputs:
        shape = network.edges[name].shape
        part = np.asarray(given.get(name, ())[:SAMPLES_MAX], np.float32)
        if len(part) and part.size == len(part) * int(np.prod(shape)) and _same_shape(part.shape[1:], shape):
            samples[name] = part.reshape(len(part), *shape)
            continue
        raise BadFileError(
            f"the calibration inputs have shape {part.shape}, the model takes {shape}"
            + (f" as its input {name!r}" if len(network.inputs) > 1 else ""),
            where=f"calibration data for model {network.name!r}",
            next_step="give inputs of the model's own shape and units",
        )
    return samples


def _same_shape(given: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether two shapes differ in axes of one element alone, or the given one is flat."""
    return same_data(given, wanted) or len(given) == 1


def _ranges(network: Network, samples: Mapping[str, npt.NDArray[np.float32]]) -> dict[str, Range]:
    ranges: dict[str, Range] = {}
    whole = {*network.inputs, *network.kept}
    states: dict[str, npt.NDArray[np.float32]] = {}
    for start in range(0, len(samples[network.input]), BATCH):
        for name, values in run(network, {k: v[start : start + BATCH] for k, v in samples.items()}, states):
            cut = 100.0 if name in whole else PERCENTILE
            low, high = (float(v) for v in np.percentile(values, (100 - cut, cut)))
            before = ranges.get(name, (low, high))
            ranges[name] = min(before[0], low), max(before[1], high)
    return ranges


def _scaled(edge: Edge, span: Range) -> Edge:
    """Scale and zero point that cover a range and represent zero exactly."""
    low, high = min(span[0], 0.0), max(span[1], 0.0)
    scale = (high - low) / nested.CODE_MAX or 1.0
    return dataclasses.replace(edge, scale=scale, zero_point=int(nested.round_half_up(-low / scale)))


def _copy_scale(edges: dict[str, Edge], source: str, target: str) -> None:
    found = edges[source]
    edges[target] = dataclasses.replace(edges[target], scale=found.scale, zero_point=found.zero_point)


def _join_scales(network: Network, edges: dict[str, Edge], ranges: dict[str, Range]) -> None:
    """Scales that must hold more than one edge: of padding with a value, and of what a variable keeps."""
    for node in network.nodes:
        if node.kind == "pad" and node.padding is not None and node.padding.value:
            name = node.inputs[0]
            ranges[name] = min(ranges[name][0], node.padding.value), max(ranges[name][1], node.padding.value)
            edges[name] = _scaled(edges[name], ranges[name])
    for variable in network.variables:
        names = variable.read, variable.write, _root(network, variable.write)
        joined = min(ranges[name][0] for name in names), max(ranges[name][1] for name in names)
        for name in names:
            edges[name] = _scaled(edges[name], joined)


def _root(network: Network, name: str) -> str:
    """The edge whose scale an edge has, because what lies between moves codes."""
    makers = {node.output: node for node in network.nodes if node.kind in SAME_SCALE}
    while name in makers:
        name = makers[name].inputs[0]
    return name


def _share_scales(network: Network, edges: dict[str, Edge]) -> None:
    """What only a concatenation reads takes its scale, so that it is copied there and rounded once."""
    readers = network.readers()
    makers = {node.output: node for node in network.nodes}
    for node in reversed(network.nodes):
        if node.kind != "concat":
            continue
        for name in node.inputs:
            if readers[name] == 1 and name in makers and makers[name].kind not in (*SAME_SCALE, "softmax"):
                _copy_scale(edges, node.output, name)


def _integers(node: Node, edges: dict[str, Edge]) -> Node:
    """Masters, scales and biases of a layer."""
    assert node.weights is not None
    assert node.bias is not None
    source, result = edges[node.inputs[0]].scale, edges[node.output].scale
    assert source is not None
    assert result is not None
    masters, scales, bias = masters_of(node.weights, node.bias, source, result)
    return dataclasses.replace(node, weights=masters, weight_scales=scales, bias=bias)


def _fuse_additions(nodes: tuple[Node, ...], edges: dict[str, Edge], network: Network) -> tuple[Node, ...]:
    """Let a convolution add the other operand itself, where only the addition reads it."""
    readers = network.readers()
    kept = list(nodes)
    for total in [node for node in nodes if node.kind == "add" and node.signs == (1, 1)]:
        made = dict.fromkeys(network.sources, -1) | {node.output: i for i, node in enumerate(kept)}
        shapes = {edges[name].shape for name in (*total.inputs, total.output)}
        if len(shapes) != 1 or not all(name in made for name in total.inputs):
            continue
        other, late = sorted(total.inputs, key=lambda name: made[name])
        conv = kept[made[late]] if made[late] >= 0 else None
        if other == late or conv is None or readers[late] != 1 or not _fusible(conv, edges, other):
            continue
        kept[made[late]] = dataclasses.replace(conv, output=total.output, residual=other, activation=total.activation)
        kept.remove(total)
    return tuple(kept)


def _fusible(conv: Node, edges: dict[str, Edge], other: str) -> bool:
    if conv.kind != "conv" or conv.activation != "none" or conv.residual is not None:
        return False
    source, scale = edges[conv.inputs[0]].scale, edges[other].scale
    assert source is not None
    assert scale is not None
    assert conv.weight_scales is not None
    factors = 2 * scale / (conv.weight_scales * source)
    return bool(factors.min() >= nested.FUSED_RESIDUAL_MIN and factors.max() <= RESIDUAL_MAX)
