"""Promise: numbers, autoencoders, yes and no and maps train as classes do, and what comes out answers in their unit."""

# ruff: noqa: PLC0415 - TensorFlow is imported where a test needs it, not where tests are collected

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dqt_edge as dqt
from dqt_edge import errors
from dqt_edge.api.given import dataset_of
from dqt_edge.data.load import load_data
from dqt_edge.graph import nested
from dqt_edge.training.options import Options

RNG = np.random.default_rng(17)
QUICK = {"batch": 16, "candidates": "8x8,4x4", "budget": 0.95, "warmup": 2, "epochs": 4}
pytestmark = pytest.mark.train


def sequential(*layers: Any, shape: tuple[int, ...]) -> Any:
    import keras

    keras.utils.set_random_seed(5)
    return keras.Sequential([keras.Input(shape), *layers], name="small")


def dense(*units: int, inputs: int) -> Any:
    import keras

    hidden = [keras.layers.Dense(n, activation="relu") for n in units[:-1]]
    return sequential(*hidden, keras.layers.Dense(units[-1]), shape=(inputs,))


def numbers(count: int = 480) -> tuple[np.ndarray, np.ndarray]:
    """Features, and two numbers that they determine: far from zero, and on both sides of it."""
    x = RNG.normal(size=(count, 6)).astype(np.float32)
    return x, np.stack([30 + 4 * x[:, 0] * (x[:, 1] > 0), 9 * x[:, 2]], axis=1)


@pytest.fixture(scope="module")
def regression(tensorflow: Any) -> tuple[Any, np.ndarray, np.ndarray]:
    x, y = numbers()
    return dqt.train((x, y), dense(32, 24, 2, inputs=6), **QUICK), x, y


def test_numbers_are_learned_in_their_own_unit(regression) -> None:
    trained, x, y = regression
    assert trained.graph.task == "regression"
    output = trained.graph.tensor(trained.graph.output)
    low, high = (output.scale * (code - output.zero_point) for code in (0, 255))
    assert low == pytest.approx(y.min(), abs=output.scale * 3)
    assert high == pytest.approx(y.max(), abs=output.scale * 3)
    for name in ("8x8", "4x4", "dynamic", "static"):
        found = trained.results[name]
        assert set(found["metrics"]) == {"rmse", "mae", "r2"}
        assert "accuracy" not in found
    assert trained.results["8x8"]["metrics"]["r2"] > 0.5
    assert {row["metric"] for row in trained.log} == {"rmse"}
    assert trained.log[-1]["val_full"] < y.std()
    score = dqt.validate(trained.graph, (x, y), policy="8x8").score
    assert score.main.value == pytest.approx(trained.results["8x8"]["metrics"]["rmse"], rel=0.5)
    assert "RMSE" in repr(trained)
    assert "accuracy" not in repr(trained)


def test_a_trained_regression_survives_its_checkpoint_and_goes_on_a_device(regression, here: Path) -> None:
    trained, x, y = regression
    dqt.save(trained.graph, "r.safetensors")
    assert dqt.load("r.safetensors") == trained.graph
    project = dqt.export("r.safetensors", "host", "r-host")
    dqt.build(project)
    result = dqt.profile(project, (x[:20], y[:20]))
    result.require_agreement()
    assert (result.accuracy, result.score.main.name) == (None, "rmse")


def test_errors_count_in_parts_of_the_targets_spread(tensorflow: Any) -> None:
    from dqt_edge.tasks import TASKS, Head
    from dqt_edge.training.objective import Given, Numbers

    task = TASKS["regression"](Head((1, 1, 2), (2,)))
    y, outputs = RNG.normal(size=(50, 2)).astype(np.float32), RNG.normal(size=(50, 2)).astype(np.float32)
    away = outputs - y
    squares = Numbers(task, 7.0, 4.0)
    assert float(squares.hard(y, outputs)) == pytest.approx((away**2).mean() / 4)
    assert float(Numbers(task, 7.0, 4.0, absolute=True).hard(y, outputs)) == pytest.approx(np.abs(away).mean() / 2)
    assert squares.told(float(squares.figure(y, outputs))) == pytest.approx(7 * np.sqrt((away**2).mean()))
    assert squares.value(y, outputs) == pytest.approx(7 * np.sqrt((away**2).mean()))
    assert squares.quality(y, outputs) == -squares.value(y, outputs)
    given = Given(squares, lambda targets, found: tensorflow.reduce_max(tensorflow.abs(targets - found)))
    assert float(given.hard(y, outputs)) == pytest.approx(7 * np.abs(away).max())
    np.testing.assert_array_equal(given.soft_each(y, outputs), squares.soft_each(y, outputs))


@pytest.mark.slow
def test_a_loss_of_ones_own_is_minimised(tensorflow: Any) -> None:
    x, y = numbers(96)
    seen = []

    def to_the_fourth(targets: Any, outputs: Any) -> Any:
        seen.append((targets.shape, outputs.shape))
        return tensorflow.reduce_mean((targets - outputs) ** 4, axis=-1)

    log = dqt.train((x, y), dense(8, 8, 2, inputs=6), **(QUICK | {"epochs": 6, "warmup": 4}), loss=to_the_fourth).log
    assert seen[0] == ((16, 2), (16, 2))
    assert log[0]["loss"] > 100, "in the data's unit"
    assert log[3]["loss"] < 0.9 * log[0]["loss"]


