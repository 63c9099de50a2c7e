"""The best pair for each layer within a budget, when costs and losses add up: exact, and for all budgets at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
    allowed = [point for point in points if point.cost <= budget * (1 + 1e-9)]
    return min(allowed, key=lambda point: (point.loss, point.cost), default=None)


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
