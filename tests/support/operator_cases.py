"""Small Keras models, one for each operator: what every format of model file is tested with.

Each case puts its operator behind a convolution, which takes it both signs, and before a dense layer of three classes,
so that the model is a classifier that can be trained. ``model`` needs Keras; collecting the cases does not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

IMAGE = (8, 8, 3)
SERIES = (16, 3)
CHANNELS = 4
"""Of the tensor that the operator reads."""


@dataclass(frozen=True)
class OperatorCase:
    """One operator.

    Attributes:
        name: In the table of the documentation: the layer or function of Keras, and what is special.
        apply: Puts the operator behind a tensor; is given Keras and the tensor.
        shape: Of one sample of the model's input.
        layers: It consists of layers of Keras only, which every version saves in ``.keras`` and ``.h5``; otherwise it
            has functions of ``keras.ops``, or operators between tensors.
        head: Whether a flattening and a dense layer of three classes follow.
    """

    name: str
    apply: Callable[[Any, Any], Any]
    shape: tuple[int, ...] = IMAGE
    layers: bool = True
    head: bool = True

    def model(self, keras: Any, seed: int = 1) -> Any:
        """The model with random weights; statistics of normalisations are random too."""
        keras.utils.set_random_seed(seed)
        layers = keras.layers
        source = keras.Input(self.shape)
        conv = layers.Conv1D if len(self.shape) == 2 else layers.Conv2D
        x = source if len(self.shape) == 1 else conv(CHANNELS, 3, padding="same", name="stem")(source)
        made = self.apply(keras, x)
        if self.head and len(made.shape) > 2:
            made = layers.Flatten(name="flat")(made)
        if self.head:
            made = layers.Dense(3, name="head")(made)
        return unsettle(keras.Model(source, made, name="case"), seed)


def unsettle(model: Any, seed: int = 1) -> Any:
    """Random biases, and statistics and factors of normalisations: fresh ones are 0 and 1, which hides faults."""
    import numpy as np  # noqa: PLC0415

    rng = np.random.default_rng(seed)
    for weight in model.weights:
        last = weight.path.rsplit("/", 1)[-1]
        if last in ("bias", "beta", "moving_mean", "mean", "alpha"):
            weight.assign(rng.normal(0, 0.2, weight.shape))
        elif last in ("gamma", "moving_variance", "variance"):
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return model


def _layer(kind: str, *args: Any, **values: Any) -> Callable[[Any, Any], Any]:
    """The layer of this class."""
    return lambda keras, x: getattr(keras.layers, kind)(*args, **values)(x)


def _two(kind: str, **values: Any) -> Callable[[Any, Any], Any]:
    """A layer that joins two tensors of one shape, of which one is a convolution."""

    def apply(keras: Any, x: Any) -> Any:
        conv = keras.layers.Conv1D if len(x.shape) == 3 else keras.layers.Conv2D
        return getattr(keras.layers, kind)(**values)([x, conv(CHANNELS, 1, name="branch")(x)])

    return apply


def _gate(kind: str) -> Callable[[Any, Any], Any]:
    """A layer that joins a map with one number for each channel."""

    def apply(keras: Any, x: Any) -> Any:
        layers = keras.layers
        means = layers.GlobalAveragePooling2D(keepdims=True)(x)
        return getattr(layers, kind)()([x, layers.Conv2D(CHANNELS, 1, activation="sigmoid", name="gate")(means)])

    return apply


def _op(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """A function of ``keras.ops`` and the tensor."""
    return lambda keras, x: function(keras.ops, x)


def _end(classes: int, activation: str) -> Callable[[Any, Any], Any]:
    """The usual end of a classifier."""
    return lambda keras, x: keras.layers.Dense(classes, activation=activation)(keras.layers.Flatten()(x))


def _reflected(ops: Any, x: Any) -> Any:
    return ops.pad(x, ((0, 0), (1, 0), (2, 1), (0, 0)), "reflect")


def _squeeze_excite(keras: Any, x: Any) -> Any:
    layers = keras.layers
    y = layers.GlobalAveragePooling2D()(x)
    y = layers.Reshape((1, 1, CHANNELS))(y)
    y = layers.Conv2D(2, 1, activation="swish")(y)
    return layers.Multiply()([x, layers.Conv2D(CHANNELS, 1, activation="sigmoid")(y)])


def _residual(keras: Any, x: Any) -> Any:
    layers = keras.layers
    y = layers.Conv2D(CHANNELS, 3, padding="same", use_bias=False)(layers.ReLU()(x))
    y = layers.BatchNormalization()(y)
    return layers.ReLU()(layers.Add()([x, y]))


def _unused_statistics(keras: Any, x: Any) -> Any:
    """A normalisation that nothing can be folded into: its input has another reader."""
    layers = keras.layers
    return layers.Concatenate()([x, layers.BatchNormalization()(x)])


def _split(ops: Any, x: Any) -> Any:
    first, second = ops.split(x, 2, axis=-1)
    return ops.concatenate([second, first], axis=-1)


_ACTIVATIONS = (
    *("relu", "relu6", "sigmoid", "tanh", "hard_sigmoid", "hard_swish", "swish", "elu", "selu", "gelu", "leaky_relu"),
    *("softplus", "softsign", "mish", "exponential", "softmax"),
)

CONVOLUTIONS = (
    OperatorCase("Conv2D", _layer("Conv2D", 5, (3, 2), strides=2, padding="same", activation="relu")),
    OperatorCase("Conv2D, valid", _layer("Conv2D", 5, 5)),
    OperatorCase("Conv2D, dilated", _layer("Conv2D", 5, 3, dilation_rate=2, padding="same")),
    OperatorCase("Conv2D, dilated, valid", _layer("Conv2D", 5, 2, dilation_rate=(2, 3))),
    OperatorCase("Conv2D, groups", _layer("Conv2D", 6, 3, groups=2, padding="same")),
    OperatorCase("Conv1D", _layer("Conv1D", 5, 3, strides=2, padding="same", activation="relu"), SERIES),
    OperatorCase("Conv1D, dilated", _layer("Conv1D", 5, 3, dilation_rate=2), SERIES),
    OperatorCase("Conv1D, causal", _layer("Conv1D", 5, 3, dilation_rate=2, padding="causal"), SERIES),
    OperatorCase("DepthwiseConv2D", _layer("DepthwiseConv2D", 3, padding="same", activation="relu6")),
    OperatorCase("DepthwiseConv2D, multiplier", _layer("DepthwiseConv2D", 3, depth_multiplier=2)),
    OperatorCase("DepthwiseConv2D, dilated", _layer("DepthwiseConv2D", 3, dilation_rate=2, padding="same")),
    OperatorCase("DepthwiseConv1D", _layer("DepthwiseConv1D", 3, strides=2, padding="same"), SERIES),
    OperatorCase("SeparableConv2D", _layer("SeparableConv2D", 6, 3, padding="same", activation="relu")),
    OperatorCase("SeparableConv1D", _layer("SeparableConv1D", 6, 3), SERIES),
    OperatorCase("Conv2DTranspose", _layer("Conv2DTranspose", 5, 3, strides=2, padding="same", activation="relu")),
    OperatorCase("Conv2DTranspose, valid", _layer("Conv2DTranspose", 5, (2, 3), strides=(1, 2))),
    OperatorCase("Conv1DTranspose", _layer("Conv1DTranspose", 5, 3, strides=2, padding="same"), SERIES),
    OperatorCase("Dense", _layer("Dense", 6, activation="relu"), (10,)),
    OperatorCase("Dense on rows", _layer("Dense", 6), SERIES),
    OperatorCase("Dense on a map", _layer("Dense", 6, activation="relu")),
)

ACTIVATIONS = (
    *(OperatorCase(f"Activation {name}", _layer("Activation", name)) for name in _ACTIVATIONS),
    *(
        OperatorCase(f"Conv2D with {name}", _layer("Conv2D", 4, 1, activation=name))
        for name in ("sigmoid", "tanh", "swish")
    ),
    OperatorCase("ReLU", _layer("ReLU")),
    OperatorCase("ReLU, maximum", _layer("ReLU", max_value=0.5)),
    OperatorCase("ReLU, slope and threshold", _layer("ReLU", negative_slope=0.1, threshold=0.2)),
    OperatorCase("LeakyReLU", _layer("LeakyReLU")),
    OperatorCase("PReLU", _layer("PReLU", shared_axes=[1, 2])),
    OperatorCase("ELU", _layer("ELU")),
    OperatorCase("Softmax", _layer("Softmax")),
)

JOINTS = (
    OperatorCase("Add", _two("Add")),
    OperatorCase("Add, broadcast", _gate("Add")),
    OperatorCase("Subtract", _two("Subtract")),
    OperatorCase("Multiply", _two("Multiply")),
    OperatorCase("Multiply, broadcast", _gate("Multiply")),
    OperatorCase("Maximum", _two("Maximum")),
    OperatorCase("Minimum", _two("Minimum")),
    OperatorCase("Average", _two("Average")),
    OperatorCase("Concatenate", _two("Concatenate")),
    OperatorCase("Concatenate, rows", _two("Concatenate", axis=1)),
    OperatorCase("Concatenate, series", _two("Concatenate", axis=1), SERIES),
)

POOLINGS = (
    OperatorCase("MaxPooling2D", _layer("MaxPooling2D", 3, strides=2, padding="same")),
    OperatorCase("AveragePooling2D", _layer("AveragePooling2D", 2)),
    OperatorCase("AveragePooling2D, same", _layer("AveragePooling2D", 3, strides=2, padding="same")),
    OperatorCase("MaxPooling1D", _layer("MaxPooling1D", 2), SERIES),
    OperatorCase("AveragePooling1D", _layer("AveragePooling1D", 3, strides=2, padding="same"), SERIES),
    OperatorCase("GlobalAveragePooling2D", _layer("GlobalAveragePooling2D")),
    OperatorCase("GlobalAveragePooling2D, kept", _layer("GlobalAveragePooling2D", keepdims=True)),
    OperatorCase("GlobalMaxPooling2D", _layer("GlobalMaxPooling2D")),
    OperatorCase("GlobalAveragePooling1D", _layer("GlobalAveragePooling1D"), SERIES),
    OperatorCase("GlobalMaxPooling1D", _layer("GlobalMaxPooling1D"), SERIES),
)

SHAPES = (
    OperatorCase("Reshape", _layer("Reshape", (4, 16, CHANNELS))),
    OperatorCase("Reshape of a series", _layer("Reshape", (4, 4, CHANNELS)), SERIES),
    OperatorCase("Permute", _layer("Permute", (2, 3, 1))),
    OperatorCase("Flatten", _layer("Flatten")),
    OperatorCase("RepeatVector", _layer("RepeatVector", 3), (10,)),
    OperatorCase("ZeroPadding2D", _layer("ZeroPadding2D", ((1, 2), (0, 3)))),
    OperatorCase("ZeroPadding1D", _layer("ZeroPadding1D", (2, 1)), SERIES),
    OperatorCase("Cropping2D", _layer("Cropping2D", ((1, 2), (0, 3)))),
    OperatorCase("Cropping1D", _layer("Cropping1D", (2, 1)), SERIES),
    OperatorCase("UpSampling2D", _layer("UpSampling2D", (2, 3))),
    OperatorCase("UpSampling2D, bilinear", _layer("UpSampling2D", 2, interpolation="bilinear")),
    OperatorCase("UpSampling1D", _layer("UpSampling1D", 2), SERIES),
    OperatorCase("Resizing", _layer("Resizing", 5, 11)),
)

NORMALISATIONS = (
    OperatorCase("BatchNormalization", _layer("BatchNormalization")),
    OperatorCase("BatchNormalization, alone", _unused_statistics),
    OperatorCase("Rescaling", _layer("Rescaling", 0.5, offset=-0.25)),
    OperatorCase("Dropout", _layer("Dropout", 0.5)),
    OperatorCase("softmax at the end", _end(3, "softmax"), head=False),
    OperatorCase("sigmoid at the end", _end(1, "sigmoid"), head=False),
    OperatorCase("residual block", _residual),
    OperatorCase("squeeze and excite", _squeeze_excite),
)

FUNCTIONS = (
    OperatorCase("x + 1", lambda _, x: x + 1.0, layers=False),
    OperatorCase("1 - x", lambda _, x: 1.0 - x, layers=False),
    OperatorCase("x * 0.7", lambda _, x: x * 0.7, layers=False),
    OperatorCase("x / 3", lambda _, x: x / 3.0, layers=False),
    OperatorCase("x * x", lambda _, x: x * x, layers=False),
    OperatorCase("-x", lambda _, x: -x, layers=False),
    OperatorCase("x[:, 1:6, ::2]", lambda _, x: x[:, 1:6, ::2], layers=False),
    OperatorCase("abs", _op(lambda ops, x: ops.abs(x)), layers=False),
    OperatorCase("square", _op(lambda ops, x: ops.square(x)), layers=False),
    OperatorCase("sqrt", _op(lambda ops, x: ops.sqrt(ops.relu(x))), layers=False),
    OperatorCase("rsqrt", _op(lambda ops, x: ops.rsqrt(ops.relu(x) + 1.0)), layers=False),
    OperatorCase("exp", _op(lambda ops, x: ops.exp(x)), layers=False),
    OperatorCase("log", _op(lambda ops, x: ops.log(ops.relu(x) + 0.5)), layers=False),
    OperatorCase("maximum of a constant", _op(lambda ops, x: ops.maximum(x, 0.1)), layers=False),
    OperatorCase("clip", _op(lambda ops, x: ops.clip(x, -0.5, 0.25)), layers=False),
    OperatorCase("mean over channels", _op(lambda ops, x: ops.mean(x, axis=-1)), layers=False),
    OperatorCase("mean over rows", _op(lambda ops, x: ops.mean(x, axis=1, keepdims=True)), layers=False),
    OperatorCase("sum", _op(lambda ops, x: ops.sum(x, axis=(1, 2))), layers=False),
    OperatorCase("max over channels", _op(lambda ops, x: ops.max(x, axis=-1, keepdims=True)), layers=False),
    OperatorCase("min", _op(lambda ops, x: ops.min(x, axis=(1, 2))), layers=False),
    OperatorCase("transpose", _op(lambda ops, x: ops.transpose(x, (0, 2, 1, 3))), layers=False),
    OperatorCase("expand_dims", _op(lambda ops, x: ops.squeeze(ops.expand_dims(x, 1), 1)), layers=False),
    OperatorCase("split", _op(_split), layers=False),
    OperatorCase("stack", _op(lambda ops, x: ops.stack([x, ops.relu(x)], axis=2)), layers=False),
    OperatorCase("pad", _op(lambda ops, x: ops.pad(x, ((0, 0), (1, 0), (2, 1), (0, 0)))), layers=False),
    OperatorCase("pad, reflect", _op(_reflected), layers=False),
    OperatorCase("tile", _op(lambda ops, x: ops.tile(x, (1, 1, 2, 1))), layers=False),
    OperatorCase("repeat", _op(lambda ops, x: ops.repeat(x, 2, axis=1)), layers=False),
    OperatorCase("flip", _op(lambda ops, x: ops.flip(x, axis=1)), layers=False),
)

CASES = (*CONVOLUTIONS, *ACTIVATIONS, *JOINTS, *POOLINGS, *SHAPES, *NORMALISATIONS, *FUNCTIONS)


def case_id(case: OperatorCase) -> str:
    """A name for pytest's ``-k``."""
    return "".join(c if c.isalnum() else "_" for c in case.name).strip("_")


