"""Layers of Keras with kernels: convolutions of one and two dimensions, and dense layers."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..builder import Value, Weights
from ..problems import Unfit
from .activations import activated
from .call import Call, Floats, Reads, floats, pair, reads, weights_of

Padding = tuple[int, int, int, int] | Literal["same", "valid"]


def _conv(call: Call) -> Value:
    layer, x = call.layer, image(call)
    kernel = _two_dimensional(floats(layer.kernel))
    return call.builder.reshape(
        activated(
            call,
            lambda fused: call.builder.conv(
                call.name,
                x,
                weights_of(layer, kernel.transpose(3, 0, 1, 2)),
                stride=pair(layer.strides),
                padding=_padding(call, kernel),
                dilation=pair(layer.dilation_rate),
                groups=int(layer.groups),
                activation=fused,
                source=call.source,
            ),
        ),
        call.shape,
    )


def _depthwise(call: Call) -> Value:
    layer, x = call.layer, image(call)
    kernel = _two_dimensional(floats(layer.kernel))
    return call.builder.reshape(
        activated(
            call,
            lambda fused: call.builder.depthwise(
                call.name,
                x,
                weights_of(layer, kernel.transpose(2, 3, 0, 1)),
                stride=pair(layer.strides),
                padding=_padding(call, kernel),
                dilation=pair(layer.dilation_rate),
                activation=fused,
                source=call.source,
            ),
        ),
        call.shape,
    )


def _separable(call: Call) -> Value:
    layer, x = call.layer, image(call)
    depthwise = _two_dimensional(floats(layer.depthwise_kernel))
    pointwise = _two_dimensional(floats(layer.pointwise_kernel))
    between = call.builder.depthwise(
        f"{call.name}_depthwise",
        x,
        Weights(np.ascontiguousarray(depthwise.transpose(2, 3, 0, 1)), None, None),
        stride=pair(layer.strides),
        padding=_padding(call, depthwise),
        dilation=pair(layer.dilation_rate),
    )
    return call.builder.reshape(
        activated(
            call,
            lambda fused: call.builder.conv(
                call.name,
                between,
                weights_of(layer, pointwise.transpose(3, 0, 1, 2)),
                activation=fused,
                source=call.source,
            ),
        ),
        call.shape,
    )


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
    return call.builder.reshape(
        activated(
            call,
            lambda fused: call.builder.transposed_conv(
                call.name,
                x,
                weights_of(layer, kernel.transpose(2, 0, 1, 3)),
                stride=stride,
                padding=(hidden[0], hidden[1]),
                size=(size[0], size[1]),
                activation=fused,
                source=call.source,
            ),
        ),
        call.shape,
    )


def _dense(call: Call) -> Value:
    kernel = floats(call.layer.kernel)
    return activated(
        call,
        lambda fused: call.builder.dense(
            call.name, call.x, weights_of(call.layer, kernel.T), activation=fused, source=call.source
        ),
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
