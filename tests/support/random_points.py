"""Random networks with decision points: one to three heads behind layers, several candidates, a second pass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from dqt_edge.graph import (
    NEVER,
    AveragePool2D,
    DecisionPoint,
    Dense,
    Graph,
    Layer,
    Requantize,
    Setting,
    Tensor,
    Window,
    nested,
    window_counts,
)

from .random_graphs import random_graph, random_requantize, random_weights

HIDDEN = 5
CLASSES_LEAST = 2


def pointed_graph(seed: int, *, controller: bool = False, **kinds: bool) -> Graph:
    """The first random graph from a seed on that has classes to choose between, a layer that adapts and room for a
    head.

    Args:
        seed: The same seed gives the same network.
        controller: One with a controller, which stays; else the widths are given from outside.
        kinds: As of ``random_graph``.
    """
    graph = next(g for g in (random_graph(1000 * seed + i, **kinds) for i in range(1000)) if _suits(g, controller))
    rng = np.random.default_rng((seed, 3))
    if not controller and graph.controller is not None:
        own = {layer.output for layer in graph.controller.layers}
        graph = replace(graph, controller=None, tensors=tuple(t for t in graph.tensors if t.name not in own))
    places = [layer.name for layer in graph.layers[:-1]]
    count = int(rng.integers(1, min(3, len(places)) + 1))
    chosen = sorted(rng.choice(len(places), count, replace=False).tolist())
    tensors, points = list(graph.tensors), []
    for number, place in enumerate(chosen):
        source = graph.tensor(graph.layer(places[place]).output)
        made, layers = _head(rng, f"head{number}", source, graph.tensor(graph.output).size)
        tensors += made
        points.append(DecisionPoint(f"point{number}", places[place], layers))
    return replace(graph, tensors=tuple(tensors), points=tuple(points), second_pass=True)


def least_choices(graph: Graph) -> tuple[int, ...]:
    """Index of each adaptive layer's narrowest candidate."""
    return tuple(
        min(range(len(layer.candidates)), key=lambda k, c=layer.candidates: c[k][0] * c[k][1])  # type: ignore[misc]
        for layer in graph.adaptive
    )


def random_setting(seed: int, trial: int, graph: Graph, margins: npt.NDArray[np.int64]) -> Setting:
    """A setting under which samples with such margins part: some stop, some run wide, some again.

    Args:
        seed, trial: The same ones give the same setting.
        graph: Without a controller that chooses.
        margins: Of some samples, [samples, points + 1], see ``interpreter.Result``.
    """
    rng = np.random.default_rng((seed, 4, trial))
    count, classes = len(graph.points), graph.tensor(graph.output).size
    middle = [int(np.quantile(margins[:, i], rng.uniform(0.2, 0.8))) for i in range(count)]
    exits = tuple(NEVER if rng.random() < 0.25 else m + 1 for m in middle)
    widen = tuple(0 if rng.random() < 0.5 else m for m in middle)
    stops = None if trial % 2 else tuple(sorted({0, *rng.integers(0, classes, 3).tolist()}))
    return Setting(least_choices(graph), exits, widen, int(rng.integers(0, 40)) if trial else 0, stops)


def _suits(graph: Graph, controller: bool) -> bool:
    several = bool(graph.adaptive) and graph.tensor(graph.output).size >= CLASSES_LEAST
    return several and len(graph.layers) > 2 and (graph.controller is not None or not controller)


def _head(
    rng: np.random.Generator, name: str, source: Tensor, classes: int
) -> tuple[tuple[Tensor, ...], tuple[Layer, ...]]:
    """Pooling to a small grid, a hidden layer, logits."""
    height, width, channels = source.shape
    kernel = (-(-height // int(rng.integers(1, 3))), -(-width // int(rng.integers(1, 3))))
    window = Window.same((height, width), kernel, kernel)
    rows, columns = window.output_size(height, width)
    pooled = Tensor(f"{name}.pooled", (rows, columns, channels), source.scale)
    hidden = Tensor(f"{name}.hidden", (1, 1, HIDDEN), 0.05)
    counts = tuple(sorted({int(c) for c in window_counts(window, height, width).ravel()}))
    bias = rng.integers(-300, 300, len(counts)).astype(np.int32)
    to_codes = [nested.quantize_multiplier(0.5 / count) for count in counts]
    requantize = Requantize(
        np.array([m for m, _ in to_codes], np.int32), np.array([s for _, s in to_codes], np.uint8), 0, 255
    )
    size = pooled.size
    return (pooled, hidden), (
        AveragePool2D(f"{name}.pool", source.name, pooled.name, window, counts, bias, requantize),
        Dense(
            f"{name}.dense",
            pooled.name,
            hidden.name,
            random_weights(rng, (HIDDEN, size)),
            rng.integers(-2000, 2000, HIDDEN).astype(np.int32),
            random_requantize(rng, HIDDEN, 1 / (64 * size**0.5)),
        ),
        Dense(
            f"{name}.logits",
            hidden.name,
            f"{name}.accumulators",
            random_weights(rng, (classes, HIDDEN)),
            rng.integers(-2000, 2000, classes).astype(np.int32),
            None,
        ),
    )