def test_an_autoencoder_learns_from_normal_samples_and_finds_others(tensorflow: Any) -> None:
    basis = RNG.normal(size=(3, 20))
    x = (RNG.normal(size=(400, 3)) @ basis).astype(np.float32)
    y = np.arange(400) % 4 == 0
    x[y] += RNG.normal(size=(100, 20)) * 1.5
    model = dense(16, 4, 16, 20, inputs=20)
    trained = dqt.train((x, y.astype(int)), model, **(QUICK | {"epochs": 8, "warmup": 6, "candidates": "8x8,4x8"}))
    assert trained.graph.task == "reconstruction"
    graph = trained.graph
    source, target = graph.tensor(graph.input), graph.tensor(graph.output)
    assert (source.scale, source.zero_point) == (target.scale, target.zero_point)
    assert graph.provenance["data"]["train"] == 204, "normal samples of 80 % less 15 %"
    found = trained.results["8x8"]["metrics"]
    assert found["auc"] > 0.8
    assert found["mse_normal"] < found["mse_anomaly"]
    assert {row["metric"] for row in trained.log} == {"mse"}
    assert trained.log[-1]["val_full"] < trained.log[0]["val_float"]


@pytest.mark.slow
def test_inputs_alone_train_an_autoencoder(tensorflow: Any) -> None:
    x = RNG.random((60, 12)).astype(np.float32)
    trained = dqt.train((x,), dense(8, 8, 12, inputs=12), **QUICK)
    assert trained.graph.task == "reconstruction"
    assert set(trained.results["8x8"]["metrics"]) == {"mse"}


def test_yes_and_no_by_one_output(tensorflow: Any) -> None:
    x = RNG.normal(size=(400, 6)).astype(np.float32)
    y = (x[:, 0] + x[:, 1] > 0.8).astype(int)
    options = QUICK | {"epochs": 10, "warmup": 6}
    trained = dqt.train((x, y), dense(16, 16, 1, inputs=6), **options, balance=1.0)
    assert trained.graph.task == "binary"
    found = trained.results["8x8"]
    assert set(found["metrics"]) == {"accuracy", "auc", "threshold"}
    assert found["metrics"]["auc"] > 0.9
    assert found["accuracy"] > max(y.mean(), 1 - y.mean())


@pytest.mark.slow
def test_a_class_at_each_place(tensorflow: Any) -> None:
    import keras

    keras.utils.set_random_seed(3)
    x = np.random.default_rng(3).random((320, 6, 6, 1)).astype(np.float32)
    y = (x[..., 0] > 0.35).astype(int) + (x[..., 0] > 0.7)
    layers = [keras.layers.Conv2D(8, 3, padding="same", activation="relu") for _ in range(2)]
    model = sequential(*layers, keras.layers.Conv2D(3, 1), shape=(6, 6, 1))
    trained = dqt.train((x, y), model, **(QUICK | {"epochs": 12, "warmup": 8}))
    assert trained.graph.task == "map"
    assert trained.results["8x8"]["metrics"]["pixel_accuracy"] > 0.5
    assert set(trained.results["8x8"]["iou"]) <= {"0", "1", "2"}


@pytest.mark.parametrize("coding", [(0.05, 0), (0.02, 90)])
def test_evaluation_is_the_interpreters_with_outputs_of_numbers(coding: tuple[float, int], tensorflow: Any) -> None:
    import tensorflow as tf

    from dqt_edge.architectures.spec import INPUT, Conv, Fully, Spec
    from dqt_edge.training.layers import Run
    from dqt_edge.training.network import NestedModel
    from dqt_edge.training.to_graph import to_graph
    from tests.training.test_evaluation import assert_equal_everywhere

    nodes = (Conv("stem", INPUT, 4, adaptive=False), Conv("conv", "stem", 4), Fully("last", "conv", 3))
    model = NestedModel(
        Spec("numbers", nodes, control="stem", hidden=4), (5, 5, 1), (), candidates=((8, 8), (4, 4), (2, 4)),
        input_scale=1 / 255, input_zero_point=0, task="regression", output_coding=coding,
    )  # fmt: skip
    x = RNG.random((16, 5, 5, 1)).astype(np.float32)
    model(tf.constant(x), run=Run(nested=False, calibrate=True))
    graph = to_graph(model, "numbers")
    output = graph.tensor(graph.output)
    assert (output.scale, output.zero_point, graph.task) == (*coding, "regression")
    assert_equal_everywhere(model, graph, x)
    choice = tf.zeros(len(model.adaptive), tf.int32)
    real, _ = model(tf.constant(model.on_codes(x)), run=Run(nested=True, choice=choice))
    from dqt_edge.graph import interpreter

    codes = interpreter.run(graph, nested.quantize(x, 1 / 255, 0), "8x8").outputs
    assert np.abs(255 * np.asarray(real) + output.zero_point - codes).max() < 2.01


WRONG = {
    "a loss of another task": ({"loss": "cross-entropy"}, "task regression is not trained with cross-entropy"),
    "a task that is none": ({"task": "juggling"}, "'juggling' is no task"),
    "several outputs": ({"task": "outputs"}, "the network must have one output"),
    "no map of a name": ({"task": "map"}, "no named model makes a map"),
    "classes of numbers": ({"task": "classifier"}, "a classifier takes class numbers"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_go_together_is_refused(name: str, tensorflow: Any) -> None:
    from dqt_edge.training.loop import Trainer

    options, words = WRONG[name]
    x = RNG.random((40, 8, 8, 1)).astype(np.float32)
    data = dataset_of((x, RNG.normal(size=40)))
    with pytest.raises(errors.UsageError, match=words):
        Trainer(Options(data="x", **options), data)


def test_one_class_alone_is_no_classifier(tensorflow: Any, tmp_path: Path) -> None:
    from dqt_edge.training.loop import Trainer

    np.savez(tmp_path / "d.npz", x=RNG.random((40, 8, 8)), y=np.ones(40, int))
    with pytest.raises(errors.BadFileError, match="all 27 training samples are of class '1'"):
        Trainer(Options(data="x"), load_data(str(tmp_path / "d.npz")))
