"""Keras layers whose nested pass computes what the device will: views of weights and activations.

A layer returns its linear output; the quantiser behind it is applied by the network, because a fused addition
comes between the two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ..architectures.spec import AveragePool, Conv, Depthwise, Fully, MaxPool, Sum, window_of
from ..graph import FULL, Pair, Shape, window_counts
from .initial import GAMMA_MIN
from .quantizers import CLIP_SIGMAS, SCALE_MIN, Array, EmaScale, FixedScale, Pact, View, activation_view, weight_view

BIAS_MAX = 2.0**27
"""A channel whose folded weights almost vanish gets a coarser scale, so that its bias stays within int32."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Run:
    """How one forward pass computes.

    Attributes:
        nested: On the integer path; False is floating point.
        batch_statistics: BatchNorm learns from the batch (warm-up only).
        calibrate: Set all scales from this float pass.
        settle: Give norms this pass's statistics, and change factors and offsets so that outputs stay.
        centre: Give the norms of heads, whose weights are random, this pass's statistics.
        follow: Rate at which tensors without PACT follow their ranges: 0 while these are frozen. None in every pass
            but the 8-bit one, the only one that moves ranges.
        choice: Candidate of each adaptive layer, int32 [layers]; None with ``gates``.
        gates: One-hot candidate of each adaptive layer for each sample, float [samples, layers, candidates].
        bias: Added to the controller's logits, float [candidates]: where the dial stands.
    """

    nested: bool
    batch_statistics: bool = False
    calibrate: bool = False
    settle: bool = False
    centre: bool = False
    follow: Array = None
    choice: Array = None
    gates: Array = None
    bias: Array = None


def pad(value: Array, padding: tuple[int, int, int, int], fill: float = 0.0) -> Array:
    """[samples, height, width, channels] with (top, left, bottom, right) rows and columns of ``fill`` around it."""
    if not any(padding):
        return value
    top, left, bottom, right = padding
    return tf.pad(value, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)


def padded(value: Array, node: Conv | Depthwise) -> tuple[Array, str]:
    """A convolution's input, padded where TensorFlow cannot, and the name of the padding that is left to TensorFlow."""
    if isinstance(node.padding, str):
        return value, node.padding.upper()
    return pad(value, node.padding), "VALID"


def spread(kernel: Array, dilation: tuple[int, int]) -> Array:
    """A kernel [height, width, ...] with zeros between its taps, which are ``dilation`` rows and columns apart."""
    if dilation == (1, 1):
        return kernel
    kernel = tf.convert_to_tensor(kernel)
    extent = [(size - 1) * distance + 1 for size, distance in zip(kernel.shape[:2], dilation, strict=True)]
    for axis, distance in enumerate(dilation):
        apart = tf.stack([kernel, *[tf.zeros_like(kernel)] * (distance - 1)], axis=axis + 1)
        shape = list(kernel.shape)
        shape[axis] *= distance
        kernel = tf.reshape(apart, shape)
    return kernel[: extent[0], : extent[1]]


class MinimumConstraint(keras.constraints.Constraint):  # type: ignore[misc]
    """Keeps a variable at or above a bound."""

    def __init__(self, minimum: float) -> None:
        self.minimum = minimum

    def __call__(self, w: Array) -> Array:
        """Return the clipped variable."""
        return tf.maximum(w, self.minimum)


def usual_quantizer(node: Conv | Depthwise | Fully | Sum, learned: bool) -> Pact | EmaScale:
    """What makes codes of a layer's output: a learned clip behind a ReLU, else its range."""
    if node.relu:
        return Pact(f"{node.name}_pact", learned, node.limit)
    return EmaScale(f"{node.name}_range", signed=True)


