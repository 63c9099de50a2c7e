"""Random Keras networks of every operator that is imported, and their conversion by TFLite: a round trip for readers.

Shapes, kernels, strides, branches and heads come from the seed alone. Weights are random, and statistics of
normalisations are not the fresh ones, so that what is folded wrongly shows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .operator_cases import unsettle

Block = Callable[["_Maker", Any], Any]
ACTIVATIONS = (
    "relu",
    "relu6",
    "sigmoid",
    "tanh",
    "hard_swish",
    "swish",
    "elu",
    "gelu",
    "leaky_relu",
    "softplus",
    "linear",
)
ELEMENTS_MAX = 12_000
"""Of a tensor, so that networks fit the boards' RAM."""


class _Maker:
    """Adds blocks at random to a tensor."""

    def __init__(self, keras: Any, seed: int) -> None:
        self.keras, self.layers, self.ops = keras, keras.layers, keras.ops
        self.rng = np.random.default_rng(seed)

    def pick(self, *values: Any) -> Any:
        return values[self.rng.integers(len(values))]

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def channels(self) -> int:
        return int(self.rng.integers(1, 13))

    def activated(self, x: Any) -> Any:
        return self.layers.Activation(self.pick(*ACTIVATIONS))(x) if self.chance(0.6) else x

    def normalised(self, x: Any) -> Any:
        return self.layers.BatchNormalization()(x) if self.chance(0.5) else x

    # --- Maps -----------------------------------------------------------------------------------------------

    def conv(self, x: Any) -> Any:
        height, width = x.shape[1:3]
        kernel = self.rng.integers(1, min(height, 5) + 1), self.rng.integers(1, min(width, 5) + 1)
        kernel = tuple(map(int, kernel))
        values: dict[str, Any] = {"padding": self.pick("same", "valid"), "use_bias": self.chance(0.7)}
        if self.chance(0.3) and min(height, width) > 2:
            values["strides"] = self.pick(2, 2, 3) if self.chance(0.7) else 2
        elif self.chance(0.25):
            values |= {"dilation_rate": self.pick(2, 3), "padding": "same"}
        elif self.chance(0.2):
            groups = self.pick(*[g for g in (1, 2, 3, 4) if x.shape[-1] % g == 0])
            return self.activated(self.layers.Conv2D(groups * self.pick(1, 2, 3), kernel, groups=groups, **values)(x))
        return self.activated(self.normalised(self.layers.Conv2D(self.channels(), kernel, **values)(x)))

    def depthwise(self, x: Any) -> Any:
        kernel = int(self.rng.integers(1, min(*x.shape[1:3], 5) + 1))
        values: dict[str, Any] = {"padding": self.pick("same", "valid"), "depth_multiplier": self.pick(1, 1, 2)}
        if self.chance(0.3):
            values["strides"] = 2
        elif self.chance(0.2):
            values |= {"dilation_rate": 2, "padding": "same"}
        return self.activated(self.normalised(self.layers.DepthwiseConv2D(kernel, **values)(x)))

    def separable(self, x: Any) -> Any:
        return self.activated(self.layers.SeparableConv2D(self.channels(), self.pick(1, 3), padding="same")(x))

    def transposed(self, x: Any) -> Any:
        kernel, stride = self.pick(1, 2, 3, 4), self.pick(1, 2, 2, 3)
        padding = self.pick("same", "valid")
        return self.activated(self.layers.Conv2DTranspose(self.channels(), kernel, strides=stride, padding=padding)(x))

    def pool(self, x: Any) -> Any:
        kind = self.pick(self.layers.MaxPooling2D, self.layers.AveragePooling2D)
        size = int(self.rng.integers(1, min(*x.shape[1:3], 4) + 1))
        return kind(size, strides=self.pick(1, 2), padding=self.pick("same", "valid"))(x)

    def residual(self, x: Any) -> Any:
        channels = x.shape[-1]
        y = self.layers.Conv2D(channels, self.pick(1, 3), padding="same")(x)
        y = self.activated(self.normalised(y))
        kind = self.pick("Add", "Add", "Subtract", "Multiply", "Maximum", "Minimum", "Average")
        pair = [x, y] if self.chance(0.5) else [y, x]
        return self.activated(getattr(self.layers, kind)()(pair))

    def branches(self, x: Any) -> Any:
        parts = [self.layers.Conv2D(self.channels(), 1)(x), self.layers.DepthwiseConv2D(3, padding="same")(x)]
        if self.chance(0.5):
            parts.append(x)
        return self.layers.Concatenate()(parts)

    def gate(self, x: Any) -> Any:
        means = self.layers.GlobalAveragePooling2D(keepdims=self.chance(0.5))(x)
        if len(means.shape) == 2:
            means = self.layers.Reshape((1, 1, x.shape[-1]))(means)
        inner = self.layers.Conv2D(self.channels(), 1, activation=self.pick("relu", "swish"))(means)
        share = self.layers.Conv2D(x.shape[-1], 1, activation=self.pick("sigmoid", "hard_sigmoid"))(inner)
        return self.layers.Multiply()([x, share])

    def resized(self, x: Any) -> Any:
        if self.chance(0.5):
            return self.layers.UpSampling2D(self.pick(2, (1, 2), (3, 2)))(x)
        if self.chance(0.5):
            return self.layers.UpSampling2D(2, interpolation="bilinear")(x)
        return self.layers.Resizing(*(int(n) for n in self.rng.integers(2, 12, 2)))(x)

    def framed(self, x: Any) -> Any:
        sides = tuple(tuple(int(n) for n in row) for row in self.rng.integers(0, 3, (2, 2)))
        x = self.layers.ZeroPadding2D(sides)(x)
        if self.chance(0.4) and min(x.shape[1:3]) > 1:
            x = self.layers.Cropping2D(((1, 0), (0, 1)))(x)
        return self.layers.Conv2D(self.channels(), self.pick(1, 3))(x) if min(x.shape[1:3]) >= 3 else x

    def moved(self, x: Any) -> Any:
        kind = self.pick("permute", "rows", "columns", "split", "stack", "flip", "slice")
        ops, (height, width, channels) = self.ops, x.shape[1:]
        if kind == "permute":
            return self.layers.Permute(self.pick((2, 1, 3), (3, 1, 2), (1, 3, 2)))(x)
        if kind == "rows":
            return self.layers.Reshape(
                (height * width, 1, channels) if self.chance(0.5) else (width, height, channels)
            )(x)
        if kind == "columns":
            return ops.repeat(x, 2, axis=self.pick(1, 2))
        if kind == "split" and channels % 2 == 0:
            first, second = ops.split(x, 2, axis=-1)
            return ops.concatenate([second, ops.relu(first)], axis=self.pick(1, 2, 3))
        if kind == "stack":
            stacked = ops.stack([x, ops.tanh(x)], axis=3)
            return ops.reshape(stacked, (-1, height, width, 2 * channels))
        if kind == "flip":
            return ops.flip(x, axis=self.pick(1, 2))
        return x[:, : max(height - 1, 1), :: self.pick(1, 2)]

    def elements(self, x: Any) -> Any:
        ops = self.ops
        return self.pick(
            lambda: x * self.pick(0.5, -0.7, 1.5),
            lambda: x + self.pick(0.3, -0.2),
            lambda: 1.0 - x,
            lambda: ops.abs(x),
            lambda: ops.square(x),
            lambda: ops.maximum(x, self.pick(0.0, 0.1, -0.2)),
            lambda: ops.clip(x, -0.5, 0.75),
            lambda: self.layers.PReLU(shared_axes=[1, 2])(x),
            lambda: self.layers.Softmax()(x),
            lambda: x - ops.mean(x, axis=self.pick(1, 2, 3), keepdims=True),
            lambda: x + ops.max(x, axis=(1, 2), keepdims=True),
        )()

    BLOCKS: tuple[str, ...] = (
        *("conv", "conv", "depthwise", "separable", "transposed", "pool", "residual", "residual", "branches", "gate"),
        *("resized", "framed", "moved", "elements", "elements"),
    )

    # --- Series ---------------------------------------------------------------------------------------------

    def series(self, x: Any) -> Any:
        length = x.shape[1]
        kind = self.pick("conv", "causal", "separable", "pool", "residual", "pad", "rows", "up")
        layers = self.layers
        if kind == "conv":
            kernel = int(self.rng.integers(1, min(length, 7) + 1))
            return self.activated(layers.Conv1D(self.channels(), kernel, strides=self.pick(1, 2), padding="same")(x))
        if kind == "causal":
            rate = self.pick(1, 2, 4)
            return self.activated(layers.Conv1D(self.channels(), 3, padding="causal", dilation_rate=rate)(x))
        if kind == "separable":
            return layers.SeparableConv1D(self.channels(), 3, padding="same", activation="relu")(x)
        if kind == "pool":
            return self.pick(layers.MaxPooling1D, layers.AveragePooling1D)(2, padding="same")(x)
        if kind == "residual":
            return layers.Add()([x, self.activated(layers.Conv1D(x.shape[-1], 3, padding="same")(x))])
        if kind == "pad":
            return layers.Conv1D(self.channels(), 2)(layers.ZeroPadding1D((2, 1))(x))
        if kind == "rows":
            return layers.Dense(self.channels(), activation=self.pick("relu", "tanh"))(x)
        return layers.UpSampling1D(2)(x) if length < 64 else x


