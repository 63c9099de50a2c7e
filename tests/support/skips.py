"""Random networks with layers that may be skipped."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dqt_edge.errors import UnsupportedError
from dqt_edge.graph import Conv2D, Dense, Graph, Layer, MacLayer

from .random_graphs import Builder, random_weights

CLASSES = 5


def skipping_graph(seed: int) -> Graph:
    """A stem, a residual block that may be skipped, a convolution, and a classifier; the widths come from outside."""
    for trial in range(100):
        builder = Builder(100 * seed + trial, (6, 5, 3))
        builder.conv(1)
        builder.residual_block(2)
        last = builder.layers[-1]
        if isinstance(last, Conv2D) and last.residual is not None and len(builder.layers) == 3:
            break
    else:
        raise AssertionError(f"no block of seed {seed} keeps its shape")
    rng = np.random.default_rng((seed, 5))
    skip = rng.integers(-100_000, 100_000, last.channels).astype(np.int32)
    builder.layers[-1] = replace(last, skip_bias=skip)
    builder.conv(2)
    builder.dense(1, CLASSES)
    return Graph(f"skips{seed}", tuple(builder.tensors), tuple(builder.layers), "input", builder.last.name)


def with_skips(graph: Graph, seed: int) -> Graph:
    """The graph with layers that may be skipped, wherever a check allows it: all that a controller decides, or most.

    What a controller decides must all have as many options; where one of them cannot be skipped, the graph stays as it
    is. Its dial, made for fewer options, is dropped.
    """
    rng = np.random.default_rng((seed, 8))
    if graph.controller is not None:
        last = graph.controller.layers[-1]
        assert isinstance(last, Dense)
        channels = last.channels + len(graph.adaptive)
        weights = random_weights(rng, (channels, last.weights.shape[1]))
        bias = rng.integers(-20000, 20000, channels).astype(np.int32)
        wider = replace(last, weights=weights, bias_twice=bias)
        controller = replace(graph.controller, layers=(*graph.controller.layers[:-1], wider), dial=())
        layers = _skippable(graph, [layer.name for layer in graph.adaptive], rng)
        try:
            return replace(graph, layers=layers, controller=controller)
        except UnsupportedError:
            return graph
    for layer in graph.layers:
        if isinstance(layer, MacLayer) and layer.requantize is not None and rng.random() < 0.7:
            try:
                graph = replace(graph, layers=_skippable(graph, [layer.name], rng))
            except UnsupportedError:
                continue
    return graph


def _skippable(graph: Graph, names: list[str], rng: np.random.Generator) -> tuple[Layer, ...]:
    def made(layer: Layer) -> Layer:
        if layer.name not in names:
            return layer
        assert isinstance(layer, MacLayer)
        return replace(layer, skip_bias=rng.integers(-100_000, 100_000, layer.channels).astype(np.int32))

    return tuple(map(made, graph.layers))
