"""Tuned settings on samples that had no part in their choice, and beside each what costs as much.

Rivals are chosen by what the checkpoint says of the tuning samples; here they are only measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..graph.points import NEVER, WATCH, Setting, TunedPoint
from .layer_costs import LayerCosts
from .recording import Base, Table, base_of, widest_base
from .rivals import cascade, exit_alone
from .walks import Walk, Walker

Integers = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Row:
    """Something that answers.

    Attributes:
        kind: ``full``, ``exit``, ``static``, ``dynamic``, ``cascade`` or ``random``.
        name: What it is.
        beside: Index of the tuned point that it is a rival of, or that it is; None of others.
        costs: Unit -> mean cost, of the full network's.
        agreeing: How far each sample's class is the full network's, 0..1, float64 [samples].
        right: The same of its label; None without labels.
        walk: What a setting did with the samples.
    """

    kind: str
    name: str
    beside: int | None
    costs: Mapping[str, float]
    agreeing: Reals
    right: Reals | None
    walk: Walk | None = None


def base_of_setting(table: Table, setting: Setting) -> Base:
    """The recorded base that a setting begins with."""
    return next(b for b in table.paths if (b.widths, b.bias) == (setting.widths, setting.bias))


class Judge:
    """Makes rows of recorded samples.

    Args:
        table: The samples, with all bases that are asked for.
        costs: Unit -> what layers cost.
    """

    def __init__(self, table: Table, costs: Mapping[str, LayerCosts]) -> None:
        self.table, self.costs = table, costs

    def full(self) -> Row:
        """The full network."""
        return self._row("full", "full network", None, dict.fromkeys(self.costs, 1.0), self.table.full)

    def exit(self, point: int, beside: int | None) -> Row:
        """A small network of its own: the layers up to a point at the widest candidates, and its head."""
        name, base = f"up to {self.table.graph.points[point].name}", widest_base(self.table.graph)
        return self.setting("exit", name, beside, base, exit_alone(self.table, point))

    def static(self, widths: str, beside: int | None) -> Row:
        """A fixed width vector."""
        graph, base = self.table.graph, base_of(self.table.graph, widths)
        assert base.widths is not None
        costs = {key: each.vector(graph, base.widths) / each.full(graph) for key, each in self.costs.items()}
        return self._row("static", widths, beside, costs, self.table.paths[base][-1].answers)

    def cascade(self, widths: str, again: int, beside: int | None) -> Row:
        """Narrow everywhere, and once more at the widest below a margin."""
        base = base_of(self.table.graph, widths)
        return self.setting("cascade", widths, beside, base, cascade(self.table, base, again))

    def dynamic(self, point: TunedPoint, index: int) -> Row:
        """A tuned point."""
        setting = point.setting
        return self.setting("dynamic", f"cost {point.cost:.3f}", index, base_of_setting(self.table, setting), setting)

    def setting(self, kind: str, name: str, beside: int | None, base: Base, setting: Setting) -> Row:
        """What a setting does."""
        walkers = {key: Walker(self.table, base, each) for key, each in self.costs.items()}
        walks = {key: walker.walk(setting) for key, walker in walkers.items()}
        walk = next(iter(walks.values()))
        costs = {key: float(each.costs.mean()) / walkers[key].whole for key, each in walks.items()}
        return self._row(kind, name, beside, costs, walk.answers, walk)

    def random(self, dynamic: Row, setting: Setting) -> Row:
        """Samples stop, widen and run again at the same rates as those of a setting, but by chance: the mean of that.

        Every end that a sample of the setting came to, any sample comes to with that end's share.
        """
        assert dynamic.walk is not None
        base = base_of_setting(self.table, setting)
        samples, walk = len(self.table), dynamic.walk
        agreeing = np.zeros(samples)
        right = None if self.table.labels is None else np.zeros(samples)
        costs = dict.fromkeys(self.costs, 0.0)
        ends, counts = np.unique(np.stack([walk.points, walk.widened, walk.passes]), axis=1, return_counts=True)
        for (point, widened, passes), count in zip(ends.T.tolist(), counts.tolist(), strict=True):
            share = count / samples
            forced = self._forced(setting, point, widened, passes)
            row = self.setting("random", "", None, base, forced)
            agreeing += share * row.agreeing
            if right is not None and row.right is not None:
                right += share * row.right
            for key, cost in row.costs.items():
                costs[key] += share * cost
        return Row("random", "by chance", dynamic.beside, costs, agreeing, right)

    @staticmethod
    def _forced(setting: Setting, point: int, widened: int, passes: int) -> Setting:
        """The setting with every sample sent to one end, the same heads run on the way."""
        count = len(setting.exits)
        exits = [WATCH if setting.runs_head(i) else NEVER for i in range(count)]
        if point < count:
            exits[point] = 0
        widen = [NEVER if i == widened else 0 for i in range(count)]
        return Setting(setting.widths, tuple(exits), tuple(widen), 256 if passes == 2 else 0, None, setting.bias)

    def _row(
        self,
        kind: str,
        name: str,
        beside: int | None,
        costs: Mapping[str, float],
        answers: Integers,
        walk: Walk | None = None,
    ) -> Row:
        labels = self.table.labels
        right = None if labels is None else (answers == labels).astype(np.float64)
        return Row(kind, name, beside, costs, (answers == self.table.full).astype(np.float64), right, walk)


def best_within(rows: Iterable[Mapping[str, Any]], costs: Sequence[float], budget: float, by: str) -> int | None:
    """Index of the best of some rows of ``rivals`` that cost no more, of equals the cheapest.

    If all cost more, the cheapest of all; None only of no rows.
    """
    name = "mean_recall" if by == "recall" else by
    fitting = [
        (-float(row[name]), cost, i)
        for i, (row, cost) in enumerate(zip(rows, costs, strict=True))
        if cost <= budget * (1 + 1e-9)
    ]
    if fitting:
        return min(fitting)[2]
    return min(range(len(costs)), key=costs.__getitem__, default=None)


def recalls(right: Reals, labels: Integers) -> dict[int, float]:
    """Share of each class that was found."""
    return {int(k): float(right[labels == k].mean()) for k in np.unique(labels)}
