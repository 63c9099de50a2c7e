"""The training loop: floating-point warm-up, calibration, then nested training with the controller."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ..data.load import Dataset, load_data, require_training
from ..data.sources import Indices, Variation, ahead
from ..errors import DqtError, StoppedError, UsageError
from . import dial
from .build import build_model
from .design import suited
from .distribution import Devices, check_batch
from .initial import Earlier, Initial
from .layers import MacLayer, Run
from .network import NestedModel
from .objective import LossFunction
from .options import Options
from .pace import FLOAT, NESTED, Step
from .purpose import Purpose, purpose_of
from .quantizers import EMA_RATE, Array
from .state import State, load_state, save_state, state_file
from .steps import Steps
from .validation import Row, samples_at_once, validate

__all__ = ["Outcome", "Row", "StoppedError", "Trainer", "build_model", "train"]

TAU = (5.0, 0.5)
CALIBRATION_SAMPLES = 512
SAVE_EVERY = 5.0
"""Minutes between two savings of the state within an epoch."""

ORDER, VARIATION, DRAW = 1, 2, 3
"""Each kind of randomness has a key: one of these numbers, the seed, the epoch and, for the last two, the step."""


@dataclass(frozen=True)
class Outcome:
    """What a run made.

    Attributes:
        model: The trained network at its best epoch.
        dataset: What it was trained on: what of the data suits its task.
        log: One row for each epoch.
        best_epoch: Counted from 1.
        purpose: Its task, and what it was trained for.
    """

    model: NestedModel
    dataset: Dataset
    purpose: Purpose
    log: list[Row] = field(default_factory=list)
    best_epoch: int = 0


def train(
    options: Options,
    out: Path,
    *,
    dataset: Dataset | None = None,
    initial: Initial | Earlier | None = None,
    resume: bool = False,
    on_begin: Callable[[list[Row]], None] | None = None,
    on_step: Callable[[Step], None] | None = None,
    on_epoch: Callable[[Row], None] | None = None,
    devices: Devices | None = None,
    save_every: float = SAVE_EVERY,
    loss: LossFunction | None = None,
) -> Outcome:
    """Train. The state is saved to ``<out>.state/`` after every epoch, and within long ones.

    Args:
        options: What to train.
        out: The checkpoint to be, from which the names of state and log follow; it is not written here.
        dataset: What ``options.data`` names; None loads it.
        initial: What ``options.init`` names: the weights to start with, and the structure where ``options.model`` is a
            file; or the network of an earlier run.
        resume: Go on from the state, if there is one.
        on_begin: Called before the first step, with the rows of the epochs that a stopped run has done.
        on_step: Called behind each step.
        on_epoch: Called with each epoch's row, after its state is saved.
        devices: What trains, see ``distribution.find_devices``; None is one device. Of several workers only the chief
            writes, and all must see its files.
        save_every: Minutes after which the state is saved within an epoch; 0 is after every step.
        loss: A loss of the caller's own, where ``options.loss`` is ``given``.

    Raises:
        StoppedError: Ctrl-C; the last state that was saved is on disk.
    """
    devices = devices or Devices()
    if dataset is None:
        dataset = load_data(options.data, options.validation, shape=options.image_shape, crop_area=options.crop_area)
    require_training(dataset)
    path = state_file(out)
    saved = load_state(path, options, len(dataset.train.labels)) if resume else None
    keras.utils.set_random_seed(options.seed)
    tf.config.experimental.enable_op_determinism()
    with devices.scope():
        trainer = Trainer(options, dataset, initial, devices, loss)
        if saved is not None:
            trainer.restore(saved)
        state = trainer.state
        if not devices.agree(state.epoch, state.step):
            raise UsageError(
                "the workers do not find the same training state",
                where=str(path),
                next_step="give all workers the same `out`, in a folder that all of them see",
            )
        saver = _Saver(trainer, path, save_every, len(dataset.train.labels))

        def after_step(done: int, totals: list[float]) -> None:
            saver.after_step(done, totals)
            if on_step is not None:
                phase = NESTED if state.epoch >= options.floating else FLOAT
                on_step(Step(state.epoch + 1, options.epochs, done, trainer.steps, phase, options.floating))

        try:
            if on_begin is not None:
                on_begin(list(state.log))
            while state.epoch < options.epochs:
                row = trainer.epoch(state.epoch, after_step)
                trainer.snapshot(row)
                saver.save()
                if on_epoch is not None:
                    on_epoch(row)
        except KeyboardInterrupt as error:
            within = f" and step {saver.step} of {trainer.steps}" if saver.step else ""
            raise StoppedError(
                f"training was stopped after epoch {saver.epoch} of {options.epochs}{within}",
                where=str(path.parent),
                next_step="do the same again with `resume` to go on",
            ) from error
        trainer.assign(state.best)
    best = max(row["epoch"] for row in state.log if row["best"])
    return Outcome(trainer.model, trainer.dataset, trainer.purpose, state.log, best)


class _Saver:
    """Writes a trainer's state now and then, in the one process that writes."""

    def __init__(self, trainer: Trainer, path: Path, minutes: float, samples: int) -> None:
        self.trainer, self.path, self.seconds, self.samples = trainer, path, 60 * minutes, samples
        self.last = time.monotonic()
        self.epoch, self.step = trainer.state.epoch, trainer.state.step

    def save(self) -> None:
        """Write the state as it stands."""
        state = self.trainer.state
        if self.trainer.devices.chief:
            save_state(self.path, state, self.trainer.options, self.samples)
        self.last = time.monotonic()
        self.epoch, self.step = state.epoch, state.step

    def after_step(self, done: int, totals: list[float]) -> None:
        """Save after a step if it is time to; ``done`` steps of the epoch have these sums."""
        if self.trainer.devices.chief and time.monotonic() - self.last >= self.seconds and done < self.trainer.steps:
            self.trainer.keep()
            self.trainer.state.step, self.trainer.state.totals = done, list(totals)
            self.save()


