"""What the interpreter answers, sample by sample."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..graph import Graph, interpreter
from ..graph.policy import Settled
from ..tasks import every_output
from .records import Decided

Codes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Expected:
    """The right answer to a sample.

    Attributes:
        decided: Answer, and what is decided for it.
        runs: How many times each of ``graph.all_layers`` runs.
    """

    decided: Decided
    runs: tuple[int, ...]


class Interpreter:
    """The interpreter in this process: it computes a batch when its answers are taken.

    Args:
        graph: The model. With states, the batches are one stream.
        settled: The policy.
    """

    def __init__(self, graph: Graph, settled: Settled) -> None:
        self._given: deque[Codes] = deque()
        self._results = interpreter.run_batches(graph, self._batches(), settled)

    def submit(self, codes: Codes) -> None:
        """Take the next batch of samples."""
        self._given.append(codes)

    def take(self) -> list[Expected]:
        """The answers to the earliest batch that has not been answered."""
        return rows(next(self._results))

    def _batches(self) -> Iterator[Codes]:
        while True:
            yield self._given.popleft()


def rows(result: interpreter.Result) -> list[Expected]:
    """The samples of a result one by one."""
    outputs, choices = every_output(result), result.choices.tolist()
    points, passes, runs = result.points.tolist(), result.passes.tolist(), result.runs.tolist()
    margins = result.margins[np.arange(len(points)), points].tolist() if result.margins.size else [0] * len(points)
    return [
        Expected(Decided(outputs[i].tobytes(), tuple(choices[i]), points[i], passes[i], margins[i]), tuple(runs[i]))
        for i in range(len(points))
    ]
