"""Residual branches that may be skipped: what stands in for them, and what skipping them saves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import UnsupportedError, UsageError
from ..graph import SKIP, Add, Conv2D, Graph, Layer, MacLayer, interpreter, nested
from .candidates import widest, with_layers
from .given import Codes, given_tensors, part_of


def offer_skips(graph: Graph, codes: npt.NDArray[np.uint8]) -> Graph:
    """The graph whose residual branches may be skipped, each with its mean on typical inputs in its place.

    A branch ends in a convolution with a fused residual, or in a layer with weights that an addition reads. Its last
    layer gets a bias for the skip, for each channel: the mean of its accumulators without the residual, or what makes
    the mean of its codes, at the widest candidates. Of two branches that are added, the one with more
    multiply-accumulates is offered; a branch within another one is not, nor one whose accumulators could leave int32.

    Args:
        graph: The network, without controller and decision points.
        codes: Typical inputs, see ``graph.samples``.

    Raises:
        UsageError: There is no branch to skip.
    """
    graph = without_skips(graph)
    ends = _ends(graph)
    means = _means(graph, frozenset(ends), codes)
    for name in ends:
        if name not in graph.skipped_with:
            with suppress(UnsupportedError):
                graph = _offered(graph, name, means[name])
    if not any(isinstance(layer, MacLayer) and layer.skip_bias is not None for layer in graph.layers):
        raise UsageError(
            "no residual branch can be skipped",
            where=f"`candidates` with 0x0, graph {graph.name!r}",
            next_step="leave 0x0 out: it is for layers whose output is added to another tensor",
        )
    return graph


def _offered(graph: Graph, name: str, bias: npt.NDArray[np.int32]) -> Graph:
    offered = [replace(x, skip_bias=bias) if isinstance(x, MacLayer) and x.name == name else x for x in graph.layers]
    return with_layers(graph, offered)


def _ends(graph: Graph) -> list[str]:
    """Last layers of branches, from the end of the network to its beginning."""
    found = []
    makers = {layer.output: layer for layer in graph.layers}
    readers = Counter(name for layer in graph.layers for name in layer.inputs)
    readers.update([*graph.outputs, *(state.write for state in graph.states)])
    for layer in reversed(graph.layers):
        if _has_residual(layer):
            found.append(layer.name)
        elif isinstance(layer, Add):
            made = [makers[name] for name in layer.inputs if name in makers and readers[name] == 1]
            ends = [x for x in made if isinstance(x, MacLayer) and not _has_residual(x)]
            found += [end.name for end in sorted(ends, key=lambda x: _macs_of_branch(graph, x.name))[-1:]]
    return found


def _macs_of_branch(graph: Graph, name: str) -> int:
    """Multiply-accumulates that the skip of a layer saves."""
    channels = next(x.channels for x in graph.layers if isinstance(x, MacLayer) and x.name == name)
    try:
        offered = _offered(graph, name, np.zeros(channels, np.int32))
    except UnsupportedError:
        return 0
    return sum(graph.macs(layer) for layer in graph.layers if layer.name in {*offered.skipped_with, name})


def _means(graph: Graph, ends: frozenset[str], codes: npt.NDArray[np.uint8]) -> Mapping[str, npt.NDArray[np.int32]]:
    """Layer -> bias that makes of it its mean at the widest candidates, int32 [channels]; less where int32 ends."""
    totals: dict[str, npt.NDArray[np.float64]] = {}
    places: dict[str, int] = {}
    given = given_tensors(graph, codes)
    for start in range(0, len(codes), interpreter.BATCH):
        live = part_of(given, start, interpreter.BATCH)
        for layer in graph.layers:
            pair = widest(layer) if isinstance(layer, MacLayer) else None
            live[layer.output] = interpreter.run_layer(layer, graph, live, pair)
            if layer.name in ends:
                values = _without_residual(layer, graph, live)
                totals[layer.name] = totals.get(layer.name, 0.0) + values.sum(axis=(0, 1, 2), dtype=np.float64)
                places[layer.name] = places.get(layer.name, 0) + values[..., 0].size
    found = {}
    for layer in graph.layers:
        if isinstance(layer, MacLayer) and layer.name in ends:
            mean, rq = totals[layer.name] / places[layer.name], layer.requantize
            if rq is not None and not _has_residual(layer):
                mean = mean * 2.0**rq.shift / rq.multiplier
            found[layer.name] = nested.round_half_up(mean).clip(-nested.INT32_MAX, nested.INT32_MAX).astype(np.int32)
    return found


def _without_residual(layer: Layer, graph: Graph, live: dict[str, Codes]) -> npt.NDArray[Any]:
    """What is to have its mean: accumulators without the residual, or codes of a layer that has none."""
    if isinstance(layer, Conv2D) and layer.residual is not None:
        bare = replace(layer, residual=None, residual_multiplier=None)
        return interpreter.accumulate(bare, graph, live, widest(layer))
    return live[layer.output]


def _has_residual(layer: Layer) -> bool:
    return isinstance(layer, Conv2D) and layer.residual is not None


def without_skips(graph: Graph) -> Graph:
    """The graph whose residual branches always run."""

    def kept(layer: Layer) -> Layer:
        return replace(layer, skip_bias=None) if isinstance(layer, MacLayer) else layer

    return with_layers(graph, [kept(layer) for layer in graph.layers])


def saved_by_skips(graph: Graph, costs: Mapping[str, float]) -> Mapping[str, float]:
    """What a skip saves beside the choices of adaptive layers: the costs of its branch's layers that have none.

    Args:
        graph: The network.
        costs: Layer -> its cost, of layers without a choice.

    Returns:
        Layer that may be skipped -> the sum.
    """
    adaptive = [layer.name for layer in graph.adaptive]
    found = {layer.name: 0.0 for layer in graph.adaptive if SKIP in layer.options}
    for name, position in graph.skipped_with.items():
        if name not in adaptive:
            found[adaptive[position]] += costs.get(name, 0.0)
    return found
