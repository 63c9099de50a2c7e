"""Promise: files are read as Keras runs them: Sequentials, nested and shared parts, files of Keras 2."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from dqt_edge.cli import cli
from dqt_edge.errors import UnsupportedError
from dqt_edge.importers.keras import from_model, read_keras
from tests.support.keras_answers import error_of, inputs_of, keras_answers, network_answers

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # of Keras, with NumPy 2
]
SUFFIXES = (".keras", ".h5")


def same(network: Any, model: Any) -> None:
    inputs = inputs_of(model, 16)
    assert error_of(network_answers(network, inputs), keras_answers(model, inputs)) < 1e-4


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_sequential_from_a_file(suffix: str, keras: Any, tmp_path: Path) -> None:
    """Loading calls each of its layers several times; only the calls of the whole model count."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(2, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    path, data = tmp_path / f"model{suffix}", tmp_path / "data.npz"
    model.save(path)
    inputs = inputs_of(model, 32)
    np.savez(data, x_test=inputs[0], y_test=np.arange(32) % 2)
    given = ["import", str(path), "--out", str(tmp_path / "x.safetensors"), "--calibration", str(data)]
    done = CliRunner().invoke(cli, given, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "3 layers, 684 MAC" in done.output
    same(read_keras(path), model)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_sequential_without_an_input_layer(suffix: str, keras: Any, tmp_path: Path) -> None:
    model = keras.Sequential([keras.layers.Dense(4, activation="tanh"), keras.layers.Dense(2)])
    model(np.zeros((1, 5), np.float32))
    model.save(tmp_path / f"m{suffix}")
    same(read_keras(tmp_path / f"m{suffix}"), model)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_models_within_models_are_walked_where_they_are_called(suffix: str, keras: Any, tmp_path: Path) -> None:
    """A part with two inputs and two outputs, one that is used twice, one in another, and names that are the same."""
    layers = keras.layers
    a, b = keras.Input((6, 6, 2)), keras.Input((6, 6, 2))
    y = layers.Conv2D(3, 3, padding="same", name="conv")(layers.Concatenate()([a, b]))
    pair = keras.Model([a, b], [y, layers.ReLU()(y)], name="pair")
    step = keras.Sequential([keras.Input((6, 6, 3)), layers.Conv2D(3, 1, name="conv"), layers.ELU()], name="step")
    outer = keras.Input((6, 6, 3))
    twice = keras.Model(outer, step(step(outer)), name="twice")
    source = keras.Input((6, 6, 2))
    first, second = pair([source, layers.Conv2D(2, 1, name="conv")(source)])
    model = keras.Model(source, layers.Add()([twice(first), second]))
    model.save(tmp_path / f"m{suffix}")
    network = read_keras(tmp_path / f"m{suffix}")
    same(network, model)
    names = [node.name for node in network.nodes]
    assert len(set(names)) == len(names)
    assert names.count("conv") == 1


def test_an_open_part_is_read_in_the_shapes_at_hand(keras: Any, tmp_path: Path) -> None:
    """A backbone made for images of any size, in a model of one size."""
    layers = keras.layers
    anything = keras.Input((None, None, 3))
    part = keras.Model(anything, layers.Conv2D(4, 3, strides=2, activation="relu")(anything), name="backbone")
    source = keras.Input((9, 8, 3))
    model = keras.Model(source, layers.Dense(2)(layers.Flatten()(part(source))))
    model.save(tmp_path / "m.keras")
    same(read_keras(tmp_path / "m.keras"), model)


def test_names_that_are_the_same_for_c_are_told_apart(keras: Any, tmp_path: Path) -> None:
    layers = keras.layers
    x = source = keras.Input((6,))
    for name in ("a.b", "a-b", "a_b", "1st", "a b"):
        x = layers.Dense(4, name=name)(x)
    model = keras.Model(source, x)
    model.save(tmp_path / "m.keras")
    network = read_keras(tmp_path / "m.keras")
    names = [node.name for node in network.nodes]
    assert len(set(names)) == 5
    assert all(name.isidentifier() for name in names)
    same(network, model)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_operators_between_tensors(suffix: str, keras: Any, tmp_path: Path) -> None:
    """Keras 3 writes them into .h5 files, too, though it cannot load them."""
    ops, layers = keras.ops, keras.layers
    source = keras.Input((6, 6, 2))
    x = layers.Conv2D(4, 3, padding="same")(source / 127.5 - 1.0)
    z = layers.DepthwiseConv2D(3, padding="same")(x)
    x = (x + z) * ops.sigmoid(z) - x
    x = ops.concatenate([ops.maximum(x, z), layers.Add()([x, z])], axis=-1)
    model = keras.Model(source, ops.reshape(x[:, 1:5, ::2], (-1, 96)))
    model.save(tmp_path / f"m{suffix}")
    same(read_keras(tmp_path / f"m{suffix}"), model)


# --- Files of Keras 2 -----------------------------------------------------------------------------------------


def old(kind: str, name: str, *inbound: list[Any], **config: Any) -> dict[str, Any]:
    """A layer as a functional model of Keras 2 writes it, called once."""
    config = {"name": name, "trainable": True, **config}
    return {"class_name": kind, "config": config, "name": name, "inbound_nodes": [list(inbound)]}


def call(name: str, node: int = 0, **kwargs: Any) -> list[Any]:
    return [name, node, 0, kwargs]


def function(name: str, function: str, *inbound: Any, kind: str = "TFOpLambda") -> dict[str, Any]:
    """A function of TensorFlow: its first argument's call is not in a list of calls, unless it takes several."""
    config = {"name": name, "trainable": True, "dtype": "float32", "function": function}
    return {"class_name": kind, "config": config, "name": name, "inbound_nodes": list(inbound)}


def write_old(path: Path, config: dict[str, Any], weights: dict[str, dict[str, Any]], version: str = "2.15.0") -> Path:
    """An .h5 file in Keras 2's layout."""
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = version
        file.attrs["backend"] = "tensorflow"
        file.attrs["model_config"] = json.dumps(config)
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name in weights]
        group.attrs["backend"] = b"tensorflow"
        group.attrs["keras_version"] = version.encode()
        for layer, arrays in weights.items():
            own = group.create_group(layer)
            own.attrs["weight_names"] = [f"{layer}/{name}:0".encode() for name in arrays]
            for name, array in arrays.items():
                own.create_dataset(f"{layer}/{name}:0", data=array)
    return path


