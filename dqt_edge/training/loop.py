"""The training loop: floating-point warm-up, calibration, then nested training with the controller.

A step of the nested phase runs four passes: 8x8 (labels; its output teaches the others), the least width, one random
width vector, and the dynamic pass under the controller's gates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ..errors import DqtError
from ..graph import FULL, Graph, Pair
from . import losses
from .controller import gumbel_gate, hard_gate
from .data import Dataset, Images, Labels, load_data
from .layers import Run
from .models import spec_of
from .network import NestedModel
from .options import Options
from .quantizers import EMA_RATE, Array
from .state import State, load_state, save_state, state_file

TAU = (5.0, 0.5)
BUDGET_FILL = 0.8
"""The loss aims at this part of the budget: expected costs in training and chosen ones in evaluation differ a little."""
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
    """The untrained network of a run."""
    spec = spec_of(options.model, len(dataset.classes))
    coding = dataset.input_scale, dataset.input_zero_point
    return NestedModel(spec, dataset.shape, dataset.classes, options.candidates, *coding)


def least(candidates: tuple[Pair, ...]) -> int:
    """Index of the cheapest candidate."""
    return min(range(len(candidates)), key=lambda i: candidates[i][0] * candidates[i][1])


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
    """Model, optimizers and compiled steps of one run."""

    def __init__(self, options: Options, dataset: Dataset) -> None:
        self.options, self.dataset = options, dataset
        self.model = build_model(options, dataset)
        self.state = State()
        model = self.model
        self.full, self.least = options.candidates.index(FULL), least(options.candidates)
        self.batch = min(options.batch, len(dataset.x_train))
        self.steps = len(dataset.x_train) // self.batch
        pairs = {name: model.parts[name].candidates for name in model.adaptive}
        self.table, self.fixed = losses.cost_table(model.macs(), pairs)
        everything = model.trainable_variables
        controller = set() if model.controller is None else {id(v) for v in model.controller.trainable_variables}
        scales = ("log_scale", "log_alpha")
        self.float_variables = [v for v in everything if id(v) not in controller and v.name not in scales]
        self.nested_variables = everything
        self.optimizer = self._optimizer(nested=False)
        self._compile()

    def _optimizer(self, nested: bool) -> keras.optimizers.Optimizer:
        epochs = self.options.epochs - self.options.warmup if nested else self.options.warmup
        schedule = keras.optimizers.schedules.CosineDecay(
            self.options.learning_rate, epochs * self.steps, alpha=0.01 if nested else 0.2
        )
        optimizer = keras.optimizers.Adam(schedule, global_clipnorm=5.0)
        optimizer.build(self.nested_variables if nested else self.float_variables)
        return optimizer

    # --- Steps ------------------------------------------------------------------------------------------------

    def _compile(self) -> None:
        model, options = self.model, self.options

        def constant(index: int) -> Array:
            return tf.fill([len(model.adaptive)], index)

        def float_step(x: Array, y: Array) -> Array:
            with tf.GradientTape() as tape:
                logits, _ = model(x, run=Run(nested=False, batch_statistics=True))
                loss = losses.hard_loss(y, logits)
            self.optimizer.apply(tape.gradient(loss, self.float_variables), self.float_variables)
            return loss, accuracy(y, logits)

        def nested_step(x: Array, y: Array, choice: Array, tau: Array, follow: Array, seed: Array) -> Array:
            with tf.GradientTape() as tape:
                full, _ = model(x, run=Run(nested=True, follow=follow, choice=constant(self.full)))
                fixed = [losses.hard_loss(y, full)]
                narrow = full
                if model.adaptive:
                    narrow, _ = model(x, run=Run(nested=True, choice=constant(self.least)))
                    mixed, _ = model(x, run=Run(nested=True, choice=choice))
                    fixed += [losses.soft_loss(full, narrow), losses.soft_loss(full, mixed)]
                loss = options.consistency * tf.add_n(fixed) / len(fixed)
                if model.controller is not None:
                    loss += self._dynamic_loss(x, y, full, narrow, tau, seed)
            gradients = tape.gradient(loss, self.nested_variables)
            self.optimizer.apply(gradients, self.nested_variables)
            return loss, accuracy(y, full)

        def accuracy(y: Array, logits: Array) -> Array:
            return tf.reduce_mean(tf.cast(tf.argmax(logits, -1) == y, tf.float32))

        def predict(x: Array, choice: Array) -> Array:
            return model(x, run=Run(nested=True, choice=choice))[0]

        def predict_dynamic(x: Array) -> Array:
            return model(x, run=Run(nested=True), gate=hard_gate)

        self._float_step, self._nested_step = tf.function(float_step), tf.function(nested_step)
        self._predict, self._predict_dynamic = tf.function(predict), tf.function(predict_dynamic)

    def _dynamic_loss(self, x: Array, y: Array, full: Array, narrow: Array, tau: Array, seed: Array) -> Array:
        """Task loss under the controller's gates, the budget, and the terms that make it choose."""
        options = self.options
        logits, decided = self.model(x, run=Run(nested=True), gate=lambda z: gumbel_gate(z, tau, seed))
        chances = tf.nn.softmax(decided)
        costs = losses.expected_cost(chances, self.table, self.fixed)
        target = BUDGET_FILL * options.budget
        low, high = (self.fixed + float(self.table[:, i].sum()) for i in (self.least, self.full))
        affordable = min(max((target - low) / (high - low), 0.0), 1.0)
        choosing = options.focus*losses.focus(full, narrow, costs, affordable) + options.diversity*losses.mutual_information(chances, self.table)
        budget = tf.nn.relu(tf.reduce_mean(costs) - target)
        return losses.hard_loss(y, logits) + options.beta * budget - choosing

    # --- Epochs -----------------------------------------------------------------------------------------------

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
        totals = np.zeros(2)
        for step, (x, y) in enumerate(self._batches(rng)):
            if nested:
                choice = rng.integers(0, len(options.candidates), len(self.model.adaptive)).astype(np.int32)
                seed = tf.constant([options.seed, index * self.steps + step], tf.int32)
                values = self._nested_step(x, y, tf.constant(choice), tau, follow, seed)
            else:
                values = self._float_step(x, y)
            totals += [float(v) for v in values]
        loss, accuracy = totals / self.steps
        if not math.isfinite(loss):
            raise DqtError(
                f"the loss became {loss} in epoch {index + 1}",
                where="training",
                next_step="train again with a lower --learning-rate",
            )
        row: Row = {"epoch": index + 1, "phase": "nested" if nested else "float", "loss": loss, "accuracy": accuracy}
        return {**row, **self._validate(nested)}

    def _batches(self, rng: np.random.Generator) -> Iterator[tuple[Array, Array]]:
        order = rng.permutation(len(self.dataset.x_train))[: self.steps * self.batch]
        x = shifted(self.dataset.x_train[order], self.options.shift, rng)
        x, y = self.model.on_codes(x), self.dataset.y_train[order]
        for start in range(0, len(order), self.batch):
            part = slice(start, start + self.batch)
            yield tf.constant(x[part]), tf.constant(y[part])

    def _calibrate(self) -> None:
        """Set every scale from a float pass with the norms' learned statistics, and change to the nested optimizer."""
        x = self.model.on_codes(self.dataset.x_train[:CALIBRATION_SAMPLES])
        self.model(tf.constant(x), run=Run(nested=False, calibrate=True))
        self.model.settle_fusion()
        self.optimizer = self._optimizer(nested=True)

    def _validate(self, nested: bool) -> Row:
        """Accuracy in per cent of each policy, their mean loss, and the dynamic BitOPs ratio, on the validation set."""
        x, y = self.model.on_codes(self.dataset.x_val), self.dataset.y_val
        if not nested:
            logits = self._in_parts(lambda part: self.model(part, run=Run(nested=False))[0], x)
            return {"val_float": share(y, logits)}
        width = len(self.model.adaptive)
        row: Row = {}
        every = []
        for name, index in (("full", self.full), ("least", self.least)):
            choice = tf.fill([width], index)
            every.append(self._in_parts(lambda part, c=choice: self._predict(part, c), x))
            row[f"val_{name}"] = share(y, every[-1])
        if self.model.controller is not None:
            both = self._in_parts(lambda part: tf.concat([tf.reshape(t, [len(part), -1]) for t in self._predict_dynamic(part)], 1), x)
            classes = len(self.dataset.classes)
            every.append(both[:, :classes])
            choices = both[:, classes:].reshape(len(x), width, -1).argmax(-1)
            row["val_dynamic"] = share(y, every[-1])
            row["val_cost"] = float(self.fixed + self.table[np.arange(width), choices].sum(1).mean())
            row["vectors"] = len(np.unique(choices, axis=0))
        row["val_loss"] = float(np.mean([losses.hard_loss(y, logits) for logits in every]))
        return row

    @staticmethod
    def _in_parts(function: Callable[[Array], Array], x: Images) -> npt.NDArray[np.float32]:
        parts = [function(tf.constant(x[i : i + EVALUATION_BATCH])) for i in range(0, len(x), EVALUATION_BATCH)]
        return np.concatenate([part.numpy() for part in parts])

    # --- State ------------------------------------------------------------------------------------------------

    def snapshot(self, row: Row) -> None:
        """Take the epoch into the state; keep the best of the epochs with frozen scales."""
        state = self.state
        state.epoch = row["epoch"]
        state.variables = self._values()
        state.optimizer = {str(i): v.numpy() for i, v in enumerate(self.optimizer.variables)}
        state.fused = sorted(self.model.fused)
        row["best"] = False
        if row["epoch"] > self.options.frozen:
            feasible = row.get("val_cost", 0.0) <= self.options.budget
            several = row.get("vectors", 2) > 1
            accuracy = row.get("val_dynamic", row["val_full"])
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
            self.optimizer = self._optimizer(nested=True)
        for index, variable in enumerate(self.optimizer.variables):
            variable.assign(state.optimizer[str(index)])

    def _values(self) -> dict[str, npt.NDArray[Any]]:
        return {f"{i:04d}.{v.path.replace('/', '.')}": v.numpy() for i, v in enumerate(self.model.variables)}

    def assign(self, values: dict[str, npt.NDArray[Any]]) -> None:
        """Set the model's variables."""
        for variable, name in zip(self.model.variables, self._values(), strict=True):
            variable.assign(values[name])


def share(y: Labels, logits: npt.NDArray[Any]) -> float:
    """Accuracy in per cent."""
    return 100 * float(np.mean(logits.argmax(-1) == y))


__all__ = ["Graph", "Outcome", "Row", "StoppedError", "Trainer", "train"]