class MacLayer(keras.layers.Layer):  # type: ignore[misc]
    """What convolution, depthwise convolution and dense share.

    Args:
        node: The layer's structure.
        source: Shape of its input.
        kernel_shape: Shape of the weights; the last axis is the output channel.
        candidates: Its width pairs.
        position: Its index among the adaptive layers; None for a layer fixed at 8x8.
        per_tensor: One weight scale for all channels (the controller's logits).
        view: How narrow views are made.
        learned: Whether scales and clips are trained.
        quantizer: Of its output, instead of a layer's usual one.
    """

    def __init__(
        self,
        node: Conv | Depthwise | Fully,
        source: Shape,
        kernel_shape: tuple[int, ...],
        *,
        candidates: tuple[Pair, ...] = (FULL,),
        position: int | None = None,
        per_tensor: bool = False,
        view: View = "centred",
        learned: bool = True,
        quantizer: FixedScale | None = None,
    ) -> None:
        super().__init__(name=node.name)
        self.view = view
        self.node: Conv | Depthwise | Fully = node
        self.source = source
        self.candidates, self.position = candidates, position
        self.channels = kernel_shape[-1]
        fan_in = int(np.prod(kernel_shape[:-1]))
        self.count = fan_in * (self.channels if per_tensor else 1)
        start = keras.initializers.RandomNormal(stddev=float(np.sqrt((2 if node.relu else 1) / fan_in)))
        self.kernel = self.add_weight(name="kernel", shape=kernel_shape, initializer=start)
        self.log_scale = self.add_weight(
            name="log_scale", shape=(1 if per_tensor else self.channels,), initializer="zeros", trainable=learned
        )
        self.bias: Any = None
        self.norm: Any = None
        if node.norm:
            self.norm = keras.layers.BatchNormalization(
                momentum=0.9,
                gamma_constraint=MinimumConstraint(GAMMA_MIN),
                name=f"{node.name}_norm",
                synchronized=tf.distribute.get_strategy().num_replicas_in_sync > 1,
            )
            self.norm.build((None, None, None, self.channels))
        else:
            self.bias = self.add_weight(name="bias", shape=(self.channels,), initializer="zeros")
        self.output_quantizer = quantizer or usual_quantizer(node, learned)
        self.built = True  # all shapes were known above
        self._steps = np.array([[2.0 ** (8 - w), 2.0 ** (8 - a)] for w, a in candidates], np.float32)

    def product(self, value: Array, kernel: Array) -> Array:
        """Apply the linear operation in floating point."""
        raise NotImplementedError

    def calibrate(self) -> None:
        """Start the weight scales at a clip of 2.75 standard deviations."""
        kernel = self.kernel.numpy().astype(np.float64)
        axes = tuple(range(kernel.ndim - 1)) if self.log_scale.shape[0] > 1 or self.channels == 1 else None
        sigma = np.atleast_1d(kernel.std(axis=axes))
        # A depthwise filter has few weights, of which none should be clipped far from the start.
        largest = np.atleast_1d(np.abs(kernel).max(axis=axes))
        clip = largest if self.count < 64 else CLIP_SIGMAS * sigma
        self.log_scale.assign(np.log(np.maximum(clip / 127, SCALE_MIN)))

    def settle_norm(self, out: Array) -> None:
        """Give the norm the statistics of ``out``, its input, and a factor and offset under which its output stays.

        The weights of a finished network come with their norm folded in. The first batch of a warm-up is normed by its
        own statistics, and without this it would see another network.
        """
        norm = self.norm
        gamma, beta, old_mean, old_variance = (
            v.numpy().astype(np.float64) for v in (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)
        )
        mean, variance = (v.numpy().astype(np.float64) for v in tf.nn.moments(out, (0, 1, 2)))
        factor = gamma / np.sqrt(old_variance + norm.epsilon)
        variance = np.maximum(variance, (GAMMA_MIN / factor) ** 2)
        norm.gamma.assign((factor * np.sqrt(variance + norm.epsilon)).astype(np.float32))
        norm.beta.assign((beta + factor * (mean - old_mean)).astype(np.float32))
        norm.moving_mean.assign(mean.astype(np.float32))
        norm.moving_variance.assign(variance.astype(np.float32))

    def folded(
        self, source_scale: float, lift: float, given: npt.NDArray[np.float32] | None = None
    ) -> tuple[Floats, Floats, Floats]:
        """Weights with the norm folded in (channel last), their master scales, and biases: real numbers.

        Args:
            source_scale: Scale of the input.
            lift: Real size of the output's zero point, which enters the accumulator as a bias does.
            given: Bias instead of the trained one, of a layer without a norm.
        """
        kernel = self.kernel.numpy().astype(np.float64)
        scale = np.exp(self.log_scale.numpy().astype(np.float64)) * np.ones(self.channels)
        factor = np.ones(self.channels)
        if self.norm is None:
            bias = np.asarray(self.bias if given is None else given, np.float64)
        else:
            norm = self.norm
            gamma, beta, mean, variance = (
                v.numpy().astype(np.float64) for v in (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)
            )
            factor = gamma / np.sqrt(variance + norm.epsilon)
            bias = beta - mean * factor
        return kernel * factor, np.maximum(scale * factor, (np.abs(bias) + lift) / (source_scale * BIAS_MAX)), bias

    def call(self, value: Array, *, scale: Array = None, run: Run) -> Array:
        """Linear output, norm or bias included; ``scale`` is the input's real size of one code."""
        if run.calibrate:
            self.calibrate()
        if run.nested:
            return self._nested(value, scale, run)
        out = self.product(value, self.kernel)
        if run.settle and self.norm is not None:
            self.settle_norm(out)
        return out + self.bias if self.norm is None else self.norm(out, training=run.batch_statistics)

    def _nested(self, value: Array, scale: Array, run: Run) -> Array:
        factor, bias = self._affine()

        def at(weight_step: Array, activation_step: Array) -> Array:
            narrow = activation_view(value, scale, activation_step, self.view)
            kernel = weight_view(self.kernel, self.log_scale, weight_step, self.count, self.view)
            return self.product(narrow, kernel * factor)

        if self.position is None:
            kernel = weight_view(self.kernel, self.log_scale, 1.0, self.count)
            return self.product(value, kernel * factor) + bias
        if run.gates is None:
            weight_step, activation_step = tf.unstack(tf.gather(self._steps, run.choice[self.position]))
            return at(weight_step, activation_step) + bias
        gates = run.gates[:, self.position]
        total = bias
        for index, (weight_step, activation_step) in enumerate(self._steps):
            out = at(float(weight_step), float(activation_step))
            total += tf.reshape(gates[:, index], [-1] + [1] * (len(out.shape) - 1)) * out
        return total

    def _affine(self) -> tuple[Array, Array]:
        """Factor of each channel's weights, and its bias: the norm with the statistics it has, as export folds it."""
        if self.norm is None:
            return 1.0, tf.convert_to_tensor(self.bias)
        norm = self.norm
        factor = norm.gamma * tf.math.rsqrt(norm.moving_variance + norm.epsilon)
        return factor, norm.beta - norm.moving_mean * factor


