"""What a network is trained for: its task as TensorFlow sees it. One object for each kind of loss.

Outputs and targets are in the network's own unit: logits as they are, real numbers as codes of the output / 255, so
that a step of Adam suits them whatever unit the data has.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ..tasks import Score, Task
from ..tasks.kinds import Reconstruction
from . import losses
from .quantizers import Array

LossFunction = Callable[[Array, Array], Array]
"""Of targets and outputs, as the task has them and in their own unit, to a loss: one number, or one for each sample."""
Found = npt.NDArray[Any]
SPREAD_MIN = 1e-9


class Objective(ABC):
    """Losses against targets and against the 8-bit pass.

    Args:
        task: Gives the figure that epochs are told by.
        unit: Real size of an output of 1.
        balance: How far rare classes weigh more in the figure, see ``Options.balance``.
    """

    def __init__(self, task: Task, unit: float = 1.0, balance: float = 0.0) -> None:
        self.task, self.unit, self.balance = task, unit, balance

    @abstractmethod
    def hard(self, y: Array, outputs: Array) -> Array:
        """Mean loss against targets."""

    def plain(self, y: Array, outputs: Array) -> Array:
        """The same with all classes alike."""
        return self.hard(y, outputs)

    @abstractmethod
    def soft_each(self, teacher: Array, outputs: Array) -> Array:
        """Loss of each sample against outputs of the 8-bit pass, which get no gradient."""

    def soft(self, teacher: Array, outputs: Array) -> Array:
        """Mean of :meth:`soft_each`."""
        return tf.reduce_mean(self.soft_each(tf.stop_gradient(teacher), outputs))

    def distortion(self, full: Array, narrow: Array) -> Array:
        """How far narrowing moves each sample's outputs from the 8-bit pass's."""
        full = tf.stop_gradient(full)
        return self.soft_each(full, narrow) - self.soft_each(full, full)

    @abstractmethod
    def figure(self, y: Array, outputs: Array) -> Array:
        """What a batch is told by: the part of right answers, or the mean squared error in the unit of the loss."""

    def told(self, figure: float) -> float:
        """A mean of :meth:`figure` as :meth:`value` tells it."""
        return 100 * figure

    def value(self, y: Found, outputs: Found) -> float:
        """The task's figure of many samples: shares in per cent, errors in the data's unit."""
        score = self.score(y, outputs)
        return 100 * score.main.value if score.main.percent else score.main.value

    def quality(self, y: Found, outputs: Found) -> float:
        """The same as a number of which more is better; with the balance of training, for classes of samples."""
        answers = self.task.answers(outputs)
        if answers is not None and y.ndim == 1:
            return 100 * balanced(answers == y, y, self.balance)
        score = self.score(y, outputs)
        return 100 * score.quality if score.main.percent else score.quality

    def score(self, y: Found, outputs: Found) -> Score:
        """The task's own."""
        score = self.task.score(outputs.astype(np.float64), y)
        assert score is not None
        return score


class Classes(Objective):
    """Cross-entropy of classes; of a map at each place.

    Args:
        channels: Classes.
        weights: Of each class's samples, with a mean of 1.
    """

    def __init__(
        self, task: Task, channels: int, weights: npt.NDArray[np.float32] | None = None, balance: float = 0.0
    ) -> None:
        super().__init__(task, balance=balance)
        self.channels, self.weights = channels, weights

    def hard(self, y: Array, outputs: Array) -> Array:
        """See :class:`Objective`."""
        return losses.hard_loss(y, self._logits(outputs), self.weights)

    def plain(self, y: Array, outputs: Array) -> Array:
        """See :class:`Objective`."""
        return losses.hard_loss(y, self._logits(outputs))

    def soft_each(self, teacher: Array, outputs: Array) -> Array:
        """See :class:`Objective`."""
        each = losses.soft_each(self._logits(teacher), self._logits(outputs))
        return tf.reduce_mean(each, axis=-1) if len(each.shape) > 1 else each

    def figure(self, y: Array, outputs: Array) -> Array:
        """Part of right answers."""
        return losses.accuracy(y, self._logits(outputs))

    def _logits(self, outputs: Array) -> Array:
        """[samples, classes], or [samples, places, classes]."""
        return outputs if outputs.shape[-1] == self.channels else tf.reshape(outputs, [len(outputs), -1, self.channels])


