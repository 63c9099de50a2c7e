"""Learns a head from its features: in floating point first, then on the integers that it will have."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ...errors import DqtError
from ...graph import Layer, Tensor
from ..head import DenseHead
from ..head_graph import dense_layers
from ..layers import Run
from ..losses import SMOOTHING
from ..quantizers import Array
from ..steps import adam
from .features import Codes, Spot
from .options import HeadOptions

WARM_SHARE = 0.3
"""Part of the epochs in floating point."""
PATIENCE = 4
"""A phase ends when this part of all epochs, a fourth, brought no better validation loss."""
CALIBRATION_SAMPLES = 4096
PREDICTED = 4096
"""Features that are predicted at a time."""
ORDER = 5
"""Key of the order of features, beside seed and epoch."""

Row = dict[str, Any]
"""An epoch of a head: point, epoch, epochs (of all), phase, loss, val_loss, best."""


@dataclass(frozen=True, eq=False)
class Lessons:
    """Features of one head with what they are to lead to. All arrays have a row for each sample and width vector.

    Attributes:
        pooled: Codes, uint8 [rows, inputs].
        sample: Index of each row's sample, int64 [rows].
        targets: Chances of the classes, float32 [samples, classes].
        weights: Of each sample, float32 [samples], with a mean of 1.
    """

    pooled: Codes
    sample: npt.NDArray[np.int64]
    targets: npt.NDArray[np.float32]
    weights: npt.NDArray[np.float32]


def targets_of(chances: npt.NDArray[np.float64], labels: npt.NDArray[np.int64] | None) -> npt.NDArray[np.float32]:
    """What a head's chances should be: the mean of the full network's and of the smoothed labels, where there are some.

    Cross-entropy with a mean of chances is the mean of both cross-entropies.
    """
    if labels is None:
        return chances.astype(np.float32)
    classes = chances.shape[1]
    hard = np.full(chances.shape, SMOOTHING / classes)
    hard[np.arange(len(labels)), labels] += 1 - SMOOTHING
    return ((hard + chances) / 2).astype(np.float32)


class Head(DenseHead):
    """The head of a point, from codes of what it reads.

    Args:
        name: Of the point.
        spot: Where it lies, and what it reads.
        unit: Real size of a code of its input, as the head sees it: such that inputs have a mean square of 1.
    """

    def __init__(self, name: str, spot: Spot, unit: float) -> None:
        super().__init__(name, spot.shape.pooled, spot.shape.hidden, spot.shape.classes)
        self.spot, self.unit = spot, unit

    def call(self, codes: Array, *, run: Run) -> Array:
        """Logits [samples, classes] of codes [samples, inputs]."""
        value = (tf.cast(codes, tf.float32) - self.spot.tensor.zero_point) * self.unit
        return self.answer(value, tf.constant(self.unit, tf.float32), run)

    def layers(self) -> tuple[tuple[Layer, ...], tuple[Tensor, ...]]:
        """The layers of the decision point, and the tensors that they make."""
        pool, tensor = self.spot.pool, self.spot.tensor
        hidden, dense = dense_layers(self, tensor.name, self.unit)
        return (dense, (hidden,)) if pool is None else ((pool, *dense), (tensor, hidden))


def learn(
    name: str, spot: Spot, train: Lessons, validation: Lessons, options: HeadOptions, on_epoch: Callable[[Row], None]
) -> tuple[Head, list[Row]]:
    """A trained head. Each phase begins with the best epoch of the one before, by validation loss, and so does the end.

    Raises:
        DqtError: The loss is no number any more.
    """
    keras.utils.set_random_seed(options.seed)
    tf.config.experimental.enable_op_determinism()
    head = Head(name, spot, _unit(train.pooled, spot.tensor.zero_point))
    course = _Course(head, train, validation, options, on_epoch)
    warm = max(1, math.floor(course.total * WARM_SHARE))
    course.phase("float", Run(nested=False, batch_statistics=True), warm)
    _calibrate(head, train)
    course.phase("nested", Run(nested=True), course.total - warm)
    return head, course.rows


class _Course:
    """A head on its way through its epochs."""

    def __init__(
        self, head: Head, train: Lessons, validation: Lessons, options: HeadOptions, on_epoch: Callable[[Row], None]
    ) -> None:
        self.head, self.train, self.validation, self.options = head, train, validation, options
        self.on_epoch, self.rows = on_epoch, list[Row]()
        self.total = options.passes(len(train.pooled))
        self.steps = max(1, len(train.pooled) // options.batch)

    def phase(self, name: str, run: Run, epochs: int) -> None:
        """Up to so many epochs of one phase; the head is that of the best of them then."""
        step = _step(self.head, run, self.options.learning_rate, epochs * self.steps)
        best, values, since = math.inf, [v.numpy() for v in self.head.variables], 0
        while epochs and PATIENCE * since <= self.total:
            found = self._epoch(name, run, step, best)
            epochs, since = epochs - 1, since + 1
            if found < best:
                best, values, since = found, [v.numpy() for v in self.head.variables], 0
        for variable, value in zip(self.head.variables, values, strict=True):
            variable.assign(value)

    def _epoch(self, phase: str, run: Run, step: Callable[..., Array], best: float) -> float:
        """One epoch; its validation loss."""
        epoch = len(self.rows) + 1
        loss = _epoch(step, self.train, epoch, self.steps, self.options)
        found = _loss(predict(self.head, self.validation.pooled, nested=run.nested), self.validation)
        if not math.isfinite(loss) or not math.isfinite(found):
            raise DqtError(
                f"the loss became {loss} in epoch {epoch}",
                where=f"training of head {self.head.name!r}",
                next_step="train again with a lower `learning_rate`",
            )
        row = {"point": self.head.name, "epoch": epoch, "epochs": self.total, "phase": phase, "loss": loss}
        self.rows.append({**row, "val_loss": found, "best": found < best})
        self.on_epoch(self.rows[-1])
        return found


def predict(head: Head, pooled: Codes, *, nested: bool) -> npt.NDArray[np.float32]:
    """Logits of features, float32 [rows, classes]."""
    run = Run(nested=nested)
    parts = [head(tf.constant(pooled[i : i + PREDICTED]), run=run).numpy() for i in range(0, len(pooled), PREDICTED)]
    return np.concatenate(parts)


def _unit(pooled: Codes, zero_point: int) -> float:
    some = pooled[:: max(1, len(pooled) // CALIBRATION_SAMPLES)].astype(np.float64) - zero_point
    return float(1 / max(math.sqrt((some**2).mean()), 1.0))


def _calibrate(head: Head, train: Lessons) -> None:
    """Set scales and clip by a float pass over features spread over all of them."""
    head(
        tf.constant(train.pooled[:: max(1, len(train.pooled) // CALIBRATION_SAMPLES)]),
        run=Run(nested=False, calibrate=True),
    )


def _step(head: Head, run: Run, rate: float, steps: int) -> Callable[[Codes, Any, Any], Array]:
    """One compiled gradient step of a phase; its loss."""
    variables: Sequence[Any] = [
        v for v in head.trainable_variables if run.nested or v.name not in ("log_scale", "log_alpha")
    ]
    optimizer, known = adam(rate * (1 if not run.nested else 0.3), steps, 0.01 if run.nested else 0.2, list(variables))

    @tf.function  # type: ignore[untyped-decorator]
    def step(codes: Array, targets: Array, weights: Array) -> Array:
        with tf.GradientTape() as tape:
            each = tf.nn.softmax_cross_entropy_with_logits(labels=targets, logits=head(codes, run=run))
            loss = tf.reduce_mean(each * weights)
        optimizer.apply_gradients(zip(tape.gradient(loss, known), known, strict=True))
        return loss

    return step  # type: ignore[no-any-return]


def _epoch(step: Callable[..., Array], train: Lessons, epoch: int, steps: int, options: HeadOptions) -> float:
    order = np.random.default_rng((ORDER, options.seed, epoch)).permutation(len(train.pooled))
    total = 0.0
    for at in range(steps):
        rows = order[at * options.batch : (at + 1) * options.batch]
        samples = train.sample[rows]
        total += float(step(tf.constant(train.pooled[rows]), train.targets[samples], train.weights[samples]))
    return total / steps


def _loss(logits: npt.NDArray[np.float32], lessons: Lessons) -> float:
    """Mean weighted cross-entropy."""
    wide = logits.astype(np.float64)
    wide = wide - wide.max(axis=1, keepdims=True)
    logs = wide - np.log(np.exp(wide).sum(axis=1, keepdims=True))
    each = -(lessons.targets[lessons.sample] * logs).sum(axis=1)
    return float((each * lessons.weights[lessons.sample]).mean())
