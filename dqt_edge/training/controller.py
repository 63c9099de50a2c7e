"""The controller: decides every adaptive layer's width once for each input, right behind the stem.

Means over parts of the stem's output -> dense -> ReLU -> dense to layers x candidates. In training a straight-through
Gumbel sample picks; in evaluation the largest logit does, without noise. All of it stays at 8 bits.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from ..architectures.spec import AveragePool, Fully
from ..graph import Shape, Window
from .layers import NestedDense, Pool, Run
from .quantizers import Array
from .replicas import own_share, replicas


class NestedController(keras.layers.Layer):  # type: ignore[misc]
    """Logits [samples, layers, candidates] from the stem's output.

    Args:
        source: Shape of the stem's output.
        signed: Whether that tensor has a zero point.
        hidden: Units of the hidden layer.
        layers, candidates: What it decides.
        window: Parts of the map at the stem's output whose means it sees.
    """

    def __init__(self, source: Shape, signed: bool, hidden: int, layers: int, candidates: int, window: Window) -> None:
        super().__init__(name="controller")
        self.decided, self.options = layers, candidates
        pooling = AveragePool("controller_pool", "", window.kernel, window.stride, window.padding)
        self.fields = Pool(pooling, source, signed)
        flat = (*window.output_size(*source[:2]), source[2])
        pool = self.fields.output_quantizer
        assert pool is not None
        self.pool = pool
        self.hidden = NestedDense(Fully("controller_hidden", "", hidden, relu=True, norm=True), flat)
        self.logits = NestedDense(Fully("controller_logits", "", layers * candidates), (1, 1, hidden), per_tensor=True)
        self.built = True

    def call(self, value: Array, *, run: Run) -> Array:
        """Logits for the stem's output [samples, height, width, channels]."""

        def settle(quantizer: Any, real: Array) -> Array:  # noqa: ANN401 - Pact or EmaScale
            if run.calibrate:
                quantizer.calibrate(real)
            return quantizer(real, nested=run.nested, follow=run.follow)

        pooled = settle(self.pool, self.fields(value))
        if run.calibrate:
            self._centre(pooled)
        hidden = self.hidden(pooled, scale=self.pool.scale(), run=run)
        hidden = settle(self.hidden.output_quantizer, hidden)
        logits = self.logits(hidden, scale=self.hidden.output_quantizer.scale(), run=run)
        logits = tf.reshape(logits, [-1, self.decided, self.options])
        return logits if run.bias is None else logits + run.bias

    def _centre(self, pooled: Array) -> None:
        """Give the hidden layer's norm the statistics of these inputs.

        Inputs differ little in their means. Without this a hidden unit would be on for every input, or off for every
        input, and the controller could not learn to treat them differently.
        """
        mean, variance = tf.nn.moments(self.hidden.product(pooled, self.hidden.kernel), axes=(0, 1, 2))
        self.hidden.norm.moving_mean.assign(mean)
        self.hidden.norm.moving_variance.assign(variance)


def gumbel_gate(logits: Array, tau: Array, seed: Array) -> Array:
    """One-hot samples of ``softmax(logits)`` with the gradient of the tempered softmax.

    Args:
        logits: [samples, layers, candidates].
        tau: Temperature; high spreads the gradient over all candidates.
        seed: int32 [2]; equal seeds give equal noise.
    """
    shape = tf.shape(logits) * [replicas(), 1, 1]
    uniform = own_share(tf.random.stateless_uniform(shape, seed, minval=1e-7, maxval=1.0))
    soft = tf.nn.softmax((logits - tf.math.log(-tf.math.log(uniform))) / tau)
    return tf.stop_gradient(hard_gate(soft) - soft) + soft


def hard_gate(logits: Array) -> Array:
    """One-hot of the largest logit, the first of equals."""
    return tf.one_hot(tf.argmax(logits, axis=-1), logits.shape[-1])
