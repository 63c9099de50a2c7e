"""Tally: adds up the records of a session, and makes its figures of them."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt

from ..boards import Board
from ..graph import Graph, MacLayer
from ..graph.interpreter import Result
from ..graph.points import Setting
from ..graph.policy import Policy, parse_policy, policy_label
from ..tasks import Score, inputs_of, reals, task_of
from ..tasks.kinds import Reconstruction
from .decided import answered_at, choices_text, mean_bitops
from .pieces import Pieces
from .records import Record
from .summary import Inferences, LayerFact, Session


class Tally:
    """What is kept of a session's records: some bytes for each, and sums.

    Args:
        graph: The model.
        board: Where it ran.
        policy: As it was given.
        counted: Whether the records have counts.
    """

    def __init__(self, graph: Graph, board: Board, policy: Policy, *, counted: bool = True) -> None:
        self._graph, self._board, self._counted = graph, board, counted
        self._settled = parse_policy(policy, graph)
        self._label = policy_label(policy, self._settled)
        self.count = 0
        """Records so far."""
        self.differences = 0
        """Records whose answers differ."""
        self.first_difference: str | None = None
        self._found, self._wanted = bytearray(), bytearray()
        self._choices, self._points, self._passes, self._runs = array("h"), array("h"), array("b"), array("h")
        self._totals = array("d")
        self._layers = [0] * len(graph.all_layers)

    def add(self, record: Record) -> None:
        """Take the next record, in the order of the samples. Ctrl-C in the middle leaves it out as a whole."""
        self._found += record.found.output
        self._wanted += record.wanted.output
        self._choices.extend(record.wanted.choices)
        self._points.append(record.wanted.point)
        self._passes.append(record.wanted.passes)
        self._runs.extend(record.runs)
        layers = self._layers
        if record.total is not None and record.counts is not None:
            self._totals.append(record.total)
            layers = [a + b for a, b in zip(layers, record.counts, strict=True)]
        differences = self.differences + record.differs
        first = self.first_difference or record.difference or None
        self._layers, self.differences, self.first_difference, self.count = layers, differences, first, self.count + 1

    @property
    def _has_counts(self) -> bool:
        """Some devices of a fleet may have no counter that means anything; then there is no figure of all."""
        return self._counted and len(self._totals) >= self.count

    def session(self, codes: Pieces, labels: npt.NDArray[Any] | None, real: Pieces | None = None) -> Session:
        """The figures so far, of at least one record; ``planned`` is set where samples are missing.

        Args:
            codes: All inputs of the session.
            labels: Targets of all samples as the model's task takes them, or None.
            real: The inputs in the data's own unit, if they are known; an autoencoder is judged by them.
        """
        graph, settled, count = self._graph, self._settled, self.count
        expected, by_setting = self._expected(), isinstance(settled, Setting)
        given = reals(graph, self._codes(self._found))
        totals = np.array(self._totals[:count]) if self._has_counts else None
        scores = self._scores(given, reals(graph, expected.outputs), (codes, real), labels)
        answers = task_of(graph).answers(given)
        single = None if answers is None or answers.ndim > 1 else answers
        vectors = Counter(choices_text(graph, row) for row in expected.choices.tolist())
        controller = {layer.name for layer in graph.controller.layers} if graph.controller else set()
        return Session(
            board=self._board.id,
            model=graph.name,
            policy=self._label,
            unit=self._board.counter.unit,
            samples=count,
            task=graph.task,
            score=scores[0],
            interpreter_score=scores[1],
            mismatches=self.differences,
            first_difference=self.first_difference,
            count=None if totals is None else float(totals.mean()),
            count_least=None if totals is None else float(totals.min()),
            count_most=None if totals is None else float(totals.max()),
            controller_share=self._share(controller),
            bitops_ratio=mean_bitops(graph, expected, settled),
            width_vectors=dict(vectors.most_common()),
            layers=self._layer_facts(expected),
            each=Inferences(
                single,
                totals,
                expected.choices,
                expected.points,
                expected.passes,
                graph,
                codes,
                given,
                None if labels is None else labels[:count],
            ),
            heads_share=self._share(graph.beside - controller),
            answered_at=answered_at(graph, expected.points) if by_setting else {},
            second_passes=float((expected.passes == 2).mean()) if by_setting else None,
            planned=len(codes) if count < len(codes) else None,
        )

    def _expected(self) -> Result:
        """The interpreter's answers as arrays."""

        def rows(values: array[int], width: int) -> npt.NDArray[np.int64]:
            return np.array(values[: self.count * width], np.int64).reshape(self.count, width)

        return Result(
            outputs=self._codes(self._wanted),
            choices=rows(self._choices, len(self._graph.adaptive)),
            points=rows(self._points, 1)[:, 0],
            passes=rows(self._passes, 1)[:, 0],
            runs=rows(self._runs, len(self._layers)),
        )

    def _codes(self, outputs: bytearray) -> npt.NDArray[np.uint8]:
        """Output codes [samples, size]."""
        width = sum(self._graph.tensor(name).size for name in self._graph.outputs)
        return np.frombuffer(outputs, np.uint8, self.count * width).reshape(self.count, width)

    def _scores(
        self,
        given: npt.NDArray[np.float64],
        wanted: npt.NDArray[np.float64],
        inputs: tuple[Pieces, Pieces | None],
        labels: npt.NDArray[Any] | None,
    ) -> tuple[Score | None, Score | None]:
        """How good the device's answers are, and the interpreter's."""
        task = task_of(self._graph)
        judged = None
        if isinstance(task, Reconstruction):  # the only one that is judged by its inputs
            codes, real = (None if part is None else part[: self.count] for part in inputs)
            assert codes is not None
            judged = inputs_of(self._graph, codes, real)
        targets = None if labels is None else labels[: self.count]
        return task.score(given, targets, judged), task.score(wanted, targets, judged)

    def _share(self, names: Collection[str]) -> float | None:
        """Part of the counts that some layers took; None where nothing is counted, or there are no such layers."""
        columns = [i for i, layer in enumerate(self._graph.all_layers) if layer.name in names]
        total = sum(self._totals[: self.count])
        if not self._has_counts or not columns or total <= 0:
            return None
        return float(sum(self._layers[i] for i in columns) / total)

    def _layer_facts(self, expected: Result) -> tuple[LayerFact, ...]:
        facts = []
        position = 0
        for i, layer in enumerate(self._graph.all_layers):
            bits: tuple[float, float] | tuple[None, None] = (None, None)
            if isinstance(layer, MacLayer):
                pairs = np.array(layer.options, np.float64)
                rows = pairs[:1]
                if len(layer.options) > 1:
                    chosen = expected.choices[:, position]
                    rows = pairs[chosen[chosen >= 0]]
                    position += 1
                if len(rows):
                    bits = (float(rows[:, 0].mean()), float(rows[:, 1].mean()))
            count = self._layers[i] / self.count if self._has_counts else None
            runs = float(expected.runs[:, i].mean())
            macs = self._graph.macs(layer)
            facts.append(LayerFact(layer.name, type(layer).__name__, macs, count, bits[0], bits[1], None, runs))
        return tuple(facts)
