"""The controller: decides every adaptive layer's width once for each input, right behind the stem.

Mean over the stem's output -> dense -> ReLU -> dense to layers x candidates. In training a straight-through
Gumbel sample picks; in evaluation the largest logit does, without noise. All of it stays at 8 bits.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from ..graph import Shape
from .layers import NestedDense, Run
from .quantizers import Array, EmaScale
from .spec import Fully


class NestedController(keras.layers.Layer):  # type: ignore[misc]
    """Logits [samples, layers, candidates] from the stem's output.

    Args:
        source: Shape of the stem's output.
        signed: Whether that tensor has a zero point.
        hidden: Units of the hidden layer.
        layers, candidates: What it decides.
    """

    def __init__(self, source: Shape, signed: bool, hidden: int, layers: int, candidates: int) -> None:
        super().__init__(name="controller")
        self.decided, self.options = layers, candidates
        flat = (1, 1, source[2])
        self.pool = EmaScale("controller_pool_range", signed)
        self.hidden = NestedDense(Fully("controller_hidden", "", hidden, relu=True), flat)
        self.logits = NestedDense(Fully("controller_logits", "", layers * candidates), (1, 1, hidden), per_tensor=True)
        self.built = True

    def call(self, value: Array, *, run: Run) -> Array:
        """Logits for the stem's output [samples, height, width, channels]."""

        def settle(quantizer: Any, real: Array) -> Array:  # noqa: ANN401 - Pact or EmaScale
            if run.calibrate:
                quantizer.calibrate(real)
            return quantizer(real, nested=run.nested, follow=run.follow)

        pooled = settle(self.pool, tf.reduce_mean(value, axis=(1, 2), keepdims=True))
        hidden = self.hidden(pooled, scale=self.pool.scale(), run=run)
        hidden = settle(self.hidden.output_quantizer, hidden)
        logits = self.logits(hidden, scale=self.hidden.output_quantizer.scale(), run=run)
        return tf.reshape(logits, [-1, self.decided, self.options])


def gumbel_gate(logits: Array, tau: Array, seed: Array) -> Array:
    """One-hot samples of ``softmax(logits)`` with the gradient of the tempered softmax.

    Args:
        logits: [samples, layers, candidates].
        tau: Temperature; high spreads the gradient over all candidates.
        seed: int32 [2]; equal seeds give equal noise.
    """
    uniform = tf.random.stateless_uniform(tf.shape(logits), seed, minval=1e-7, maxval=1.0)
    soft = tf.nn.softmax((logits - tf.math.log(-tf.math.log(uniform))) / tau)
    return tf.stop_gradient(hard_gate(soft) - soft) + soft


def hard_gate(logits: Array) -> Array:
    """One-hot of the largest logit, the first of equals."""
    return tf.one_hot(tf.argmax(logits, axis=-1), logits.shape[-1])
