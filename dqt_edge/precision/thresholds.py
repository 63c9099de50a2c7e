"""The best thresholds over recorded samples, exactly, where the widening is given.

A sample that is answered rightly at a point, whatever it is judged by, had better stop there: all later answers cost
more, and none is better. So the best threshold lies right above a sample that would be wrong, and only such thresholds
are tried, of equal margins all or none. The same holds for the second pass: it is worth its cost for wrong answers
alone. Points but the last are gone through one by one; the last and the second pass are tried all at once, from sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from ..graph.points import NEVER, WATCH, Setting
from .goals import Goal, Judge, Space
from .walks import Walker, may_stop

Integers = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Best:
    """The best setting so far; mean cost, number of errors, and loss."""

    setting: Setting
    cost: float
    errors: float
    loss: float


@dataclass(frozen=True, eq=False)
class _State:
    """Samples behind some points: who still goes on, and the sums over those who stopped.

    Attributes:
        going: Indices of samples.
        widened: Where each of all samples was widened, -1 for nowhere.
        heads: Cost of the heads so far.
        sums: Cost, errors and loss of what stopped.
    """

    going: Integers
    widened: Integers
    heads: float
    sums: Reals
    exits: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class _Seen:
    """What all samples show at a point.

    Attributes:
        given: Where they were widened before.
        keys: Margin of each; -1 where it may not stop.
        order: Samples by falling key.
        stop: Cost, errors and loss of each if it stops, without heads.
        widened: Where each is widened behind the point.
    """

    given: Integers
    keys: Integers
    order: Integers
    stop: Reals
    widened: Integers


@dataclass(eq=False)
class Thresholds:
    """Finds the best exits and second pass for several goals at once.

    Attributes:
        walker: Over the base that inferences begin with.
        judge: What losses are.
        outer: Most combinations of thresholds of the points but the last; beyond, they are thinned evenly.
        exact: Whether none was left out so far.
        best: For each goal what was found.
    """

    walker: Walker
    judge: Judge
    goals: Sequence[Goal]
    space: Space
    outer: int
    exact: bool = True
    best: list[Best | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.best = [None] * len(self.goals)
        self.full = self.walker.table.full
        self.count = len(self.walker.graph.points)
        self.errors_most = max(goal.errors for goal in self.goals)
        self.second = self._losses(self.full)
        """Errors and loss of each sample behind a second pass."""

    def search(self, widen: Sequence[int]) -> None:
        """Try all thresholds with this widening, one threshold for each point."""
        self.widen = tuple(widen)
        self._memory: dict[tuple[int, int], _Seen] = {}
        self._ends_known: dict[int, tuple[Integers, Integers, Reals, Flags]] = {}
        samples = len(self.full)
        self._descend(_State(np.arange(samples), np.full(samples, -1), 0.0, np.zeros(3)))

    def _descend(self, state: _State) -> None:
        """All options of the next point."""
        point = len(state.exits)
        if point == self.count:
            self._finish(state, 0, np.zeros(1, np.int64), None)
            return
        if self.widen[point] == 0:
            self._off(state)
        if not self.space.has(point):
            return
        last = point == self.count - 1
        seen = self._seen(point, state.widened)
        going = np.zeros(len(self.full), bool)
        going[state.going] = True
        order = seen.order[going[seen.order]]
        margins, allowed = seen.keys[order], int((seen.keys[state.going] >= 0).sum())
        heads = state.heads + float(self.walker.heads[point])
        stop = seen.stop[order]
        stop[:, 0] += heads
        ends = self._ends(margins, allowed, _any(stop), least=0 if self.widen[point] else 1)
        behind = replace(state, going=order, widened=seen.widened, heads=heads)
        if last:
            self._finish(behind, allowed, ends, (margins, stop))
            return
        sums = np.vstack([np.zeros(3), stop.cumsum(axis=0)])
        for n in self._thinned(ends):
            total = state.sums + sums[n]
            if total[1] > self.errors_most:
                break
            self._descend(replace(behind, going=order[n:], sums=total, exits=(*state.exits, _threshold(margins, n))))

    def _off(self, state: _State) -> None:
        """The point's head is not run."""
        self._descend(replace(state, exits=(*state.exits, NEVER)))

    def _seen(self, point: int, widened: Integers) -> _Seen:
        """What all samples show at a point, that were widened before at these; worked out once."""
        known = self._memory.get((point, id(widened)))
        if known is None:
            margins, early, until = self.walker.at(point, widened)
            may = may_stop(early, self.space.stops) & self.space.exits
            keys = np.where(may, margins, -1)
            behind = widened
            if point in self.walker.paths and self.widen[point]:
                behind = np.where((margins < self.widen[point]) & (widened < 0), point, widened)
            stop = np.column_stack([until, self._losses(early)])
            known = _Seen(widened, keys, np.argsort(-keys, kind="stable"), stop, behind)
            self._memory[point, id(widened)] = known
        return known

    def _end(self, widened: Integers) -> tuple[Integers, Reals, Flags]:
        """Margin at the network's end, cost with errors and loss, and whether narrow; worked out once."""
        known = self._ends_known.get(id(widened))
        if known is None:
            margins, answers, until, narrow = self.walker.at_end(widened)
            known = widened, margins, np.column_stack([until, self._losses(answers)]), narrow
            self._ends_known[id(widened)] = known
        return known[1:]

    @staticmethod
    def _ends(margins: Integers, allowed: int, wrong: Flags, least: int) -> Integers:
        """Numbers of samples to stop that can be best: up to right above a wrong one, equal margins together."""
        if not allowed:
            return np.zeros(1 if least == 0 else 0, np.int64)
        starts = np.flatnonzero(np.r_[True, margins[1:allowed] != margins[: allowed - 1]])
        groups = np.add.reduceat(wrong[:allowed].astype(np.int64), starts) > 0
        ends = np.r_[starts[groups], allowed]
        return np.asarray(ends[ends >= least], np.int64)

    def _thinned(self, ends: Integers) -> Integers:
        most = max(2, round(self.outer ** (1 / max(self.count - 1, 1))))
        if len(ends) <= most:
            return ends
        self.exact = False
        return np.unique(ends[np.linspace(0, len(ends) - 1, most).round().astype(np.int64)])

    def _losses(self, answers: Integers) -> Reals:
        """Errors and loss of each sample, float64 [samples, 2]."""
        return np.column_stack([answers != self.full, self.judge(answers)])

    def _finish(self, state: _State, allowed: int, ends: Integers, stop: tuple[Integers, Reals] | None) -> None:
        """Try the thresholds of the last point with all of the second pass, and keep what is best for each goal."""
        going, samples = state.going, len(self.full)
        if not len(ends):
            return
        every_margin, every_kept, every_narrow = self._end(state.widened)
        margins, kept, narrow = every_margin[going], every_kept[going], every_narrow[going]
        kept[:, 0] += state.heads
        levels = np.zeros(1, np.int64)
        if self.space.again and self.walker.graph.adaptive:
            wrong = narrow & _any(kept)
            levels = np.r_[0, np.unique(margins[wrong]) + 1]
        stopped = np.zeros((len(going), 3)) if stop is None else stop[1]
        before = np.vstack([np.zeros(3), stopped.cumsum(axis=0)])[ends]
        after = np.vstack([np.zeros(3), kept[::-1].cumsum(axis=0)])[len(going) - ends]
        again = np.column_stack([np.full(len(going), self.walker.again), self.second[going] - kept[:, 1:]])
        changed = _sums(again[narrow], np.flatnonzero(narrow), margins[narrow], ends, levels)
        cells = (state.sums + before + after)[:, None, :] + changed
        cost, errors, loss = (cells[..., i].ravel() for i in range(3))
        for i, goal in enumerate(self.goals):
            found = goal.pick(cost / samples, errors, loss)
            if found is None:
                continue
            known = self.best[i]
            here = Best(Setting(None, (), ()), float(cost[found] / samples), float(errors[found]), float(loss[found]))
            if known is None or goal.key(here.cost, here.loss) < goal.key(known.cost, known.loss):
                row, level = divmod(found, len(levels))
                exits = state.exits
                if stop is not None:
                    n = int(ends[row])
                    exits = (*exits, _threshold(stop[0], n))
                self.best[i] = replace(here, setting=self._setting(exits, int(levels[level])))

    def _setting(self, exits: tuple[int, ...], again: int) -> Setting:
        base = self.walker.base
        stops = self.space.stops if any(threshold < WATCH for threshold in exits) else None
        return Setting(base.widths, exits, self.widen, again, stops, base.bias)


