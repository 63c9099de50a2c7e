"""The best pair for each layer within a budget.

Exact, and for all budgets at once, where costs and losses add up; from there a walk by true losses.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

SLACK = 1 + 1e-9
"""Sums of costs are rounded: a budget is met up to this."""
FRONT_MAX = 20_000
"""Most assignments kept between two layers; beyond, the best of each of as many equal parts of the cost is kept."""


@dataclass(frozen=True)
class Option:
    """One candidate of one layer."""

    cost: float
    loss: float


@dataclass(frozen=True)
class Point:
    """An assignment: the index of an option for each layer, with the sums of cost and loss."""

    cost: float
    loss: float
    choices: tuple[int, ...]


def front(layers: Sequence[Sequence[Option]]) -> tuple[Point, ...]:
    """Assignments that no other one beats in both cost and loss, the cheapest first.

    The choice of one option for each layer under a bound on the sum of costs is a multiple-choice knapsack; merging
    layer by layer, and dropping what is beaten, solves it for every bound.
    """
    points = [Point(0.0, 0.0, ())]
    for options in layers:
        merged = [
            Point(point.cost + option.cost, point.loss + option.loss, (*point.choices, k))
            for point in points
            for k, option in enumerate(options)
        ]
        points = _thin(_undominated(merged))
    return tuple(points)


def within(points: Sequence[Point], budget: float) -> Point | None:
    """The point of least loss whose cost is within the budget; None if the cheapest costs more."""
    allowed = [point for point in points if point.cost <= budget * SLACK]
    return min(allowed, key=lambda point: (point.loss, point.cost), default=None)


def improve(
    layers: Sequence[Sequence[Option]],
    choices: tuple[int, ...],
    room: float,
    loss_of: Callable[[tuple[int, ...]], float],
    trials: int,
    progress: Callable[[], None] = lambda: None,
) -> tuple[int, ...]:
    """Walk from an assignment to neighbours whose true loss is less, the most promising first.

    Args:
        layers: Options of each layer; their losses say what is promising.
        choices: Where to start.
        room: Budget for the sum of costs.
        loss_of: True loss of an assignment.
        trials: How many neighbours may be tried.
        progress: Called after each call of ``loss_of``.
    """
    best = loss_of(choices)
    seen = {choices}
    progress()
    for _ in range(trials):
        neighbour = next((n for n in _neighbours(layers, choices, room) if n not in seen), None)
        if neighbour is None:
            break
        seen.add(neighbour)
        found = loss_of(neighbour)
        if found < best:
            choices, best = neighbour, found
        progress()
    return choices


def _neighbours(layers: Sequence[Sequence[Option]], choices: tuple[int, ...], room: float) -> list[tuple[int, ...]]:
    """Assignments within the budget that differ in one or two layers, by the sum of their layers' losses."""
    cost = sum(options[k].cost for options, k in zip(layers, choices, strict=True))
    moves = [
        (i, k, option.cost - options[choices[i]].cost, option.loss - options[choices[i]].loss)
        for i, options in enumerate(layers)
        for k, option in enumerate(options)
        if k != choices[i]
    ]
    found: list[tuple[float, tuple[tuple[int, int], ...]]]
    found = [(loss, ((i, k),)) for i, k, more, loss in moves if cost + more <= room * SLACK]
    for (i, k, more, loss), (j, m, more_too, loss_too) in itertools.combinations(moves, 2):
        if i != j and cost + more + more_too <= room * SLACK:
            found.append((loss + loss_too, ((i, k), (j, m))))
    changed = []
    for _, changes in sorted(found):
        vector = list(choices)
        for i, k in changes:
            vector[i] = k
        changed.append(tuple(vector))
    return changed


def _undominated(points: list[Point]) -> list[Point]:
    kept: list[Point] = []
    for point in sorted(points, key=lambda p: (p.cost, p.loss)):
        if not kept or point.loss < kept[-1].loss:
            kept.append(point)
    return kept


def _thin(points: list[Point]) -> list[Point]:
    if len(points) <= FRONT_MAX:
        return points
    step = (points[-1].cost - points[0].cost) / FRONT_MAX
    best: dict[int, Point] = {}
    for point in points:  # losses fall along the front, so the last of a part is its best
        best[int((point.cost - points[0].cost) / step)] = point
    return [points[0], *(point for point in best.values() if point is not points[0])]
