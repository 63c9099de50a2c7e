"""Promise: training and import take a Keras model in memory as they take its file, and write nothing unasked."""

# ruff: noqa: PLC0415 - TensorFlow is imported where a test needs it, not where tests are collected

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dqt_edge as dqt
from dqt_edge import errors

RNG = np.random.default_rng(5)
QUICK = {"epochs": 1, "batch": 64, "candidates": ((8, 8), (4, 4)), "budget": 0.9}


@pytest.fixture
def keras_model(tensorflow: Any) -> Any:
    import keras

    keras.utils.set_random_seed(7)
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(4, 3, activation="relu", name="first"),
            keras.layers.Conv2D(6, 3, activation="relu", name="second"),
            keras.layers.Flatten(),
            keras.layers.Dense(3, name="last"),
        ],
        name="small",
    )


def save(model: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras's own, about NumPy
        model.save("small.keras")


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    return RNG.random((200, 8, 8), np.float32), RNG.integers(0, 3, 200)


@pytest.mark.train
def test_a_model_in_memory_trains_as_its_file(keras_model: Any, data, here: Path) -> None:
    pytest.importorskip("h5py", reason="h5py is not installed")
    save(keras_model)
    stages, steps, epochs = [], [], []
    mine = dqt.train(data, keras_model, **QUICK, on_stage=stages.append, on_step=steps.append, on_epoch=epochs.append)
    assert [(step.step, step.steps, step.phase) for step in steps] == [(1, 2, "nested"), (2, 2, "nested")]
    assert stages == ["reading data", "starting TensorFlow", "training", "measuring"]
    assert (tuple(epochs), len(epochs)) == (mine.log, 1)
    assert mine.files == ()
    assert sorted(path.name for path in here.iterdir()) == ["small.keras"]
    logged = []

    def read_log(row: dict[str, Any]) -> None:
        logged.append((here / "small.csv").read_text().splitlines()[-1].split(",")[:2] == ["1", row["phase"]])

    theirs = dqt.train(data, "small.keras", **QUICK, out="small.safetensors", on_epoch=read_log)
    assert logged == [True], "an epoch's row is on the disk when it is told of"
    assert mine.graph.layers == theirs.graph.layers
    assert mine.graph.controller == theirs.graph.controller
    assert mine.results == theirs.results
    assert set(mine.results) >= {"8x8", "4x4", "dynamic"}
    assert dqt.load("small.safetensors") == theirs.graph
    assert {path.suffix for path in theirs.files} >= {".safetensors", ".csv"}
    assert all(path.is_file() for path in theirs.files)
    assert "best epoch 1 of 1" in repr(mine)


@pytest.mark.train
def test_views_for_comparison_make_no_graph(keras_model: Any, data, here: Path) -> None:
    found = dqt.train(data, keras_model, **QUICK, view="plain")
    assert found.lowered is None
    assert len(found.log) == 1
    with pytest.raises(errors.UsageError, match="made no graph") as caught:
        found.graph  # noqa: B018
    assert "`view`" in caught.value.next_step
    assert not list(here.iterdir())


@pytest.mark.train
def test_a_model_in_memory_is_imported_as_its_file(keras_model: Any, here: Path) -> None:
    pytest.importorskip("h5py", reason="h5py is not installed")
    save(keras_model)
    typical = RNG.random((80, 8, 8, 1), np.float32)
    mine = dqt.import_model(keras_model, calibration=typical, candidates="8x8,4x8", classes="abc")
    theirs = dqt.import_model("small.keras", calibration=typical, candidates="8x8,4x8", classes="abc")
    from_bytes = dqt.import_model(Path("small.keras").read_bytes(), calibration=typical, candidates="8x8,4x8")
    assert mine.layers == theirs.layers == from_bytes.layers
    assert mine.classes == ("a", "b", "c")
    real = keras_model(typical).numpy().argmax(axis=1)
    assert dqt.validate(mine, (typical, real), policy="8x8").accuracy > 0.9


WRONG = {
    "resume": ({"resume": True}, errors.UsageError, "parameter `resume`"),
    "out": ({"out": "x.bin"}, errors.UsageError, "parameter `out`"),
    "folder": ({"out": "none/x.safetensors"}, errors.BadFileError, "none/x.safetensors"),
    "budget": ({"budget": 3}, errors.UsageError, "parameter `budget`"),
    "candidates": ({"candidates": ((8, 8), (9, 9))}, errors.UsageError, "parameter `candidates`"),
    "no 8x8": ({"candidates": "4x4"}, errors.UsageError, "parameter `candidates`"),
    "no pairs": ({"candidates": (8, 8)}, errors.UsageError, "parameter `candidates`"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_parameters_are_refused_before_tensorflow_starts(name: str, here: Path, monkeypatch) -> None:
    monkeypatch.setattr("dqt_edge.api.training.start_tensorflow", lambda: pytest.fail("TensorFlow was started"))
    given, kind, where = WRONG[name]
    with pytest.raises(kind) as caught:
        dqt.train("digits", **given)
    assert caught.value.where == where


@pytest.mark.train
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ((np.zeros((4, 8, 8)),) * 3, "3 arrays are no data set"),
        ((np.zeros((4, 8, 8)), np.zeros(3, np.int64)), "y has 3 labels for 4 images"),
        ((np.zeros(4), np.zeros(4, np.int64)), "x has shape"),
        (3, "int is no data"),
    ],
)
def test_wrong_arrays_are_refused(data: Any, reason: str, here: Path, tensorflow: Any) -> None:
    with pytest.raises((errors.UsageError, errors.BadFileError), match=reason):
        dqt.train(data, "tiny", out="x.safetensors")
    assert not list(here.iterdir())
