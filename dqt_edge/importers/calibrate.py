"""Post-training quantisation: scales from typical inputs, masters from real weights, additions fused."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import numpy.typing as npt

from ..errors import BadFileError
from ..graph import nested
from .floating import fold_activations, run
from .network import MAC_KINDS, Edge, Network, Node

SAMPLES_MAX = 512
BATCH = 32
PERCENTILE = 99.99
"""Of the values of a batch: what lies beyond is clipped. Input and output keep their whole range."""
BIAS_STEPS = 2.0**26
"""Largest bias in steps of its channel; a channel with tiny weights gets a coarser scale."""
MULTIPLIER_MIN = 2.0**-20
RESIDUAL_MAX = 2**20

Range = tuple[float, float]


def calibrate(network: Network, inputs: npt.NDArray[np.float32]) -> Network:
    """Integer network of a floating-point one.

    Weights get one symmetric scale for each channel. An edge without negative values gets zero point 0, so that its
    readers may use narrow activations; another edge gets the zero point that uses its range best. Max pooling keeps the
    scale of its input, and what only a concatenation reads takes the scale of that. An addition is fused into the
    convolution before it where the multiplier is fine enough.

    Args:
        network: Edges without scales.
        inputs: Typical real inputs [samples, height, width, channels]; the first 512 are used.

    Raises:
        BadFileError: No input, or inputs of another shape.
    """
    shape = network.edges[network.input].shape
    samples = np.asarray(inputs[:SAMPLES_MAX], np.float32)
    if not len(samples) or samples.shape[1:] != shape:
        raise BadFileError(
            f"the calibration inputs have shape {samples.shape}, the model takes {shape}",
            where=f"calibration data for model {network.name!r}",
            next_step="give inputs of the model's own shape and units",
        )
    network = fold_activations(network)
    ranges = _ranges(network, samples)
    edges = {name: _scaled(edge, ranges[name]) for name, edge in network.edges.items()}
    for node in network.nodes:
        if node.kind == "max_pool":
            source = edges[node.inputs[0]]
            edges[node.output] = dataclasses.replace(
                edges[node.output], scale=source.scale, zero_point=source.zero_point
            )
    _share_scales(network, edges)
    nodes = tuple(_integers(node, edges) if node.kind in MAC_KINDS else node for node in network.nodes)
    nodes = _fuse_additions(nodes, edges, network.input)
    used = {network.input, *(node.output for node in nodes)}
    provenance = network.provenance | {"calibration": {"samples": len(samples), "percentile": PERCENTILE}}
    edges = {name: edge for name, edge in edges.items() if name in used}
    return dataclasses.replace(network, edges=edges, nodes=nodes, provenance=provenance)


def _ranges(network: Network, samples: npt.NDArray[np.float32]) -> dict[str, Range]:
    ranges: dict[str, Range] = {}
    whole = {network.input, network.output}
    for start in range(0, len(samples), BATCH):
        for name, values in run(network, samples[start : start + BATCH]):
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


def _share_scales(network: Network, edges: dict[str, Edge]) -> None:
    """What only a concatenation reads takes its scale, so that it is copied there and rounded once."""
    readers = Counter(name for node in network.nodes for name in node.inputs)
    makers = {node.output: node for node in network.nodes}
    for node in reversed(network.nodes):
        if node.kind != "concat":
            continue
        result = edges[node.output]
        for name in node.inputs:
            if readers[name] == 1 and name in makers and makers[name].kind != "max_pool":
                edges[name] = dataclasses.replace(edges[name], scale=result.scale, zero_point=result.zero_point)


def _integers(node: Node, edges: dict[str, Edge]) -> Node:
    """Masters, scales and biases of a layer."""
    assert node.weights is not None
    assert node.bias is not None
    source, result = edges[node.inputs[0]].scale, edges[node.output].scale
    assert source is not None
    assert result is not None
    flat = np.abs(node.weights.reshape(len(node.weights), -1)).max(axis=1)
    scales = np.maximum(flat / 127, np.abs(node.bias) / (source * BIAS_STEPS))
    scales = np.maximum(scales, MULTIPLIER_MIN * result / source)
    along = scales.reshape(-1, *[1] * (node.weights.ndim - 1))
    masters = np.clip(nested.round_half_up(node.weights / along), -128, 127).astype(np.int8)
    bias = nested.round_half_up(node.bias / (source * scales)).astype(np.int64)
    return dataclasses.replace(node, weights=masters, weight_scales=scales, bias=bias)


def _fuse_additions(nodes: tuple[Node, ...], edges: dict[str, Edge], start: str) -> tuple[Node, ...]:
    """Let a convolution add the other operand itself, where only the addition reads it."""
    readers = Counter(name for node in nodes for name in node.inputs)
    kept = list(nodes)
    for total in [node for node in nodes if node.kind == "add"]:
        made = {start: -1} | {node.output: i for i, node in enumerate(kept)}
        if not all(name in made for name in total.inputs):
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
