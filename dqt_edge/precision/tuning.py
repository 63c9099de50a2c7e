"""The best settings for several goals: over all bases, with and without widening."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .goals import SLACK, Goal, Judge, Space
from .layer_costs import LayerCosts
from .recording import Base, Table
from .refine import Refiner
from .thresholds import Best, Thresholds
from .walks import Walker

OUTER = 1500
"""Most combinations of thresholds of the points but the last that are tried for a base, without widening."""
OUTER_WIDENED = 60
"""The same for each combination of places of widening."""
SHARES = (0.1, 0.25, 0.5)
"""Shares of the samples that are widened at a point to begin with, beside none and all."""


@dataclass(frozen=True)
class Effort:
    """How much is tried.

    Attributes:
        outer, outer_widened: See ``OUTER`` and ``OUTER_WIDENED``.
        shares: See ``SHARES``; None is every threshold that there is.
    """

    outer: int = OUTER
    outer_widened: int = OUTER_WIDENED
    shares: tuple[float, ...] | None = SHARES


@dataclass(frozen=True)
class Found:
    """What was found for a goal.

    Attributes:
        base: What inferences begin with.
        best: The setting with its mean cost, errors and loss.
    """

    base: Base
    best: Best


@dataclass(frozen=True)
class Outcome:
    """What was found for every goal.

    Attributes:
        found: One for each goal; None where no setting is within its limits.
        exact: Whether all thresholds of exits and second pass were tried.
        refined: Largest part of the cost, or share of the loss, that moving single thresholds saved afterwards.
    """

    found: tuple[Found | None, ...]
    exact: bool
    refined: float


def tune(
    table: Table,
    costs: LayerCosts,
    judge: Judge,
    goals: Sequence[Goal],
    space: Space,
    effort: Effort | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    bases: Sequence[Base] | None = None,
) -> Outcome:
    """Find the best setting for each goal.

    Exits and second pass are tried exactly for each base, see ``thresholds``; widening starts from some shares of the
    samples, and then each threshold is moved to its best place.

    Args:
        table: Recorded samples.
        costs: What layers cost.
        judge: What losses are.
        goals: What to look for.
        space: What may be tuned.
        effort: How much is tried.
        progress: Called with the bases done and their number.
        bases: Of the table, those to begin with; None is all.
    """
    effort = effort or Effort()
    bases = table.bases if bases is None else bases
    found: list[Found | None] = [None] * len(goals)
    exact, refined = True, 0.0
    for done, base in enumerate(bases):
        progress(done, len(bases))
        walker = Walker(table, base, costs)
        narrow, was_exact = _of_base(walker, judge, goals, space, effort)
        exact &= was_exact
        refiner = Refiner(walker, judge, space)
        for i, goal in enumerate(goals):
            best = best_of(goal, narrow)
            if best is None:
                continue
            better = refiner.refine(goal, best)
            gain = goal.key(best.cost, best.loss)[0] - goal.key(better.cost, better.loss)[0]
            refined = max(refined, gain / walker.whole if goal.cheapest else gain)
            known = found[i]
            if known is None or goal.key(better.cost, better.loss) < goal.key(known.best.cost, known.best.loss):
                found[i] = Found(base, better)
    progress(len(bases), len(bases))
    return Outcome(tuple(found), exact, refined)


def again(
    table: Table, costs: LayerCosts, judge: Judge, goal: Goal, space: Space, known: Sequence[Found | None]
) -> Found | None:
    """The best of some settings for another goal, with its thresholds moved; None if none is within its limits."""
    best = best_of(goal, [None if each is None else each.best for each in known])
    if best is None:
        return None
    base = next(each.base for each in known if each is not None and each.best is best)
    return Found(base, Refiner(Walker(table, base, costs), judge, space).refine(goal, best))


def best_of(goal: Goal, known: Sequence[Best | None]) -> Best | None:
    """The best for a goal; None if none is within its limits."""
    fitting = [
        best for best in known if best is not None and best.cost <= goal.cost * SLACK and best.errors <= goal.errors
    ]
    return min(fitting, key=lambda best: goal.key(best.cost, best.loss), default=None)


def _of_base(
    walker: Walker, judge: Judge, goals: Sequence[Goal], space: Space, effort: Effort
) -> tuple[list[Best | None], bool]:
    """The best for each goal, and whether nothing was left out but places of widening."""
    count = len(walker.graph.points)
    plain = Thresholds(walker, judge, goals, space, effort.outer)
    plain.search((0,) * count)
    best = list(plain.best)
    if not space.widen:
        return best, plain.exact
    options = [_widenings(walker, point, space, effort) for point in range(count)]
    widened = Thresholds(walker, judge, goals, space, effort.outer_widened)
    for widen in itertools.product(*options):
        if any(widen):
            widened.search(widen)
    for i, (goal, other) in enumerate(zip(goals, widened.best, strict=True)):
        known = best[i]
        if other is not None and (known is None or goal.key(other.cost, other.loss) < goal.key(known.cost, known.loss)):
            best[i] = other
    return best, plain.exact


def _widenings(walker: Walker, point: int, space: Space, effort: Effort) -> list[int]:
    """Thresholds of widening to begin with at a point."""
    if not space.has(point) or point not in walker.paths:
        return [0]
    margins: npt.NDArray[np.int64] = walker.paths[-1].margins[:, point]
    values = np.unique(margins)
    if effort.shares is not None and len(values) > len(effort.shares):
        values = np.unique(np.quantile(margins, [*effort.shares, 1.0]).astype(np.int64))
    return [0, *(int(value) + 1 for value in values)]
