"""The evaluation forward: the lowered layers on integer codes, in TensorFlow operations.

Products run as float64 convolutions, exact because every sum stays far below 2^53; all else is int64. The
interpreter computes the same integers with NumPy; neither calls the other, and a test holds them equal.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ..errors import UnsupportedError
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
    Setting,
    Window,
    nested,
)
from ..graph.dial import Dynamic
from ..graph.interpreter import Result
from ..graph.policy import Policy, fixed_choices, logit_bias, parse_policy
from .integer_unweighted import requantize, unweighted_codes
from .layers import spread
from .quantizers import Array

BATCH = 256


def evaluate(graph: Graph, x: npt.NDArray[np.floating], policy: Policy = "dynamic") -> Result:
    """Evaluate a lowered network on real inputs as the device will, all tensors kept.

    Args:
        graph: What ``to_graph`` made of the trained network.
        x: Real inputs, float [samples, height, width, channels].
        policy: See ``graph.policy``.
    """
    settled = parse_policy(policy, graph)
    if isinstance(settled, Setting):
        raise UnsupportedError(
            "the Keras evaluation runs no decision points",
            where="parameter `policy`",
            next_step="give a width vector or 'dynamic', or use the interpreter",
        )
    source = graph.tensor(graph.input)
    codes = nested.quantize(x, source.scale, source.zero_point)
    parts = [_evaluate(graph, codes[i : i + BATCH], settled) for i in range(0, len(codes), BATCH)]
    logits = None if parts[0].logits is None else np.concatenate([p.logits for p in parts if p.logits is not None])
    return Result(
        np.concatenate([part.outputs for part in parts]),
        np.concatenate([part.choices for part in parts]),
        {name: np.concatenate([part.tensors[name] for part in parts]) for name in parts[0].tensors},
        logits,
    )


def _evaluate(
    graph: Graph, codes: npt.NDArray[np.uint8], policy: tuple[Pair, ...] | Literal["dynamic"] | Dynamic
) -> Result:
    live: dict[str, Array] = {graph.input: tf.cast(codes, tf.int64)}
    adaptive = [layer.name for layer in graph.adaptive]
    decided = {layer.name for layer in graph.controller.layers} if graph.controller else set()
    choices = tf.zeros((len(codes), len(adaptive)), tf.int64)
    bias = None
    if isinstance(policy, tuple):
        choices = tf.tile(tf.constant([fixed_choices(graph, policy)], tf.int64), (len(codes), 1))
    else:
        bias = tf.constant(logit_bias(graph, policy))
    logits = None
    for layer in graph.all_layers:
        if layer.name in decided and bias is None:
            continue
        if isinstance(layer, Dense) and layer.requantize is None:
            logits = tf.reshape(_accumulate(layer, graph, live, layer.candidates[0]), (len(codes), len(adaptive), -1))
            choices = tf.argmax(logits + bias, axis=-1)
        elif isinstance(layer, MacLayer) and layer.name in adaptive:
            # Every candidate for every sample, then a selection: the interpreter splits the batch instead.
            column = choices[:, adaptive.index(layer.name)]
            every = tf.stack([layer_codes(layer, graph, live, pair) for pair in layer.candidates], axis=1)
            live[layer.output] = tf.gather(every, column, batch_dims=1, axis=1)
        else:
            live[layer.output] = layer_codes(layer, graph, live)
    tensors = {name: value.numpy().astype(np.uint8) for name, value in live.items()}
    outputs = tensors[graph.output].reshape(len(codes), -1)
    return Result(outputs, choices.numpy(), tensors, None if logits is None else logits.numpy())


def layer_codes(layer: Layer, graph: Graph, live: dict[str, Array], pair: Pair | None = None) -> Array:
    """Output codes of one layer, int64; ``pair`` defaults to its first candidate."""
    if isinstance(layer, MacLayer):
        assert layer.requantize is not None
        return requantize(_accumulate(layer, graph, live, pair or layer.candidates[0]), layer.requantize)
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


def _accumulate(layer: Conv2D | DepthwiseConv2D | Dense, graph: Graph, live: dict[str, Array], pair: Pair) -> Array:
    """Twice the accumulators, int64 [samples, height, width, channels]; see Accumulator in docs/arithmetic.md."""
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
