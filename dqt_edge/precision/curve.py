"""Fixed widths for many budgets: what they cost, and how good they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import UsageError
from ..graph import Graph, MacLayer, Pair, interpreter
from ..graph.bitops import graph_costs, pair_ratio, vector_ratio
from ..tasks import Score, every_output, inputs_of, reals, task_of
from . import biases
from .assign import Option, Table, front, improve, within
from .candidates import nearest
from .counts import Counts
from .evaluate import Evaluator, difference_of
from .sensitivity import Sensitivity
from .skips import saved_by_skips

Vector = tuple[Pair, ...]
JUDGED_AT_ONCE = 100
"""Samples between two reports of progress."""


@dataclass(frozen=True)
class CurvePoint:
    """A width vector.

    Attributes:
        origin: ``search`` (the best found for ``budget``), or ``uniform`` (one pair for all layers that have it).
        budget: In the unit of the search: a part of the 8x8 BitOPs, or a count.
        bitops_ratio: BitOPs, as a part of all layers at 8x8.
        count: Predicted count of one inference, if a board was measured.
        loss: Difference from the widest candidates on the calibration samples.
        settled: Whether the biases were corrected for this vector as a whole, because that lowered the loss.
        score: On the held-out samples; None where there is nothing to judge by.
    """

    origin: str
    budget: float | None
    pairs: Vector
    bitops_ratio: float
    count: float | None
    loss: float
    settled: bool = False
    score: Score | None = None

    @property
    def accuracy(self) -> float | None:
        """Share of right answers on the held-out samples, 0..1; None without labels, and for tasks without one."""
        return None if self.score is None else self.score.accuracy


class Search:
    """Assigns widths by measured sensitivities.

    Args:
        graph: As :func:`sensitivity.measure` returned it, with the biases that were kept.
        codes: Calibration inputs.
        sensitivities: Of the same graph.
        loss: Which loss they are in.
        counts: Counts of the layers on a board; None: the budget is in BitOPs.
        correct: Correct the biases of each vector that is found.
    """

    def __init__(
        self,
        graph: Graph,
        codes: npt.NDArray[np.uint8],
        sensitivities: Sequence[Sensitivity],
        *,
        loss: str = "kl",
        counts: Counts | None = None,
        correct: bool = True,
    ) -> None:
        self.graph, self.counts, self.correct = graph, counts, correct
        self.settled: dict[Vector, Graph] = {}
        self.difference = difference_of(graph, loss)
        self.evaluator = Evaluator(graph, codes)
        self.reference = self.evaluator.logits(self.evaluator.base)
        self.losses: dict[Vector, float] = {self.evaluator.base: 0.0}
        alone = {(s.layer, s.pair): s.loss for s in sensitivities}
        self.fixed_cost, rows = costs(graph, counts)
        options = [
            [
                Option(cost, max(alone.get((layer.name, pair), 0.0), 0.0))
                for pair, cost in zip(layer.options, row, strict=True)
            ]
            for layer, row in zip(graph.adaptive, rows, strict=True)
        ]
        self.table = table(graph, options)
        self.front = front(self.table)

    def bitops_ratio(self, pairs: Vector) -> float:
        """BitOPs of a width vector, as a part of all layers at 8x8."""
        return vector_ratio(self.graph, pairs)

    def loss_of(self, pairs: Vector) -> float:
        """True loss of a width vector on the calibration samples."""
        if pairs not in self.losses:
            self.losses[pairs] = self.difference(self.reference, self.evaluator.logits(pairs))
        return self.losses[pairs]

    def solve(self, budget: float, trials: int, progress: Callable[[], None] = lambda: None) -> CurvePoint:
        """The best width vector within a budget.

        Losses of single layers are added up to find a start that is best by that model. The true loss of its
        neighbours, the most promising first, then decides: vectors that differ in one layer or in two.

        Args:
            budget: Part of the 8x8 BitOPs, or a count.
            trials: How many neighbours may be run.
            progress: Called after each run.

        Raises:
            UsageError: Even the cheapest vector costs more.
        """
        require(self.graph, [budget], self.counts)
        room = budget - self.fixed_cost
        start = within(self.front, room)
        assert start is not None
        choices = improve(
            self.table, start.choices, room, lambda found: self.loss_of(self._pairs(found)), trials, progress
        )
        return self.point("search", self._pairs(choices), budget)

    def point(self, origin: str, pairs: Vector, budget: float | None = None) -> CurvePoint:
        """Facts of a width vector, but for its score."""
        count = None if self.counts is None else self.counts.total(self.graph, pairs)
        self._settle(pairs)
        return CurvePoint(
            origin, budget, pairs, self.bitops_ratio(pairs), count, self.loss_of(pairs), pairs in self.settled
        )

    def graph_of(self, pairs: Vector) -> Graph:
        """The graph with the biases for a vector that was settled, else the one for all vectors."""
        return self.settled.get(pairs, self.graph)

    def _settle(self, pairs: Vector) -> None:
        """Correct the biases of a vector on every other sample, and keep that if it helps on those between."""
        codes = self.evaluator.codes
        if not self.correct or pairs == self.evaluator.base or pairs in self.settled or len(codes) < 2:
            return
        graph = biases.settle(self.graph, pairs, codes[::2])
        plain, own = (self.evaluator.logits(pairs, g)[1::2] for g in (self.graph, graph))
        reference = self.reference[1::2]
        if self.difference(reference, own) < self.difference(reference, plain):
            self.settled[pairs] = graph
            self.losses[pairs] = self.difference(self.reference, self.evaluator.logits(pairs, graph))

    def uniform(self) -> list[CurvePoint]:
        """One pair for all layers, as far as they have it, for each pair; equal vectors once."""
        pairs = dict.fromkeys(pair for layer in self.graph.adaptive for pair in layer.candidates)
        vectors = dict.fromkeys(tuple(nearest(layer, pair) for layer in self.graph.adaptive) for pair in pairs)
        return [self.point("uniform", vector) for vector in vectors]

    def _pairs(self, choices: Sequence[int]) -> Vector:
        return tuple(layer.options[k] for layer, k in zip(self.graph.adaptive, choices, strict=True))


def costs(graph: Graph, counts: Counts | None) -> tuple[float, list[list[float]]]:
    """Cost of what cannot be chosen, and of each option of each adaptive layer: parts of 8x8 BitOPs, or counts.

    A skip's cost is less what the layers without a choice cost that are skipped with it.
    """
    if counts is not None:
        return counts.fixed, [[counts.layers[x.name, pair] for pair in x.options] for x in graph.adaptive]
    rows, constant = graph_costs(graph)
    macs = {x.name: graph.macs(x) * pair_ratio(x.candidates[0]) for x in graph.layers if isinstance(x, MacLayer)}
    for layer, saved in saved_by_skips(graph, macs).items():
        position = next(i for i, x in enumerate(graph.adaptive) if x.name == layer)
        rows[position][-1] -= saved / graph.total_macs
    return constant, rows


def table(graph: Graph, options: Sequence[Sequence[Option]]) -> Table:
    """The options of the adaptive layers, with the branches that some of them skip."""
    places = {layer.name: i for i, layer in enumerate(graph.adaptive)}
    return Table(options, {places[name]: end for name, end in graph.skipped_with.items() if name in places})


def cheapest(graph: Graph, counts: Counts | None) -> float:
    """Cost of the cheapest width vector."""
    constant, rows = costs(graph, counts)
    return constant + front(table(graph, [[Option(cost, 0.0) for cost in row] for row in rows]))[0].cost


def require(graph: Graph, budgets: Sequence[float], counts: Counts | None) -> None:
    """Raise UsageError if a budget is less than the cheapest width vector costs."""
    least = cheapest(graph, counts)
    if min(budgets) < least * (1 - 1e-9):
        raise UsageError(
            f"no width vector costs {min(budgets):,.4g} or less; the cheapest costs {least:,.4g}",
            where=f"search on graph {graph.name!r}",
            next_step="raise the budget, or offer narrower `candidates`",
        )


def score(
    graph: Graph,
    codes: npt.NDArray[np.uint8],
    targets: npt.NDArray[Any] | None,
    pairs: Vector,
    real: npt.NDArray[Any] | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Score | None:
    """How good the answers at a width vector are, by the graph's task.

    Args:
        graph: The network.
        codes: Inputs.
        targets: As the task takes them, or None.
        pairs: The width vector.
        real: The inputs in the data's own unit, if they are known.
        progress: Called with the number of samples done.
    """
    parts, step = [], len(codes) if graph.states else JUDGED_AT_ONCE
    for start in range(0, len(codes), step):
        parts.append(every_output(interpreter.run(graph, codes[start : start + step], pairs)))
        progress(len(parts[-1]))
    outputs = reals(graph, np.concatenate(parts))
    return task_of(graph).score(outputs, targets, inputs_of(graph, codes, real))