def functional(layers: list[dict[str, Any]], source: str, result: str, kind: str = "Functional") -> dict[str, Any]:
    config = {"name": "model", "trainable": True, "layers": layers}
    config |= {"input_layers": [[source, 0, 0]], "output_layers": [[result, 0, 0]]}
    return {"class_name": kind, "config": config}


CONV = {
    "filters": 4,
    "kernel_size": [3, 3],
    "strides": [1, 1],
    "padding": "same",
    "data_format": "channels_last",
    "dilation_rate": [1, 1],
    "groups": 1,
    "use_bias": True,
}

TRAINED = {
    "kernel_initializer": {"class_name": "GlorotUniform", "config": {"seed": None, "dtype": "float32"}},
    "kernel_regularizer": {"class_name": "Mine", "config": {}},
}
"""What only training needs: an attribute that is no more, and code of one's own."""


def test_layers_of_keras_2_with_their_old_attributes(keras: Any, tmp_path: Path) -> None:
    """Model as the class, groups of depthwise layers, a list of axes, alpha, a hard sigmoid of its own, rng_type."""
    rng = np.random.default_rng(4)
    image = {"batch_input_shape": [None, 6, 6, 2], "dtype": "float32", "sparse": False, "ragged": False}
    conv = {key: value for key, value in CONV.items() if key != "groups"}
    layers = [
        {"class_name": "InputLayer", "config": {"name": "in_1", **image}, "name": "in_1", "inbound_nodes": []},
        old("RandomFlip", "flip", call("in_1"), rng_type="stateful", mode="horizontal", seed=None),
        old("Conv2D", "conv", call("flip"), **conv, **TRAINED, activation="relu"),
        old("DepthwiseConv2D", "deep", call("conv"), **{k: v for k, v in CONV.items() if k != "filters"}),
        old(
            "BatchNormalizationV1", "norm", call("deep"), axis=[3], momentum=0.99, epsilon=1e-3, center=True, scale=True
        ),
        old("LeakyReLU", "leaky", call("norm"), alpha=0.25),
        old("ThresholdedReLU", "above", call("leaky"), theta=0.1),
        old("SpatialDropout2D", "drop", call("above"), trainable=True, rate=0.1, noise_shape=None),
        old("Activation", "gate", call("conv"), activation="hard_sigmoid"),
        old("Multiply", "product", call("drop"), call("gate")),
        old("Conv2DTranspose", "up", call("product"), **CONV | {"strides": [2, 2]}, output_padding=None),
    ]
    shapes = {
        "conv": {"kernel": (3, 3, 2, 4), "bias": (4,)},
        "deep": {"depthwise_kernel": (3, 3, 4, 1), "bias": (4,)},
        "norm": {"gamma": (4,), "beta": (4,), "moving_mean": (4,), "moving_variance": (4,)},
        "up": {"kernel": (3, 3, 4, 4), "bias": (4,)},
    }
    weights = {
        layer: {name: rng.uniform(0.1, 0.6, shape).astype(np.float32) for name, shape in parts.items()}
        for layer, parts in shapes.items()
    }
    network = read_keras(write_old(tmp_path / "m.h5", functional(layers, "in_1", "up", "Model"), weights, "2.4.0"))

    source = keras.Input((6, 6, 2))
    own = keras.layers
    x = y = own.Conv2D(4, 3, padding="same", activation="relu", name="conv")(source)
    x = own.DepthwiseConv2D(3, padding="same", name="deep")(x)
    x = own.LeakyReLU(negative_slope=0.25)(own.BatchNormalization(name="norm")(x))
    x = own.ReLU(threshold=0.1)(x)
    gate = keras.ops.clip(y * 0.2 + 0.5, 0.0, 1.0)
    x = own.Conv2DTranspose(4, 3, strides=2, padding="same", name="up")(x * gate)
    model = keras.Model(source, x)
    for name, parts in weights.items():
        model.get_layer(name).set_weights(list(parts.values()))
    same(network, model)


