"""The layers without weights and windows on integer codes, in TensorFlow operations; see ``integer``."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from ..graph import (
    FLAT,
    Add,
    Concat,
    Graph,
    Lookup,
    Maximum,
    Minimum,
    Multiply,
    Pad,
    Rearrange,
    Requantize,
    Resize,
    Softmax,
)
from .quantizers import Array

Unweighted = Add | Multiply | Maximum | Minimum | Lookup | Softmax | Concat | Rearrange | Pad | Resize


def unweighted_codes(layer: Unweighted, graph: Graph, live: dict[str, Array]) -> Array:
    """Output codes of one layer, int64 [samples, height, width, channels]."""
    if isinstance(layer, Concat):
        return _concat(layer, graph, live)
    if isinstance(layer, Add | Multiply | Maximum | Minimum):
        return _of_two(layer, graph, live)
    x, shape = live[layer.input], graph.tensor(layer.output).shape
    if isinstance(layer, Lookup):
        firsts = 256 * tf.range(len(layer.table), dtype=tf.int64)  # where each channel's table begins
        return tf.gather(tf.constant(layer.table.astype(np.int64).ravel()), x + firsts)
    if isinstance(layer, Softmax):
        values = tf.gather(tf.constant(layer.exponentials.astype(np.int64)), tf.reduce_max(x, 3, keepdims=True) - x)
        total = tf.reduce_sum(values, 3, keepdims=True)
        return tf.minimum((512 * values + total) // (2 * total), 255)
    if isinstance(layer, Rearrange):
        places = layer.start + np.tensordot(layer.strides, np.indices(layer.sizes), 1).ravel()
        return tf.reshape(tf.gather(tf.reshape(x, (len(x), -1)), places, axis=1), (len(x), *shape))
    return _pad(layer, x, shape) if isinstance(layer, Pad) else _resize(layer, x)


def requantize(twice: Array, parameters: Requantize) -> Array:
    """Codes of twice-accumulators, by channel; see Requantise in docs/arithmetic.md."""
    multiplier = tf.constant(parameters.multiplier.astype(np.int64))
    shift = tf.constant(parameters.shift.astype(np.int64))
    rounded = twice * multiplier + tf.bitwise.left_shift(tf.ones_like(shift), shift - 1)
    shifted = tf.bitwise.right_shift(rounded, tf.broadcast_to(shift, tf.shape(rounded)))
    return tf.clip_by_value(shifted, parameters.low, parameters.high)


def _of_two(layer: Add | Multiply | Maximum | Minimum, graph: Graph, live: dict[str, Array]) -> Array:
    x1, x2 = (live[name] for name in layer.inputs)
    if isinstance(layer, Add):
        total = x1 * layer.multipliers[0] + x2 * layer.multipliers[1] + layer.offset + (1 << (layer.shift - 1))
        return tf.clip_by_value(tf.bitwise.right_shift(total, layer.shift), layer.low, layer.high)
    if isinstance(layer, Multiply):
        z1, z2 = (graph.tensor(name).zero_point for name in layer.inputs)
        return requantize(2 * (x1 - z1) * (x2 - z2) + int(layer.bias_twice[0]), layer.requantize)
    return tf.maximum(x1, x2) if isinstance(layer, Maximum) else tf.minimum(x1, x2)


def _concat(layer: Concat, graph: Graph, live: dict[str, Array]) -> Array:
    parts = []
    for index, name in enumerate(layer.inputs):
        rq = layer.requantize
        one = Requantize(rq.multiplier[[index]], rq.shift[[index]], rq.low, rq.high)
        twice = 2 * (live[name] - graph.tensor(name).zero_point) + int(layer.bias_twice[index])
        part = requantize(twice, one)
        parts.append(tf.reshape(part, (len(part), 1, 1, -1)) if layer.axis == FLAT else part)
    return tf.concat(parts, axis=3 if layer.axis == FLAT else 1 + layer.axis)


def _pad(layer: Pad, x: Array, shape: tuple[int, int, int]) -> Array:
    """Each element becomes the first of a block of ``step``; then the last block's rest goes, and the edges come."""
    samples, height, width, channels = x.shape
    down, right = layer.step
    blocks = tf.reshape(x, (samples, height, 1, width, 1, channels))
    blocks = tf.pad(
        blocks, ((0, 0), (0, 0), (0, down - 1), (0, 0), (0, right - 1), (0, 0)), constant_values=layer.value
    )
    spread = tf.reshape(blocks, (samples, height * down, width * right, channels))
    spread = spread[:, : height * down - down + 1, : width * right - right + 1]
    edges = [(b, n - b - m) for b, n, m in zip(layer.before, shape, spread.shape[1:], strict=True)]
    return tf.pad(spread, ((0, 0), *edges), constant_values=layer.value)


def _resize(layer: Resize, x: Array) -> Array:
    """The four products as the definition has them."""

    def both(table: Array, size: int) -> tuple[tuple[Array, Array], ...]:
        near, weight = table[:, 0], table[:, 1].astype(np.int64)
        return (near, 1024 - weight), (np.minimum(near + 1, size - 1), weight)

    total = tf.constant(1 << 19, tf.int64)
    for row, down in both(layer.rows, x.shape[1]):
        for column, right in both(layer.columns, x.shape[2]):
            codes = tf.gather(tf.gather(x, row, axis=1), column, axis=2)
            total += codes * tf.constant((down[:, None] * right)[None, :, :, None])
    return tf.bitwise.right_shift(total, tf.constant(20, tf.int64))
