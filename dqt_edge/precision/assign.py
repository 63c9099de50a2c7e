"""The best pair for each layer within a budget.

Exact, and for all budgets at once, where costs and losses add up; from there a walk by true losses.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

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


@dataclass(frozen=True)
class Table:
    """What there is to choose from.

    Attributes:
        layers: Options of each layer.
        branches: Layer of a branch that may be skipped -> the layer at its end, which is another one and in no branch
            itself. The last option of that layer skips the branch, whose layers then neither cost nor lose anything.
    """

    layers: Sequence[Sequence[Option]]
    branches: Mapping[int, int] = field(default_factory=dict)

    @cached_property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """Layers whose costs depend on one another: a branch with its end behind it, or a single layer."""
        members: dict[int, list[int]] = {i: [] for i in range(len(self.layers)) if i not in self.branches}
        for layer, end in sorted(self.branches.items()):
            members[end].append(layer)
        return tuple((*branch, end) for end, branch in members.items())

    @cached_property
    def group_of(self) -> Mapping[int, tuple[int, ...]]:
        """Layer -> its group."""
        return {layer: group for group in self.groups for layer in group}

    def skips(self, group: Sequence[int], choices: Sequence[int]) -> bool:
        """Whether an assignment skips the branch of a group."""
        return len(group) > 1 and choices[group[-1]] == len(self.layers[group[-1]]) - 1

    def sums(self, group: Sequence[int], choices: Sequence[int]) -> tuple[float, float]:
        """Cost and loss of a group in an assignment of all layers."""
        ran = group[-1:] if self.skips(group, choices) else group
        options = [self.layers[i][choices[i]] for i in ran]
        return sum(option.cost for option in options), sum(option.loss for option in options)

    def fronts(self) -> Iterator[tuple[tuple[int, ...], list[Point]]]:
        """Each group with its assignments that are worth a look."""
        for group in self.groups:
            *branch, end = group
            last = list(enumerate(self.layers[end]))
            found = [Point(0.0, 0.0, ())]
            for options in (*(list(enumerate(self.layers[i])) for i in branch), last[:-1] if branch else last):
                found = _merge(found, [Point(option.cost, option.loss, (k,)) for k, option in options])
            if branch:
                k, skip = last[-1]
                found = _undominated([*found, Point(skip.cost, skip.loss, (*(0 for _ in branch), k))])
            yield group, found


def front(table: Table) -> tuple[Point, ...]:
    """Assignments that no other one beats in both cost and loss, the cheapest first.

    The choice of one option for each layer under a bound on the sum of costs is a multiple-choice knapsack; merging
    group by group, and dropping what is beaten, solves it for every bound.
    """
    points, order = [Point(0.0, 0.0, ())], list[int]()
    for group, options in table.fronts():
        points = _merge(points, options)
        order += group
    places = sorted(range(len(order)), key=order.__getitem__)
    return tuple(Point(p.cost, p.loss, tuple(p.choices[place] for place in places)) for p in points)


def _merge(points: Sequence[Point], options: Sequence[Point]) -> list[Point]:
    merged = [Point(p.cost + o.cost, p.loss + o.loss, (*p.choices, *o.choices)) for p in points for o in options]
    return _thin(_undominated(merged))


def within(points: Sequence[Point], budget: float) -> Point | None:
    """The point of least loss whose cost is within the budget; None if the cheapest costs more."""
    allowed = [point for point in points if point.cost <= budget * SLACK]
    return min(allowed, key=lambda point: (point.loss, point.cost), default=None)


def improve(
    table: Table,
    choices: tuple[int, ...],
    room: float,
    loss_of: Callable[[tuple[int, ...]], float],
    trials: int,
    progress: Callable[[], None] = lambda: None,
) -> tuple[int, ...]:
    """Walk from an assignment to neighbours whose true loss is less, the most promising first.

    Args:
        table: Options of each layer; their losses say what is promising.
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
        neighbour = next((n for n in _neighbours(table, choices, room) if n not in seen), None)
        if neighbour is None:
            break
        seen.add(neighbour)
        found = loss_of(neighbour)
        if found < best:
            choices, best = neighbour, found
        progress()
    return choices


def _neighbours(table: Table, choices: tuple[int, ...], room: float) -> list[tuple[int, ...]]:
    """Assignments within the budget that differ in one or two layers, by the sum of their layers' losses."""
    now = {group: table.sums(group, choices) for group in table.groups}
    cost = sum(cost for cost, _ in now.values())

    def moved(*changes: tuple[int, int]) -> tuple[float, float]:
        """What changes within one group add to cost and loss."""
        group = table.group_of[changes[0][0]]
        after, before = table.sums(group, _changed(choices, changes)), now[group]
        return after[0] - before[0], after[1] - before[1]

    moves = [
        (i, k, *moved((i, k))) for i, options in enumerate(table.layers) for k in range(len(options)) if k != choices[i]
    ]
    found: list[tuple[float, tuple[tuple[int, int], ...]]]
    found = [(loss, ((i, k),)) for i, k, more, loss in moves if cost + more <= room * SLACK]
    for (i, k, more, loss), (j, m, more_too, loss_too) in itertools.combinations(moves, 2):
        if i == j:
            continue
        added, lost = more + more_too, loss + loss_too
        if table.group_of[i] is table.group_of[j]:
            added, lost = moved((i, k), (j, m))
        if cost + added <= room * SLACK:
            found.append((lost, ((i, k), (j, m))))
    return [_changed(choices, changes) for _, changes in sorted(found)]


def _changed(choices: tuple[int, ...], changes: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    vector = list(choices)
    for i, k in changes:
        vector[i] = k
    return tuple(vector)


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