def test_functions_of_tensorflow_in_a_model_of_keras_2(keras: Any, tmp_path: Path) -> None:
    """TFOpLambda and SlicingOpLambda become the operations of Keras 3; constants may stand on either side."""
    image = {"batch_input_shape": [None, 6, 6, 2], "dtype": "float32", "sparse": False, "ragged": False}
    plain = {"start": None, "stop": None, "step": None}
    layers = [
        {"class_name": "InputLayer", "config": {"name": "x", **image}, "name": "x", "inbound_nodes": []},
        function("scaled", "math.truediv", ["x", 0, 0, {"y": 4.0, "name": None}]),
        function("turned", "math.subtract", ["_CONSTANT_VALUE", -1, 1.0, {"y": ["scaled", 0, 0], "name": None}]),
        function("sum", "__operators__.add", ["scaled", 0, 0, {"y": ["turned", 0, 0], "name": None}]),
        function("product", "math.multiply", ["sum", 0, 0, {"y": ["x", 0, 0], "name": None}]),
        function("gate", "nn.silu", ["product", 0, 0, {"beta": 1.0}]),
        function("both", "concat", [["gate", 0, 0, {"axis": -1}], ["x", 0, 0, {"axis": -1}]]),
        function("padded", "pad", ["both", 0, 0, {"paddings": [[0, 0], [1, 0], [0, 2], [0, 0]], "mode": "CONSTANT"}]),
        function(
            "part",
            "__operators__.getitem",
            ["padded", 0, 0, {"slice_spec": [plain, plain | {"start": 1, "stop": 6}, plain | {"step": 2}, plain]}],
            kind="SlicingOpLambda",
        ),
        function("mean", "math.reduce_mean", ["part", 0, 0, {"axis": [1], "keepdims": False}]),
        function("flat", "reshape", ["mean", 0, 0, {"shape": [-1, 16]}]),
        function("limited", "clip_by_value", ["flat", 0, 0, {"clip_value_min": -0.5, "clip_value_max": 0.75}]),
        function("first", "split", ["limited", 0, 0, {"num_or_size_splits": [4, 12], "axis": 1}]),
        old("Dense", "head", ["first", 0, 1, {}], units=3, activation="linear", use_bias=True),
    ]
    rng = np.random.default_rng(5)
    weights = {"head": {"kernel": rng.normal(0, 1, (12, 3)), "bias": rng.normal(0, 1, 3)}}
    network = read_keras(write_old(tmp_path / "m.h5", functional(layers, "x", "head"), weights))

    ops, source = keras.ops, keras.Input((6, 6, 2))
    scaled = source / 4.0
    x = ops.silu((scaled + (1.0 - scaled)) * source)
    x = ops.pad(ops.concatenate([x, source], axis=-1), ((0, 0), (1, 0), (0, 2), (0, 0)))
    x = ops.reshape(ops.mean(x[:, 1:6, ::2, :], axis=1), (-1, 16))
    head = keras.layers.Dense(3)
    model = keras.Model(source, head(ops.split(ops.clip(x, -0.5, 0.75), [4], axis=1)[1]))
    head.set_weights(list(weights["head"].values()))
    same(network, model)


def test_a_function_of_tensorflow_that_has_no_counterpart_is_named(tmp_path: Path) -> None:
    image = {"batch_input_shape": [None, 6], "dtype": "float32"}
    layers = [
        {"class_name": "InputLayer", "config": {"name": "x", **image}, "name": "x", "inbound_nodes": []},
        function("sorted", "sort", ["x", 0, 0, {"axis": -1}]),
        function("finite", "math.add", ["sorted", 0, 0, {"y": 1.0, "name": None}]),
    ]
    path = write_old(tmp_path / "m.h5", functional(layers, "x", "finite"), {})
    with pytest.raises(UnsupportedError, match="it is TensorFlow's function sort") as caught:
        read_keras(path)
    assert caught.value.what.startswith("1 layer ")
    assert "'sorted' (TFOpLambda)" in caught.value.what


