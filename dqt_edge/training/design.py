"""What a run is to make: its task, and the structure of its network. Imports without TensorFlow.

Everything that a run can be refused for is known from here, before TensorFlow starts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..architectures.models import AUTOENCODERS, spec_of
from ..architectures.spec import MacNode, Spec, shapes
from ..data.dataset import Dataset, require_classes
from ..data.npz import coding_of
from ..data.sources import Subset, has_targets
from ..errors import BadFileError, UsageError
from ..graph import Shape
from ..graph.bitops import cost_table
from ..precision.cost import of_spec
from ..tasks import TASKS, Head, Task
from ..tasks.kinds import Binary, Classifier, Map, Outputs, Reconstruction, Regression
from .initial import Initial
from .options import Options
from .places import with_points

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

assert set(LOSSES) | {Outputs.name} == set(TASKS)


@dataclass(frozen=True, eq=False)
class Design:
    """What a run is to make.

    Attributes:
        spec: Structure of the network.
        task: What its outputs stand for.
        classes: Names of its outputs, see :func:`names_for`.
        coding: See :func:`output_coding`.
    """

    spec: Spec
    task: str
    classes: tuple[str, ...]
    coding: tuple[float, int] | None


def design_of(options: Options, dataset: Dataset, initial: Initial | None = None) -> Design:
    """Settle what a run is to make, and refuse what cannot be trained.

    Args:
        options: Of the run.
        dataset: What it is trained on.
        initial: Its first weights; its structure too where the model is their file.

    Raises:
        UsageError: An unknown model, layer or task; a loss, shift or budget that cannot be; outputs that cannot answer
            the targets.
        BadFileError: Data with nothing to tell apart.
    """
    if any(1 < n <= options.pixels for n in dataset.shape[:2]):
        raise UsageError(
            f"a shift of {options.pixels} pixels moves images of shape {dataset.shape} out of sight",
            where="parameter `shift`",
            next_step="give a smaller shift, or 0",
        )
    given = initial.spec if initial is not None and options.model == options.init else None
    output = None if given is None else shapes(given, dataset.shape)[given.nodes[-1].name]
    task = task_for(options, dataset, output)
    dataset = suited(dataset, task)
    spec = given or spec_of(options.model, outputs_for(task, dataset))
    coding = output_coding(task, dataset)
    last = spec.nodes[-1]
    if coding is not None and isinstance(last, MacNode):  # codes end where the targets do, so no ReLU has to
        spec = replace(spec, nodes=(*spec.nodes[:-1], replace(last, relu=False, limit=None)))
    spec = with_points(spec, options.points, dataset.shape, task)
    if options.controller == "none" or (options.controller == "auto" and spec.points):
        spec = replace(spec, control=None)
    made = shapes(spec, dataset.shape)[last.name]
    if given is not None and task == Classifier.name:
        _require_outputs(int(np.prod(made)), dataset)
    allowed = losses_of(task, made)
    if options.loss not in (None, "given", *allowed):
        raise UsageError(
            f"task {task} is not trained with {options.loss}",
            where="parameter `loss`",
            next_step=f"leave it out, or give {' or '.join(allowed)}",
        )
    judge_of(task, dataset, made)
    if spec.control is not None:
        require_budget(options.budget, least_cost(spec, dataset.shape, options))
    return Design(spec, task, names_for(task, dataset, made), coding)


def _require_outputs(outputs: int, dataset: Dataset) -> None:
    """Refuse a given classifier that has another number of outputs than the data has classes."""
    if outputs != len(dataset.classes):
        raise UsageError(
            f"the model has {outputs:,} outputs, and the data {len(dataset.classes):,} classes",
            where=f"parameter `model`, data {dataset.name!r}",
            next_step="give a model with an output for each class, or data of the model's own classes",
        )


def least_cost(spec: Spec, shape: Shape, options: Options) -> float:
    """BitOPs ratio of the cheapest widths, 0..1: of a network that reads inputs with a zero point a lower bound."""
    layers = of_spec(spec, shape)
    adaptive = [layer.name for layer in layers if layer.adaptive and len(options.candidates) > 1]
    if not adaptive:
        return 0.0
    rows, fixed = cost_table({layer.name: layer.macs for layer in layers}, dict.fromkeys(adaptive, options.candidates))
    return fixed + sum(map(min, rows))


def require_budget(budget: float, lowest: float) -> None:
    """Refuse a budget that no choice of widths keeps."""
    if lowest > budget:
        raise UsageError(
            f"the budget {budget:g} is out of reach: the least widths already cost {lowest:.3f}",
            where="parameter `budget`",
            next_step="give a larger budget, or narrower `candidates`",
        )


def judge_of(task: str, dataset: Dataset, output: Shape) -> Task:
    """What judges the outputs of a network.

    Raises:
        UsageError: Targets that outputs of that shape cannot answer.
    """
    size = int(np.prod(output))
    judge = TASKS[task](Head(output, (size,), names_for(task, dataset, output)))
    if task == Reconstruction.name and size != int(np.prod(dataset.shape)):
        raise UsageError(
            f"the model makes {size:,} numbers of {int(np.prod(dataset.shape)):,} inputs",
            where="parameter `task` reconstruction",
            next_step="give a model whose output is as large as its input",
        )
    for part in (dataset.train, dataset.validation, dataset.test):
        if has_targets(part.labels):
            judge.targets(part.labels)
    return judge


def losses_of(task: str, output: Shape) -> tuple[str, ...]:
    """What a task can be trained with; a map of one channel is a binary one."""
    allowed = LOSSES[task]
    if task == Map.name:
        return allowed[1:] if output[2] == 1 else allowed[:1]
    return allowed


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
