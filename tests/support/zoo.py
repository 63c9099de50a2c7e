"""Networks that people have, with random weights: those of ``keras.applications``, and one of each common kind.

All take small inputs, so that most fit an emulated board. ``build`` needs Keras; listing them does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .operator_cases import unsettle

SIZE = (96, 96, 3)


@dataclass(frozen=True)
class ZooNetwork:
    """A network.

    Attributes:
        name: In tables.
        make: Given Keras, makes the model.
        refusals: Part of the sentence with which it is refused, by the format of the file; in others it comes in.
        large: Takes minutes to convert and to compare.
    """

    name: str
    make: Callable[[Any], Any]
    refusals: Mapping[str, str] = field(default_factory=dict)
    large: bool = False

    def build(self, keras: Any, seed: int = 1) -> Any:
        """The model, always the same."""
        keras.utils.set_random_seed(seed)
        return unsettle(self.make(keras), seed)


def _application(name: str, **values: Any) -> Callable[[Any], Any]:
    def make(keras: Any) -> Any:
        given = {"input_shape": SIZE, "weights": None, "classes": 10} | values
        return getattr(keras.applications, name)(**given)

    return make


_STATISTICS = {
    "keras": "it takes mean and variance of each sample, which integers of 8 bits cannot hold",
    "onnx": "it is a function of TensorFlow that the exporter left as it is",
}

APPLICATIONS = (
    ZooNetwork("MobileNet", _application("MobileNet", alpha=0.25)),
    ZooNetwork("MobileNetV2", _application("MobileNetV2", alpha=0.35)),
    ZooNetwork("MobileNetV3Small", _application("MobileNetV3Small", alpha=0.35)),
    ZooNetwork("EfficientNetB0", _application("EfficientNetB0"), large=True),
    ZooNetwork("EfficientNetV2B0", _application("EfficientNetV2B0"), large=True),
    ZooNetwork("NASNetMobile", _application("NASNetMobile"), large=True),
    ZooNetwork("DenseNet121", _application("DenseNet121"), large=True),
    ZooNetwork("ResNet50", _application("ResNet50"), large=True),
    ZooNetwork("VGG16", _application("VGG16", include_top=False, pooling="avg", classes=10), large=True),
    ZooNetwork("Xception", _application("Xception"), large=True),
    ZooNetwork("ConvNeXtTiny", _application("ConvNeXtTiny"), _STATISTICS, large=True),
)


def _conv(keras: Any, x: Any, filters: int, stride: int = 1, kernel: int = 3) -> Any:
    layers = keras.layers
    x = layers.Conv2D(filters, kernel, strides=stride, padding="same", use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization()(x))


def _unet(keras: Any) -> Any:
    layers = keras.layers
    source = keras.Input((32, 32, 3))
    fine = _conv(keras, source, 8)
    middle = _conv(keras, layers.MaxPooling2D()(fine), 16)
    x = _conv(keras, layers.MaxPooling2D()(middle), 24)
    x = layers.Conv2DTranspose(16, 2, strides=2)(x)
    x = _conv(keras, layers.Concatenate()([x, middle]), 16)
    x = layers.UpSampling2D(interpolation="bilinear")(x)
    x = _conv(keras, layers.Concatenate()([x, fine]), 8)
    return keras.Model(source, layers.Conv2D(3, 1, activation="softmax")(x), name="unet")


def _fomo(keras: Any) -> Any:
    """The head of FOMO, object detection by centroids on a coarse grid, behind the first blocks of MobileNetV2."""
    layers = keras.layers
    source = keras.Input((48, 48, 1))
    x = _conv(keras, source, 8, stride=2)
    for filters, stride in ((16, 2), (16, 1), (24, 2)):
        y = layers.Conv2D(filters * 4, 1, activation="relu6")(x)
        y = layers.DepthwiseConv2D(3, strides=stride, padding="same")(y)
        y = layers.Conv2D(filters, 1)(layers.ReLU(6.0)(y))
        x = layers.Add()([x, y]) if stride == 1 else y
    x = layers.Conv2D(32, 1, activation="relu")(x)
    return keras.Model(source, layers.Conv2D(3, 1, activation="softmax")(x), name="fomo")


def _ssd(keras: Any) -> Any:
    """A detector with three outputs: boxes, classes and a quality for each anchor of two grids."""
    layers = keras.layers
    source = keras.Input((48, 48, 3))
    x = _conv(keras, _conv(keras, source, 8, stride=2), 16, stride=2)
    first = _conv(keras, x, 24, stride=2)
    grids = [first, _conv(keras, first, 32, stride=2)]
    outputs = []
    for name, size in (("boxes", 4), ("classes", 3), ("quality", 1)):
        parts = [layers.Reshape((-1, size))(layers.Conv2D(2 * size, 3, padding="same")(grid)) for grid in grids]
        joined = layers.Concatenate(axis=1)(parts)
        outputs.append(joined if name == "boxes" else layers.Activation("sigmoid")(joined))
    return keras.Model(source, outputs, name="ssd")


def _dscnn_1d(keras: Any) -> Any:
    layers = keras.layers
    parts = [keras.Input((100, 8)), layers.Conv1D(16, 9, strides=2, padding="same", activation="relu")]
    for _ in range(3):
        parts += [layers.SeparableConv1D(16, 5, padding="same"), layers.BatchNormalization(), layers.ReLU()]
    parts += [layers.GlobalAveragePooling1D(), layers.Dropout(0.2), layers.Dense(6, activation="softmax")]
    return keras.Sequential(parts, name="dscnn_1d")


def _tcn(keras: Any) -> Any:
    layers = keras.layers
    source = keras.Input((96, 4))
    x = layers.Conv1D(12, 1)(source)
    for rate in (1, 2, 4, 8, 16):
        y = layers.Conv1D(12, 3, padding="causal", dilation_rate=rate, activation="relu")(x)
        y = layers.SpatialDropout1D(0.1)(layers.Conv1D(12, 3, padding="causal", dilation_rate=rate)(y))
        x = layers.ReLU()(layers.Add()([x, y]))
    return keras.Model(source, layers.Dense(4, activation="softmax")(x[:, -1]), name="tcn")


def _conv_autoencoder(keras: Any) -> Any:
    layers = keras.layers
    parts = [keras.Input((32, 32, 1))]
    parts += [layers.Conv2D(n, 3, strides=2, padding="same", activation="relu") for n in (8, 16)]
    parts += [layers.Conv2DTranspose(n, 3, strides=2, padding="same", activation="relu") for n in (16, 8)]
    parts += [layers.Conv2D(1, 3, padding="same", activation="sigmoid")]
    return keras.Sequential(parts, name="conv_autoencoder")


def _dense_autoencoder(keras: Any) -> Any:
    layers = keras.layers
    parts = [keras.Input((640,))]
    for units in (128, 128, 8, 128, 128):
        parts += [layers.Dense(units), layers.BatchNormalization(), layers.Activation("relu")]
    return keras.Sequential([*parts, layers.Dense(640)], name="dense_autoencoder")


def _regression(keras: Any) -> Any:
    """Speed and heading from the six axes of an inertial sensor."""
    layers = keras.layers
    parts = [keras.Input((64, 6)), layers.Normalization(mean=[0.1] * 6, variance=[2.0] * 6)]
    parts += [layers.Conv1D(16, 5, strides=2, activation="elu"), layers.MaxPooling1D(2)]
    parts += [layers.Conv1D(24, 3, activation="elu"), layers.Flatten(), layers.Dense(16, activation="tanh")]
    return keras.Sequential([*parts, layers.Dense(2)], name="regression")


def _squeeze_excite(keras: Any) -> Any:
    layers = keras.layers
    source = keras.Input((24, 24, 3))
    x = _conv(keras, layers.Rescaling(1 / 127.5, offset=-1)(source), 16, stride=2)
    for _ in range(2):
        y = layers.Activation("hard_swish")(layers.DepthwiseConv2D(5, padding="same")(x))
        gate = layers.GlobalAveragePooling2D(keepdims=True)(y)
        gate = layers.Conv2D(16, 1, activation="hard_sigmoid")(layers.Conv2D(4, 1, activation="relu")(gate))
        x = layers.Add()([x, layers.Conv2D(16, 1)(layers.Multiply()([y, gate]))])
    return keras.Model(source, layers.Dense(5)(layers.GlobalAveragePooling2D()(x)), name="squeeze_excite")


def _augmented(keras: Any) -> Any:
    """As tutorials build it: augmentation and rescaling within a Sequential, one of them nested."""
    layers = keras.layers
    augment = keras.Sequential([keras.Input((32, 32, 3)), layers.RandomFlip("horizontal"), layers.RandomRotation(0.1)])
    parts = [keras.Input((32, 32, 3)), augment, layers.Rescaling(1 / 255)]
    for filters in (8, 16):
        parts += [layers.Conv2D(filters, 3, padding="same", activation="relu"), layers.MaxPooling2D()]
    return keras.Sequential(
        [*parts, layers.Flatten(), layers.Dense(16, activation="relu"), layers.Dense(5)], name="tutorial"
    )


def _binary(keras: Any) -> Any:
    layers = keras.layers
    parts = [keras.Input((20,)), layers.Dense(16, activation="relu"), layers.Dense(1, activation="sigmoid")]
    return keras.Sequential(parts, name="binary")


KINDS = (
    ZooNetwork("U-Net", _unet),
    ZooNetwork("FOMO", _fomo),
    ZooNetwork("SSD, three outputs", _ssd),
    ZooNetwork("DS-CNN, 1-D", _dscnn_1d),
    ZooNetwork("TCN, dilated", _tcn),
    ZooNetwork("autoencoder of convolutions", _conv_autoencoder),
    ZooNetwork("autoencoder, dense", _dense_autoencoder),
    ZooNetwork("regression, 6-axis IMU", _regression),
    ZooNetwork("squeeze and excite", _squeeze_excite),
    ZooNetwork(
        "tutorial with augmentation", _augmented, {"onnx": "it makes random numbers, which only training needs"}
    ),
    ZooNetwork("binary, sigmoid", _binary),
)

NETWORKS = (*APPLICATIONS, *KINDS)