@pytest.mark.parametrize("inner_kind", ["Functional", "Sequential"])
@pytest.mark.parametrize("last", [False, True])
def test_nested_models_of_keras_2(inner_kind: str, last: bool, keras: Any, tmp_path: Path) -> None:
    """Their calls are counted from 1, and a single output is a list."""
    rng = np.random.default_rng(6)
    dense = {"units": 4, "activation": "tanh", "use_bias": True}
    start = {"batch_input_shape": [None, 6], "dtype": "float32"}
    first = {"class_name": "InputLayer", "config": {"name": "y", **start}, "name": "y", "inbound_nodes": []}
    if inner_kind == "Functional":
        inner = functional([first, old("Dense", "d", call("y"), **dense)], "y", "d")
    else:
        parts = [first, {"class_name": "Dense", "config": {"name": "d", **dense, "batch_input_shape": [None, 6]}}]
        inner = {"class_name": "Sequential", "config": {"name": "part", "layers": parts}}
    inner["config"]["name"] = "part"
    layers = [
        {"class_name": "InputLayer", "config": {"name": "x", **start}, "name": "x", "inbound_nodes": []},
        old("ReLU", "relu", call("x"), max_value=None, negative_slope=0.0, threshold=0.0),
        {**inner, "name": "part", "inbound_nodes": [[call("relu")]]},
    ]
    config = functional(layers, "x", "part")
    config["config"]["output_layers"] = [["part", 1, 0]]
    weights = {"part": {"kernel": rng.normal(0, 1, (6, 4)), "bias": rng.normal(0, 1, 4)}}
    if not last:
        layers.append(old("Dense", "head", call("part", 1), units=2, activation="linear", use_bias=True))
        config["config"]["output_layers"] = [["head", 0, 0]]
        weights["head"] = {"kernel": rng.normal(0, 1, (4, 2)), "bias": rng.normal(0, 1, 2)}
    network = read_keras(write_old(tmp_path / "m.h5", config, weights))

    source = keras.Input((6,))
    made = [keras.layers.Dense(4, activation="tanh"), *([] if last else [keras.layers.Dense(2)])]
    x = keras.layers.ReLU()(source)
    for layer in made:
        x = layer(x)
    for layer, parts in zip(made, weights.values(), strict=True):
        layer.set_weights(list(parts.values()))
    same(network, keras.Model(source, x))


def test_a_keras_archive_of_keras_2(keras: Any, tmp_path: Path) -> None:
    """Modules that Keras 3 does not have, and weights below the group's old name."""
    layers = keras.layers
    model = keras.Sequential([keras.Input((6, 6, 2)), layers.DepthwiseConv2D(3), layers.Conv2D(3, 1), layers.ReLU()])
    model.save(tmp_path / "new.keras")
    with zipfile.ZipFile(tmp_path / "new.keras") as source:
        config = json.loads(source.read("config.json"))
        (tmp_path / "weights.h5").write_bytes(source.read("model.weights.h5"))
    config.pop("build_config", None)
    for layer in config["config"]["layers"]:
        layer["module"] = "keras.src.layers.old"
        layer["config"]["dtype"] = "float32"
        if layer["class_name"] == "InputLayer":
            layer["config"]["batch_input_shape"] = layer["config"].pop("batch_shape")
        if layer["class_name"] == "DepthwiseConv2D":
            layer["config"]["groups"] = 1
    config["module"] = "keras.src.engine.sequential"
    with h5py.File(tmp_path / "weights.h5", "r+") as file:
        file.move("layers", "_layer_checkpoint_dependencies")
    with zipfile.ZipFile(tmp_path / "old.keras", "w") as target:
        target.writestr("config.json", json.dumps(config))
        target.writestr("metadata.json", json.dumps({"keras_version": "2.13.1", "date_saved": "2023-08-01@00:00:00"}))
        target.write(tmp_path / "weights.h5", "model.weights.h5")
    same(read_keras(tmp_path / "old.keras"), model)


def test_reading_leaves_a_model_in_memory_as_it_was(keras: Any) -> None:
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4, activation="relu"), keras.layers.Dense(2)])
    before = [w.copy() for w in model.get_weights()]
    first, second = from_model(model, "m", "m"), from_model(model, "m", "m")
    assert [node.name for node in first.nodes] == [node.name for node in second.nodes]
    for was, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)
