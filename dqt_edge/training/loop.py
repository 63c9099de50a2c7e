"""The training loop: floating-point warm-up, calibration, then nested training with the controller."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ..errors import DqtError, UsageError
from . import losses
from .data import Dataset, Images, Labels, load_data, require_training
from .layers import Run
from .models import spec_of
from .network import NestedModel
from .options import Options
from .quantizers import EMA_RATE, Array
from .state import State, load_state, save_state, state_file
from .steps import Steps

TAU = (5.0, 0.5)
CALIBRATION_SAMPLES = 512
EVALUATION_BATCH = 256

Row = dict[str, Any]
"""One epoch: phase, losses, accuracies and cost ratio."""


class StoppedError(DqtError):
    """The user stopped the run; it can be resumed. The exit code is that of a shell's interrupted command."""

    exit_code = 130


@dataclass(frozen=True)
class Outcome:
    """What a run made.

    Attributes:
        model: The trained network at its best epoch.
        dataset: What it was trained on.
        log: One row for each epoch.
        best_epoch: Counted from 1.
    """

    model: NestedModel
    dataset: Dataset
    log: list[Row] = field(default_factory=list)
    best_epoch: int = 0


def train(
    options: Options, out: Path, *, resume: bool = False, on_epoch: Callable[[Row], None] | None = None
) -> Outcome:
    """Train; the state lies in ``<out>.state/`` after every epoch.

    Args:
        options: What to train.
        out: The checkpoint to be, from which the names of state and log follow; it is not written here.
        resume: Go on from the state, if there is one.
        on_epoch: Called with each epoch's row, after its state is saved.

    Raises:
        StoppedError: Ctrl-C; the state of the last whole epoch is on disk.
    """
    dataset = load_data(options.data)
    require_training(dataset)
    path = state_file(out)
    saved = load_state(path, options) if resume else None
    keras.utils.set_random_seed(options.seed)
    tf.config.experimental.enable_op_determinism()
    trainer = Trainer(options, dataset)
    if saved is not None:
        trainer.restore(saved)
    state = trainer.state
    try:
        while state.epoch < options.epochs:
            row = trainer.epoch(state.epoch)
            trainer.snapshot(row)
            save_state(path, state, options)
            if on_epoch is not None:
                on_epoch(row)
    except KeyboardInterrupt as error:
        raise StoppedError(
            f"training was stopped after epoch {state.epoch} of {options.epochs}",
            where=str(path.parent),
            next_step="give the same command with --resume to go on",
        ) from error
    trainer.assign(state.best)
    best = max(row["epoch"] for row in state.log if row["best"])
    return Outcome(trainer.model, dataset, state.log, best)


def build_model(options: Options, dataset: Dataset) -> NestedModel:
    """Make the untrained network of a run."""
    spec = spec_of(options.model, len(dataset.classes))
    return NestedModel(
        spec,
        dataset.shape,
        dataset.classes,
        candidates=options.candidates,
        input_scale=dataset.input_scale,
        input_zero_point=dataset.input_zero_point,
    )


def shifted(x: Images, largest: int, rng: np.random.Generator) -> Images:
    """Each image moved by up to ``largest`` pixels along both axes, zeros moving in."""
    if largest == 0:
        return x
    _, height, width, _ = x.shape
    padded = np.pad(x, ((0, 0), (largest, largest), (largest, largest), (0, 0)))
    views = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(1, 2))
    rows, columns = rng.integers(0, 2 * largest + 1, (2, len(x)))
    return np.ascontiguousarray(views[np.arange(len(x)), rows, columns].transpose(0, 2, 3, 1))


