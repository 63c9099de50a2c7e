"""Layers of Keras as calls of the Builder: everything but convolutions. ``LAYERS`` is the whole table."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from ..builder import Value
from ..builder_elementwise import Binary
from ..builder_windows import Reduction
from ..problems import Unfit
from .activations import ACTIVATION_LAYERS
from .call import Call, Reads, Translation, floats, one, pair, reads
from .convolutions import CONVOLUTIONS, image


def _same(call: Call) -> Value:
    """What training alone needs."""
    return call.x


# --- Joints ---------------------------------------------------------------------------------------------------


def _joint(operation: Binary) -> Translation:
    def translate(call: Call) -> Value:
        total, *others = call.inputs
        for i, other in enumerate(others):
            name = call.name if i == len(others) - 1 else f"{call.name}_{i}"
            total = call.builder.binary(name, operation, total, other, source=call.source)
        return total

    return translate


def _average(call: Call) -> Value:
    total, *others = call.inputs
    for i, other in enumerate(others):
        total = call.builder.binary(f"{call.name}_{i}", "add", total, other)
    return call.builder.binary(call.name, "multiply", total, np.asarray(1 / (1 + len(others))), source=call.source)


def _concatenate(call: Call) -> Value:
    parts = call.parts
    axis = call.axis(int(call.layer.axis), len(call.inputs[0].shape))
    return call.builder.concat(call.name, parts, axis, source=call.source)


# --- Normalisation and scaling --------------------------------------------------------------------------------


def _batch_norm(call: Call) -> Value:
    layer = call.layer
    if call.axis(int(np.ravel(layer.axis)[0])) != len(call.x.shape) - 1 or np.size(layer.axis) != 1:
        raise Unfit(f"it is over axis {layer.axis}", "axis -1")
    factor = 1 / np.sqrt(floats(layer.moving_variance) + layer.epsilon)
    if layer.scale:
        factor = factor * floats(layer.gamma)
    summand = -floats(layer.moving_mean) * factor
    if layer.center:
        summand = summand + floats(layer.beta)
    return call.scaled(call.x, factor, summand)


def _normalization(call: Call) -> Value:
    mean, deviation = floats(call.layer.mean), np.sqrt(floats(call.layer.variance))
    deviation = np.maximum(deviation, 1e-7)  # keras.config.epsilon()
    mean, deviation = (part[0] if part.ndim > len(call.x.shape) else part for part in (mean, deviation))
    if call.layer.invert:
        return call.scaled(call.x, deviation, mean)
    return call.scaled(call.x, 1 / deviation, -mean / deviation)


def _rescaling(call: Call) -> Value:
    return call.scaled(call.x, call.layer.scale, call.layer.offset)


def _layer_scale(call: Call) -> Value:
    return call.scaled(call.x, floats(call.layer.gamma), 0.0)


def _scaled_sum(call: Call) -> Value:
    """``CustomScaleLayer`` of InceptionResNetV2."""
    first, second = call.inputs
    part = call.builder.binary(f"{call.name}_scale", "multiply", second, np.asarray(float(call.layer.scale)))
    return call.builder.binary(call.name, "add", first, part, source=call.source)


# --- Pooling --------------------------------------------------------------------------------------------------


def _pool(kind: Literal["max", "average"]) -> Translation:
    def translate(call: Call) -> Value:
        made = call.builder.pool(
            call.name,
            kind,
            image(call),
            kernel=pair(call.layer.pool_size),
            stride=pair(call.layer.strides),
            padding=call.layer.padding,
            source=call.source,
        )
        return call.builder.reshape(made, call.shape)

    return translate


def _adaptive_pool(kind: Literal["max", "average"]) -> Translation:
    def translate(call: Call) -> Value:
        x = image(call)
        size = (1, *call.shape)[-3:-1]
        if any(n % out for n, out in zip(x.shape, size, strict=False)):
            raise Unfit(f"it makes {size} of {x.shape[:2]}", "sizes that divide those of the input")
        kernel = (x.shape[0] // size[0], x.shape[1] // size[1])
        made = call.builder.pool(call.name, kind, x, kernel=kernel, stride=kernel, padding="valid", source=call.source)
        return call.builder.reshape(made, call.shape)

    return translate


def _global_pool(kind: Reduction) -> Translation:
    def translate(call: Call) -> Value:
        axes = tuple(range(len(call.x.shape) - 1))
        return call.builder.reduce(call.name, kind, call.x, axes, bool(call.layer.keepdims), source=call.source)

    return translate


# --- Shapes ---------------------------------------------------------------------------------------------------


def _reshape(call: Call) -> Value:
    return call.builder.reshape(call.x, call.shape)


def _permute(call: Call) -> Value:
    return call.builder.transpose(call.name, call.x, tuple(int(axis) - 1 for axis in call.layer.dims))


def _repeat_vector(call: Call) -> Value:
    row = call.builder.reshape(call.x, (1, *call.x.shape))
    return call.builder.broadcast(call.name, row, call.shape)


def _zero_padding(call: Call) -> Value:
    padding = np.reshape(call.layer.padding, (-1, 2)).tolist()
    pads = [(int(before), int(after)) for before, after in padding]
    return call.builder.pad(call.name, call.x, [*pads, (0, 0)])


def _cropping(call: Call) -> Value:
    cropping = [*np.reshape(call.layer.cropping, (-1, 2)).tolist(), (0, 0)]
    sizes = call.x.shape
    begin = tuple(int(before) for before, _ in cropping)
    end = tuple(n - int(after) for n, (_, after) in zip(sizes, cropping, strict=True))
    return call.builder.slice(call.name, call.x, begin, end, (1,) * len(sizes))


def _center_crop(call: Call) -> Value:
    sizes = call.x.shape
    if any(n < out for n, out in zip(sizes, call.shape, strict=True)):
        raise Unfit(f"it makes {call.shape} of the smaller {sizes}", "Resizing, or a crop that is not larger")
    begin = tuple((n - out) // 2 for n, out in zip(sizes, call.shape, strict=True))
    end = tuple(start + out for start, out in zip(begin, call.shape, strict=True))
    return call.builder.slice(call.name, call.x, begin, end, (1,) * len(sizes))


def _up_sampling_1d(call: Call) -> Value:
    return call.builder.repeat(call.name, call.x, 0, int(call.layer.size))


def _up_sampling_2d(call: Call) -> Value:
    return _resized(call, call.layer.interpolation)


def _resizing(call: Call) -> Value:
    layer = call.layer
    (height, width), (out_height, out_width) = call.x.shape[:2], call.shape[:2]
    if getattr(layer, "antialias", False):
        raise Unfit("it smooths before it makes images smaller", "antialias=False")
    if height * out_width != width * out_height and (
        layer.crop_to_aspect_ratio or getattr(layer, "pad_to_aspect_ratio", False)
    ):
        raise Unfit("it keeps the ratio of height to width", "CenterCrop or ZeroPadding2D, and Resizing behind it")
    return _resized(call, layer.interpolation)


def _resized(call: Call, interpolation: str) -> Value:
    if interpolation not in ("nearest", "bilinear"):
        raise Unfit(f"its interpolation is {interpolation}", "nearest or bilinear")
    size = call.shape[0], call.shape[1]
    method: Literal["nearest", "bilinear"] = "nearest" if interpolation == "nearest" else "bilinear"
    return call.builder.resize(call.name, call.x, size, method=method, half_pixel=True, align_corners=False)


# --- Wrappers -------------------------------------------------------------------------------------------------

_ROWS = ("Dense", "BatchNormalization", "Rescaling", *ACTIVATION_LAYERS)
"""Layers that do the same to each row of a tensor, so that another axis changes nothing."""


def _time_distributed(call: Call) -> Value:
    inner = call.layer.layer
    kind = type(inner).__name__
    if kind in ("Flatten", "Reshape"):
        return _reshape(call)
    if kind in DROPPED:
        return call.x
    if kind not in _ROWS:
        steps = call.x.shape[0]
        raise Unfit(f"it repeats {kind} over {steps} steps", "Dense, or one layer over all steps: Conv1D, Conv2D")
    if kind == "Softmax" and inner.axis not in (-1, len(call.x.shape) - 1):
        raise Unfit(f"the softmax that it repeats is over axis {inner.axis}", "axis -1")
    return one(LAYERS[kind], dataclasses.replace(call, layer=inner))


def _wrapped(call: Call) -> Value:
    """A layer whose weights are normalised while they are trained."""
    inner = call.layer.layer
    kind = type(inner).__name__
    if kind not in LAYERS:
        raise Unfit(f"it wraps {kind}", "a layer that can be imported by itself")
    return one(LAYERS[kind], dataclasses.replace(call, layer=inner))


DROPPED = (
    *("Dropout", "SpatialDropout1D", "SpatialDropout2D", "AlphaDropout", "GaussianDropout", "GaussianNoise"),
    *("ActivityRegularization", "Identity", "StochasticDepth"),
    *("RandomFlip", "RandomRotation", "RandomZoom", "RandomContrast", "RandomTranslation", "RandomBrightness"),
    *("RandomHue", "RandomSaturation", "RandomSharpness", "RandomShear"),
    *("RandomColorDegeneration", "RandomColorJitter", "RandomErasing", "RandomGaussianBlur", "RandomGrayscale"),
    *("RandomPerspective", "RandomPosterization", "RandomElasticTransform", "RandomInvert"),
    *("RandAugment", "AugMix", "MixUp", "CutMix"),
)
"""Layers that do nothing when the network runs: they train it, or change the images that it is trained with."""

_WAYS = "of several tensors; shapes are broadcast"
_JOINTS: dict[str, Reads] = {
    **reads(_joint("add"), "Add", supported=_WAYS),
    **reads(_joint("subtract"), "Subtract", supported=_WAYS),
    **reads(_joint("multiply"), "Multiply", supported=_WAYS),
    **reads(_joint("maximum"), "Maximum", supported=_WAYS),
    **reads(_joint("minimum"), "Minimum", supported=_WAYS),
    **reads(_average, "Average", supported=_WAYS),
    **reads(_concatenate, "Concatenate", supported="along any axis; of tensors and constants"),
}

_SCALINGS: dict[str, Reads] = {
    **reads(
        _batch_norm,
        "BatchNormalization",
        supported="over the last axis; folded into the layer before it, elsewhere a depthwise layer of 1x1",
    ),
    **reads(_normalization, "Normalization", supported="adapted, or with given mean and variance"),
    **reads(_rescaling, "Rescaling", supported="by one number, or one for each channel"),
    **reads(_layer_scale, "LayerScale", supported="of `keras.applications`"),
    **reads(_scaled_sum, "CustomScaleLayer", supported="of `keras.applications`"),
}

_WINDOWS = "any window, stride and padding"
_DIVIDED = "sizes that divide those of the input"
_POOLINGS: dict[str, Reads] = {
    **reads(_pool("max"), "MaxPooling1D", "MaxPooling2D", supported=_WINDOWS),
    **reads(_pool("average"), "AveragePooling1D", "AveragePooling2D", supported=_WINDOWS),
    **reads(_adaptive_pool("max"), "AdaptiveMaxPooling1D", "AdaptiveMaxPooling2D", supported=_DIVIDED),
    **reads(_adaptive_pool("average"), "AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D", supported=_DIVIDED),
    **reads(_global_pool("max"), "GlobalMaxPooling1D", "GlobalMaxPooling2D"),
    **reads(_global_pool("mean"), "GlobalAveragePooling1D", "GlobalAveragePooling2D"),
}

_SHAPES: dict[str, Reads] = {
    **reads(_reshape, "Flatten", "Reshape", supported="anywhere"),
    **reads(_permute, "Permute", supported="any order"),
    **reads(_repeat_vector, "RepeatVector"),
    **reads(_zero_padding, "ZeroPadding1D", "ZeroPadding2D", supported="anywhere"),
    **reads(_cropping, "Cropping1D", "Cropping2D", supported="anywhere"),
    **reads(_center_crop, "CenterCrop", supported="to a size that is not larger"),
    **reads(_up_sampling_1d, "UpSampling1D"),
    **reads(_up_sampling_2d, "UpSampling2D", supported="nearest and bilinear"),
    **reads(_resizing, "Resizing", supported="nearest and bilinear, without `antialias` and another ratio"),
    **reads(
        _time_distributed,
        "TimeDistributed",
        supported="of a layer that works on each row: `Dense`, activations, `BatchNormalization`, `Flatten`, `Dropout`",
    ),
}

_WRAPPERS = reads(_wrapped, "SpectralNormalization", supported="as the layer that it wraps")

LAYERS: dict[str, Reads] = {
    **CONVOLUTIONS,
    **ACTIVATION_LAYERS,
    **_JOINTS,
    **_SCALINGS,
    **_POOLINGS,
    **_SHAPES,
    **_WRAPPERS,
    **reads(_same, *DROPPED, supported="left out: only training needs them"),
}
"""How each layer of Keras is imported, by the name of its class."""