class YesOrNo(Objective):
    """Binary cross-entropy of one output; of a map with one channel at each place.

    Args:
        weights: Of no and yes.
    """

    def __init__(self, task: Task, weights: npt.NDArray[np.float32] | None = None, balance: float = 0.0) -> None:
        super().__init__(task, balance=balance)
        self.weights = weights

    def hard(self, y: Array, outputs: Array) -> Array:
        """See :class:`Objective`."""
        y = tf.reshape(y, tf.shape(outputs))
        each = self._each(y, outputs)
        return tf.reduce_mean(each if self.weights is None else tf.gather(self.weights, y) * each)

    def plain(self, y: Array, outputs: Array) -> Array:
        """See :class:`Objective`."""
        return tf.reduce_mean(self._each(tf.reshape(y, tf.shape(outputs)), outputs))

    @staticmethod
    def _each(y: Array, outputs: Array) -> Array:
        wanted = tf.cast(y, outputs.dtype) * (1 - losses.SMOOTHING) + losses.SMOOTHING / 2
        return tf.nn.sigmoid_cross_entropy_with_logits(wanted, outputs)

    def soft_each(self, teacher: Array, outputs: Array) -> Array:
        """See :class:`Objective`."""
        return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(tf.nn.sigmoid(teacher), outputs), axis=-1)

    def figure(self, y: Array, outputs: Array) -> Array:
        """Part of right answers."""
        y = tf.reshape(y, tf.shape(outputs))
        return tf.reduce_mean(tf.cast(tf.cast(outputs > 0, y.dtype) == y, tf.float32))


class Numbers(Objective):
    """Real numbers: squared or absolute errors, as parts of the targets' own spread.

    Args:
        spread: Variance of the targets, in the square of the network's unit.
        absolute: Absolute instead of squared errors.
    """

    def __init__(self, task: Task, unit: float, spread: float, *, absolute: bool = False) -> None:
        super().__init__(task, unit)
        self.absolute = absolute
        self.spread = max(spread, SPREAD_MIN) ** (0.5 if absolute else 1.0)

    def hard(self, y: Array, outputs: Array) -> Array:
        """See :class:`Objective`."""
        return tf.reduce_mean(self.soft_each(y, outputs))

    def soft_each(self, teacher: Array, outputs: Array) -> Array:
        """See :class:`Objective`."""
        away = outputs - tf.cast(teacher, outputs.dtype)
        return tf.reduce_mean(tf.abs(away) if self.absolute else away * away, axis=-1) / self.spread

    def figure(self, y: Array, outputs: Array) -> Array:
        """Mean squared error, in the square of the data's unit."""
        away = outputs - tf.cast(y, outputs.dtype)
        return tf.reduce_mean(away * away) * self.unit**2

    def told(self, figure: float) -> float:
        """See :class:`Objective`."""
        return math.sqrt(figure) if self.task.headline == "rmse" else figure

    def score(self, y: Found, outputs: Found) -> Score:
        """In the data's unit; an autoencoder's targets are its inputs."""
        real, wanted = outputs.astype(np.float64) * self.unit, y.astype(np.float64) * self.unit
        again = self.task.name == Reconstruction.name
        score = self.task.score(real, None if again else wanted, wanted if again else None)
        assert score is not None
        return score


class Given(Objective):
    """A loss of the caller's own, beside another objective for all but the loss against targets."""

    def __init__(self, other: Objective, function: LossFunction) -> None:
        super().__init__(other.task, other.unit, other.balance)
        self.other, self.function = other, function

    def hard(self, y: Array, outputs: Array) -> Array:
        """See :class:`Objective`."""
        y, outputs = tf.convert_to_tensor(y), tf.convert_to_tensor(outputs)
        return tf.reduce_mean(self.function(y * self.unit if y.dtype.is_floating else y, outputs * self.unit))

    def soft_each(self, teacher: Array, outputs: Array) -> Array:
        """See :class:`Objective`."""
        return self.other.soft_each(teacher, outputs)

    def figure(self, y: Array, outputs: Array) -> Array:
        """See :class:`Objective`."""
        return self.other.figure(y, outputs)

    def told(self, figure: float) -> float:
        """See :class:`Objective`."""
        return self.other.told(figure)

    def score(self, y: Found, outputs: Found) -> Score:
        """See :class:`Objective`."""
        return self.other.score(y, outputs)


def balanced(right: npt.NDArray[np.bool_], y: npt.NDArray[np.int64], balance: float) -> float:
    """Share of right answers; a sample counts ``(samples of its class) ** -balance``, so 1 makes it the mean recall."""
    weights = np.maximum(np.bincount(y), 1.0)[y] ** -balance
    return float(np.average(right, weights=weights))