class NestedConv2D(MacLayer):
    """Convolution; kernel [height, width, in, out]."""

    node: Conv

    def __init__(self, node: Conv, source: Shape, **widths: Any) -> None:  # noqa: ANN401 - see MacLayer
        super().__init__(node, source, (*node.kernel, source[2], node.filters), **widths)

    def product(self, value: Array, kernel: Array) -> Array:
        """Convolution of [samples, height, width, in]."""
        value, padding = padded(value, self.node)
        return tf.nn.conv2d(value, spread(kernel, self.node.dilation), self.node.stride, padding)


class NestedDepthwiseConv2D(MacLayer):
    """Depthwise convolution; kernel [height, width, channel]."""

    node: Depthwise

    def __init__(self, node: Depthwise, source: Shape, **widths: Any) -> None:  # noqa: ANN401 - see MacLayer
        super().__init__(node, source, (*node.kernel, source[2]), **widths)

    def product(self, value: Array, kernel: Array) -> Array:
        """One filter for each channel of [samples, height, width, channel]."""
        # TensorFlow's depthwise kernel takes equal strides only; the full one is cut to the wanted places.
        kernel = spread(tf.convert_to_tensor(kernel), self.node.dilation)[..., None]
        vertical, horizontal = self.node.stride
        if vertical == horizontal:
            value, padding = padded(value, self.node)
            return tf.nn.depthwise_conv2d(value, kernel, (1, vertical, horizontal, 1), padding)
        value = pad(value, window_of(self.node, self.source).padding)
        return tf.nn.depthwise_conv2d(value, kernel, (1, 1, 1, 1), "VALID")[:, ::vertical, ::horizontal]


class NestedDense(MacLayer):
    """Dense layer on the flattened input; kernel [in, out]."""

    node: Fully

    def __init__(self, node: Fully, source: Shape, **widths: Any) -> None:  # noqa: ANN401 - see MacLayer
        super().__init__(node, source, (int(np.prod(source)), node.units), **widths)

    def product(self, value: Array, kernel: Array) -> Array:
        """Product with [samples, height, width, channel] flattened, to [samples, 1, 1, units]."""
        flat = tf.reshape(value, [-1, int(np.prod(self.source))])
        return (flat @ kernel)[:, None, None, :]


class Pool(keras.layers.Layer):  # type: ignore[misc]
    """Maximum or average pooling. A maximum keeps its input's codes; an average has a tracked range."""

    def __init__(self, node: MaxPool | AveragePool, source: Shape, signed: bool) -> None:
        super().__init__(name=node.name)
        self.node, self.source = node, source
        average = isinstance(node, AveragePool)
        self.output_quantizer = EmaScale(f"{node.name}_range", signed) if average else None
        self.built = True

    def call(self, value: Array) -> Array:
        """Pool [samples, height, width, channel]."""
        window = window_of(self.node, self.source)
        if isinstance(self.node, MaxPool):
            value = pad(value, window.padding, -math.inf)
            return tf.nn.max_pool2d(value, window.kernel, window.stride, "VALID")
        if not any(window.padding):
            return tf.nn.avg_pool2d(value, window.kernel, window.stride, "VALID")
        counts = tf.constant(window_counts(window, *self.source[:2])[None, :, :, None], tf.float32)
        area = window.kernel[0] * window.kernel[1]
        return tf.nn.avg_pool2d(pad(value, window.padding), window.kernel, window.stride, "VALID") * area / counts
