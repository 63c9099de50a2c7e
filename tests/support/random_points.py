"""Random networks with decision points: one to three heads behind layers, several candidates, a second pass."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from dqt_edge.graph import (
    FULL,
    NEVER,
    AveragePool2D,
    DecisionPoint,
    Dense,
    Graph,
    Layer,
    Pair,
    Requantize,
    Setting,
    Tensor,
    Window,
    interpreter,
    nested,
    window_counts,
)
from dqt_edge.graph.interpreter import Codes
from dqt_edge.graph.points import widest_choices

from .random_graphs import random_codes, random_graph, random_weights

HIDDEN = 5
CLASSES_LEAST = 3
SAMPLES = 8
SUITING = (71, 1922, 2092, 2828, 2912, 3407)


def pointed_graph(seed: int, *, controller: bool = False) -> Graph:
    """A random graph that classifies, adapts, and whose answers differ from input to input, with points.

    Most random graphs answer every random input alike; the seeds of those that do not are listed above, as
    ``python -m tests.support.random_points`` finds them.

    Args:
        seed: 0..5; the same seed gives the same network.
        controller: Keep its controller; else the widths are given from outside.
    """
    made = try_points(SUITING[seed], controller=controller)
    assert made is not None, "random_graph has changed: find the seeds again"
    return made


def try_points(seed: int, *, controller: bool = True) -> Graph | None:
    """The random graph of a seed with points, if it suits."""
    graph = random_graph(seed)
    if graph.controller is None or graph.tensor(graph.output).size < CLASSES_LEAST:
        return None
    graph = graph if controller else _without_controller(graph)
    run = interpreter.run(graph, random_codes(seed, graph, SAMPLES), _widest(graph), keep_tensors=True)
    places = [x.name for x in graph.layers[:-1] if _varies(run.tensors[x.output])]
    if not places or not _varies(run.outputs):
        return None
    return _with_points(graph, np.random.default_rng((seed, 3)), places, run.tensors)


def _without_controller(graph: Graph) -> Graph:
    own = {layer.output for layer in graph.controller.layers} if graph.controller else set()
    return replace(graph, controller=None, tensors=tuple(t for t in graph.tensors if t.name not in own))


def _widest(graph: Graph) -> tuple[Pair, ...]:
    return tuple(layer.candidates[k] for layer, k in zip(graph.adaptive, widest_choices(graph), strict=True))


def _varies(codes: Codes) -> bool:
    """Whether most samples have codes of their own."""
    return len(np.unique(codes.reshape(len(codes), -1), axis=0)) > len(codes) // 2


def _with_points(graph: Graph, rng: np.random.Generator, places: list[str], tensors: dict[str, Codes]) -> Graph:
    count = int(rng.integers(1, min(3, len(places)) + 1))
    chosen = sorted(rng.choice(len(places), count, replace=False).tolist())
    made, points = list(graph.tensors), []
    for number, place in enumerate(places[i] for i in chosen):
        head = Head(rng, f"head{number}", graph, graph.layer(place).output, tensors)
        made += head.tensors
        points.append(DecisionPoint(f"point{number}", place, head.layers))
    return replace(graph, tensors=tuple(made), points=tuple(points), second_pass=True)


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


class Head:
    """Pooling to a small grid, a hidden layer whose codes spread over these samples, logits."""

    def __init__(
        self, rng: np.random.Generator, name: str, graph: Graph, source: str, tensors: dict[str, Codes]
    ) -> None:
        seen = graph.tensor(source)
        height, width, channels = seen.shape
        kernel = (-(-height // int(rng.integers(1, 3))), -(-width // int(rng.integers(1, 3))))
        window = Window.same((height, width), kernel, kernel)
        pooled = Tensor(f"{name}.pooled", (*window.output_size(height, width), channels), seen.scale, 0)
        hidden = Tensor(f"{name}.hidden", (1, 1, HIDDEN), 0.05)
        counts = tuple(sorted({int(c) for c in window_counts(window, height, width).ravel()}))
        bias = np.full(len(counts), 2 * seen.zero_point * max(counts), np.int32)
        means = Requantize(*_factors([0.5 / count for count in counts]))
        pool = AveragePool2D(f"{name}.pool", source, pooled.name, window, counts, bias, means)
        self.tensors = (pooled, hidden)
        trial = replace(graph, tensors=(*graph.tensors, pooled, hidden))
        live = {source: tensors[source]}
        live[pooled.name] = interpreter.run_layer(pool, trial, live)
        weights = random_weights(rng, (HIDDEN, pooled.size))
        zeros = np.zeros(HIDDEN, np.int32)
        first = Dense(f"{name}.dense", pooled.name, hidden.name, weights, zeros, Requantize(*_factors([0.5] * HIDDEN)))
        twice = interpreter.accumulate(first, trial, live, FULL).reshape(-1, HIDDEN)
        low, spread = twice.min(axis=0), np.ptp(twice, axis=0) + 1
        first = replace(first, bias_twice=-low.astype(np.int32), requantize=Requantize(*_factors(240 / spread)))
        classes = graph.tensor(graph.output).size
        self.layers: tuple[Layer, ...] = (
            pool,
            first,
            Dense(
                f"{name}.logits",
                hidden.name,
                f"{name}.accumulators",
                random_weights(rng, (classes, HIDDEN)),
                rng.integers(-2000, 2000, classes).astype(np.int32),
                None,
            ),
        )


def _factors(values: Iterable[float]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
    multipliers, shifts = zip(*(nested.quantize_multiplier(float(value)) for value in values), strict=True)
    return np.array(multipliers, np.int32), np.array(shifts, np.uint8)


if __name__ == "__main__":
    suiting = (seed for seed in range(1_000_000) if try_points(seed) is not None)
    print([next(suiting) for _ in SUITING])
