"""The best static width vector at a cost, the rival of a dynamic model. Imports without TensorFlow."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from ..graph import Graph, Pair
from ..interpreter import bitops, fixed_choices, run

EXHAUSTIVE_MAX = 243
Vector = tuple[Pair, ...]


def best_static(
    graph: Graph, codes: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64], limit: float
) -> tuple[Vector, float] | None:
    """Most accurate fixed vector whose BitOPs ratio does not exceed ``limit``; of equals the cheapest.

    Tries every vector, up to 243 of them; beyond that climbs from the cheapest one, a layer at a time.

    Args:
        graph: The network.
        codes: Samples to choose by; not the held-out set.
        labels: Their classes.
        limit: Largest BitOPs ratio.

    Returns:
        The vector and its accuracy (0..1), or None if not even the cheapest vector is within the limit.
    """
    options = [layer.candidates for layer in graph.adaptive]
    cheapest = tuple(min(pairs, key=lambda p: p[0] * p[1]) for pairs in options)
    if cost_of(graph, cheapest) > limit:
        return None

    def best(vectors: Iterable[Vector]) -> tuple[float, float, Vector]:
        scored = []
        for vector in vectors:
            cost = cost_of(graph, vector)
            if cost <= limit:
                scored.append((accuracy(graph, codes, labels, vector), -cost, vector))
        return max(scored)

    if int(np.prod([len(pairs) for pairs in options])) <= EXHAUSTIVE_MAX:
        found = best(itertools.product(*options))
        return found[2], found[0]
    current = best([cheapest])
    while True:
        vector = current[2]
        neighbours = [
            (*vector[:i], pair, *vector[i + 1 :])
            for i, pairs in enumerate(options)
            for pair in pairs
            if pair != vector[i]
        ]
        found = best([vector, *neighbours])
        if found[:2] <= current[:2]:
            return vector, current[0]
        current = found


def cost_of(graph: Graph, vector: Vector) -> float:
    """BitOPs ratio of a width vector."""
    return float(bitops(graph, np.array([fixed_choices(graph, vector)], np.int64))[0])


def accuracy(graph: Graph, codes: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64], vector: Vector) -> float:
    """Share of right answers with a width vector, 0..1."""
    return float(np.mean(run(graph, codes, vector).outputs.argmax(axis=1) == labels))
