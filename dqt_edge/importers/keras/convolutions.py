"""Layers of Keras with kernels: convolutions of one and two dimensions, and dense layers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import numpy as np

from ..builder import Value, Weights
from ..problems import Unfit
from .activations import activated
from .call import Call, Floats, Reads, floats, pair, reads, weights_of

Padding = tuple[int, int, int, int] | Literal["same", "valid"]


def _conv(call: Call) -> Value:
    kernel = _two_dimensional(floats(call.layer.kernel))
    weights = weights_of(call.layer, kernel.transpose(3, 0, 1, 2))
    groups = int(call.layer.groups)
    return _finished(
        call, partial(call.builder.conv, call.name, image(call), weights, groups=groups, **_steps(call, kernel))
    )


def _depthwise(call: Call) -> Value:
    kernel = _two_dimensional(floats(call.layer.kernel))
    weights = weights_of(call.layer, kernel.transpose(2, 3, 0, 1))
    return _finished(call, partial(call.builder.depthwise, call.name, image(call), weights, **_steps(call, kernel)))


def _separable(call: Call) -> Value:
    depthwise = _two_dimensional(floats(call.layer.depthwise_kernel))
    pointwise = _two_dimensional(floats(call.layer.pointwise_kernel))
    taps = Weights(np.ascontiguousarray(depthwise.transpose(2, 3, 0, 1)), None, None)
    between = call.builder.depthwise(f"{call.name}_depthwise", image(call), taps, **_steps(call, depthwise))
    weights = weights_of(call.layer, pointwise.transpose(3, 0, 1, 2))
    return _finished(call, partial(call.builder.conv, call.name, between, weights))


def _transposed(call: Call) -> Value:
    layer, x = call.layer, image(call)
    kernel = _two_dimensional(floats(layer.kernel))
    if max(pair(layer.dilation_rate)) > 1:
        raise Unfit(f"its dilation is {layer.dilation_rate}", "dilation 1")
    stride = pair(layer.strides)
    size = (1, *call.shape)[-3:-1]
    # As TensorFlow does: the padding of the convolution that would take the result back to the input.
    hidden = [
        max((n - 1) * step + k - out, 0) // 2 if layer.padding == "same" else 0
        for n, step, k, out in zip(x.shape, stride, kernel.shape, size, strict=False)
    ]
    weights = weights_of(layer, kernel.transpose(2, 0, 1, 3))
    padding, whole = (hidden[0], hidden[1]), (size[0], size[1])
    return _finished(
        call,
        partial(call.builder.transposed_conv, call.name, x, weights, stride=stride, padding=padding, size=whole),
    )


def _finished(call: Call, layer: Callable[..., Value]) -> Value:
    """A layer with its activation, in Keras' shape: a series is no image."""
    made = activated(call, lambda fused: layer(activation=fused, source=call.source))
    return call.builder.reshape(made, call.shape)


def _steps(call: Call, kernel: Floats) -> dict[str, Any]:
    """How a kernel goes over its input."""
    layer = call.layer
    stride, dilation = pair(layer.strides), pair(layer.dilation_rate)
    return {"stride": stride, "padding": _padding(call, kernel), "dilation": dilation}


def _dense(call: Call) -> Value:
    weights = weights_of(call.layer, floats(call.layer.kernel).T)
    return activated(
        call, lambda fused: call.builder.dense(call.name, call.x, weights, activation=fused, source=call.source)
    )


def image(call: Call) -> Value:
    """The input as (height, width, channels); a series is an image of height 1."""
    x = call.x
    return call.builder.reshape(x, (1, *x.shape)) if len(x.shape) == 2 else x


def _two_dimensional(kernel: Floats) -> Floats:
    """A kernel of one dimension gets a height of 1."""
    return kernel[None] if kernel.ndim == 3 else kernel


def _padding(call: Call, kernel: Floats) -> Padding:
    padding = call.layer.padding
    if padding == "causal":
        return (0, (kernel.shape[1] - 1) * pair(call.layer.dilation_rate)[1], 0, 0)
    if padding not in ("same", "valid"):
        raise Unfit(f"its padding is {padding}", "same, valid or causal")
    return "same" if padding == "same" else "valid"


CONVOLUTIONS: dict[str, Reads] = {
    **reads(_conv, "Conv1D", "Conv2D", supported="any kernel, stride, padding (causal, too), dilation and groups"),
    **reads(
        _depthwise,
        *("DepthwiseConv1D", "DepthwiseConv2D"),
        supported="any kernel, stride, padding, dilation and depth multiplier",
    ),
    **reads(_separable, "SeparableConv1D", "SeparableConv2D", supported="as a depthwise and a 1x1 convolution"),
    **reads(_transposed, "Conv1DTranspose", "Conv2DTranspose", supported="any kernel, stride and padding; dilation 1"),
    **reads(_dense, "Dense", supported="on one row of inputs, or on each of several"),
}
