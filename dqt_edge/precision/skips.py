"""Residual branches that may be skipped: what stands in for them, and what skipping them saves."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..errors import UnsupportedError, UsageError
from ..graph import SKIP, Conv2D, Graph, Layer, MacLayer, interpreter, nested
from .candidates import widest, with_layers
from .given import given_tensors, part_of


def offer_skips(graph: Graph, codes: npt.NDArray[np.uint8]) -> Graph:
    """The graph whose residual branches may be skipped, each with its mean on typical inputs in its place.

    A branch ends in a convolution with a fused residual; that one keeps its residual and gets a bias for the skip: the
    mean of its accumulators without it, for each channel, at the widest candidates. A branch within another one is not
    offered, nor is one whose accumulators could leave int32.

    Args:
        graph: The network, without controller and decision points.
        codes: Typical inputs, see ``graph.samples``.

    Raises:
        UsageError: There is no branch to skip.
    """
    graph = without_skips(graph)
    for name, bias in _means(graph, codes).items():
        if name in graph.skipped_with:
            continue
        offered = [replace(x, skip_bias=bias) if isinstance(x, Conv2D) and x.name == name else x for x in graph.layers]
        with suppress(UnsupportedError):
            graph = with_layers(graph, offered)
    if not any(isinstance(layer, MacLayer) and layer.skip_bias is not None for layer in graph.layers):
        raise UsageError(
            "no residual branch can be skipped",
            where=f"`candidates` with 0x0, graph {graph.name!r}",
            next_step="leave 0x0 out: it is for convolutions with a residual added to them",
        )
    return graph


def _means(graph: Graph, codes: npt.NDArray[np.uint8]) -> Mapping[str, npt.NDArray[np.int32]]:
    """Convolutions with a residual, from the last to the first -> their mean accumulators without it, [channels]."""
    totals: dict[str, npt.NDArray[np.float64]] = {}
    places: dict[str, int] = {}
    given = given_tensors(graph, codes)
    for start in range(0, len(codes), interpreter.BATCH):
        live = part_of(given, start, interpreter.BATCH)
        for layer in graph.layers:
            pair = widest(layer) if isinstance(layer, MacLayer) else None
            if isinstance(layer, Conv2D) and layer.residual is not None and pair is not None:
                bare = replace(layer, residual=None, residual_multiplier=None, skip_bias=None)
                twice = interpreter.accumulate(bare, graph, live, pair)
                totals[layer.name] = totals.get(layer.name, 0.0) + twice.sum(axis=(0, 1, 2), dtype=np.float64)
                places[layer.name] = places.get(layer.name, 0) + twice[..., 0].size
            live[layer.output] = interpreter.run_layer(layer, graph, live, pair)
    found = {name: np.asarray(nested.round_half_up(total / places[name]), np.int32) for name, total in totals.items()}
    return dict(reversed(found.items()))


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