class Trainer:
    """Epochs of one run, and its state."""

    def __init__(self, options: Options, dataset: Dataset) -> None:
        self.options, self.dataset = options, dataset
        if options.pixels >= min(dataset.shape[:2]):
            raise UsageError(
                f"a shift of {options.pixels} pixels moves images of shape {dataset.shape} out of sight",
                where="option --shift",
                next_step="give a smaller shift, or 0",
            )
        self.model = build_model(options, dataset)
        self.state = State()
        self.batch = min(options.batch, len(dataset.x_train))
        self.steps = len(dataset.x_train) // self.batch
        self.step = Steps(self.model, options, self.steps)

    # --- Epochs ---------------------------------------------------------------------------------------------

    def epoch(self, index: int) -> Row:
        """Train one epoch (from 0) and measure the validation set."""
        options = self.options
        if index == options.warmup:
            self._calibrate()
        nested = index >= options.warmup
        rng = np.random.default_rng((options.seed, index))
        progress = (index - options.warmup) / max(1, options.epochs - options.warmup - 1)
        tau = tf.constant(TAU[0] * (TAU[1] / TAU[0]) ** max(progress, 0.0), tf.float32)
        follow = tf.constant(EMA_RATE if index < options.frozen else 0.0, tf.float32)
        totals = np.zeros(2, np.float64)
        for step, (x, y) in enumerate(self._batches(rng)):
            if nested:
                choice = rng.integers(0, len(options.candidates), len(self.model.adaptive)).astype(np.int32)
                seed = tf.constant([options.seed, index * self.steps + step], tf.int32)
                values = self.step.nested_step(x, y, choice=tf.constant(choice), tau=tau, follow=follow, seed=seed)
            else:
                values = self.step.float_step(x, y)
            totals += [float(v) for v in values]
        loss, accuracy = (float(total) / self.steps for total in totals)
        if not math.isfinite(loss):
            raise DqtError(
                f"the loss became {loss} in epoch {index + 1}",
                where="training",
                next_step="train again with a lower --learning-rate",
            )
        row: Row = {
            "epoch": index + 1,
            "phase": "nested" if nested else "float",
            "loss": loss,
            "accuracy": accuracy,
        }
        return {**row, **self._validate(nested)}

    def _batches(self, rng: np.random.Generator) -> Iterator[tuple[Array, Array]]:
        order = rng.permutation(len(self.dataset.x_train))[: self.steps * self.batch]
        x = shifted(self.dataset.x_train[order], self.options.pixels, rng)
        x, y = self.model.on_codes(x), self.dataset.y_train[order]
        for start in range(0, len(order), self.batch):
            part = slice(start, start + self.batch)
            yield tf.constant(x[part]), tf.constant(y[part])

    def _calibrate(self) -> None:
        """Set every scale from a float pass with the norms' statistics, and change to the nested optimizers."""
        x = self.model.on_codes(self.dataset.x_train[:CALIBRATION_SAMPLES])
        self.model(tf.constant(x), run=Run(nested=False, calibrate=True))
        self.model.settle_fusion()
        self.step.begin_nested()

    def _validate(self, nested: bool) -> Row:
        """Validation accuracy of each policy in per cent, their mean loss, and the dynamic BitOPs ratio."""
        x, y = self.model.on_codes(self.dataset.x_val), self.dataset.y_val
        if not nested:
            (logits,) = self._in_parts(lambda part: (self.model(part, run=Run(nested=False))[0],), x)
            return {"val_float": share(y, logits)}
        step = self.step
        row: Row = {}
        every = []
        for name, index in (("full", step.full), ("least", step.least)):
            (logits,) = self._in_parts(partial(step.predict_fixed, step.all_at(index)), x)
            every.append(logits)
            row[f"val_{name}"] = share(y, logits)
        if self.model.controller is not None:
            logits, choices = self._in_parts(step.predict_dynamic, x)
            every.append(logits)
            row["val_dynamic"] = share(y, logits)
            row["val_cost"] = float(step.fixed + step.table[np.arange(choices.shape[1]), choices].sum(axis=1).mean())
            row["vectors"] = len(np.unique(choices, axis=0))
        row["val_loss"] = float(np.mean([losses.hard_loss(y, logits) for logits in every]))
        return row

    @staticmethod
    def _in_parts(function: Callable[[Array], tuple[Array, ...]], x: Images) -> list[npt.NDArray[Any]]:
        parts = [function(tf.constant(x[i : i + EVALUATION_BATCH])) for i in range(0, len(x), EVALUATION_BATCH)]
        return [np.concatenate([np.asarray(value) for value in values]) for values in zip(*parts, strict=True)]

    # --- State ----------------------------------------------------------------------------------------------

    def snapshot(self, row: Row) -> None:
        """Take the epoch into the state; keep the best of the epochs with frozen scales.

        Best: within the budget, more than one width vector, then validation accuracy (mean of dynamic and 8x8; without
        a controller of least and 8x8), then the lower loss.
        """
        state = self.state
        state.epoch = row["epoch"]
        state.variables = self._values()
        state.optimizer = {str(i): v.numpy() for i, v in enumerate(self._optimizer_variables())}
        state.fused = sorted(self.model.fused)
        row["best"] = False
        if row["epoch"] > self.options.frozen:
            feasible = row.get("val_cost", 0.0) <= self.options.budget
            several = row.get("vectors", 2) > 1
            accuracy = (row.get("val_dynamic", row["val_least"]) + row["val_full"]) / 2
            score = [float(feasible), float(several), accuracy, -row["val_loss"]]
            if score > state.best_score:
                state.best, state.best_score, row["best"] = state.variables, score, True
        state.log.append(row)

    def restore(self, state: State) -> None:
        """Go on where that state stopped."""
        self.state = state
        self.model.fused = set(state.fused)
        self.assign(state.variables)
        if state.epoch > self.options.warmup:
            self.step.begin_nested()
        for index, variable in enumerate(self._optimizer_variables()):
            variable.assign(state.optimizer[str(index)])

    def _optimizer_variables(self) -> list[Any]:
        return [variable for optimizer, _ in self.step.optimizers for variable in optimizer.variables]

    def _values(self) -> dict[str, npt.NDArray[Any]]:
        return {f"{i:04d}.{v.path.replace('/', '.')}": v.numpy() for i, v in enumerate(self.model.variables)}

    def assign(self, values: dict[str, npt.NDArray[Any]]) -> None:
        """Set the model's variables."""
        for variable, name in zip(self.model.variables, self._values(), strict=True):
            variable.assign(values[name])


def share(y: Labels, logits: npt.NDArray[Any]) -> float:
    """Accuracy in per cent."""
    return 100 * float(np.mean(logits.argmax(-1) == y))
