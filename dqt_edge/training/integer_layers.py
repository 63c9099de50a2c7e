"""Single layers of the evaluation forward, on integer codes in TensorFlow operations.

Products run as float64 convolutions, exact because every sum stays far below 2^53; all else is int64.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from ..graph import (
    AveragePool2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Graph,
    Layer,
    MacLayer,
    MaxPool2D,
    Pair,
    Requantize,
    Window,
)
from ..graph.values import SKIP
from .integer_unweighted import requantize, unweighted_codes
from .layers import spread
from .quantizers import Array


def is_run(graph: Graph, position: int, choices: Array) -> Array:
    """Of each sample, whether the adaptive layer at a position, and so its branch, is not skipped."""
    return choices[:, position] < len(graph.adaptive[position].candidates)


def layer_codes(layer: Layer, graph: Graph, live: dict[str, Array], pair: Pair | None = None) -> Array:
    """Output codes of one layer, int64; ``pair`` defaults to its first candidate."""
    if isinstance(layer, MacLayer):
        assert layer.requantize is not None
        return requantize(accumulate(layer, graph, live, pair or layer.candidates[0]), layer.requantize)
    if not isinstance(layer, MaxPool2D | AveragePool2D):
        return unweighted_codes(layer, graph, live)
    x, window = live[layer.input], layer.window
    if isinstance(layer, MaxPool2D):
        pooled = tf.nn.max_pool2d(tf.cast(_pad(x, window, 0), tf.float64), window.kernel, window.stride, "VALID")
        return tf.cast(pooled, tf.int64)
    return _average(layer, x - graph.tensor(layer.input).zero_point)


def _pad(x: Array, window: Window, fill: int) -> Array:
    top, left, bottom, right = window.padding
    return tf.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)


def _sums(x: Array, kernel: Array, window: Window) -> Array:
    """Exact convolution of int64 with a [height, width, in, out] kernel."""
    taps = tf.cast(spread(kernel, window.dilation), tf.float64)
    out = tf.nn.conv2d(tf.cast(x, tf.float64), taps, window.stride, "VALID")
    return tf.cast(out, tf.int64)


def accumulate(layer: Conv2D | DepthwiseConv2D | Dense, graph: Graph, live: dict[str, Array], pair: Pair) -> Array:
    """Twice the accumulators, int64 [samples, height, width, channels]; see Accumulator in docs/arithmetic.md."""
    if pair == SKIP:
        like = tf.zeros((len(live[layer.input]), *graph.tensor(layer.output).shape), tf.int64)
        return _with_residual(layer, graph, live, like + tf.constant(layer.bias_of(pair).astype(np.int64)))
    weight_shift, activation_shift = (8 - bits for bits in pair)
    source = graph.tensor(layer.input)
    master = tf.constant(layer.weights.astype(np.int64))
    weights = tf.bitwise.right_shift(master, tf.constant(weight_shift, tf.int64))
    x = live[layer.input]
    if activation_shift:
        half, top = 1 << (activation_shift - 1), (1 << pair[1]) - 1
        x = tf.minimum(tf.bitwise.right_shift(x + half, tf.constant(activation_shift, tf.int64)), top)
    if isinstance(layer, Dense):
        x = tf.reshape(x, (len(x), 1, 1, -1))
        window = Window((1, 1))
        kernel = tf.transpose(weights)[None, None]
    else:
        window = layer.window
        x = _pad(x, window, source.zero_point)
        axes = (1, 2, 3, 0) if isinstance(layer, Conv2D) else (1, 2, 0)
        kernel = tf.transpose(weights, axes)
    if isinstance(layer, DepthwiseConv2D):
        products, sums = _depthwise(x, kernel, window), _depthwise(x, tf.ones_like(kernel), window)
    else:
        products, sums = _sums(x, kernel, window), _sums(x, tf.ones_like(kernel[..., :1]), window)
    step = 1 << weight_shift
    centring = step - 1 + 2 * layer.weight_offset
    twice = products * (2 * step << activation_shift) + sums * (centring << activation_shift)
    twice += tf.constant(layer.bias_of(pair).astype(np.int64))
    if source.zero_point:
        flat = tf.reshape(weights, (layer.channels, -1))
        doubled = flat * (2 * step) + centring
        twice -= source.zero_point * tf.reduce_sum(doubled, axis=1)
    return _with_residual(layer, graph, live, twice)


def _with_residual(
    layer: Conv2D | DepthwiseConv2D | Dense, graph: Graph, live: dict[str, Array], twice: Array
) -> Array:
    """Accumulators with the residual operand, where the layer has one."""
    if isinstance(layer, Conv2D) and layer.residual is not None:
        assert layer.residual_multiplier is not None
        other = live[layer.residual] - graph.tensor(layer.residual).zero_point
        twice += other * tf.constant(layer.residual_multiplier.astype(np.int64))
    return twice


def _depthwise(x: Array, kernel: Array, window: Window) -> Array:
    """Exact depthwise convolution of stride 1, of which the strides' rows and columns are kept.

    TensorFlow has no depthwise convolution whose strides differ by axis.
    """
    taps = tf.cast(spread(kernel, window.dilation), tf.float64)[..., None]
    full = tf.nn.depthwise_conv2d(tf.cast(x, tf.float64), taps, (1, 1, 1, 1), "VALID")
    return tf.cast(full, tf.int64)[:, :: window.stride[0], :: window.stride[1]]


def _average(layer: AveragePool2D, centred: Array) -> Array:
    """Window sums and element counts by convolution with ones; the count picks the multiplier."""
    channels, window = centred.shape[-1], layer.window
    ones = tf.ones((*window.kernel, channels), tf.int64)
    sums = _depthwise(_pad(centred, window, 0), ones, window)
    counts = _depthwise(_pad(tf.ones_like(centred), window, 0), ones, window)
    total = tf.zeros_like(sums)
    for index, count in enumerate(layer.counts):
        rq = layer.requantize
        one = Requantize(rq.multiplier[[index]], rq.shift[[index]], rq.low, rq.high)
        total = tf.where(counts == count, requantize(2 * sums + int(layer.bias_twice[index]), one), total)
    return total