def random_keras(keras: Any, seed: int) -> Any:
    """A model of two to seven blocks on an image or a series, with one of several heads."""
    keras.utils.set_random_seed(seed)
    maker = _Maker(keras, seed)
    series = maker.chance(0.25)
    if series:
        shape = int(maker.rng.integers(8, 49)), int(maker.rng.integers(1, 7))
    else:
        shape = int(maker.rng.integers(5, 15)), int(maker.rng.integers(5, 15)), maker.pick(1, 1, 2, 3, 3, 4, 8)
    source = x = keras.Input(shape)
    for _ in range(maker.rng.integers(2, 8)):
        made = maker.series(x) if series else getattr(maker, maker.pick(*maker.BLOCKS))(x)
        if int(np.prod(made.shape[1:])) <= ELEMENTS_MAX and min(made.shape[1:]) >= 1:
            x = made
    return unsettle(keras.Model(source, _head(maker, x), name=f"random_{seed}"), seed)


def _head(maker: _Maker, x: Any) -> Any:
    layers, flat = maker.layers, len(x.shape) == 3
    kind = maker.pick("flatten", "mean", "max", "map", "none")
    if kind == "mean":
        x = (layers.GlobalAveragePooling1D if flat else layers.GlobalAveragePooling2D)()(x)
    elif kind == "max":
        x = (layers.GlobalMaxPooling1D if flat else layers.GlobalMaxPooling2D)()(x)
    elif kind == "map":
        return layers.Dense(4)(x)
    elif kind == "none":
        return (layers.Conv1D if flat else layers.Conv2D)(3, 1, activation=maker.pick("linear", "sigmoid", "tanh"))(x)
    else:
        x = layers.Flatten()(x)
    if maker.chance(0.4):
        x = layers.Dense(maker.channels(), activation=maker.pick("relu", "sigmoid", "tanh"))(x)
    return layers.Dense(maker.pick(1, 2, 5, 10), activation=maker.pick("linear", "linear", "softmax"))(x)


def inputs_of(model: Any, seed: int, count: int) -> np.ndarray:
    """Typical inputs of a random model, float32 [count, ...]."""
    rng = np.random.default_rng(seed + 1)
    return rng.normal(0, 1, (count, *model.inputs[0].shape[1:])).astype(np.float32)


def to_tflite(model: Any, typical: np.ndarray, kind: str = "int8") -> bytes:
    """The model converted by TFLite: ``int8`` at every border, ``float``, ``float16`` or ``dynamic`` range."""
    import tensorflow as tf  # noqa: PLC0415 - large

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if kind != "float":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if kind == "int8":
        converter.representative_dataset = lambda: ([row[None]] for row in typical)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())
