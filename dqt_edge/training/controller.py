"""The controller: decides every adaptive layer's width once for each input, right behind the stem.

Means over parts of the stem's output -> dense -> ReLU -> dense to layers x candidates. In training a straight-through
Gumbel sample picks; in evaluation the largest logit does, without noise. All of it stays at 8 bits.
"""

from __future__ import annotations

from dataclasses import replace

import tensorflow as tf

from ..graph import Shape, Window
from .head import NestedHead
from .layers import Run
from .quantizers import Array
from .replicas import own_share, replicas


class NestedController(NestedHead):
    """Logits [samples, layers, candidates] from the stem's output.

    Args:
        source: Shape of the stem's output.
        signed: Whether that tensor has a zero point.
        hidden: Units of the hidden layer.
        layers, candidates: What it decides.
        window: Parts of the map at the stem's output whose means it sees.
    """

    def __init__(self, source: Shape, signed: bool, hidden: int, layers: int, candidates: int, window: Window) -> None:
        super().__init__("controller", source, signed, hidden, layers * candidates, window)
        self.decided, self.options = layers, candidates

    def call(self, value: Array, *, run: Run) -> Array:
        """Logits for the stem's output [samples, height, width, channels]."""
        # When scales are set, the weights are still random.
        logits = super().call(value, run=replace(run, centre=run.calibrate))
        logits = tf.reshape(logits, [-1, self.decided, self.options])
        return logits if run.bias is None else logits + run.bias


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
