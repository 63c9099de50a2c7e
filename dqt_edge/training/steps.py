"""One gradient step of either phase, compiled; and the forward passes that validation needs.

A step of the nested phase runs four passes: 8x8 (labels; its output teaches the others), the least width, one
random width vector, and the dynamic pass under the controller's gates.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from ..errors import UsageError
from ..graph import FULL, Pair
from . import losses
from .controller import gumbel_gate, hard_gate
from .layers import Run
from .network import NestedModel
from .options import Options
from .quantizers import Array

NESTED_RATE = 0.3
"""The nested phase starts from a trained network, and its gradients pass through roundings: smaller steps."""
BUDGET_FILL = 0.8
"""Part of the budget that the loss aims at: costs expected in training and chosen in evaluation differ."""


def least(candidates: tuple[Pair, ...]) -> int:
    """Index of the cheapest candidate."""
    return min(range(len(candidates)), key=lambda i: candidates[i][0] * candidates[i][1])


def adam(rate: float, steps: int, last: float, variables: list[Any]) -> tuple[keras.optimizers.Optimizer, list[Any]]:
    """Adam whose rate falls as a cosine to ``last`` times itself, ready for those variables."""
    schedule = keras.optimizers.schedules.CosineDecay(rate, steps, alpha=last)
    optimizer = keras.optimizers.Adam(schedule, global_clipnorm=5.0)
    optimizer.build(variables)
    return optimizer, variables


class Steps:
    """Compiled functions over one model and its optimizers.

    Args:
        model: The network.
        options: Of the run.
        steps: Steps of an epoch, for the learning-rate schedule.

    Attributes:
        optimizers: Those of the current phase, with their variables.
        table, fixed: Costs, see ``losses.cost_table``.
    """

    def __init__(self, model: NestedModel, options: Options, steps: int) -> None:
        self.model, self.options, self.steps = model, options, steps
        self.full, self.least = options.candidates.index(FULL), least(options.candidates)
        pairs = {name: model.parts[name].candidates for name in model.adaptive}
        self.table, self.fixed = losses.cost_table(model.macs(), pairs)
        lowest = self.cost_at(self.least)
        if model.controller is not None and lowest > options.budget:
            raise UsageError(
                f"the budget {options.budget:g} is out of reach: the least widths already cost {lowest:.3f}",
                where="option --budget",
                next_step="give a larger budget, or narrower --candidates",
            )
        self.choosing = [] if model.controller is None else model.controller.trainable_variables
        chosen = {id(v) for v in self.choosing}
        self.network = [v for v in model.trainable_variables if id(v) not in chosen]
        self.float_network = [v for v in self.network if v.name not in ("log_scale", "log_alpha")]
        self.optimizers = self._optimizers(nested=False)
        self.float_step = tf.function(self._float_step)
        self.nested_step = tf.function(self._nested_step)
        self.predict_fixed = tf.function(self._predict_fixed)
        self.predict_dynamic = tf.function(self._predict_dynamic)

    def cost_at(self, index: int) -> float:
        """BitOPs ratio with one candidate in all adaptive layers."""
        return self.fixed + float(self.table[:, index].sum()) if len(self.table) else self.fixed

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
            return [adam(rate, options.warmup * self.steps, 0.2, self.float_network)]
        steps = (options.epochs - options.warmup) * self.steps
        found = [adam(rate * NESTED_RATE, steps, 0.01, self.network)]
        return [*found, adam(rate, steps, 0.01, self.choosing)] if self.choosing else found

    def _descend(self, tape: tf.GradientTape, loss: Array) -> None:
        groups = [variables for _, variables in self.optimizers]
        for (optimizer, variables), gradients in zip(self.optimizers, tape.gradient(loss, groups), strict=True):
            optimizer.apply(gradients, variables)

    def _float_step(self, x: Array, y: Array) -> tuple[Array, Array]:
        with tf.GradientTape() as tape:
            logits, _ = self.model(x, run=Run(nested=False, batch_statistics=True))
            loss = losses.hard_loss(y, logits)
        self._descend(tape, loss)
        return loss, losses.accuracy(y, logits)

    def _nested_step(
        self, x: Array, y: Array, *, choice: Array, tau: Array, follow: Array, seed: Array
    ) -> tuple[Array, Array]:
        model, options = self.model, self.options
        with tf.GradientTape() as tape:
            full, _ = model(x, run=Run(nested=True, follow=follow, choice=self.all_at(self.full)))
            fixed = [losses.hard_loss(y, full)]
            narrow = full
            if model.adaptive:
                narrow, _ = model(x, run=Run(nested=True, choice=self.all_at(self.least)))
                mixed, _ = model(x, run=Run(nested=True, choice=choice))
                fixed += [losses.soft_loss(full, narrow), losses.soft_loss(full, mixed)]
            loss = options.consistency * tf.add_n(fixed) / len(fixed)
            if model.controller is not None:
                loss += self._dynamic_loss(x, y, (full, narrow), tau, seed)
        self._descend(tape, loss)
        return loss, losses.accuracy(y, full)

    def _dynamic_loss(self, x: Array, y: Array, fixed: tuple[Array, Array], tau: Array, seed: Array) -> Array:
        """Task loss under the controller's gates, the budget, and the terms that make it choose."""
        options, (full, narrow) = self.options, fixed
        logits, decided = self.model(x, run=Run(nested=True), gate=lambda z: gumbel_gate(z, tau, seed))
        task = (losses.hard_loss(y, logits) + losses.soft_loss(full, logits)) / 2
        chances = tf.nn.softmax(decided)
        costs = losses.expected_cost(chances, self.table, self.fixed)
        target = BUDGET_FILL * options.budget
        low, high = self.cost_at(self.least), self.cost_at(self.full)
        affordable = min(max((target - low) / (high - low), 0.0), 1.0)
        budget = tf.nn.relu(tf.reduce_mean(costs) - target)
        focus = losses.focus(full, narrow, costs, affordable)
        information = losses.mutual_information(chances, self.table)
        return task + options.beta * budget - options.focus * focus - options.diversity * information

    def _predict_fixed(self, choice: Array, x: Array) -> tuple[Array]:
        return (self.model(x, run=Run(nested=True, choice=choice))[0],)

    def _predict_dynamic(self, x: Array) -> tuple[Array, Array]:
        logits, decided = self.model(x, run=Run(nested=True), gate=hard_gate)
        return logits, tf.argmax(decided, axis=-1)
