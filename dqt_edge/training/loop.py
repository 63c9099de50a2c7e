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

from .. import nested
from ..errors import DqtError, UsageError
from . import augment, dial, losses
from .data import Dataset, Images, Labels, load_data, require_training
from .initial import Initial, load_initial
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
DIAL_FILL = 0.98
"""Part of the budget that the dial is set to on the validation set: other inputs cost a little more or less."""

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
    options: Options,
    out: Path,
    *,
    initial: Initial | None = None,
    resume: bool = False,
    on_epoch: Callable[[Row], None] | None = None,
) -> Outcome:
    """Train; the state lies in ``<out>.state/`` after every epoch.

    Args:
        options: What to train.
        out: The checkpoint to be, from which the names of state and log follow; it is not written here.
        initial: What ``options.init`` names: the weights to start with, and the structure where ``options.model`` is a
            file.
        resume: Go on from the state, if there is one.
        on_epoch: Called with each epoch's row, after its state is saved.

    Raises:
        StoppedError: Ctrl-C; the state of the last whole epoch is on disk.
    """
    dataset = load_data(options.data, options.validation)
    require_training(dataset)
    path = state_file(out)
    saved = load_state(path, options) if resume else None
    keras.utils.set_random_seed(options.seed)
    tf.config.experimental.enable_op_determinism()
    trainer = Trainer(options, dataset, initial)
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


def build_model(options: Options, dataset: Dataset, initial: Initial | None = None) -> NestedModel:
    """Make the network of a run, with its first weights."""
    if initial is not None and options.model == options.init:
        spec = initial.spec
    else:
        spec = spec_of(options.model, len(dataset.classes))
    model = NestedModel(
        spec,
        dataset.shape,
        dataset.classes,
        candidates=options.candidates,
        input_scale=dataset.input_scale,
        input_zero_point=dataset.input_zero_point,
        view=options.view,
        learned=options.scales == "learned",
    )
    if initial is not None:
        load_initial(model, initial.for_spec(spec))
    return model


class Trainer:
    """Epochs of one run, and its state."""

    def __init__(self, options: Options, dataset: Dataset, initial: Initial | None = None) -> None:
        self.options, self.dataset = options, dataset
        if options.pixels >= min(dataset.shape[:2]):
            raise UsageError(
                f"a shift of {options.pixels} pixels moves images of shape {dataset.shape} out of sight",
                where="option --shift",
                next_step="give a smaller shift, or 0",
            )
        self.model = build_model(options, dataset, initial)
        self.state = State()
        self.batch = min(options.batch, len(dataset.x_train))
        self.steps = len(dataset.x_train) // self.batch
        self.train_codes = nested.quantize(dataset.x_train, dataset.input_scale, dataset.input_zero_point)
        self.step = Steps(self.model, options, self.steps)

    # --- Epochs ---------------------------------------------------------------------------------------------

    def epoch(self, index: int) -> Row:
        """Train one epoch (from 0) and measure the validation set."""
        options = self.options
        if index == options.floating:
            self._calibrate()
        on_integers = index >= options.floating
        rng = np.random.default_rng((options.seed, index))
        progress = (index - options.floating) / max(1, options.epochs - options.floating - 1)
        tau = tf.constant(TAU[0] * (TAU[1] / TAU[0]) ** max(progress, 0.0), tf.float32)
        follow = tf.constant(EMA_RATE if index < options.frozen else 0.0, tf.float32)
        totals = np.zeros(2, np.float64)
        for step, (x, y) in enumerate(self._batches(rng)):
            if on_integers:
                values = self.step.nested_step(x, y, tau=tau, follow=follow, **self._draw(rng, index * self.steps + step))
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
            "phase": "nested" if on_integers else "float",
            "loss": loss,
            "accuracy": accuracy,
        }
        return {**row, **self._validate(on_integers)}

    def _draw(self, rng: np.random.Generator, step: int) -> dict[str, Array]:
        """What is random in a step: a width vector, the dial (at the budget every other time), the gates' noise."""
        candidates = self.options.candidates
        choice = rng.integers(0, len(candidates), len(self.model.adaptive)).astype(np.int32)
        anywhere, position = rng.integers(0, 2), rng.random()
        if not anywhere:
            position = self.step.budget_position
        return {
            "choice": tf.constant(choice),
            "position": tf.constant(position, tf.float32),
            "bias": tf.constant(dial.training_bias(position, candidates)),
            "seed": tf.constant([self.options.seed, step], tf.int32),
        }

    def _batches(self, rng: np.random.Generator) -> Iterator[tuple[Array, Array]]:
        order = rng.permutation(len(self.train_codes))[: self.steps * self.batch]
        zero = self.dataset.input_zero_point
        for start in range(0, len(order), self.batch):
            part = order[start : start + self.batch]
            codes = augment.varied(self.train_codes[part], self.options.pixels, self.options.flip, zero, rng)
            yield tf.constant(self.model.of_codes(codes)), tf.constant(self.dataset.y_train[part])

    def _calibrate(self) -> None:
        """Set every scale from a float pass with the norms' statistics, and change to the nested optimizers."""
        x = self.model.on_codes(self.dataset.x_train[:CALIBRATION_SAMPLES])
        self.model(tf.constant(x), run=Run(nested=False, calibrate=True))
        self.model.settle_fusion()
        self.step.begin_nested()

    def _validate(self, on_integers: bool) -> Row:
        """Validation accuracy of each policy in per cent, their mean loss, and the dynamic BitOPs ratio."""
        x, y = self.model.on_codes(self.dataset.x_val), self.dataset.y_val
        if not on_integers:
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
            (decided,) = self._in_parts(step.decide, x)
            pairs, target = self.options.candidates, DIAL_FILL * self.options.budget
            lift = dial.lift_for(decided, pairs, step.table, step.fixed, target)
            bias = tf.constant(lift * dial.direction(pairs), tf.float32)
            logits, choices = self._in_parts(partial(step.predict_dynamic, bias), x)
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
        if state.epoch > self.options.floating:
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
