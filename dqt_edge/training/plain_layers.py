"""Keras layers without weights of their own: sums, products, functions, and tensors that are joined or moved.

Each gives real numbers; the quantiser behind it, whose range follows what is seen, makes the codes that the device's
layer computes: of a function a table, of a product and a join multipliers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ..architectures.spec import Apply, Join, Move, Product, Sum
from ..graph import FLAT, Pad, Rearrange, Resize
from .layers import usual_quantizer
from .quantizers import Array, EmaScale, FixedScale

FUNCTIONS: dict[str, Callable[..., Array]] = {
    "identity": tf.identity,
    "relu": lambda x, slope=0.0, threshold=0.0, most=math.inf: tf.where(
        x >= threshold, tf.minimum(x, most), slope * (x - threshold)
    ),
    "relu6": lambda x: tf.clip_by_value(x, 0.0, 6.0),
    "relu_n1_to_1": lambda x: tf.clip_by_value(x, -1.0, 1.0),
    "leaky_relu": lambda x, alpha=0.2: tf.where(x >= 0, x, alpha * x),
    "prelu": lambda x, alpha=0.0: tf.where(x >= 0, x, alpha * x),
    "elu": lambda x, alpha=1.0: tf.where(x > 0, x, alpha * tf.math.expm1(tf.minimum(x, 0.0))),
    "selu": tf.nn.selu,
    "sigmoid": tf.sigmoid,
    "hard_sigmoid": lambda x, alpha=1 / 6, beta=0.5: tf.clip_by_value(alpha * x + beta, 0.0, 1.0),
    "hard_swish": lambda x: x * tf.clip_by_value(x + 3, 0.0, 6.0) / 6,
    "swish": lambda x, beta=1.0: x * tf.sigmoid(beta * x),
    "tanh": tf.tanh,
    "gelu": lambda x: 0.5 * x * (1 + tf.math.erf(x / math.sqrt(2))),
    "gelu_tanh": lambda x: 0.5 * x * (1 + tf.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "softplus": tf.nn.softplus,
    "softsign": tf.nn.softsign,
    "mish": lambda x: x * tf.tanh(tf.nn.softplus(x)),
    "square": tf.square,
    "abs": tf.abs,
    "negative": tf.negative,
    "exp": tf.exp,
    "log": lambda x: tf.math.log(tf.maximum(x, 1e-30)),
    "sqrt": lambda x: tf.sqrt(tf.maximum(x, 1e-12)),
    "rsqrt": lambda x: tf.math.rsqrt(tf.maximum(x, 1e-12)),
    "clip": lambda x, low=-math.inf, high=math.inf: tf.clip_by_value(x, low, high),
    "at_least": lambda x, other=0.0: tf.maximum(x, other),
    "at_most": lambda x, other=0.0: tf.minimum(x, other),
    "linear": lambda x, factor=1.0, summand=0.0: factor * x + summand,
}
"""What can be trained through, by the names and parameters of ``importers.functions``."""
POSITIVE = ("relu6", "sigmoid", "hard_sigmoid", "softplus", "square", "abs", "exp", "sqrt", "rsqrt")
"""Functions whose values are never negative, so that what reads them may use narrow activations."""


class Plain(keras.layers.Layer):  # type: ignore[misc]
    """What these layers share.

    Args:
        node: Its structure.
        signed: Whether an input is signed, by input.
        quantizer: Of its output, instead of the usual one.
    """

    def __init__(self, node: Any, signed: bool, quantizer: FixedScale | None = None) -> None:  # noqa: ANN401 - a Node
        super().__init__(name=node.name)
        self.node = node
        self.output_quantizer = quantizer or EmaScale(f"{node.name}_range", signed=signed)
        self.built = True


class Addition(Plain):
    """Sum of two tensors."""

    node: Sum

    def __init__(self, node: Sum, learned: bool, quantizer: FixedScale | None = None) -> None:
        super().__init__(node, True, quantizer or usual_quantizer(node, learned))

    def call(self, first: Array, second: Array) -> Array:
        """Add, or subtract."""
        return self.node.signs[0] * first + self.node.signs[1] * second


class Joined(Plain):
    """Tensors side by side."""

    node: Join

    def call(self, *values: Array) -> Array:
        """Join."""
        if self.node.axis == FLAT:
            return tf.concat([tf.reshape(v, [-1, 1, 1, int(np.prod(v.shape[1:]))]) for v in values], axis=3)
        return tf.concat(values, axis=1 + self.node.axis)


class Multiplied(Plain):
    """Product of two tensors, which broadcast."""

    node: Product

    def call(self, first: Array, second: Array) -> Array:
        """Multiply."""
        return first * second


class Applied(Plain):
    """A function of each number."""

    node: Apply

    def __init__(self, node: Apply, quantizer: FixedScale | None = None, unit: float = 1.0) -> None:
        plain_relu = node.function == "relu" and not node.parameters
        super().__init__(node, node.function not in POSITIVE and not plain_relu, quantizer)
        self.unit = unit

    def call(self, value: Array) -> Array:
        """Apply; the network's own output is in the unit of training."""
        return FUNCTIONS[self.node.function](value, **dict(self.node.parameters)) / self.unit


class Moved(keras.layers.Layer):  # type: ignore[misc]
    """Numbers elsewhere, with the scale of the input. Codes between others are rounded by what reads them."""

    output_quantizer = None

    def __init__(self, node: Move) -> None:
        super().__init__(name=node.name)
        self.node = node
        self.built = True

    def call(self, value: Array) -> Array:
        """Move [samples, height, width, channels]."""
        by, shape = self.node.by, self.node.shape
        if isinstance(by, Rearrange):
            places = by.start + np.tensordot(by.strides, np.indices(by.sizes), 1).ravel()
            flat = tf.reshape(value, [-1, int(np.prod(value.shape[1:]))])
            return tf.reshape(tf.gather(flat, places, axis=1), [-1, *shape])
        if isinstance(by, Pad):
            return _padded(by, value, shape)
        return _along(by, _along(by, value, 1), 2)


def _padded(by: Pad, value: Array, shape: tuple[int, int, int]) -> Array:
    """Zeros around, and between rows and columns where the step is more than 1."""
    _, height, width, channels = value.shape
    (down, right), (top, left, first) = by.step, by.before
    blocks = tf.reshape(value, [-1, height, 1, width, 1, channels])
    blocks = tf.pad(blocks, ((0, 0), (0, 0), (0, down - 1), (0, 0), (0, right - 1), (0, 0)))
    spread = tf.reshape(blocks, [-1, height * down, width * right, channels])
    spread = spread[:, : (height - 1) * down + 1, : (width - 1) * right + 1]
    sizes = (*spread.shape[1:3], channels)
    edges = [(b, n - b - m) for b, n, m in zip((top, left, first), shape, sizes, strict=True)]
    return tf.pad(spread, ((0, 0), *edges))


def _along(by: Resize, value: Array, axis: int) -> Array:
    """Interpolation of rows (axis 1) or columns (axis 2)."""
    table = by.rows if axis == 1 else by.columns
    near, weight = table[:, 0], table[:, 1].astype(np.float32) / 1024
    far = np.minimum(near + 1, value.shape[axis] - 1)
    part = weight.reshape([-1, 1, 1] if axis == 1 else [-1, 1])
    return tf.gather(value, near, axis=axis) * (1 - part) + tf.gather(value, far, axis=axis) * part