def _any(figures: Reals) -> Flags:
    """Samples with an error or a loss; columns as in ``_State.sums``."""
    return np.asarray((figures[:, 1:] > 0).any(axis=1))


def _threshold(margins: Integers, stopped: int) -> int:
    """The largest threshold that stops so many: the least margin among them."""
    return int(margins[stopped - 1]) if stopped else WATCH


def _sums(values: Reals, places: Integers, margins: Integers, ends: Integers, levels: Integers) -> Reals:
    """Sums over the samples behind each end whose margin is below each level, float64 [ends, levels, columns].

    Args:
        values: [samples, columns].
        places: Of the samples in the order that ``ends`` cuts.
        margins: Of the samples.
        ends: Ascending.
        levels: Ascending.
    """
    block = np.searchsorted(ends, places, "right") - 1
    level = np.searchsorted(levels, margins, "right")
    inside = (block >= 0) & (level < len(levels))
    cell = block[inside] * len(levels) + level[inside]
    size = len(ends) * len(levels)
    columns = [np.bincount(cell, values[inside, i], size) for i in range(values.shape[1])]
    table = np.stack(columns, axis=-1).reshape(len(ends), len(levels), -1)
    return np.asarray(table[::-1].cumsum(axis=0)[::-1].cumsum(axis=1))
