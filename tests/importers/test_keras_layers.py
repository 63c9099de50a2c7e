"""Promise: every layer and operation of Keras that is read computes what it does there, in integers too."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dqt_edge.importers.assemble import assemble
from dqt_edge.importers.calibrate import calibrate
from dqt_edge.importers.keras import from_model, read_keras
from dqt_edge.importers.keras.activations import ACTIVATIONS
from dqt_edge.importers.keras.layers import LAYERS
from dqt_edge.importers.keras.legacy import module_of
from dqt_edge.importers.keras.operations import OPERATIONS
from dqt_edge.importers.keras.refusals import REFUSED
from tests.support.keras_answers import error_of, graph_answers, inputs_of, keras_answers, network_answers, shaped
from tests.support.operator_cases import CASES, OperatorCase, case_id, unsettle, whole_networks

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # of Keras, with NumPy 2
]
REAL = 1e-4
"""Of the largest value; a resize keeps its weights in 1/1024."""
INTEGER = 0.06


def check(model: Any, path: Path, real: float = REAL, integer: float = INTEGER) -> Any:
    """Saved and read, the model computes what Keras says, in real numbers and, on the whole, in integers."""
    model.save(path)
    network = read_keras(path)
    inputs = inputs_of(model, 64)
    wanted = keras_answers(model, inputs)
    assert error_of(network_answers(network, inputs), wanted) < real
    graph = assemble(calibrate(network, shaped(network, inputs)))
    for found, reals in zip(graph_answers(graph, inputs), wanted, strict=True):
        assert np.abs(found.reshape(reals.shape) - reals).mean() < integer * max(np.ptp(reals), 1e-6)
    return network


@pytest.mark.some(3)
@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_an_operator(case: OperatorCase, keras: Any, tmp_path: Path) -> None:
    check(case.model(keras), tmp_path / "m.keras", 1e-3 if "Resizing" in case.name else REAL)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("name", whole_networks())
def test_a_whole_network(name: str, suffix: str, keras: Any, tmp_path: Path) -> None:
    check(whole_networks()[name](keras), tmp_path / f"m{suffix}")


# --- Layers that only Keras has -------------------------------------------------------------------------------

Make = Callable[[Any], Any]


def behind(shape: tuple[int, ...], *make: Make) -> Make:
    """A model of one input with these layers behind each other."""

    def build(keras: Any) -> Any:
        x = source = keras.Input(shape)
        for layer in make:
            x = layer(keras.layers)(x)
        return keras.Model(source, x)

    return build


def adapted(keras: Any) -> Any:
    """A Normalization that has seen data, by channel and by element, and one that undoes it."""
    rng = np.random.default_rng(5)
    layers = keras.layers
    data = rng.normal(2, 3, (50, 6, 5, 3))
    first, second = layers.Normalization(), layers.Normalization(axis=(1, 2, 3))
    first.adapt(data)
    second.adapt(data)
    x = keras.Input((6, 5, 3))
    back = layers.Normalization(mean=1.5, variance=4.0, invert=True)(first(x))
    return keras.Model(x, layers.Add()([back, second(x)]))


def powers(keras: Any) -> Any:
    ops, x = keras.ops, keras.Input((4, 6))
    y = ops.power(ops.abs(x) + 0.5, 2.0) + 2.0 / (ops.abs(x) + 1.0)
    y = ops.swapaxes(y, 1, 2) * np.linspace(-1, 1, 4)
    y = ops.moveaxis(y, -1, 1)
    return keras.Model(x, ops.concatenate(ops.unstack(y, axis=1), axis=-1))


def indices(keras: Any) -> Any:
    x = keras.Input((8, 6, 4))
    parts = [x[:, 2], x[:, ::-2, 1:4, -1], x[..., None, 1], x[:, -3:, 2:3]]
    return keras.Model(x, keras.layers.Concatenate()([keras.layers.Flatten()(part) for part in parts]))


def shuffles(keras: Any) -> Any:
    ops, x = keras.ops, keras.Input((4, 6, 4))
    y = ops.nn.space_to_depth(ops.flip(ops.nn.depth_to_space(x, 2), axis=2), 2)
    return keras.Model(x, ops.image.resize(y, (8, 3)))


def activations(keras: Any) -> Any:
    """A dense layer with each activation by its name."""
    x = keras.Input((6,))
    return keras.Model(x, [keras.layers.Dense(5, activation=name)(x) for name in ACTIVATIONS if name != "log_softmax"])


def functions(keras: Any) -> Any:
    """Each function of each element, where it is defined."""
    ops, x = keras.ops, keras.Input((6,))
    source, core = (importlib.import_module(f"keras.src.ops.{name}") for name in ("numpy", "core"))
    plain = (
        *("absolute", "negative", "square", "exp", "expm1", "tanh", "sign", "floor", "ceil", "round", "sin", "cos"),
        *("relu", "relu6", "sigmoid", "silu", "softplus", "softsign", "selu", "hard_sigmoid", "hard_silu", "hard_tanh"),
        *("log_sigmoid", "tanh_shrink", "hard_shrink", "soft_shrink", "squareplus", "elu", "celu", "leaky_relu"),
        *("gelu", "softmax", "copy", "stop_gradient"),
    )
    positive = ops.relu(x) + 0.5
    made = [getattr(ops, name)(x) for name in plain]
    made += [getattr(ops, name)(positive) for name in ("sqrt", "rsqrt", "reciprocal", "log", "log1p")]
    made += [ops.gelu(x, approximate=False), ops.leaky_relu(x, 0.4), ops.elu(x, 0.3), ops.softmax(x * 2.0, axis=1)]
    made += [source.Matmul()(x, np.linspace(-1, 1, 12).reshape(6, 2)), ops.nn.threshold(x, 0.3, -0.2)]
    made += [keras.activations.relu(x, negative_slope=0.1, max_value=0.7, threshold=0.2)]
    made += [source.Abs()(x), ops.minimum(x, 0.3), ops.divide(x, 2.0), ops.cast(x, "float32")]
    made += [ops.saturate_cast(x, "float32"), core.ConvertToTensor().symbolic_call(x)]
    return keras.Model(x, made)


def extremes(keras: Any) -> Any:
    ops, x = keras.ops, keras.Input((4, 6))
    return keras.Model(x, ops.reshape(ops.amax(x, axis=-1) - ops.amin(x, axis=-1), (-1, 2, 2)))


def of_one_sample(keras: Any) -> Any:
    """A batch of 1, which is as good as an open one, in shapes too."""
    x = keras.Input((4, 6), batch_size=1)
    return keras.Model(x, keras.ops.broadcast_to(keras.ops.mean(x, axis=1, keepdims=True), (1, 4, 6)) * x)


def pools(keras: Any) -> Any:
    ops, x, series = keras.ops, keras.Input((8, 6, 3)), keras.Input((9, 2))
    maps = ops.average_pool(ops.max_pool(x, 2, strides=1, padding="same"), (2, 3))
    return keras.Model([x, series], [maps, ops.max_pool(series, 3, strides=2, padding="same")])


def applied(keras: Any) -> Any:
    """Layers that only ``keras.applications`` has."""
    from keras.src.applications.convnext import LayerScale, StochasticDepth  # noqa: PLC0415
    from keras.src.applications.inception_resnet_v2 import CustomScaleLayer  # noqa: PLC0415

    x = keras.Input((4, 4, 3))
    y = StochasticDepth(0.1)(LayerScale(0.7, 3)(x))
    return keras.Model(x, CustomScaleLayer(0.3)([x, y]))


MODELS: dict[str, Make] = {
    "activations": activations,
    "functions": functions,
    "extremes": extremes,
    "pools": pools,
    "spectral normalisation": behind((8, 8, 3), lambda k: k.SpectralNormalization(k.Conv2D(4, 3, activation="tanh"))),
    "adaptive maxima": behind((8, 6, 3), lambda k: k.AdaptiveMaxPooling2D((4, 3))),
    "adaptive series": behind((8, 3), lambda k: k.AdaptiveMaxPooling1D(4), lambda k: k.AdaptiveAveragePooling1D(2)),
    "dropped channels of a series": behind((8, 3), lambda k: k.SpatialDropout1D(0.1), lambda k: k.Dense(2)),
    "padding before pooling": behind(
        (7, 7, 3), lambda k: k.ZeroPadding2D(1), lambda k: k.AveragePooling2D(2), lambda k: k.ZeroPadding2D((2, 0))
    ),
    "reshapes between": behind(
        (6, 4, 2),
        lambda k: k.Conv2D(4, 3, padding="same"),
        lambda k: k.Reshape((24, 4)),
        lambda k: k.Conv1D(3, 3),
        lambda k: k.Permute((2, 1)),
        lambda k: k.Dense(5),
    ),
    "causal convolution with a stride": behind((16, 3), lambda k: k.Conv1D(4, 3, strides=2, padding="causal")),
    "separable with everything": behind(
        (9, 9, 3), lambda k: k.SeparableConv2D(4, 3, strides=2, depth_multiplier=2, activation="elu")
    ),
    "separable series, dilated": behind((16, 3), lambda k: k.SeparableConv1D(4, 3, dilation_rate=3, padding="same")),
    "transposed, large stride": behind((4, 5, 3), lambda k: k.Conv2DTranspose(4, (2, 3), strides=(3, 4))),
    "transposed, same, odd": behind((4, 5, 3), lambda k: k.Conv2DTranspose(4, 4, strides=3, padding="same")),
    "transposed, more padding": behind(
        (4, 5, 3), lambda k: k.Conv2DTranspose(4, 3, strides=2, padding="valid", output_padding=1)
    ),
    "transposed series": behind((7, 3), lambda k: k.Conv1DTranspose(4, 5, strides=3)),
    "activation that is a layer": behind((6, 5), lambda k: k.Dense(4, activation=k.LeakyReLU(negative_slope=0.3))),
    "PReLU of rows": behind((6, 5), lambda k: k.PReLU(shared_axes=[1], alpha_initializer="random_normal")),
    "ELU with a factor": behind((6, 5), lambda k: k.ELU(0.4)),
    "softmax over rows": behind((6, 5), lambda k: k.Softmax(axis=1), lambda k: k.Dense(2)),
    "scaling by channel": behind((6, 5, 3), lambda k: k.Rescaling([0.5, 2.0, -1.0], [0.0, 1.0, 2.0])),
    "normalisation": adapted,
    "bilinear growth": behind((4, 3, 2), lambda k: k.UpSampling2D((3, 2), interpolation="bilinear")),
    "nearest sizes": behind((8, 6, 2), lambda k: k.Resizing(4, 9, interpolation="nearest")),
    "crop of the middle": behind((9, 8, 2), lambda k: k.CenterCrop(4, 5)),
    "adaptive pooling": behind((8, 6, 3), lambda k: k.AdaptiveAveragePooling2D((4, 2))),
    "pooling that keeps axes": behind((8, 3), lambda k: k.GlobalMaxPooling1D(keepdims=True)),
    "time distributed": behind(
        (4, 6, 3),
        lambda k: k.TimeDistributed(k.Dense(5, activation="relu")),
        lambda k: k.TimeDistributed(k.Flatten()),
        lambda k: k.TimeDistributed(k.BatchNormalization()),
        lambda k: k.TimeDistributed(k.Dropout(0.5)),
    ),
    "what training alone needs": behind(
        (8, 8, 3),
        *(
            lambda k, kind=kind, given=given: getattr(k, kind)(*given)
            for kind, given in {
                "RandomFlip": (),
                "RandomRotation": (0.1,),
                "RandomZoom": (0.1,),
                "RandomContrast": (0.1,),
                "RandomTranslation": (0.1, 0.1),
                "RandomBrightness": (0.1,),
                "GaussianNoise": (0.1,),
                "GaussianDropout": (0.1,),
                "AlphaDropout": (0.1,),
                "SpatialDropout2D": (0.1,),
                "ActivityRegularization": (0.1,),
                "Identity": (),
                "RandomHue": (0.1,),
                "RandomSaturation": (0.1,),
                "RandomSharpness": (0.1,),
                "RandomColorDegeneration": (0.1,),
                "RandomColorJitter": (),
                "RandomErasing": (),
                "RandomGaussianBlur": (),
                "RandomGrayscale": (),
                "RandomPerspective": (),
                "RandomPosterization": (4,),
                "RandomElasticTransform": (),
                "RandomInvert": (),
                "RandAugment": (),
                "AugMix": (),
                "MixUp": (),
                "CutMix": (),
            }.items()
        ),
        lambda k: k.Conv2D(3, 3),
    ),
    "powers and orders": powers,
    "indices": indices,
    "shuffles": shuffles,
}


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_layers_of_applications(suffix: str, keras: Any, tmp_path: Path) -> None:
    check(applied(keras), tmp_path / f"m{suffix}")


@pytest.mark.parametrize("part", ["beginning", "end"])
def test_a_part_of_a_model(part: str, keras: Any, tmp_path: Path) -> None:
    """As transfer learning cuts it."""
    whole = behind((8, 8, 3), *(lambda k, n=n: k.Conv2D(n, 3, activation="relu") for n in (4, 5, 6)))(keras)
    inner = whole.layers[2].output
    check(keras.Model(*((whole.input, inner) if part == "beginning" else (inner, whole.output))), tmp_path / "m.keras")


@pytest.mark.parametrize("name", MODELS)
def test_what_only_keras_has(name: str, keras: Any, tmp_path: Path) -> None:
    keras.utils.set_random_seed(2)
    resized = name in ("bilinear growth", "nearest sizes", "shuffles")
    model = MODELS[name](keras)
    if name != "normalisation":  # it has seen data
        unsettle(model)
    check(model, tmp_path / "m.keras", 1e-3 if resized else REAL)


@pytest.mark.parametrize("layer", ["activation", "dense", "function"])
def test_the_logarithm_of_a_softmax_is_dropped_at_the_end(layer: str, keras: Any, tmp_path: Path) -> None:
    layers, source = keras.layers, keras.Input((6,))
    if layer == "dense":
        x = layers.Dense(4, activation="log_softmax")(source)
    else:
        x = layers.Dense(4)(source)
        x = layers.Activation("log_softmax")(x) if layer == "activation" else keras.ops.log_softmax(x)
    model = keras.Model(source, x)
    model.save(tmp_path / "m.keras")
    network = read_keras(tmp_path / "m.keras")
    assert [node.kind for node in network.nodes] == ["dense"]
    inputs = inputs_of(model, 8)
    (found,), (wanted,) = network_answers(network, inputs), keras_answers(model, inputs)
    np.testing.assert_allclose(np.log(found.reshape(wanted.shape)), wanted, atol=1e-4)


def logarithm(keras: Any) -> Any:
    x = keras.Input((6,))
    return keras.Model(x, keras.ops.log_softmax(x))


IN_MEMORY: dict[str, Make] = {
    "a batch of one": of_one_sample,
    "what Keras cannot load": behind((8, 8, 3), lambda k: k.RandomShear(0.1), lambda k: k.Conv2D(2, 3)),
}


@pytest.mark.parametrize("name", IN_MEMORY)
def test_what_needs_no_file(name: str, keras: Any) -> None:
    model = IN_MEMORY[name](keras)
    inputs = inputs_of(model, 1)
    assert error_of(network_answers(from_model(model, "memory", "m"), inputs), keras_answers(model, inputs)) < REAL


def test_a_model_in_memory_is_read_as_it_is(keras: Any) -> None:
    """Without a file: functions of your own are told, those of Keras and TensorFlow are known."""
    import tensorflow as tf  # noqa: PLC0415 - where a test needs it

    source = keras.Input((6,))
    x = keras.layers.Dense(4, activation=tf.nn.relu6)(source)
    model = keras.Model(source, keras.layers.Dense(3, activation=keras.activations.tanh)(x))
    network = from_model(model, "memory", "m")
    inputs = inputs_of(model, 8)
    assert error_of(network_answers(network, inputs), keras_answers(model, inputs)) < REAL
    assert network.provenance["source"] == "memory"


def test_every_row_of_the_tables_is_tested(keras: Any) -> None:
    """What the documentation says is supported is in a model above, and Keras has it."""
    found: set[str] = set()
    for build in (
        *(case.model for case in CASES),
        *MODELS.values(),
        *IN_MEMORY.values(),
        logarithm,
        applied,
        *whole_networks().values(),
    ):
        model = build(keras)
        for operation in (getattr(model, "_functional", None) or model).operations:
            found.add(f"{'layer' if isinstance(operation, keras.Layer) else 'operation'} {type(operation).__name__}")
    assert {f"layer {name}" for name in LAYERS} <= found
    assert {f"operation {name}" for name in OPERATIONS} <= found
    for name in OPERATIONS:
        assert hasattr(importlib.import_module(module_of(name)), name)


def test_every_layer_that_is_refused_is_one_of_keras(keras: Any) -> None:
    elsewhere = {"GroupedQueryAttention", "FeatureSpace", "CLAHE"}
    assert {name for name in REFUSED if not hasattr(keras.layers, name)} <= elsewhere
    assert not set(REFUSED) & set(LAYERS)
