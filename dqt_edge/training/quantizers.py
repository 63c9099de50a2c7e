"""Differentiable twins of nested.py: the forward value is the integer path's, the gradient straight through.

A width enters as its step ``2^(8-b)``, a tensor, so that one traced function serves every width.
Sources: DQT (arXiv 2508.09176) for the views, LSQ (arXiv 1902.08153) for learned weight scales, PACT
(arXiv 1805.06085) for the learned clip. Scales are held as logarithms: Adam's step does not see a gradient's
size, and a fixed step on a scale of 1e-3 would destroy it.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

Array = Any  # a tf.Tensor; TensorFlow ships no types

CLIP_SIGMAS = 2.75
EMA_RATE = 0.01
"""A decay of 0.99."""
PERCENTILE_REST = 0.001
SCALE_MIN = 1e-6


def straight_through(value: Array, replaced: Array) -> Array:
    """Give ``replaced`` going forward, the gradient of ``value`` going back."""
    return value + tf.stop_gradient(replaced - value)


def round_half_up(value: Array) -> Array:
    """``floor(x + 1/2)``."""
    return tf.floor(value + 0.5)


def weight_view(kernel: Array, log_scale: Array, step: Array, count: int) -> Array:
    """Centred floor view of weights, in real units (section 1 of the arithmetic).

    Args:
        kernel: Real weights; the last axis is the channel, or is the scale's own.
        log_scale: Logarithm of the master scale, broadcast against ``kernel``.
        step: ``2^(8 - bits)``.
        count: Weights that share one scale, for LSQ's gradient scale ``1/sqrt(N*127)``.
    """
    lsq = 1 / math.sqrt(count * 127)
    scale = tf.exp(log_scale * lsq + tf.stop_gradient(log_scale * (1 - lsq)))
    clipped = tf.clip_by_value(kernel / scale, -128.0, 127.0)
    view = tf.floor(round_half_up(clipped) / step) * step + (step - 1) / 2
    return scale * straight_through(clipped, view)


def activation_view(value: Array, scale: Array, step: Array) -> Array:
    """View, rounded and saturating, of a tensor of zero point 0, in real units (section 2 of the arithmetic)."""
    codes = round_half_up(value / scale)
    view = tf.minimum(tf.floor((codes + step / 2) / step), 256 / step - 1) * step
    return straight_through(value, view * scale)


def upper_percentile(value: Array) -> Array:
    """99.9th percentile of ``|value|``."""
    flat = tf.reshape(tf.abs(value), [-1])
    rank = tf.cast(tf.math.ceil(tf.cast(tf.size(flat), tf.float32) * PERCENTILE_REST), tf.int32)
    return tf.maximum(tf.math.top_k(flat, k=tf.maximum(rank, 1)).values[-1], 255 * SCALE_MIN)


class Pact(keras.layers.Layer):  # type: ignore[misc]
    """ReLU with a learned clip alpha, to codes of scale ``alpha / 255`` and zero point 0."""

    zero_point = 0
    signed = False

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        self.log_alpha = self.add_weight(name="log_alpha", shape=(), initializer="zeros")
        self.built = True

    def scale(self) -> Array:
        """Real size of one code."""
        return tf.exp(tf.convert_to_tensor(self.log_alpha)) / 255

    def calibrate(self, value: Array) -> None:
        """Start alpha at the 99.9th percentile of what a float pass shows."""
        self.log_alpha.assign(tf.math.log(upper_percentile(tf.nn.relu(value))))

    def call(self, value: Array, *, nested: bool, follow: Array = None) -> Array:
        """Quantise to 8 bits; a plain ReLU in a float pass."""
        del follow
        if not nested:
            return tf.nn.relu(value)
        alpha = tf.exp(tf.convert_to_tensor(self.log_alpha))
        clipped = tf.minimum(tf.nn.relu(value), alpha)
        step = tf.stop_gradient(alpha / 255)
        return straight_through(clipped, round_half_up(clipped / step) * step)


class EmaScale(keras.layers.Layer):  # type: ignore[misc]
    """Codes of a tensor without PACT: its range is an average of 99.9th percentiles of ``|y|`` (section 5).

    A signed tensor has zero point 128. Outside the range the gradient still passes: the range is not learned,
    so a value that has left it comes back only by its own motion.
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