def whole_networks() -> dict[str, Callable[[Any], Any]]:
    """Models with several inputs or outputs, or with parts that are used twice, by name."""
    return {
        "two inputs": _two_inputs,
        "two outputs": _two_outputs,
        "nested": _nested,
        "one layer twice": _one_layer_twice,
        "autoencoder": _autoencoder,
        "u-net": _unet,
        "temporal convolutions": _temporal,
    }


def _two_inputs(keras: Any) -> Any:
    layers = keras.layers
    image, vector = keras.Input((8, 8, 2), name="image"), keras.Input((5,), name="vector")
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, activation="relu")(image))
    x = layers.Concatenate()([x, layers.Dense(3, activation="relu")(vector)])
    return unsettle(keras.Model([image, vector], layers.Dense(3)(x), name="two_inputs"))


def _two_outputs(keras: Any) -> Any:
    layers = keras.layers
    image = keras.Input((8, 8, 2))
    x = layers.Conv2D(4, 3, activation="relu", padding="same")(image)
    boxes = layers.Conv2D(2, 3, strides=2, padding="same", name="boxes")(x)
    return unsettle(
        keras.Model(image, [boxes, layers.Dense(3, name="classes")(layers.Flatten()(x))], name="two_outputs")
    )


def _nested(keras: Any) -> Any:
    layers = keras.layers
    part = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.BatchNormalization(), layers.ReLU()])
    return unsettle(keras.Sequential([keras.Input((8, 8, 3)), part, layers.Flatten(), layers.Dense(3)], name="nested"))


