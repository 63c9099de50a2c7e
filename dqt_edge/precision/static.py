"""Static mixed precision: the best fixed width vector within a BitOPs budget."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import UsageError
from ..graph import Graph, Pair, interpreter
from ..graph.bitops import bitops, vector_ratio

EXHAUSTIVE_MAX = 400
"""Up to this many assignments are all tried; beyond it the search is greedy."""


@dataclass(frozen=True)
class Assignment:
    """A width vector with its cost (BitOPs ratio) and its quality on the data it was chosen by."""

    pairs: tuple[Pair, ...]
    bitops_ratio: float
    accuracy: float
    loss: float


Judge = Callable[[tuple[Pair, ...]], Assignment]
"""How good a width vector is."""


def judge(
    graph: Graph, codes: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64], pairs: tuple[Pair, ...]
) -> Assignment:
    """Accuracy and mean cross-entropy (nats) of a width vector on labelled codes."""
    result = interpreter.run(graph, codes, pairs)
    output = graph.tensor(graph.output)
    logits = (result.outputs.astype(np.float64) - output.zero_point) * output.scale
    top = logits.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(logits - top).sum(axis=1)) + top[:, 0]
    loss = float((log_sum - logits[np.arange(len(labels)), labels]).mean())
    accuracy = float((logits.argmax(axis=1) == labels).mean())
    return Assignment(pairs, float(bitops(graph, result.choices[:1])[0]), accuracy, loss)


def best_static(graph: Graph, budget: float, judge: Judge) -> Assignment:
    """The width vector of highest accuracy (then lowest loss) whose BitOPs ratio is within the budget.

    All vectors are tried where there are at most 400; otherwise the search begins at the widest pairs and lowers, step
    by step, the layer whose loss per saved BitOP grows least.

    Raises:
        UsageError: Even the narrowest vector costs more than the budget.
    """
    layers = graph.adaptive
    total = int(np.prod([len(layer.candidates) for layer in layers])) if layers else 1
    found = _all(graph, budget) if total <= EXHAUSTIVE_MAX else _greedy(graph, budget, judge)
    judged = [judge(pairs) for pairs in found]
    if not judged:
        raise UsageError(
            f"no width vector costs {budget:.3f} of the 8x8 BitOPs or less",
            where=f"static search on graph {graph.name!r}",
            next_step="raise the budget, or train with narrower candidates",
        )
    return max(judged, key=lambda a: (a.accuracy, -a.loss))


def _all(graph: Graph, budget: float) -> Iterator[tuple[Pair, ...]]:
    for pairs in itertools.product(*(layer.candidates for layer in graph.adaptive)):
        if vector_ratio(graph, pairs) <= budget + 1e-12:
            yield pairs


def _greedy(graph: Graph, budget: float, judge: Judge) -> Iterator[tuple[Pair, ...]]:
    current = judge(tuple(max(layer.candidates, key=lambda p: p[0] * p[1]) for layer in graph.adaptive))
    while current.bitops_ratio > budget + 1e-12:
        steps = []
        for i, layer in enumerate(graph.adaptive):
            narrower = [p for p in layer.candidates if p[0] * p[1] < current.pairs[i][0] * current.pairs[i][1]]
            if narrower:
                pair = max(narrower, key=lambda p: p[0] * p[1])
                steps.append(judge((*current.pairs[:i], pair, *current.pairs[i + 1 :])))
        if not steps:
            return
        before = current
        current = min(steps, key=lambda s: (s.loss - before.loss) / (before.bitops_ratio - s.bitops_ratio))
    yield current.pairs
