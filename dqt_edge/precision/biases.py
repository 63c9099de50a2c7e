"""A bias for each width and channel: takes out the mean by which narrow operands move an accumulator.

The centring of weights makes the mean of what a shift drops zero for uniform low bits, and rounding that of
activations; real ones are not uniform. What is left is measured on typical inputs, and taken off the bias.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ..errors import UnsupportedError
from ..graph import SKIP, Conv2D, Dense, DepthwiseConv2D, Graph, Layer, MacLayer, Pair, interpreter, nested
from .candidates import widest
from .given import given_tensors, part_of

Codes = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int32]
Corrections = dict[tuple[str, Pair], Rows]
"""(layer, pair) -> what is added to twice the bias, int32 [channels]."""


def drifts(graph: Graph, codes: Codes) -> Corrections:
    """For each adaptive layer and candidate: minus the mean drift of the accumulator from the widest candidate's.

    Each layer reads the tensors of the network at its widest candidates, so the correction of one layer does not depend
    on the widths of others.

    Args:
        graph: The network.
        codes: Typical inputs, see ``graph.samples``.
    """
    totals: dict[tuple[str, Pair], npt.NDArray[np.float64]] = {}
    places: dict[str, int] = {}
    given = given_tensors(graph, codes)
    for start in range(0, len(codes), interpreter.BATCH):
        live = part_of(given, start, interpreter.BATCH)
        for layer in graph.layers:
            pair = widest(layer) if isinstance(layer, MacLayer) else None
            if isinstance(layer, MacLayer) and len(layer.candidates) > 1:
                _add_drifts(layer, graph, live, totals, places)
            live[layer.output] = interpreter.run_layer(layer, graph, live, pair)
    return {key: np.asarray(-nested.round_half_up(total / places[key[0]]), np.int32) for key, total in totals.items()}


def _add_drifts(
    layer: Conv2D | DepthwiseConv2D | Dense,
    graph: Graph,
    live: Mapping[str, Codes],
    totals: dict[tuple[str, Pair], npt.NDArray[np.float64]],
    places: dict[str, int],
) -> None:
    given = dict(live)
    wide = interpreter.accumulate(layer, graph, given, widest(layer))
    places[layer.name] = places.get(layer.name, 0) + wide[..., 0].size
    for pair in layer.candidates:
        if pair != widest(layer):
            drift = (interpreter.accumulate(layer, graph, given, pair) - wide).sum(axis=(0, 1, 2), dtype=np.float64)
            totals[layer.name, pair] = totals.get((layer.name, pair), 0.0) + drift


def apply(graph: Graph, corrections: Corrections) -> Graph:
    """The graph with these corrections in its biases, of skips too; those that int32 does not hold are left out."""
    layers = list(graph.layers)
    for i, layer in enumerate(layers):
        if not isinstance(layer, MacLayer):
            continue
        found = {pair: corrections[layer.name, pair] for pair in layer.options if (layer.name, pair) in corrections}
        if found:
            layers[i] = _corrected(graph, layer, found)
    return dataclasses.replace(graph, layers=tuple(layers))


def _corrected(graph: Graph, layer: Conv2D | DepthwiseConv2D | Dense, found: Mapping[Pair, Rows]) -> Layer:
    rows = np.stack([layer.bias_of(pair).astype(np.int64) + found.get(pair, 0) for pair in layer.options])
    if np.abs(rows).max() > nested.INT32_MAX:
        return layer
    rows = rows.astype(np.int32)
    made = layer
    if set(found) - {SKIP}:
        made = dataclasses.replace(made, bias_by_width=rows[: len(layer.candidates)])
    if SKIP in found:
        made = dataclasses.replace(made, skip_bias=rows[-1])
    try:
        dataclasses.replace(graph, layers=tuple(made if x.name == made.name else x for x in graph.layers))
    except UnsupportedError:  # an accumulator could leave int32
        return layer
    return made


def settle(graph: Graph, pairs: Sequence[Pair], codes: Codes) -> Graph:
    """Correct the biases of one width vector for the network as it then is, layer by layer.

    Each layer's mean accumulator is brought to that of the same layer in the network at its widest candidates, while it
    reads what the narrowed and already corrected layers before it make. The rows of other candidates stay.

    Args:
        graph: The network.
        pairs: One for each adaptive layer.
        codes: Typical inputs.
    """
    chosen = dict(zip((layer.name for layer in graph.adaptive), pairs, strict=True))
    given = given_tensors(graph, codes)
    wide, narrow = dict(given), dict(given)
    settled = graph
    for layer in graph.layers:
        pair = chosen.get(layer.name, layer.candidates[0]) if isinstance(layer, MacLayer) else None
        full = widest(layer) if isinstance(layer, MacLayer) else None
        if isinstance(layer, MacLayer) and layer.name in chosen and pair is not None:
            wanted = _mean(layer, graph, wide, widest(layer))
            found = _mean(layer, graph, narrow, pair)
            delta = np.asarray(nested.round_half_up(wanted - found), np.int32)
            settled = apply(settled, {(layer.name, pair): delta})
        now = next(x for x in settled.layers if x.name == layer.name)
        wide[layer.output] = _batched(layer, graph, wide, full)
        narrow[layer.output] = _batched(now, settled, narrow, pair)
    return settled


def _parts(layer: Layer, live: Mapping[str, Codes]) -> Iterator[dict[str, Codes]]:
    count = len(live[layer.inputs[0]])
    for start in range(0, count, interpreter.BATCH):
        yield {name: live[name][start : start + interpreter.BATCH] for name in layer.inputs}


def _batched(layer: Layer, graph: Graph, live: Mapping[str, Codes], pair: Pair | None) -> Codes:
    return np.concatenate([interpreter.run_layer(layer, graph, part, pair) for part in _parts(layer, live)])


def _mean(
    layer: Conv2D | DepthwiseConv2D | Dense, graph: Graph, live: Mapping[str, Codes], pair: Pair
) -> npt.NDArray[np.float64]:
    """Mean accumulator of each channel."""
    found = [interpreter.accumulate(layer, graph, part, pair) for part in _parts(layer, live)]
    total = sum((part.sum(axis=(0, 1, 2), dtype=np.float64) for part in found), np.zeros(layer.channels))
    return np.asarray(total / sum(part[..., 0].size for part in found), np.float64)
