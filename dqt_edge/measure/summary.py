"""Session: what a device did with a set of samples under one policy, in figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..graph import Graph
from ..tasks import Score, score_json
from ..tasks.statistics import PerClass
from .pieces import Pieces
from .stream import Stream


@dataclass(frozen=True)
class LayerFact:
    """One executed layer.

    Attributes:
        count: Mean counter units for each inference, None where nothing is counted.
        cycles: Mean modelled cycles, None where none are modelled.
        runs: How many times it ran for an inference, on average.
    """

    name: str
    kernel: str
    macs: int
    count: float | None
    mean_weight_bits: float | None
    mean_activation_bits: float | None
    cycles: float | None = None
    runs: float = 1.0


@dataclass(frozen=True, eq=False)
class Inferences:
    """Every inference of a session, in order.

    Attributes:
        answers: The device's answers as class numbers, int64 [samples]; None for a task without classes.
        counts: What each took, in the session's unit, float64 [samples]; None where nothing is counted.
        choices: Candidate of each adaptive layer, int64 [samples, adaptive layers], see ``interpreter.Result``.
        points: Decision point that answered, int64 [samples]; the number of points for the network's end.
        passes: 1 or 2, int64 [samples].
        graph: The model that ran.
        inputs: Its input codes, uint8 [samples, ...], perhaps of more samples; an array, or read when they are shown.
        outputs: What the device answered, real numbers [samples, size].
        targets: As the model's task takes them; None without labels.
    """

    answers: npt.NDArray[np.int64] | None
    counts: npt.NDArray[np.float64] | None
    choices: npt.NDArray[np.int64]
    points: npt.NDArray[np.int64]
    passes: npt.NDArray[np.int64]
    graph: Graph | None = None
    inputs: Pieces | None = None
    outputs: npt.NDArray[np.float64] | None = None
    targets: npt.NDArray[Any] | None = None


@dataclass(frozen=True)
class Session:
    """What happened. Counts are in ``unit``; ``bitops_ratio`` is the mean over samples of BitOPs against all 8x8.

    Attributes:
        mismatches: Samples whose output codes, choices, point, passes or margin differ from the interpreter's.
        first_difference: Sample and first differing layer, when there is a mismatch.
        width_vectors: How often each width vector was chosen.
        task: Of the model.
        score: How good the device's answers are; None where there is nothing to judge by.
        interpreter_score: The same of the interpreter's answers.
        controller_share: Part of the counts that the controller's layers took.
        heads_share: Part of the counts that the layers of decision points took; None without decision points.
        answered_at: Share of the samples that each decision point answered, by name, and the network's ``end``; empty
            without decision points.
        second_passes: Share of the samples that a second pass answered; None where no setting decided.
        cycles: Mean modelled cycles of an inference, see ``modelled.modelled_mean``; None where none are modelled.
        cycles_model: What they are, or why there are none; None where a device counts cycles itself, or time.
        each: Every inference.
        stream: What it did with a recorded stream; None for samples that are none.
        planned: Samples that were asked for, of a session that ended before them; None of a whole one.
        data_sha256: Of the samples that were asked for, with their targets, see ``pieces.digest``; None where nobody
            asked for it.
        baud: Rate of the serial line at the end, bits a second; None where there was none that could be changed.
    """

    board: str
    model: str
    policy: str
    unit: str
    samples: int
    task: str
    score: Score | None
    interpreter_score: Score | None
    mismatches: int
    first_difference: str | None
    count: float | None
    count_least: float | None
    count_most: float | None
    controller_share: float | None
    bitops_ratio: float
    width_vectors: dict[str, int]
    layers: tuple[LayerFact, ...]
    cycles: float | None = None
    cycles_model: str | None = None
    each: Inferences | None = field(default=None, compare=False, repr=False)
    stream: Stream | None = field(default=None, compare=False, repr=False)
    heads_share: float | None = None
    answered_at: dict[str, float] = field(default_factory=dict)
    second_passes: float | None = None
    planned: int | None = None
    data_sha256: str | None = None
    baud: int | None = None

    @property
    def accuracy(self) -> float | None:
        """Share of right answers, 0..1; None without labels, and for tasks that have none."""
        return None if self.score is None else self.score.accuracy

    @property
    def interpreter_accuracy(self) -> float | None:
        """The same of the interpreter's answers."""
        return None if self.interpreter_score is None else self.interpreter_score.accuracy

    @property
    def per_class(self) -> PerClass:
        """Class name -> (right, samples); empty without labels, and for tasks without classes."""
        return {} if self.score is None else self.score.per_class

    @property
    def decided(self) -> bool:
        """Whether the controller chose the widths."""
        return self.policy.startswith("dynamic")


def as_json(session: Session) -> dict[str, Any]:
    """Plain JSON values. The scores' figures are ``metrics``; ``accuracy`` is there for tasks that have one."""
    from dataclasses import asdict  # noqa: PLC0415

    apart = {"score", "interpreter_score", "each", "stream"}
    found = {name: value for name, value in vars(session).items() if name not in apart}
    found["layers"] = [asdict(layer) for layer in session.layers]
    found |= score_json(session.task, session.score)
    if session.interpreter_score is not None:
        found["interpreter_metrics"] = session.interpreter_score.as_json()["metrics"]
        if session.interpreter_accuracy is not None:
            found["interpreter_accuracy"] = session.interpreter_accuracy
    if session.stream is not None:
        found["stream"] = session.stream.as_json()
    return found
