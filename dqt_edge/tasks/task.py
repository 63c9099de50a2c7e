"""Task: what a network's outputs stand for, which targets they are judged by, and how good they are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..errors import UsageError
from ..graph import Shape
from .score import Score
from .statistics import Labels, Reals

Array = npt.NDArray[Any]
WHERE = "parameter `data`"


@dataclass(frozen=True)
class Head:
    """What is known of a network's outputs.

    Attributes:
        shape: (height, width, channels) of the output; of several outputs, of the first.
        sizes: Values of each output.
        classes: Class names, or empty.
        chances: The outputs are chances, 0..1: the network ends in a sigmoid or softmax that is computed.
        threshold: Of ``binary``, in the output's unit; None is a chance of one half.
    """

    shape: Shape
    sizes: tuple[int, ...]
    classes: tuple[str, ...] = ()
    chances: bool = False
    threshold: float | None = None

    @property
    def even(self) -> float:
        """Output of a single channel that stands for a chance of one half."""
        return 0.5 if self.chances else 0.0


class Task(ABC):
    """One kind of task, for one network.

    All methods take outputs as real numbers [samples, size], of several outputs one behind another.
    """

    name: ClassVar[str]
    headline: ClassVar[str]
    """The figure that stands for a score, as a rule."""
    loss: ClassVar[str] = "mse"
    """What :meth:`difference` measures: ``kl``, between class chances, or ``mse``."""

    def __init__(self, head: Head) -> None:
        self.head = head

    @abstractmethod
    def targets(self, y: Array, where: str = WHERE) -> Array:
        """The targets as this task takes them; raises UsageError for any that the outputs cannot answer."""

    @abstractmethod
    def score(self, outputs: Reals, y: Array | None, inputs: Array | None = None) -> Score | None:
        """How good outputs are; None where there is nothing to judge by.

        Args:
            outputs: See the class.
            y: What :meth:`targets` returned, or None.
            inputs: Inputs in the data's own unit [samples, ...], which a reconstruction is judged by.
        """

    @abstractmethod
    def difference(self, reference: Reals, outputs: Reals) -> float:
        """How far outputs are from those of another network that answers right: 0 if they agree."""

    def answers(self, outputs: Reals) -> Labels | None:
        """Class numbers [samples] or [samples, places]; None for a task whose answers are real numbers."""
        return None

    def describe(self, outputs: Reals) -> str:
        """The answer of one sample, whose outputs are [size], in a few words."""
        return ", ".join(f"{value:.4g}" for value in outputs[:4]) + (", ..." if len(outputs) > 4 else "")


def refuse(what: str, where: str, next_step: str) -> UsageError:
    """Error of targets that do not belong to a task."""
    return UsageError(what, where=where, next_step=next_step)


def whole_numbers(y: Array, shape: tuple[int, ...], classes: int, task: str, where: str) -> Labels:
    """Class numbers below ``classes``, int64 [samples, *shape]; raises UsageError naming the first that is not."""
    y = np.asarray(y)
    kind = "one class number" if not shape else f"class numbers [{', '.join(map(str, shape))}]"
    if y.dtype != np.bool_ and not np.issubdtype(y.dtype, np.integer):
        raise refuse(
            f"the targets are of type {y.dtype}, and {task} takes class numbers",
            where,
            "give whole numbers, or say what the outputs stand for with `task`",
        )
    if y.shape[1:] != shape:
        raise refuse(
            f"the targets have shape {list(y.shape)}, and {task} takes {kind} for each sample",
            where,
            "give targets of that shape, or say what the outputs stand for with `task`",
        )
    found = y.astype(np.int64)
    wrong = found[(found < 0) | (found >= classes)]
    if wrong.size:
        raise refuse(
            f"label {int(wrong.flat[0])} occurs, and the model has outputs for {classes} classes, 0 to {classes - 1}",
            where,
            "give the labels that the model was made for",
        )
    return found


def real_numbers(y: Array, size: int, task: str, where: str) -> Reals:
    """Finite targets, float64 [samples, size]; raises UsageError for anything else."""
    y = np.asarray(y)
    if not (np.issubdtype(y.dtype, np.floating) or np.issubdtype(y.dtype, np.integer)):
        raise refuse(f"the targets are of type {y.dtype}", where, f"give real numbers for {task}")
    found = y.reshape(len(y), -1).astype(np.float64)
    if found.shape[1] != size:
        raise refuse(
            f"there are {found.shape[1]} targets for each sample, and the model has {size} outputs",
            where,
            f"give y of shape [samples, {size}]",
        )
    if not np.isfinite(found).all():
        raise refuse("the targets hold numbers that are not finite", where, "leave these samples out")
    return found


def log_softmax(logits: Reals) -> Reals:
    """Of the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)), np.float64)


def divergence(reference: Reals, logits: Reals) -> float:
    """Mean Kullback-Leibler divergence, in nats, of softmax(logits) from softmax(reference): 0 if they agree."""
    wanted, found = log_softmax(reference), log_softmax(logits)
    return float((np.exp(wanted) * (wanted - found)).sum(axis=-1).mean())


def squared_error(reference: Reals, outputs: Reals) -> float:
    """Mean squared difference, as a part of the reference's variance."""
    return float(((outputs - reference) ** 2).mean() / max(float(reference.var()), 1e-30))