def _one_layer_twice(keras: Any) -> Any:
    layers = keras.layers
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 1)(image)
    shared = layers.Conv2D(4, 3, padding="same", activation="relu")
    x = layers.Add()([shared(x), shared(shared(x))])
    return unsettle(keras.Model(image, layers.Dense(3)(layers.Flatten()(x)), name="twice"))


def _autoencoder(keras: Any) -> Any:
    layers = keras.layers
    image = keras.Input((8, 8, 2))
    x = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(image)
    x = layers.Conv2D(3, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2DTranspose(4, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2DTranspose(2, 3, strides=2, padding="same")(x)
    return unsettle(keras.Model(image, x, name="autoencoder"))


def _unet(keras: Any) -> Any:
    layers = keras.layers
    image = keras.Input((8, 8, 2))
    fine = layers.Conv2D(4, 3, padding="same", activation="relu")(image)
    x = layers.Conv2D(6, 3, padding="same", activation="relu")(layers.MaxPooling2D()(fine))
    x = layers.Concatenate()([layers.UpSampling2D()(x), fine])
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    return unsettle(keras.Model(image, layers.Conv2D(3, 1)(x), name="unet"))


def _temporal(keras: Any) -> Any:
    layers = keras.layers
    series = keras.Input((32, 3))
    x = layers.Conv1D(4, 1)(series)
    for rate in (1, 2, 4):
        y = layers.Conv1D(4, 3, padding="causal", dilation_rate=rate, activation="relu")(x)
        x = layers.Add()([x, layers.Conv1D(4, 1)(y)])
    return unsettle(keras.Model(series, layers.Dense(3)(layers.GlobalAveragePooling1D()(x)), name="temporal"))
