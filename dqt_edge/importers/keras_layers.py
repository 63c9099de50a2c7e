"""Layers of Keras as calls of the Builder: everything but convolutions. ``LAYERS`` is the whole table."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from .builder import Value
from .builder_elementwise import Binary, Reduction
from .keras_activations import ACTIVATION_LAYERS
from .keras_call import Call, Translation, floats, pair
from .keras_convolutions import CONVOLUTIONS, image
from .problems import Unfit


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
    found = call.inputs
    axis = call.axis(int(call.layer.axis), len(found[0].shape))
    return call.builder.concat(call.name, list(found), axis, source=call.source)


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
    return LAYERS[kind](dataclasses.replace(call, layer=inner))


DROPPED = (
    *("Dropout", "SpatialDropout1D", "SpatialDropout2D", "AlphaDropout", "GaussianDropout", "GaussianNoise"),
    *("ActivityRegularization", "Identity", "StochasticDepth"),
    *("RandomFlip", "RandomRotation", "RandomZoom", "RandomContrast", "RandomTranslation", "RandomBrightness"),
    *("RandomHeight", "RandomWidth", "RandomHue", "RandomSaturation", "RandomSharpness", "RandomShear"),
    *("RandomColorDegeneration", "RandomColorJitter", "RandomErasing", "RandomGaussianBlur", "RandomGrayscale"),
    *("RandomPerspective", "RandomPosterization", "RandomElasticTransform", "RandomInvert"),
    *("RandAugment", "AugMix", "MixUp", "CutMix"),
)
"""Layers that do nothing when the network runs: they train it, or change the images that it is trained with."""

_JOINTS: dict[str, Translation] = {
    "Add": _joint("add"),
    "Subtract": _joint("subtract"),
    "Multiply": _joint("multiply"),
    "Maximum": _joint("maximum"),
    "Minimum": _joint("minimum"),
    "Average": _average,
    "Concatenate": _concatenate,
}

_SCALINGS: dict[str, Translation] = {
    "BatchNormalization": _batch_norm,
    "Normalization": _normalization,
    "Rescaling": _rescaling,
    "LayerScale": _layer_scale,
    "CustomScaleLayer": _scaled_sum,
}


_POOLINGS: dict[str, Translation] = {
    **dict.fromkeys(("MaxPooling1D", "MaxPooling2D"), _pool("max")),
    **dict.fromkeys(("AveragePooling1D", "AveragePooling2D"), _pool("average")),
    **dict.fromkeys(("AdaptiveMaxPooling1D", "AdaptiveMaxPooling2D"), _adaptive_pool("max")),
    **dict.fromkeys(("AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D"), _adaptive_pool("average")),
    **dict.fromkeys(("GlobalMaxPooling1D", "GlobalMaxPooling2D"), _global_pool("max")),
    **dict.fromkeys(("GlobalAveragePooling1D", "GlobalAveragePooling2D"), _global_pool("mean")),
}

_SHAPES: dict[str, Translation] = {
    **dict.fromkeys(("Flatten", "Reshape"), _reshape),
    "Permute": _permute,
    "RepeatVector": _repeat_vector,
    **dict.fromkeys(("ZeroPadding1D", "ZeroPadding2D"), _zero_padding),
    **dict.fromkeys(("Cropping1D", "Cropping2D"), _cropping),
    "CenterCrop": _center_crop,
    "UpSampling1D": _up_sampling_1d,
    "UpSampling2D": _up_sampling_2d,
    "Resizing": _resizing,
    "TimeDistributed": _time_distributed,
}

LAYERS: dict[str, Translation] = {
    **CONVOLUTIONS,
    **ACTIVATION_LAYERS,
    **_JOINTS,
    **_SCALINGS,
    **_POOLINGS,
    **_SHAPES,
    **dict.fromkeys(DROPPED, _same),
}
"""Translation of each layer of Keras that can be imported, by the name of its class."""
