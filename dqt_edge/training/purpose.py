"""What a run is for: its task, the targets of each sample, and how its outputs become codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..architectures.models import AUTOENCODERS
from ..data.augment import Codes
from ..data.dataset import Dataset, require_classes
from ..data.npz import coding_of
from ..data.sources import Indices, Source, Subset, has_targets
from ..errors import BadFileError, UsageError
from ..graph import Shape
from ..tasks import TASKS, Head, Task
from ..tasks.kinds import Binary, Classifier, Map, Outputs, Reconstruction, Regression
from .losses import class_weights
from .objective import Classes, Given, LossFunction, Numbers, Objective, YesOrNo
from .options import Options

NUMBERS = (Regression.name, Reconstruction.name)
"""Tasks whose outputs are real numbers."""
LOSSES: dict[str, tuple[str, ...]] = {
    Classifier.name: ("cross-entropy",),
    Binary.name: ("binary",),
    Map.name: ("cross-entropy", "binary"),
    Regression.name: ("mse", "mae"),
    Reconstruction.name: ("mse", "mae"),
}
"""What each task can be trained with; the first is the usual one."""


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


def task_for(options: Options, dataset: Dataset, output: Shape | None) -> str:
    """The task of a run: the given one, or what the targets and the output of a given network look like.

    Args:
        options: Of the run.
        dataset: What it is trained on.
        output: Shape of the network's output; None for a network that is made for the task.

    Raises:
        UsageError: No task that can be trained, or one without targets.
    """
    labels = dataset.train.labels
    if options.task is not None:
        task = options.task
    elif not has_targets(labels):
        task = Reconstruction.name
    elif np.issubdtype(labels.dtype, np.floating):
        task = Regression.name
    elif labels.ndim == 3:
        task = Map.name
    elif options.model in AUTOENCODERS or not labels.any():  # labels that are all 0: normal inputs
        task = Reconstruction.name
    elif output is not None and output == (1, 1, 1):
        task = Binary.name
    elif output is not None and int(np.prod(output)) == int(np.prod(dataset.shape)):
        task = Reconstruction.name
    else:
        task = Classifier.name
    if task not in LOSSES:
        reason = "is no task" if task not in TASKS else "cannot be trained yet: the network must have one output"
        raise UsageError(f"{task!r} {reason}", where="parameter `task`", next_step=f"choose from {', '.join(LOSSES)}")
    if task != Reconstruction.name and not has_targets(labels):
        raise UsageError(
            f"task {task} needs targets y, and the data has none",
            where="parameter `task`",
            next_step="add y to the data, or train a reconstruction, which needs none",
        )
    if task == Map.name and output is None:
        raise UsageError(
            "no named model makes a map",
            where="parameter `model`",
            next_step="give a .keras file, or a Keras model, whose output has a height and width",
        )
    return task


def outputs_for(task: str, dataset: Dataset) -> int:
    """Outputs of a network that is made for a task."""
    if task == Reconstruction.name:
        return int(np.prod(dataset.shape))
    if task == Regression.name:
        return int(dataset.train.labels.reshape(len(dataset.train.labels), -1).shape[1])
    return 1 if task == Binary.name else len(dataset.classes)


def suited(dataset: Dataset, task: str) -> Dataset:
    """What of a data set a task learns from: of labelled inputs that are to be made again, the normal ones.

    Raises:
        BadFileError: There is nothing to tell apart, or no normal sample.
    """
    labels = dataset.train.labels
    if task in (Classifier.name, Binary.name):
        require_classes(dataset)
    if task != Reconstruction.name or labels.ndim > 1:
        return dataset
    parts = [Subset(part, np.flatnonzero(part.labels == 0)) for part in (dataset.train, dataset.validation)]
    if not all(len(part.labels) for part in parts):
        raise BadFileError(
            "no sample is normal: an autoencoder learns from those with label 0",
            where=dataset.name,
            next_step="label normal inputs 0 and others 1, or leave y out",
        )
    return replace(dataset, train=parts[0], validation=parts[1])


def output_coding(task: str, dataset: Dataset) -> tuple[float, int] | None:
    """Scale and zero point of outputs: of inputs made again those of the inputs, of numbers what spans the targets."""
    if task == Reconstruction.name:
        return dataset.input_scale, dataset.input_zero_point
    return coding_of(dataset.train.labels) if task == Regression.name else None


def names_for(task: str, dataset: Dataset, output: Shape) -> tuple[str, ...]:
    """Class names of a network's outputs: the data's, and numbers for classes that the data does not have."""
    given = dataset.classes
    if task == Binary.name:
        return given if len(given) == 2 else ()
    if task in NUMBERS:
        return given if len(given) == int(np.prod(output)) else ()
    wanted = output[2] if task == Map.name else int(np.prod(output))
    wanted = 2 if wanted == 1 else wanted
    return (*given, *map(str, range(len(given), wanted)))[:wanted]


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

    Raises:
        UsageError: Targets that the outputs cannot answer, or a loss that does not suit the task.
    """
    size = int(np.prod(output))
    head = Head(output, (size,), names_for(task, dataset, output))
    judge = TASKS[task](head)
    if task == Reconstruction.name and size != int(np.prod(dataset.shape)):
        raise UsageError(
            f"the model makes {size:,} numbers of {int(np.prod(dataset.shape)):,} inputs",
            where="parameter `task` reconstruction",
            next_step="give a model whose output is as large as its input",
        )
    for part in (dataset.train, dataset.validation, dataset.test):
        if has_targets(part.labels):
            judge.targets(part.labels)
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
    allowed = LOSSES[judge.name]
    if judge.name == Map.name:
        allowed = allowed[1:] if output[2] == 1 else allowed[:1]
    if options.loss not in (None, "given", *allowed):
        raise UsageError(
            f"task {judge.name} is not trained with {options.loss}",
            where="parameter `loss`",
            next_step=f"leave it out, or give {' or '.join(allowed)}",
        )
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


assert set(LOSSES) | {Outputs.name} == set(TASKS)
