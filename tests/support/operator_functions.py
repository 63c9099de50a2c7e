"""Functions of TensorFlow that no layer of Keras writes, by the operators that they become, and what is special.

Each is given TensorFlow and a tensor of both signs, 1x8x8x4; ``convolved`` makes one of it first, so that the operator
reads what a layer computed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.converted import write

SHAPE = (1, 8, 8, 4)
RNG = np.random.default_rng(3)
KERNEL = RNG.normal(0, 0.5, (3, 3, 4, 4)).astype(np.float32)
MAP = RNG.normal(0, 1, SHAPE).astype(np.float32)
COLUMN = RNG.normal(0, 1, (8, 1)).astype(np.float32)
MATRIX = RNG.normal(0, 0.5, (4, 5)).astype(np.float32)
CLASSES = RNG.normal(0, 0.2, (256, 5)).astype(np.float32)


def _nearest(size: tuple[int, int], **flags: bool) -> Callable[[Any, Any], Any]:
    return lambda tf, x: tf.compat.v1.image.resize_nearest_neighbor(x, size, **flags)


def _bilinear(size: tuple[int, int], **flags: bool) -> Callable[[Any, Any], Any]:
    return lambda tf, x: tf.compat.v1.image.resize_bilinear(x, size, **flags)


def _flat_classes(tf: Any, x: Any) -> Any:
    return tf.matmul(tf.reshape(x, (1, 256)), CLASSES)


def _compared(tf: Any, x: Any) -> Any:
    inside = tf.logical_and(x >= -0.5, x < 0.6)
    return tf.where(tf.logical_or(tf.logical_not(inside), x <= -0.2), 0.5 * x, tf.abs(x))


FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "GATHER, any": lambda tf, x: tf.gather(x, [2, 0, 1, 3, 3], axis=1),
    "GATHER, one": lambda tf, x: tf.gather(x, 2, axis=3),
    "GATHER, a run": lambda tf, x: tf.gather(x, [1, 3, 5], axis=2),
    "STRIDED_SLICE, backwards": lambda tf, x: x[:, ::-2, 1:, ::-1],
    "STRIDED_SLICE, masks": lambda tf, x: x[:, 1, tf.newaxis, ..., 2],
    "SLICE": lambda tf, x: tf.slice(x, [0, 1, 2, 0], [1, 4, -1, 3]),
    "SPLIT_V": lambda tf, x: tf.concat(tf.split(x, [1, 3], axis=3)[::-1], axis=3),
    "UNPACK, PACK": lambda tf, x: tf.stack(tf.unstack(x, axis=2)[::-1], axis=2),
    "PADV2": lambda tf, x: tf.pad(x, [[0, 0], [1, 2], [0, 1], [0, 0]], constant_values=-0.5),
    "PAD, channels": lambda tf, x: tf.pad(x, [[0, 0], [0, 0], [0, 0], [1, 2]]),
    "MIRROR_PAD, symmetric": lambda tf, x: tf.pad(x, [[0, 0], [2, 1], [0, 3], [0, 0]], "SYMMETRIC"),
    "PAD before an average": lambda tf, x: tf.nn.avg_pool2d(tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]), 3, 2, "VALID"),
    "PAD before a maximum": lambda tf, x: tf.nn.max_pool2d(
        tf.pad(tf.nn.relu(x), [[0, 0], [1, 1], [1, 1], [0, 0]]), 3, 2, "VALID"
    ),
    "DEPTH_TO_SPACE": lambda tf, x: tf.nn.depth_to_space(x, 2),
    "SPACE_TO_DEPTH": lambda tf, x: tf.nn.space_to_depth(x, 2),
    "RESIZE_NEAREST_NEIGHBOR": _nearest((5, 11)),
    "RESIZE_NEAREST_NEIGHBOR, corners": _nearest((5, 11), align_corners=True),
    "RESIZE_NEAREST_NEIGHBOR, centres": _nearest((5, 13), half_pixel_centers=True),
    "RESIZE_BILINEAR": _bilinear((5, 11)),
    "RESIZE_BILINEAR, corners": _bilinear((15, 11), align_corners=True),
    "RESIZE_BILINEAR, centres": _bilinear((16, 4), half_pixel_centers=True),
    "SUB, broadcast": lambda tf, x: x - tf.reduce_mean(x, axis=[1, 2], keepdims=True),
    "MUL, broadcast over channels": lambda tf, x: x * tf.reduce_max(x, axis=3, keepdims=True),
    "MAXIMUM, broadcast over rows": lambda tf, x: tf.maximum(x, tf.reduce_max(x, axis=1, keepdims=True)),
    "MUL by a map": lambda tf, x: x * MAP,
    "ADD of a column": lambda tf, x: x + COLUMN,
    "SUB from a constant": lambda tf, x: tf.constant([0.1, 0.2, 0.3, 0.4]) - x,
    "quotient by constants": lambda tf, x: x / tf.constant([1.0, 2.0, 4.0, 0.5]),
    "MEAN of all": lambda tf, x: tf.reduce_mean(x, axis=[1, 2, 3], keepdims=True),
    "MEAN of two apart": lambda tf, x: tf.reduce_mean(x, axis=[1, 3]),
    "SUM over channels": lambda tf, x: tf.reduce_sum(x, axis=-1),
    "REDUCE_MIN over columns": lambda tf, x: tf.reduce_min(x, axis=2),
    "TRANSPOSE, channels first": lambda tf, x: tf.transpose(x, [0, 3, 1, 2]),
    "TRANSPOSE of six axes": lambda tf, x: tf.reshape(
        tf.transpose(tf.reshape(x, [1, 4, 2, 8, 2, 2]), [0, 2, 4, 1, 3, 5]), [1, 16, 16]
    ),
    "REVERSE_V2": lambda tf, x: tf.reverse(x, [1, 2]),
    "BROADCAST_TO": lambda tf, x: tf.broadcast_to(tf.reduce_mean(x, axis=1, keepdims=True), [1, 5, 8, 4]),
    "rows times a matrix": lambda tf, x: tf.matmul(tf.reshape(x, [1, 64, 4]), MATRIX),
    "SOFTMAX in the midst": lambda tf, x: tf.nn.softmax(tf.reshape(x, [1, 32, 8])) + 0.5,
    "LOG_SOFTMAX at the end": lambda tf, x: tf.nn.log_softmax(_flat_classes(tf, x)),
    "ARG_MAX at the end": lambda tf, x: tf.argmax(_flat_classes(tf, x), axis=-1, output_type=tf.int32),
    "ARG_MAX of a map": lambda tf, x: tf.argmax(x, axis=-1, output_type=tf.int32),
    "CONCATENATION with a constant": lambda tf, x: tf.concat([x, MAP[..., :2]], axis=3),
    "CONV_2D, dilated": lambda tf, x: tf.nn.conv2d(x, KERNEL, 1, "SAME", dilations=2),
    "CONV_2D, dilated, valid": lambda tf, x: tf.nn.conv2d(x, KERNEL, 1, "VALID", dilations=[1, 2, 3, 1]),
    "POW": lambda tf, x: tf.pow(tf.nn.relu(x) + 0.1, 1.5),
    "SIN": lambda tf, x: tf.sin(x),
    "COS": lambda tf, x: tf.cos(x),
    "SELECT, LOGICAL_AND, LOGICAL_OR, LOGICAL_NOT, LESS, LESS_EQUAL, GREATER_EQUAL": _compared,
}


def function_model(name: str, path: Path, form: str) -> Path:
    """The function behind a convolution, as a .tflite file."""
    import tensorflow as tf  # noqa: PLC0415

    function = FUNCTIONS[name]
    traced = tf.function(lambda x: function(tf, tf.nn.conv2d(x, KERNEL, 1, "SAME"))).get_concrete_function(
        tf.TensorSpec(SHAPE, tf.float32)
    )
    typical = np.random.default_rng(4).normal(0, 1, (30, *SHAPE[1:])).astype(np.float32)
    return write(tf.lite.TFLiteConverter.from_concrete_functions([traced]), path, form, [typical])
