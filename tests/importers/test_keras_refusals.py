"""Promise: what cannot be imported is told at once, and no code of a Keras file runs."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dqt_edge.errors import BadFileError, UnsupportedError
from dqt_edge.importers.keras import from_model, read_keras
from dqt_edge.importers.keras.config import check_config
from dqt_edge.importers.keras.refusals import REFUSED

pytestmark = [  # of Keras and TensorFlow themselves, with NumPy 2
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


def told(model: Any, path: Path) -> list[str]:
    """Lines about the layers of a model that is refused; the same from its file and in memory."""
    model.save(path)
    with pytest.raises(UnsupportedError) as caught:
        read_keras(path)
    first, *lines = caught.value.what.splitlines()
    assert first.startswith(f"{len(lines)} layer")
    assert all("nearest supported form: " in line for line in lines)
    with pytest.raises(UnsupportedError) as again:
        from_model(model, "memory", "m")
    assert again.value.what == caught.value.what
    return lines


def names(lines: list[str]) -> list[str]:
    return [line.split("'")[1] for line in lines]


@pytest.mark.train
def test_every_layer_is_told_and_no_consequence(keras: Any, tmp_path: Path) -> None:
    """Causes only, each once, in the order of the model; what comes behind a refused layer is checked as well."""
    layers = keras.layers
    shared = layers.LayerNormalization(name="twice")
    source = keras.Input((8, 8, 4))
    x = layers.Conv2D(4, 3, padding="same", name="fine")(source)
    x = shared(shared(x))
    x = layers.Activation("log_softmax", name="curved")(x)
    part = keras.Sequential([keras.Input((8, 8, 4)), layers.UnitNormalization(name="unit"), layers.ReLU()], name="part")
    x = layers.Conv2D(4, 3, name="also_fine")(part(x))
    x = layers.LSTM(3, name="memory")(layers.Reshape((36, 4))(x))
    x = layers.Dense(2, name="behind")(x)
    lines = told(keras.Model(source, x), tmp_path / "m.keras")
    assert names(lines) == ["twice", "curved", "part/unit", "memory"]


@pytest.mark.train
def test_open_dimensions_are_named(keras: Any, tmp_path: Path) -> None:
    layers = keras.layers
    image, series = keras.Input((None, None, 3), name="image"), keras.Input((None, 4), name="series")
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(image))
    y = layers.GRU(4, name="memory")(layers.Conv1D(4, 3)(series))
    lines = told(keras.Model([image, series], layers.Add()([x, y])), tmp_path / "m.keras")
    assert names(lines) == ["image", "series", "memory"]
    assert "dimensions 1 and 2 of its shape (None, None, None, 3)" in lines[0]
    assert "dimension 1 of its shape (None, None, 4)" in lines[1]


REFUSALS = {
    "LSTM": lambda k, x: k.LSTM(3)(x),
    "GRU": lambda k, x: k.GRU(3)(x),
    "SimpleRNN": lambda k, x: k.SimpleRNN(3)(x),
    "Bidirectional": lambda k, x: k.Bidirectional(k.LSTM(3))(x),
    "Embedding": lambda k, x: k.Embedding(9, 3)(k.Flatten()(x)),
    "MultiHeadAttention": lambda k, x: k.MultiHeadAttention(1, 2)(x, x),
    "LayerNormalization": lambda k, x: k.LayerNormalization()(x),
    "GroupNormalization": lambda k, x: k.GroupNormalization(2)(x),
    "Dot": lambda k, x: k.Dot(axes=1)([x, x]),
    "RandomCrop": lambda k, x: k.RandomCrop(3, 3)(k.Reshape((8, 8, 2))(x)),
    "EinsumDense": lambda k, x: k.EinsumDense("abc,cd->abd", output_shape=(None, 5))(x),
    "MaxPooling3D": lambda k, x: k.MaxPooling3D(2)(k.Reshape((4, 4, 4, 2))(x)),
}


@pytest.mark.train
@pytest.mark.parametrize("kind", REFUSALS)
def test_a_layer_that_cannot_come_in_gets_its_sentence(kind: str, keras: Any, tmp_path: Path) -> None:
    source = keras.Input((16, 8))
    (line,) = told(keras.Model(source, REFUSALS[kind](keras.layers, source)), tmp_path / "m.keras")
    assert f"({kind}): {REFUSED[kind][0]}; nearest supported form: {REFUSED[kind][1]}" in line


def limits(keras: Any) -> dict[str, tuple[tuple[int, ...], Any, str]]:
    layers, ops = keras.layers, keras.ops
    return {
        "channels first": (
            (3, 8, 8),
            layers.ZeroPadding2D(data_format="channels_first"),
            "its channels come first",
        ),
        "axis of normalisation": ((8, 8, 3), layers.BatchNormalization(axis=1), "it is over axis 1"),
        "slope for each element": ((8, 8, 3), layers.PReLU(), "shared_axes=[1, 2]"),
        "convolutions of steps": (
            (4, 8, 8, 3),
            layers.TimeDistributed(layers.Conv2D(2, 3)),
            "it repeats Conv2D over 4 steps",
        ),
        "interpolation": ((8, 8, 3), layers.Resizing(4, 4, "bicubic"), "its interpolation is bicubic"),
        "another batch": ((8, 3), lambda x: ops.reshape(x, (-1, 3)), "between the samples"),
        "across the batch": ((8, 3), lambda x: x - ops.mean(x, axis=0, keepdims=True), "across the samples"),
        "some of the batch": ((8, 3), lambda x: x[1:, :], "it takes some samples of a batch"),
        "other ranks": ((8, 3), lambda x: x + ops.mean(x, axis=1), "its tensors have 1 and 2 dimensions"),
        "a comparison": ((8, 3), lambda x: ops.where(x > 0, x, 0.5), "it chooses by a condition"),
        "a place": ((8,), lambda x: ops.argmax(x, axis=-1), "a model that ends before it"),
        "an unknown operation": ((8,), ops.arctan, "this operation is not supported"),
        "a logarithm within": (
            (8,),
            lambda x: layers.Dense(2)(layers.Activation("log_softmax")(x)),
            "is not at the end of a classifier",
        ),
        "a division": ((8, 3), lambda x: x / (ops.abs(x) + 1), "it divides by a tensor"),
        "a product": ((8, 3), lambda x: ops.matmul(x, ops.transpose(x, (0, 2, 1))), "two tensors as matrices"),
        "integers": ((8, 3), lambda x: ops.cast(x, "int32"), "it makes int32 of real numbers"),
        "a power": ((8, 3), lambda x: ops.power(x, 3.0), "one of these powers"),
    }


@pytest.mark.train
def test_what_goes_beyond_the_supported_form_is_refused_with_a_reason(keras: Any, tmp_path: Path) -> None:
    for name, (shape, build, reason) in limits(keras).items():
        source = keras.Input(shape)
        lines = told(keras.Model(source, build(source)), tmp_path / "m.keras")
        assert any(reason in line for line in lines), (name, lines)


@pytest.mark.train
def test_code_of_your_own_is_refused_in_memory(keras: Any) -> None:
    class Doubled(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return x * 2

    source = keras.Input((6,))
    x = keras.layers.Dense(4, activation=lambda v: v * 2, name="own_function")(source)
    x = keras.layers.Lambda(lambda v: v + 1, name="code")(Doubled(name="own_class")(x))
    with pytest.raises(UnsupportedError) as caught:
        from_model(keras.Model(source, x), "memory", "m")
    assert names(caught.value.what.splitlines()[1:]) == ["own_function", "own_class", "code"]


@pytest.mark.train
def test_a_model_without_a_graph_is_refused(keras: Any) -> None:
    class Own(keras.Model):
        def call(self, x: Any) -> Any:
            return x

    for model in (Own(), keras.Sequential([keras.layers.Dense(3)])):
        with pytest.raises(UnsupportedError, match="without a graph of layers"):
            from_model(model, "memory", "m")


def test_a_model_of_something_else_is_refused() -> None:
    """Keras 2 beside Keras 3, for instance."""
    with pytest.raises(UnsupportedError, match="is of types and not of Keras 3") as caught:
        from_model(SimpleNamespace(layers=[]), "memory", "m")
    assert "model.h5" in caught.value.next_step


@pytest.mark.train
def test_weights_must_be_finite(keras: Any, tmp_path: Path) -> None:
    source = keras.Input((6,))
    model = keras.Model(source, keras.layers.Dense(3, name="sick")(source))
    model.layers[1].kernel.assign(np.full((6, 3), np.nan))
    (line,) = told(model, tmp_path / "m.keras")
    assert "'sick' (Dense): its weights are not finite" in line


# --- Files that would run code --------------------------------------------------------------------------------


def archive(path: Path, config: Any) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", config if isinstance(config, str) else json.dumps(config))
    return path


def sequential(*layers: dict[str, Any], **extra: Any) -> dict[str, Any]:
    return {"class_name": "Sequential", "config": {"name": "s", "layers": list(layers)}, **extra}


def layer(kind: str, name: str, **extra: Any) -> dict[str, Any]:
    return {"class_name": kind, "config": {"name": name}, "module": "keras.layers", **extra}


def test_what_is_checked_is_what_is_loaded(tmp_path: Path) -> None:
    """A file may be HDF5 and an archive at once, each with another configuration; Keras goes by the name."""
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    both = tmp_path / "m.h5"
    with h5py.File(both, "w") as file:
        file.attrs["model_config"] = json.dumps(sequential(layer("Lambda", "run")))
    harmless = archive(tmp_path / "harmless.keras", sequential(layer("Dense", "d")))
    both.write_bytes(both.read_bytes() + harmless.read_bytes())
    assert zipfile.is_zipfile(both)
    with pytest.raises(UnsupportedError, match="it holds code"):
        check_config(both)


def test_what_is_refused_by_its_kind_is_told_beside_code(tmp_path: Path) -> None:
    """A file that is never loaded still gets as long a list as its configuration can tell."""
    config = sequential(layer("LSTM", "memory"), layer("Lambda", "run"), layer("Dense", "fine"))
    with pytest.raises(UnsupportedError) as caught:
        check_config(archive(tmp_path / "m.keras", config))
    assert names(caught.value.what.splitlines()[1:]) == ["memory", "run"]


@pytest.mark.train
def test_an_archive_without_weights_is_refused(keras: Any, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model.save(tmp_path / "good.keras")
    with zipfile.ZipFile(tmp_path / "good.keras") as good:
        path = archive(tmp_path / "cut.keras", good.read("config.json").decode())
    with pytest.raises(BadFileError, match="weights cannot be read"):
        read_keras(path)


@pytest.mark.train
def test_what_only_training_needs_may_be_your_own(keras: Any, tmp_path: Path) -> None:
    """Regularisers, the loss and the optimiser are not loaded, so they may be code that is not there."""
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, kernel_regularizer="l2")])
    model.save(tmp_path / "plain.keras")
    with zipfile.ZipFile(tmp_path / "plain.keras") as plain, zipfile.ZipFile(tmp_path / "own.keras", "w") as own:
        config = json.loads(plain.read("config.json"))
        dense = config["config"]["layers"][1]["config"]
        dense["kernel_regularizer"] = {
            "class_name": "Mine",
            "module": "mine",
            "config": {},
            "registered_name": "x>Mine",
        }
        config["compile_config"] = {"loss": {"class_name": "function", "module": "mine", "config": "my_loss"}}
        own.writestr("config.json", json.dumps(config))
        for name in ("metadata.json", "model.weights.h5"):
            own.writestr(name, plain.read(name))
    assert [node.kind for node in read_keras(tmp_path / "own.keras").nodes] == ["dense"]


@pytest.mark.train
def test_weights_without_a_model_are_told(keras: Any, tmp_path: Path) -> None:
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(BadFileError, match="weights without the model"):
        read_keras(tmp_path / "m.weights.h5")


@pytest.mark.train
def test_values_that_do_not_fit_together_are_told(keras: Any, tmp_path: Path) -> None:
    source = keras.Input((6, 3))
    lines = told(keras.Model(source, keras.layers.Rescaling([1.0, 2.0], name="two")(source)), tmp_path / "m.keras")
    assert names(lines) == ["two"]
