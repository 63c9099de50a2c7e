"""What settings would do with recorded samples: a walk over the paths of one base, without running the network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..graph import Graph
from ..graph.points import Setting, widest_choices
from .layer_costs import LayerCosts
from .recording import Base, Path, Table

Integers = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Walk:
    """What a setting does with each sample; the fields are those of ``interpreter.Result`` where they share a name.

    Attributes:
        points: Point that answered, the number of points for the end.
        passes: 1, or 2 where a second pass answered.
        widened: Point at which the sample was widened, -1 for nowhere.
        answers: Class.
        costs: In the unit of the layers' costs.
    """

    points: Integers
    passes: Integers
    widened: Integers
    answers: Integers
    costs: Reals


@dataclass(frozen=True, eq=False)
class PathCosts:
    """Costs of a path's samples.

    Attributes:
        until: Of the network's own layers up to each point, and to the end, float64 [samples, points + 1].
        narrow: Whether a sample is narrower than it could be anywhere, bool [samples].
    """

    until: Reals
    narrow: Flags


class Walker:
    """Walks over one base.

    Attributes:
        heads: Cost of each point's head.
        again: Cost of a second pass.
        rest: What every inference takes.
        whole: Cost of the full network: what ratios are of.
    """

    def __init__(self, table: Table, base: Base, costs: LayerCosts) -> None:
        self.table, self.base, self.costs = table, base, costs
        self.graph, self.paths = table.graph, table.paths[base]
        graph = self.graph
        self.heads = np.array([sum(costs.layers[x.name][0] for x in point.layers) for point in graph.points])
        self.rest, self.whole = costs.rest, costs.full(graph)
        self.again = _second_pass(graph, costs)
        self.known = {at: self._path_costs(path) for at, path in self.paths.items()}

    def _path_costs(self, path: Path) -> PathCosts:
        graph, samples = self.graph, len(path.answers)
        ends = {point.after: i for i, point in enumerate(graph.points)}
        controller = graph.controller if self.base.widths is None else None
        until, so_far = np.zeros((samples, len(graph.points) + 1)), np.full(samples, self.rest)
        for layer, cost in self.costs.by_layer(graph, path.choices):
            so_far = so_far + cost
            if controller is not None and controller.after == layer.name:
                so_far = so_far + sum(self.costs.layers[each.name][0] for each in controller.layers)
            if layer.name in ends:
                until[:, ends[layer.name]] = so_far
        until[:, -1] = so_far
        widest = np.array(widest_choices(graph), np.int64)
        return PathCosts(until, (path.choices != widest).any(axis=1))

    def walk(self, setting: Setting) -> Walk:
        """What the setting does; it begins with this base."""
        count, samples = len(self.graph.points), len(self.table)
        going, at = np.ones(samples, bool), np.full(samples, -1)
        points, answers, costs = np.full(samples, count), np.zeros(samples, np.int64), np.zeros(samples)
        heads = np.zeros(samples)
        for p in range(count):
            if not setting.runs_head(p):
                continue
            heads[going] += self.heads[p]
            margin, early, until = self.at(p, at)
            stops = going & (margin >= setting.exits[p]) & may_stop(early, setting.stops)
            points[stops], answers[stops] = p, early[stops]
            costs[stops] = until[stops] + heads[stops]
            going &= ~stops
            if p in self.paths:
                at[going & (margin < setting.widen[p]) & (at < 0)] = p
        margin, last, until, narrow = self.at_end(at)
        again = going & narrow & (margin < setting.again)
        answers[going], costs[going] = last[going], until[going] + heads[going]
        answers[again] = self.table.full[again]
        costs[again] += self.again
        return Walk(points, 1 + again.astype(np.int64), at, answers, costs)

    def at(self, point: int, widened: Integers) -> tuple[Integers, Integers, Reals]:
        """Margin, class and cost so far at a point, of samples that were widened at these points, or not at all."""
        margins, early = np.zeros(len(widened), np.int64), np.zeros(len(widened), np.int64)
        until = np.zeros(len(widened))
        for at, path in self.paths.items():
            mine = widened == at
            margins[mine], early[mine] = path.margins[mine, point], path.early[mine, point]
            until[mine] = self.known[at].until[mine, point]
        return margins, early, until

    def at_end(self, widened: Integers) -> tuple[Integers, Integers, Reals, Flags]:
        """Margin of the output's codes, class, cost so far and whether narrow anywhere, at the network's end."""
        margins, answers = np.zeros(len(widened), np.int64), np.zeros(len(widened), np.int64)
        until, narrow = np.zeros(len(widened)), np.zeros(len(widened), bool)
        for at, path in self.paths.items():
            mine = widened == at
            margins[mine], answers[mine] = path.margins[mine, -1], path.answers[mine]
            until[mine], narrow[mine] = self.known[at].until[mine, -1], self.known[at].narrow[mine]
        return margins, answers, until, narrow


def may_stop(classes: Integers, stops: tuple[int, ...] | None) -> Flags:
    """Whether each class may be answered early."""
    return np.ones(len(classes), bool) if stops is None else np.isin(classes, stops)


def _second_pass(graph: Graph, costs: LayerCosts) -> float:
    if not graph.adaptive:
        return 0.0
    widest = dict(zip((layer.name for layer in graph.adaptive), widest_choices(graph), strict=True))
    layers = graph.layers[graph.second_pass_start :]
    return sum(costs.layers[layer.name][widest.get(layer.name, 0)] for layer in layers)
