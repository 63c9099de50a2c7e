"""What a run is for: its task, the targets of each sample, and how its outputs become codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data.augment import Codes
from ..data.dataset import Dataset
from ..data.sources import Indices, Source
from ..graph import Shape
from ..tasks import Task
from ..tasks.kinds import Binary, Map, Reconstruction
from .design import NUMBERS, judge_of, losses_of, output_coding
from .losses import class_weights
from .objective import Classes, Given, LossFunction, Numbers, Objective, YesOrNo
from .options import Options


@dataclass(frozen=True, eq=False)
class Purpose:
    """What a run is for.

    Attributes:
        task: What judges the outputs.
        objective: What is minimised.
        coding: Scale and zero point of an output of real numbers, in the data's unit; None for others.
        deviation: How far such outputs spread around their mean, in the network's unit.
        of_codes: What the network sees of input codes; the targets of an autoencoder.
    """

    task: Task
    objective: Objective
    coding: tuple[float, int] | None
    deviation: float
    of_codes: Callable[[Codes], npt.NDArray[np.float32]]

    @property
    def again(self) -> bool:
        """Whether the inputs themselves are the targets."""
        return self.task.name == Reconstruction.name

    def targets(self, source: Source, indices: Indices, codes: Codes | None = None) -> npt.NDArray[Any]:
        """Targets of samples in the network's unit: int64 [n] or [n, places], float32 [n, outputs].

        Args:
            source: Part of the data set.
            indices: Of the samples.
            codes: What the network gets of them, if that is known already.
        """
        if self.again:
            codes = source.codes(indices) if codes is None else codes
            return self.of_codes(codes).reshape(len(codes), -1)
        found = self.task.targets(source.labels[indices])
        return (found / self.objective.unit).astype(np.float32) if self.coding is not None else found


def purpose_of(
    task: str,
    dataset: Dataset,
    output: Shape,
    options: Options,
    of_codes: Callable[[Codes], npt.NDArray[np.float32]],
    function: LossFunction | None = None,
) -> Purpose:
    """Put together what a run is for.

    Args:
        task: Its task.
        dataset: What it learns from, see :func:`suited`.
        output: Shape of the network's output.
        options: Of the run.
        of_codes: See :class:`Purpose`.
        function: A loss of the caller's own.
    """
    judge = judge_of(task, dataset, output)
    coding = output_coding(task, dataset)
    unit = 1.0 if coding is None else 255 * coding[0]
    purpose = Purpose(judge, _objective(judge, output, dataset, options, unit), coding, 1.0, of_codes)
    if coding is not None:
        count = min(len(dataset.train.labels), SPREAD_SAMPLES)
        sample = np.linspace(0, len(dataset.train.labels) - 1, count).astype(np.int64)
        targets = purpose.targets(dataset.train, sample).astype(np.float64)
        mean = targets.mean(axis=0)
        spread = float(((targets - mean) ** 2).mean())
        numbers = Numbers(judge, unit, spread, absolute=options.loss == "mae")
        purpose = replace(purpose, objective=numbers, deviation=spread**0.5)
    if function is not None:
        purpose = replace(purpose, objective=Given(purpose.objective, function))
    return purpose


SPREAD_SAMPLES = 4096
"""Training samples whose targets say how large errors are to be taken."""


def _objective(judge: Task, output: Shape, dataset: Dataset, options: Options, unit: float) -> Objective:
    allowed = losses_of(judge.name, output)
    if judge.name in NUMBERS:
        return Numbers(judge, unit, 1.0)
    classes = max(output[2], 2) if judge.name in (Map.name, Binary.name) else int(np.prod(output))
    weights = None
    if judge.name != Map.name:
        counts = np.bincount(judge.targets(dataset.train.labels), minlength=classes)
        weights = class_weights(counts.tolist(), options.balance)
    if allowed[0] == "binary":
        return YesOrNo(judge, weights, options.balance)
    return Classes(judge, classes, weights, options.balance)
