"""Better thresholds one at a time: each of a setting's is moved to its best place, the others held, until none moves.

With the others held, a threshold only says which samples go one of two ways; both ways are walked once for all samples,
and every place of the threshold follows from sums over the samples in the order of their margins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ..graph.points import AGAIN_MAX, NEVER, WATCH, Setting
from .goals import Goal, Judge, Space
from .thresholds import Best
from .walks import Walk, Walker, may_stop

Integers = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]
ROUNDS = 20
"""Most times that all thresholds are gone through."""


@dataclass(frozen=True, eq=False)
class Refiner:
    """Moves thresholds of settings that begin with one base."""

    walker: Walker
    judge: Judge
    space: Space

    def refine(self, goal: Goal, start: Best) -> Best:
        """The setting itself, or a better one."""
        best = start
        for _ in range(ROUNDS):
            before = best
            for move in self._moves(best.setting):
                found = self._best_of(goal, best.setting, move)
                if found is not None and goal.key(found.cost, found.loss) < goal.key(best.cost, best.loss):
                    best = found
            if best == before:
                break
        return best

    def measure(self, setting: Setting) -> Best:
        """What a setting comes to."""
        total = self._figures(self.walker.walk(setting)).sum(axis=0)
        return Best(setting, float(total[0]) / len(self.walker.table), float(total[1]), float(total[2]))

    def _moves(self, setting: Setting) -> Iterator[tuple[str, int]]:
        for point in range(len(setting.exits)):
            if self.space.has(point):
                if self.space.exits:
                    yield "exits", point
                if self.space.widen and point in self.walker.paths:
                    yield "widen", point
        if self.space.again and self.walker.graph.adaptive:
            yield "again", -1

    def _best_of(self, goal: Goal, setting: Setting, move: tuple[str, int]) -> Best | None:
        """The best place of one threshold."""
        what, point = move
        places, sums = {"exits": self._exits, "widen": self._widen, "again": self._again}[what](setting, point)
        samples = len(self.walker.table)
        tried = [self._placed(setting, what, point, int(place)) for place in (places[0],)]
        found = goal.pick(sums[:, 0] / samples, sums[:, 1], sums[:, 2])
        if found is not None:
            tried.append(self._placed(setting, what, point, int(places[found])))
        if what == "exits" and setting.widen[point] == 0:
            tried.append(self._placed(setting, what, point, NEVER))
        measured = [self.measure(each) for each in tried]
        chosen = goal.pick(*(np.array([getattr(m, name) for m in measured]) for name in ("cost", "errors", "loss")))
        return None if chosen is None else measured[chosen]

    def _placed(self, setting: Setting, what: str, point: int, place: int) -> Setting:
        if what == "again":
            return replace(setting, again=place)
        values = list(setting.exits if what == "exits" else setting.widen)
        values[point] = place
        moved = replace(setting, exits=tuple(values)) if what == "exits" else replace(setting, widen=tuple(values))
        exits = list(moved.exits)
        if exits[point] >= WATCH:  # a head that changes nothing is not run
            exits[point] = WATCH if moved.widen[point] else NEVER
        stops = self.space.stops if any(threshold < WATCH for threshold in exits) else None
        return replace(moved, exits=tuple(exits), stops=stops)

    def _exits(self, setting: Setting, point: int) -> tuple[Integers, Reals]:
        exits = list(setting.exits)
        exits[point] = WATCH
        setting = replace(setting, exits=tuple(exits), stops=self.space.stops)
        on = self.walker.walk(setting)
        at = np.where(on.widened < point, on.widened, -1)
        margins, early, until = self.walker.at(point, at)
        reached = (on.points > point) & may_stop(early, setting.stops)
        heads = sum(float(self.walker.heads[q]) for q in range(point + 1) if setting.runs_head(q))
        stop = replace(on, answers=early, costs=until + heads)
        order = np.flatnonzero(reached)[np.argsort(-margins[reached], kind="stable")]
        ends, sums = self._sums(on, stop, order, margins)
        return np.r_[WATCH, margins[order][ends[1:] - 1]], sums

    def _widen(self, setting: Setting, point: int) -> tuple[Integers, Reals]:
        exits = list(setting.exits)
        exits[point] = min(exits[point], WATCH)
        setting = replace(setting, exits=tuple(exits))
        none, every = (self.walker.walk(self._with_widen(setting, point, threshold)) for threshold in (0, NEVER))
        margins = self.walker.at(point, np.full(len(none.points), -1))[0]
        moved = every.widened == point
        order = np.flatnonzero(moved)[np.argsort(margins[moved], kind="stable")]
        ends, sums = self._sums(none, every, order, margins)
        return np.r_[0, margins[order][ends[1:] - 1] + 1], sums

    @staticmethod
    def _with_widen(setting: Setting, point: int, threshold: int) -> Setting:
        widen = list(setting.widen)
        widen[point] = threshold
        return replace(setting, widen=tuple(widen))

    def _again(self, setting: Setting, _: int) -> tuple[Integers, Reals]:
        once, twice = (self.walker.walk(replace(setting, again=again)) for again in (0, AGAIN_MAX))
        margins = self.walker.at_end(once.widened)[0]
        moved = twice.passes == 2
        order = np.flatnonzero(moved)[np.argsort(margins[moved], kind="stable")]
        ends, sums = self._sums(once, twice, order, margins)
        return np.r_[0, margins[order][ends[1:] - 1] + 1], sums

    def _sums(self, one: Walk, other: Walk, order: Integers, margins: Integers) -> tuple[Integers, Reals]:
        """Totals where the first so many samples of an order go the other way, equal margins together.

        Returns:
            How many, ascending from 0, and cost, errors and loss of all samples then, [ends, 3].
        """
        first = self._figures(one)
        change = (self._figures(other) - first)[order]
        values = margins[order]
        ends = np.r_[0, np.flatnonzero(values[1:] != values[:-1]) + 1, len(order)] if len(order) else np.zeros(1, int)
        sums = first.sum(axis=0) + np.vstack([np.zeros(3), change.cumsum(axis=0)])
        return np.asarray(ends, np.int64), sums[ends]

    def _figures(self, walk: Walk) -> Reals:
        """Cost, errors and loss of each sample."""
        return np.column_stack([walk.costs, walk.answers != self.walker.table.full, self.judge(walk.answers)])
