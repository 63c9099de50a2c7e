"""Differentiable twins of nested.py: forward the value of the integer path, backward a straight-through gradient.

A width enters as its step ``2^(8-b)``, a tensor, so that one traced function serves every width.
Sources: DQT (arXiv 2508.09176) for the views, LSQ (arXiv 1902.08153) for learned weight scales, PACT
(arXiv 1805.06085) for the learned clip. Scales are held as logarithms: a step of Adam has one size whatever the
gradient's, and on a scale of 1e-3 it would be far too large.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import keras
import tensorflow as tf

from .replicas import across, replicas

Array = Any  # a tf.Tensor; TensorFlow ships no types

View = Literal["centred", "paper", "plain"]
"""How a narrow view is made: ``centred`` is this project's arithmetic, the only one with an integer path. ``paper``
rounds both operands, weights as unsigned codes (Eq. 4 of DQT); ``plain`` cuts both and centres nothing."""

CLIP_SIGMAS = 2.75
EMA_RATE = 0.01
"""A decay of 0.99."""
PERCENTILE_REST = 0.001
PERCENTILE_SAMPLE = 1 << 17
"""Larger tensors are sampled evenly: at least half this many values stand for all."""
SCALE_MIN = 1e-6
UNIT = 1 / 255
"""Real size of a code of the network's input, and of an output of real numbers, in training: the network sees 0..1,
whatever units the data has. Adam's steps suit weights of the order 1; for inputs of 0..255 the stem would have weights
of the order 1e-3."""


def straight_through(value: Array, replaced: Array) -> Array:
    """Give ``replaced`` going forward, the gradient of ``value`` going back."""
    return value + tf.stop_gradient(replaced - value)


def round_half_up(value: Array) -> Array:
    """``floor(x + 1/2)``."""
    return tf.floor(value + 0.5)


def weight_view(kernel: Array, log_scale: Array, step: Array, count: int, view: View = "centred") -> Array:
    """View of weights, in real units: the centred floor of docs/arithmetic.md, or another one for comparison.

    Args:
        kernel: Real weights; the last axis is the channel, or is the scale's own.
        log_scale: Logarithm of the master scale, broadcast against ``kernel``.
        step: ``2^(8 - bits)``.
        count: Weights that share one scale, for LSQ's gradient scale ``1/sqrt(N*127)``.
        view: How a narrow view is made.
    """
    lsq = 1 / math.sqrt(count * 127)
    scale = tf.exp(log_scale * lsq + tf.stop_gradient(log_scale * (1 - lsq)))
    clipped = tf.clip_by_value(kernel / scale, -128.0, 127.0)
    master = round_half_up(clipped)
    if view == "paper":
        codes = tf.minimum(round_half_up((master + 128) / step), 256 / step - 1) * step - 128
    else:
        codes = tf.floor(master / step) * step
        if view == "centred":
            codes += (step - 1) / 2
    return scale * straight_through(clipped, codes)


def activation_view(value: Array, scale: Array, step: Array, view: View = "centred") -> Array:
    """View of a tensor of zero point 0, in real units: rounded and saturating, or cut if ``plain``.

    The gradient passes to ``value`` alone.
    """
    half = 0.0 if view == "plain" else step / 2

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def narrow(value: Array) -> tuple[Array, Any]:
        return _narrowed(value, tf.stop_gradient(scale), step, half), lambda upstream: upstream

    return narrow(value)


# One pass over memory instead of six: these tensors are as large as what the convolutions take and make.
@tf.function(jit_compile=True)  # type: ignore[untyped-decorator]
def _narrowed(value: Array, scale: Array, step: Array, half: Array) -> Array:
    codes = round_half_up(value / scale)
    return tf.minimum(tf.floor((codes + half) / step), 256 / step - 1) * (step * scale)


@tf.function(jit_compile=True)  # type: ignore[untyped-decorator]
def _coded(value: Array, alpha: Array) -> Array:
    """ReLU clipped at alpha, on its 256 codes."""
    size = alpha / 255
    return round_half_up(tf.clip_by_value(value, 0.0, alpha) / size) * size


@tf.function(jit_compile=True)  # type: ignore[untyped-decorator]
def _clip_gradients(value: Array, alpha: Array, upstream: Array) -> tuple[Array, Array]:
    """Gradients of ``min(relu(value), alpha)`` by value and alpha."""
    over = value > alpha
    inside = tf.logical_and(value > 0.0, tf.logical_not(over))
    return tf.where(inside, upstream, 0.0), tf.reduce_sum(tf.where(over, upstream, 0.0))


@tf.custom_gradient  # type: ignore[untyped-decorator]
def pact(value: Array, alpha: Array) -> tuple[Array, Any]:
    """Codes of PACT in real units; the gradient passes between 0 and alpha to ``value``, above to ``alpha``."""
    return _coded(value, alpha), lambda upstream: _clip_gradients(value, alpha, upstream)


def upper_percentile(value: Array) -> Array:
    """99.9th percentile of ``|value|``, of all replicas together."""
    flat = tf.reshape(tf.abs(value), [-1])
    flat = flat[:: tf.maximum(tf.size(flat) * replicas() // PERCENTILE_SAMPLE, 1)]
    size = tf.cast(tf.size(flat) * replicas(), tf.float32)
    rank = tf.maximum(tf.cast(tf.math.ceil(size * PERCENTILE_REST), tf.int32), 1)
    largest = tf.math.top_k(flat, k=tf.minimum(rank, tf.size(flat))).values
    if replicas() > 1:
        largest = tf.math.top_k(across(largest), k=rank).values
    return tf.maximum(largest[-1], 255 * SCALE_MIN)


class Pact(keras.layers.Layer):  # type: ignore[misc]
    """ReLU with a learned clip alpha, to codes of scale ``alpha / 255`` and zero point 0.

    With ``learned`` False alpha is an average of 99.9th percentiles instead, as in :class:`EmaScale`.
    """

    zero_point = 0
    signed = False

    def __init__(self, name: str, learned: bool = True, limit: float | None = None) -> None:
        super().__init__(name=name)
        self.learned, self.limit = learned, limit
        self.log_alpha = self.add_weight(name="log_alpha", shape=(), initializer="zeros", trainable=learned)
        self.built = True

    def scale(self) -> Array:
        """Real size of one code."""
        return tf.exp(tf.convert_to_tensor(self.log_alpha)) / 255

    def calibrate(self, value: Array) -> None:
        """Start alpha at the 99.9th percentile of what a float pass shows."""
        self.log_alpha.assign(tf.math.log(upper_percentile(self._floating(value))))

    def _floating(self, value: Array) -> Array:
        return tf.nn.relu(value) if self.limit is None else tf.clip_by_value(value, 0.0, self.limit)

    def call(self, value: Array, *, nested: bool, follow: Array = None) -> Array:
        """Quantise to 8 bits; a plain, or bounded, ReLU in a float pass."""
        if not nested:
            return self._floating(value)
        if follow is not None and not self.learned:
            seen = tf.math.log(tf.stop_gradient(upper_percentile(self._floating(value))))
            self.log_alpha.assign((1 - follow) * self.log_alpha + follow * seen)
        return pact(value, tf.exp(tf.convert_to_tensor(self.log_alpha)))


class FixedScale(keras.layers.Layer):  # type: ignore[misc]
    """Codes of an output of real numbers, whose scale follows from the targets: 1/255, in the network's unit.

    The gradient passes outside the range too.
    """

    def __init__(self, name: str, zero_point: int) -> None:
        super().__init__(name=name)
        self.zero_point, self.signed = zero_point, zero_point != 0
        self.built = True

    def scale(self) -> Array:
        """Real size of one code."""
        return tf.constant(UNIT, tf.float32)

    def calibrate(self, value: Array) -> None:
        """Nothing: the scale is known."""

    def call(self, value: Array, *, nested: bool, follow: Array = None) -> Array:
        """Quantise to 8 bits."""
        if not nested:
            return value
        codes = tf.clip_by_value(round_half_up(value / UNIT), -self.zero_point, 255 - self.zero_point)
        return straight_through(value, codes * UNIT)


class EmaScale(keras.layers.Layer):  # type: ignore[misc]
    """Codes of a tensor without PACT: its range is an average of 99.9th percentiles of ``|y|``.

    A signed tensor has zero point 128. The gradient passes outside the range too: the range is not learned, so nothing
    else would bring a value back that has left it.
    """

    def __init__(self, name: str, signed: bool) -> None:
        super().__init__(name=name)
        self.signed = signed
        self.zero_point = 128 if signed else 0
        self.range = self.add_weight(name="range", shape=(), initializer="ones", trainable=False)
        self.built = True

    def scale(self) -> Array:
        """Real size of one code."""
        return tf.convert_to_tensor(self.range) / (127 if self.signed else 255)

    def calibrate(self, value: Array) -> None:
        """Start at what a float pass shows."""
        self.range.assign(upper_percentile(value))

    def call(self, value: Array, *, nested: bool, follow: Array = None) -> Array:
        """Quantise to 8 bits; with ``follow``, a rate, also move the range (8-bit pass only)."""
        if not nested:
            return value
        if follow is not None:
            self.range.assign((1 - follow) * self.range + follow * tf.stop_gradient(upper_percentile(value)))
        scale = self.scale()
        codes = tf.clip_by_value(round_half_up(value / scale), -self.zero_point, 255 - self.zero_point)
        return straight_through(value, codes * scale)
