"""Graphs with other candidates: more of them offered, or one chosen for each layer."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import UsageError
from ..graph import FULL, SKIP, Conv2D, Dense, DepthwiseConv2D, Graph, Layer, MacLayer, Pair, nested, pair_text
from ..graph.bounds import bias_rows


def offer(graph: Graph, candidates: Sequence[Pair]) -> Graph:
    """The graph with these width pairs offered to every layer, its controller and decision points left out.

    A layer whose input has a zero point gets those with 8-bit activations; one whose accumulator could leave int32 at
    a pair does not get that pair. 8x8 is always offered.
    """
    pairs = tuple(dict.fromkeys((FULL, *candidates)))
    return with_layers(graph, [_offer(graph, layer, pairs) for layer in graph.layers])


def _offer(graph: Graph, layer: Layer, pairs: tuple[Pair, ...]) -> Layer:
    if not isinstance(layer, MacLayer):
        return layer
    source = graph.tensor(layer.input)
    residual = layer.residual_multiplier if isinstance(layer, Conv2D) else None
    kept = []
    for pair in pairs:
        if source.zero_point and pair[1] != FULL[1]:
            continue
        tried = dataclasses.replace(layer, candidates=(pair,), bias_by_width=None)
        bound = nested.accumulator_bound(
            layer.weights, bias_rows(tried, source), (pair,), residual, layer.weight_offset
        )
        if bound <= nested.INT32_MAX:
            kept.append(pair)
    rows = layer.bias_by_width
    if rows is not None and set(kept) <= set(layer.candidates):
        rows = rows[[layer.candidates.index(pair) for pair in kept]]
    elif rows is not None:
        rows = None
    return dataclasses.replace(layer, candidates=tuple(kept), bias_by_width=rows)


def without_controller(graph: Graph) -> Graph:
    """The graph with its own candidates, to be decided from outside: no controller, no decision points."""
    return with_layers(graph, list(graph.layers))


def freeze(graph: Graph, pairs: Sequence[Pair], provenance: Mapping[str, Any]) -> Graph:
    """The graph with every adaptive layer fixed at a pair, and with the bias of that pair.

    Args:
        graph: The network.
        pairs: One pair for each adaptive layer.
        provenance: Added to the graph's own.

    Raises:
        UsageError: A pair is 0x0: that a layer is skipped is a choice, which a fixed model does not have.
    """
    skipped = [layer.name for layer, pair in zip(graph.adaptive, pairs, strict=True) if pair == SKIP]
    if skipped:
        raise UsageError(
            f"the widths skip {', '.join(map(repr, skipped))}, and a model with fixed widths skips nothing",
            where=f"graph {graph.name!r}",
            next_step="keep the widths, and choose these with a policy",
        )
    chosen = dict(zip((layer.name for layer in graph.adaptive), pairs, strict=True))

    def fixed(layer: Layer) -> Layer:
        if not isinstance(layer, MacLayer):
            return layer
        pair = chosen.get(layer.name, layer.candidates[0])
        changes: dict[str, Any] = {"bias_twice": layer.bias_of(pair), "bias_by_width": None, "skip_bias": None}
        return dataclasses.replace(layer, candidates=(pair,), **changes)

    return with_layers(graph, [fixed(layer) for layer in graph.layers], provenance)


def with_layers(graph: Graph, layers: Sequence[Layer], provenance: Mapping[str, Any] | None = None) -> Graph:
    """The graph with other layers of the same names, without controller and decision points; unread tensors go."""
    used = {*graph.inputs, *(state.read for state in graph.states), *(layer.output for layer in layers)}
    return dataclasses.replace(
        graph,
        tensors=tuple(tensor for tensor in graph.tensors if tensor.name in used),
        layers=tuple(layers),
        controller=None,
        points=(),
        tuned=(),
        second_pass=False,
        provenance=dict(graph.provenance) | dict(provenance or {}),
    )


def widest(layer: Conv2D | DepthwiseConv2D | Dense) -> Pair:
    """The candidate with the most bits."""
    return max(layer.candidates, key=lambda pair: (pair[0] * pair[1], pair[0]))


def nearest(layer: Conv2D | DepthwiseConv2D | Dense, pair: Pair) -> Pair:
    """The pair itself if the layer has it, else the same weights with 8-bit activations, else the widest."""
    return next((p for p in (pair, (pair[0], FULL[1])) if p in layer.candidates), widest(layer))


def require_choice(graph: Graph) -> None:
    """Refuse a graph in which no layer has more than one candidate; raises UsageError."""
    if not graph.adaptive:
        found = sorted(
            {pair_text(p) for layer in graph.layers if isinstance(layer, MacLayer) for p in layer.candidates}
        )
        raise UsageError(
            f"no layer has more than one width pair to choose from: all are {', '.join(found)}",
            where=f"graph {graph.name!r}",
            next_step="give `candidates` such as 8x8,4x8,4x4",
        )
