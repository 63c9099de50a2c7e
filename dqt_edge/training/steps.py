"""One gradient step of either phase, compiled; and the forward passes that validation needs.

A step of the nested phase runs four passes: 8x8 (labels; its output teaches the others), the least width, one
random width vector, and the dynamic pass under the controller's gates, with the dial at a random place. The last
three may see a part of the batch only.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ..graph import FULL, Pair
from ..graph.bitops import cost_table
from . import losses
from .controller import gumbel_gate, hard_gate
from .design import require_budget
from .distribution import Devices
from .layers import Run
from .network import NestedModel
from .objective import Objective
from .options import Options
from .quantizers import Array
from .replicas import across, mean

NESTED_RATE = 0.3
"""The nested phase starts from a trained network, and its gradients pass through roundings: smaller steps."""


def least(candidates: tuple[Pair, ...]) -> int:
    """Index of the cheapest candidate."""
    return min(range(len(candidates)), key=lambda i: candidates[i][0] * candidates[i][1])


class AveragedAdam(keras.optimizers.Adam):  # type: ignore[misc]
    """Adam on gradients that already are those of the whole batch, so that it clips what one device would clip."""

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:  # noqa: ANN401 - Keras's own
        return grads_and_vars


def adam(rate: float, steps: int, last: float, variables: list[Any]) -> tuple[keras.optimizers.Optimizer, list[Any]]:
    """Adam whose rate falls as a cosine to ``last`` times itself, ready for those variables."""
    schedule = keras.optimizers.schedules.CosineDecay(rate, steps, alpha=last)
    optimizer = AveragedAdam(schedule, global_clipnorm=5.0)
    optimizer.build(variables)
    return optimizer, variables


class Steps:
    """Compiled functions over one model and its optimizers.

    Args:
        model: The network.
        options: Of the run.
        steps: Steps of an epoch, for the learning-rate schedule.
        devices: What runs them; each replica takes its share of a batch.
        objective: What it is trained for.

    Attributes:
        optimizers: Those of the current phase, with their variables.
        table, fixed: Costs, see ``bitops.cost_table``.
    """

    def __init__(
        self, model: NestedModel, options: Options, steps: int, devices: Devices, objective: Objective
    ) -> None:
        self.model, self.options, self.steps = model, options, steps
        self.objective = objective
        self.full, self.least = options.candidates.index(FULL), least(options.candidates)
        pairs = {name: model.parts[name].candidates for name in model.adaptive}
        rows, self.fixed = cost_table(model.macs(), pairs)
        self.table = np.array(rows, np.float32)
        lowest = self.cost_at(self.least)
        if model.controller is not None:
            require_budget(options.budget, lowest)
        self.choosing = [] if model.controller is None else model.controller.trainable_variables
        chosen = {id(v) for v in self.choosing}
        self.network = [v for v in model.trainable_variables if id(v) not in chosen]
        self.float_network = [v for v in self.network if v.name not in ("log_scale", "log_alpha")]
        self.optimizers = self._optimizers(nested=False)
        self.float_step = devices.compiled(self._float_step)
        self.nested_step = devices.compiled(self._nested_step)
        self.predict_float = devices.compiled(self._predict_float)
        self.predict_fixed = devices.compiled(self._predict_fixed)
        self.predict_dynamic = devices.compiled(self._predict_dynamic)
        self.decide = devices.compiled(self._decide)
        self.make_equal = devices.compiled(self._make_equal)

    def cost_at(self, index: int) -> float:
        """BitOPs ratio with one candidate in all adaptive layers."""
        return self.fixed + float(self.table[:, index].sum()) if len(self.table) else self.fixed

    @property
    def budget_position(self) -> float:
        """Position of the dial at the budget: 0 is the least cost, 1 is 8x8."""
        low, high = self.cost_at(self.least), self.cost_at(self.full)
        return float(np.clip((self.options.budget - low) / max(high - low, 1e-9), 0, 1))

    def all_at(self, index: int) -> Array:
        """Choice of one candidate in all adaptive layers."""
        return tf.fill([len(self.model.adaptive)], index)

    def begin_nested(self) -> None:
        """Change to the optimizers of the nested phase."""
        self.optimizers = self._optimizers(nested=True)

    def _optimizers(self, nested: bool) -> list[tuple[keras.optimizers.Optimizer, list[Any]]]:
        """Optimizers of a phase with their variables: of the network, in the nested phase of the controller too."""
        rate, options = self.options.learning_rate, self.options
        if not nested:
            return [adam(rate, max(options.floating, 1) * self.steps, 0.2, self.float_network)]
        steps = (options.epochs - options.floating) * self.steps
        found = [adam(rate * NESTED_RATE, steps, 0.01, self.network)]
        return [*found, adam(rate, steps, 0.01, self.choosing)] if self.choosing else found

    def _descend(self, tape: tf.GradientTape, loss: Array) -> None:
        """Follow the gradient of the mean loss of all replicas."""
        gradients = mean(tape.gradient(loss, [v for _, variables in self.optimizers for v in variables]))
        for optimizer, variables in self.optimizers:
            optimizer.apply(gradients[: len(variables)], variables)
            gradients = gradients[len(variables) :]

    def _float_step(self, x: Array, y: Array) -> tuple[Array, Array]:
        with tf.GradientTape() as tape:
            logits, _, early = self.model.passed(x, run=Run(nested=False, batch_statistics=True))
            loss = self.objective.hard(y, logits) + self._points_loss(early, logits, y)
        self._descend(tape, loss)
        return tuple(mean([loss, self.objective.figure(y, logits)]))

    def _nested_step(
        self, x: Array, y: Array, *, choice: Array, position: Array, bias: Array, tau: Array, follow: Array, seed: Array
    ) -> tuple[Array, Array]:
        model, options, objective = self.model, self.options, self.objective
        with tf.GradientTape() as tape:
            full, _, early = model.passed(x, run=Run(nested=True, follow=follow, choice=self.all_at(self.full)))
            fixed = [objective.hard(y, full) + self._points_loss(early, full, y)]
            shares = [options.full_weight]
            part = max(1, round(options.narrow_share * x.shape[0]))
            narrow = full[:part]
            if model.adaptive:
                for rows, widths in ((slice(part), self.all_at(self.least)), (slice(-part, None), choice)):
                    made, _, early = model.passed(x[rows], run=Run(nested=True, choice=widths))
                    fixed.append(objective.soft(full[rows], made) + self._points_loss(early, full[rows]))
                    shares.append(1.0)
                    narrow = made if rows.start is None else narrow
            weighted = [share * value for share, value in zip(shares, fixed, strict=True)]
            loss = options.consistency * tf.add_n(weighted) / sum(shares)
            if model.controller is not None:
                dial = {"position": position, "bias": bias, "tau": tau, "seed": seed}
                loss += self._dynamic_loss(x[:part], y[:part], full[:part], narrow, **dial)
        self._descend(tape, loss)
        return tuple(mean([loss, objective.figure(y, full)]))

    def _points_loss(self, early: tuple[Array, ...], teacher: Array, y: Array = None) -> Array:
        """Loss of all early answers: against the 8-bit pass's end, and, given targets, as much against them."""
        total = 0.0
        for logits in early:
            loss = self.objective.soft(teacher, logits)
            if y is not None:
                loss = (loss + self.objective.hard(y, logits)) / 2
            total += self.options.point_weight * loss
        return total

    def _dynamic_loss(
        self, x: Array, y: Array, full: Array, narrow: Array, *, position: Array, bias: Array, tau: Array, seed: Array
    ) -> Array:
        """Terms of the dynamic pass: the task loss, the distance from the dial's target, focus and diversity.

        The last two compare inputs of the whole batch, so they see those of all replicas.
        """
        options = self.options
        run = Run(nested=True, bias=bias)
        logits, decided, early = self.model.passed(x, run=run, gate=lambda z: gumbel_gate(z, tau, seed))
        task = (self.objective.hard(y, logits) + self.objective.soft(full, logits)) / 2
        task += self._points_loss(early, full, y)
        chances = across(tf.nn.softmax(decided))
        costs = losses.expected_cost(chances, self.table, self.fixed)
        low, high = self.cost_at(self.least), self.cost_at(self.full)
        off_target = tf.abs(tf.reduce_mean(costs) - (low + position * (high - low)))
        focus = losses.focus(self.objective.distortion(across(full), across(narrow)), costs, position)
        information = losses.mutual_information(chances, self.table)
        return task + options.beta * off_target - options.focus * focus - options.diversity * information

    def _predict_float(self, x: Array) -> tuple[Array, ...]:
        """Outputs, then the early answers."""
        made = self.model.passed(x, run=Run(nested=False))
        return tuple(map(across, (made.outputs, *made.early)))

    def _predict_fixed(self, choice: Array, x: Array) -> tuple[Array, ...]:
        made = self.model.passed(x, run=Run(nested=True, choice=choice))
        return tuple(map(across, (made.outputs, *made.early)))

    def _predict_dynamic(self, bias: Array, x: Array) -> tuple[Array, Array]:
        logits, decided = self.model(x, run=Run(nested=True, bias=bias), gate=hard_gate)
        return across(logits), across(tf.argmax(decided, axis=-1))

    def _decide(self, x: Array) -> tuple[Array]:
        return (across(self.model(x, run=Run(nested=True), gate=hard_gate)[1]),)

    def _make_equal(self) -> None:
        """Give all replicas the mean of their variables: workers of different make may have rounded differently."""
        for variable in self.model.variables:
            variable.assign(mean([tf.convert_to_tensor(variable)])[0])
