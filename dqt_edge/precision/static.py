"""Static mixed precision: the best fixed width vector within a BitOPs budget."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import UsageError
from ..graph import Graph, Pair
from ..graph.bitops import vector_ratio
from .assign import Option, front, improve, within
from .candidates import widest
from .curve import costs, table

EXHAUSTIVE_MAX = 400
"""Up to this many vectors are all tried; beyond it the search of ``assign`` finds which."""
TRIALS = 24
"""Neighbours that it tries."""


@dataclass(frozen=True)
class Assignment:
    """A width vector with its cost (BitOPs ratio), and how good it is on the data it was chosen by.

    Attributes:
        quality: ``Score.quality`` of the task: more is better.
        loss: Less is better; says more where answers are right or wrong.
    """

    pairs: tuple[Pair, ...]
    bitops_ratio: float
    quality: float
    loss: float


Judge = Callable[[tuple[Pair, ...]], Assignment]
"""How good a width vector is."""


def best_static(graph: Graph, budget: float, judge: Judge) -> Assignment:
    """The width vector of highest quality (then lowest loss) whose BitOPs ratio is within the budget.

    All vectors are tried where there are at most EXHAUSTIVE_MAX. Otherwise each layer is narrowed alone, the vector
    whose losses add up to the least is the start of a walk over its neighbours, and the best that was met wins.

    Raises:
        UsageError: Even the narrowest vector costs more than the budget.
    """
    judged = _all(graph, budget, judge) if _vectors(graph) <= EXHAUSTIVE_MAX else _walked(graph, budget, judge)
    if not judged:
        raise UsageError(
            f"no width vector costs {budget:.3f} of the 8x8 BitOPs or less",
            where=f"static search on graph {graph.name!r}",
            next_step="raise the budget, or train with narrower candidates",
        )
    return max(judged, key=lambda a: (a.quality, -a.loss))


def tries(graph: Graph) -> int:
    """How many width vectors :func:`best_static` judges at most."""
    alone = sum(len(layer.options) - 1 for layer in graph.adaptive)
    return _vectors(graph) if _vectors(graph) <= EXHAUSTIVE_MAX else 2 + alone + TRIALS


def _vectors(graph: Graph) -> int:
    return math.prod(len(layer.options) for layer in graph.adaptive)


def _all(graph: Graph, budget: float, judge: Judge) -> list[Assignment]:
    every = itertools.product(*(layer.options for layer in graph.adaptive))
    return [judge(pairs) for pairs in every if vector_ratio(graph, pairs) <= budget + 1e-12]


def _walked(graph: Graph, budget: float, judge: Judge) -> list[Assignment]:
    """What the search met within the budget; nothing if even the cheapest vector costs more."""
    fixed, rows = costs(graph, None)
    base = tuple(widest(layer) for layer in graph.adaptive)
    full = judge(base).loss
    layers = []
    for i, (layer, row) in enumerate(zip(graph.adaptive, rows, strict=True)):
        alone = [(*base[:i], pair, *base[i + 1 :]) for pair in layer.options]
        losses = [0.0 if pairs == base else judge(pairs).loss - full for pairs in alone]
        layers.append([Option(cost, max(loss, 0.0)) for cost, loss in zip(row, losses, strict=True)])
    options = table(graph, layers)
    start = within(front(options), budget - fixed)
    if start is None:
        return []
    met: list[Assignment] = []

    def loss_of(choices: tuple[int, ...]) -> float:
        found = judge(tuple(layer.options[k] for layer, k in zip(graph.adaptive, choices, strict=True)))
        met.append(found)
        return found.loss

    improve(options, start.choices, budget - fixed, loss_of, TRIALS)
    return met