class Trainer:
    """Epochs of one run, and its state."""

    def __init__(
        self,
        options: Options,
        dataset: Dataset,
        initial: Initial | Earlier | None = None,
        devices: Devices | None = None,
        loss: LossFunction | None = None,
    ) -> None:
        self.options, self.devices = options, devices or Devices()
        self.earlier = initial if isinstance(initial, Earlier) else None
        self.model = build_model(options, dataset, initial if isinstance(initial, Initial) else None)
        self.dataset = dataset = suited(dataset, self.model.task)
        count = len(dataset.train.labels)
        self.batch = min(options.batch, count)
        check_batch(self.batch, self.devices)
        self.state = State()
        self.steps = count // self.batch
        self.purpose = purpose_of(
            self.model.task, dataset, self.model.result_shape, options, self.model.of_codes, function=loss
        )
        self.step = Steps(self.model, options, self.steps, self.devices, self.purpose.objective)
        if isinstance(initial, Initial) and options.floating:
            self.model(tf.constant(self._samples()), run=Run(nested=False, settle=True))
        if self.purpose.coding is not None and self.earlier is None:
            self._start_at_targets(fresh=initial is None)

    def _start_at_targets(self, *, fresh: bool) -> None:
        """Let an untrained network begin with outputs around the mean of the targets.

        Args:
            fresh: Its weights are our own random ones: the outputs are made as spread as the targets, too. A given
                network is left alone, unless it is further from the targets than their mean is.
        """
        last, purpose = self.model.parts[self.model.spec.nodes[-1].name], self.purpose
        if not isinstance(last, MacLayer) or last.norm is not None:
            return
        if fresh:
            last.kernel.assign(last.kernel * np.float32(purpose.deviation))
        outputs = self.model(tf.constant(self._samples()), run=Run(nested=False))[0].numpy()
        away = purpose.targets(self.dataset.train, self._sample_indices()) - outputs
        if fresh or (away**2).mean() > purpose.deviation**2:
            shift = away.mean(axis=0).reshape(-1, last.channels).mean(axis=0)
            last.bias.assign(last.bias + shift.astype(np.float32))

    # --- Epochs ---------------------------------------------------------------------------------------------

    def epoch(self, index: int, after_step: Callable[[int, list[float]], None] = lambda *_: None) -> Row:
        """Train one epoch (from 0), or what the state has left of it, and measure the validation set."""
        options, first = self.options, self.state.step
        on_integers = index >= options.floating
        if on_integers and not self.state.nested:
            self._calibrate()
        progress = (index - options.floating) / max(1, options.epochs - options.floating - 1)
        tau = tf.constant(TAU[0] * (TAU[1] / TAU[0]) ** max(progress, 0.0), tf.float32)
        follow = tf.constant(EMA_RATE if index < options.frozen else 0.0, tf.float32)
        totals = list(self.state.totals) if first else [0.0, 0.0]
        with closing(ahead(self._batches(index, first))) as batches:
            for step, (codes, targets) in enumerate(batches, first):
                x, y = self.devices.place(self.model.of_codes(codes)), self.devices.place(targets)
                if on_integers:
                    values = self.step.nested_step(x, y, tau=tau, follow=follow, **self._draw(index, step))
                else:
                    values = self.step.float_step(x, y)
                totals = [total + float(value) for total, value in zip(totals, values, strict=True)]
                after_step(step + 1, totals)
        loss, figure = (total / self.steps for total in totals)
        if not math.isfinite(loss):
            raise DqtError(
                f"the loss became {loss} in epoch {index + 1}",
                where="training",
                next_step="train again with a lower `learning_rate`",
            )
        row: Row = {
            "epoch": index + 1,
            "phase": NESTED if on_integers else FLOAT,
            "loss": loss,
            "metric": self.purpose.task.headline,
            "train": self.purpose.objective.told(figure),
        }
        return {**row, **validate(self.step, self.dataset.validation, self.devices, self.purpose, on_integers)}

    def _draw(self, epoch: int, step: int) -> dict[str, Array]:
        """What is random in a step: a width vector, the dial (at the budget in every other step), the gates' noise."""
        options = self.options
        rng = np.random.default_rng((DRAW, options.seed, epoch, step))
        choice = rng.integers(0, len(options.candidates), len(self.model.adaptive)).astype(np.int32)
        anywhere, position = rng.integers(0, 2), rng.random()
        if not anywhere:
            position = self.step.budget_position
        return {
            "choice": tf.constant(choice),
            "position": tf.constant(position, tf.float32),
            "bias": tf.constant(dial.training_bias(position, options.candidates)),
            "seed": tf.constant([options.seed, epoch * self.steps + step], tf.int32),
        }

    def _batches(self, epoch: int, first: int) -> Iterator[tuple[npt.NDArray[np.uint8], npt.NDArray[Any]]]:
        """Codes and targets of this process's share of each batch from step ``first`` on."""
        options, source = self.options, self.dataset.train
        variation, part = Variation(options.pixels, options.flip), self.devices.share(self.batch)
        order = np.random.default_rng((ORDER, options.seed, epoch)).permutation(len(source.labels))
        for step in range(first, self.steps):
            batch = order[step * self.batch : (step + 1) * self.batch]
            codes = source.varied(batch, variation, (VARIATION, options.seed, epoch, step), part)
            yield codes, self.purpose.targets(source, batch[part], codes)

    def _calibrate(self) -> None:
        """Set every scale from a float pass with the norms' statistics, and change to the nested optimizers."""
        fresh = self.options.floating == 0
        self.model(tf.constant(self._samples()), run=Run(nested=False, calibrate=True, centre=fresh))
        if self.devices.replicas > 1:
            self.step.make_equal()
        if self.earlier is not None:
            self.earlier.load(self.model)
        self.model.settle_fusion()
        self._begin_nested()

    def _samples(self) -> npt.NDArray[np.float32]:
        """Training inputs for calibration, spread evenly over the data, which may be sorted by class."""
        return self.model.of_codes(self.dataset.train.codes(self._sample_indices()))

    def _sample_indices(self) -> Indices:
        source = self.dataset.train
        count = min(len(source.labels), samples_at_once(source.shape, CALIBRATION_SAMPLES))
        return np.linspace(0, len(source.labels) - 1, count).astype(np.int64)

    def _begin_nested(self) -> None:
        self.step.begin_nested()
        self.state.nested = True

    # --- State ----------------------------------------------------------------------------------------------

    def keep(self) -> None:
        """Take all values into the state."""
        state = self.state
        state.variables = self._values()
        state.optimizer = {str(i): v.numpy() for i, v in enumerate(self._optimizer_variables())}
        state.fused = sorted(self.model.fused)

    def snapshot(self, row: Row) -> None:
        """Take the epoch into the state; keep the best of the epochs with frozen scales.

        Best: within the budget, more than one width vector, then ``val_score``, the validation accuracy by the balance
        of training (mean of dynamic and 8x8, and of the points; without a controller of least and 8x8), then the lower
        loss.
        """
        state = self.state
        self.keep()
        state.epoch, state.step, state.totals = row["epoch"], 0, []
        row["best"] = False
        if row["epoch"] > self.options.frozen:
            feasible = row.get("val_cost", 0.0) <= self.options.budget
            several = row.get("vectors", 2) > 1
            score = [float(feasible), float(several), row["val_score"], -row["val_loss"]]
            if score > state.best_score:
                state.best, state.best_score, row["best"] = state.variables, score, True
        state.log.append(row)

    def restore(self, state: State) -> None:
        """Go on where that state stopped."""
        self.state = state
        self.model.fused = set(state.fused)
        self.assign(state.variables)
        if state.nested:
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
