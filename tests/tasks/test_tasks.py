"""Promise: a task takes the targets that its outputs can answer and no others, and its score is the metric's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dqt_edge.errors import UnsupportedError, UsageError
from dqt_edge.graph import Dense, Graph, Requantize, Tensor
from dqt_edge.tasks import Head, Score, headline, infer, inputs_of, reals, score_json, stated, task_of, with_task
from dqt_edge.tasks.kinds import TASKS
from dqt_edge.tasks.score import FIGURES, Figure

RNG = np.random.default_rng(3)


def made(task: str, shape: tuple[int, int, int], **facts: object):
    return TASKS[task](Head(shape, (int(np.prod(shape)),), **facts))


def values(score: Score) -> dict[str, float]:
    return {figure.name: figure.value for figure in score.figures}


# --- Scores ---------------------------------------------------------------------------------------------------


def test_a_classifier_is_judged_by_its_largest_output() -> None:
    outputs = np.array([[1.0, 2.0, 2.0], [5.0, 0.0, 1.0], [0.0, 0.0, 3.0], [0.0, 4.0, 1.0]])
    score = made("classifier", (1, 1, 3), classes=("a", "b", "c")).score(outputs, np.array([1, 0, 1, 1]))
    assert values(score) == {"accuracy": 0.75, "mean_recall": pytest.approx((1 + 2 / 3) / 2)}
    assert score.per_class == {"a": (1, 1), "b": (2, 3), "c": (0, 0)}
    assert (score.accuracy, score.quality, score.samples) == (0.75, 0.75, 4)
    assert score.main.full_text.startswith("75.00 % (30.1 to 95.4)")
    assert made("classifier", (1, 1, 3), classes=("a", "b", "c")).describe(outputs[1]) == "a"


@pytest.mark.parametrize(
    ("facts", "threshold", "right"), [({}, 0.0, 2), ({"chances": True}, 0.5, 3), ({"threshold": 0.25}, 0.25, 4)]
)
def test_a_binary_model_answers_above_its_threshold(facts: dict, threshold: float, right: int) -> None:
    outputs, y = np.array([[0.1], [0.2], [0.7], [0.4]]), np.array([0, 0, 1, 1])
    if facts == {"chances": True}:
        outputs[2] = 0.8
    task = made("binary", (1, 1, 1), **facts)
    score = task.score(outputs, y)
    assert values(score) == {"accuracy": right / 4, "auc": 1.0, "threshold": threshold}
    found = task.answers(outputs) == y
    assert score.accuracy == found.mean()


def test_a_binary_model_with_one_kind_of_label_has_no_auc() -> None:
    assert "auc" not in values(made("binary", (1, 1, 1)).score(np.ones((3, 1)), np.ones(3, np.int64)))


def test_a_regression_is_judged_by_its_errors_in_its_own_unit() -> None:
    y = RNG.normal(20, 5, (50, 2))
    outputs = y + RNG.normal(0, 1, (50, 2))
    score = made("regression", (1, 1, 2)).score(outputs, y)
    away = outputs - y
    assert values(score)["rmse"] == pytest.approx(np.sqrt((away**2).mean()))
    assert values(score)["mae"] == pytest.approx(np.abs(away).mean())
    assert values(score)["r2"] == pytest.approx(np.mean(1 - (away**2).mean(0) / y.var(0)))
    assert set(score.details["outputs"]) == {"0", "1"}
    assert score.details["outputs"]["1"]["mae"] == pytest.approx(np.abs(away[:, 1]).mean())
    assert score.accuracy is None
    assert score.quality == -values(score)["rmse"]


def test_a_reconstruction_is_judged_by_its_inputs_and_tells_strange_ones() -> None:
    inputs = RNG.random((40, 2, 3, 1))
    y = np.arange(40) % 2
    outputs = inputs.reshape(40, -1) + 0.1 + 0.2 * y[:, None]
    task = made("reconstruction", (2, 3, 1))
    assert values(task.score(outputs[y == 0], None, inputs[y == 0])) == {"mse": pytest.approx(0.01)}
    found = values(task.score(outputs, y, inputs))
    assert found == {"auc": 1.0, "mse_normal": pytest.approx(0.01), "mse_anomaly": pytest.approx(0.09)}
    assert task.score(outputs, y, None) is None


def test_a_map_is_judged_at_each_place() -> None:
    wanted = RNG.integers(0, 3, (5, 4, 6))
    outputs = np.eye(3)[wanted] + 0.1
    outputs[0, 0, 0] = np.eye(3)[(wanted[0, 0, 0] + 1) % 3]
    task = made("map", (4, 6, 3))
    score = task.score(outputs.reshape(5, -1), task.targets(wanted))
    assert values(score)["pixel_accuracy"] == pytest.approx(1 - 1 / 120)
    assert 0.9 < values(score)["mean_iou"] < 1
    assert score.accuracy is None
    single = made("map", (2, 2, 1))
    score = single.score(np.array([[-1.0, 1.0, 2.0, -3.0]]), single.targets(np.array([[[0, 1], [0, 0]]])))
    assert values(score) == {"pixel_accuracy": 0.75, "mean_iou": pytest.approx((2 / 3 + 1 / 2) / 2)}


@pytest.mark.parametrize("name", TASKS)
def test_equal_outputs_do_not_differ_and_noise_does(name: str) -> None:
    shape = {"map": (3, 3, 2), "binary": (1, 1, 1)}.get(name, (1, 1, 4))
    outputs = RNG.normal(0, 2, (30, int(np.prod(shape))))
    task = made(name, shape)
    near, far = (task.difference(outputs, outputs + RNG.normal(0, s, outputs.shape)) for s in (0.1, 1.0))
    assert task.difference(outputs, outputs) == pytest.approx(0, abs=1e-12)
    assert 0 < near < far


def test_nothing_is_invented_without_targets() -> None:
    for name in set(TASKS) - {"reconstruction"}:
        assert made(name, (1, 1, 1)).score(np.ones((3, 1)), None, np.ones((3, 1))) is None
    assert score_json("regression", None) == {"metrics": {}}
    assert score_json("classifier", None) == {"metrics": {}, "accuracy": None}


def test_every_task_is_told_by_a_figure_that_is_known_and_survives_json() -> None:
    for name in TASKS:
        assert headline(name) == FIGURES[TASKS[name].headline].title
    score = Score("regression", 7, (Figure("rmse", 0.25), Figure("mae", 0.2, (0.1, 0.3))))
    assert stated(score.as_json()) == score.figures
    assert stated({"accuracy": 0.75, "samples": 4}) == (Figure("accuracy", 0.75),)


# --- Targets --------------------------------------------------------------------------------------------------

REFUSED = {
    "a label too many": ("classifier", (1, 1, 5), [0, 4, 5], "label 5 occurs, and the model has outputs for 5 classes"),
    "a negative label": ("classifier", (1, 1, 5), [0, -1], "label -1 occurs"),
    "real labels": ("classifier", (1, 1, 5), [0.0, 1.0], "of type float64, and a classifier takes class numbers"),
    "two for one": ("classifier", (1, 1, 5), [[0, 1]], "takes one class number for each sample"),
    "a third answer": ("binary", (1, 1, 1), [0, 1, 2], "label 2 occurs, and the model has outputs for 2 classes"),
    "a kind of anomaly": ("reconstruction", (1, 1, 4), [0, 3], "label 3 occurs"),
    "a target too many": ("regression", (1, 1, 2), [[1.0, 2.0, 3.0]], "3 targets for each sample, and the model has 2"),
    "no number": ("regression", (1, 1, 1), [np.nan], "not finite"),
    "text": ("regression", (1, 1, 1), ["a"], "of type <U1"),
    "another size": ("map", (2, 2, 3), np.zeros((4, 3, 3), int), r"class numbers \[2, 2\] for each sample"),
    "another class": ("map", (2, 2, 3), np.full((4, 2, 2), 3), "label 3 occurs, and the model has outputs for 3"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_targets_that_the_outputs_cannot_answer_are_refused(name: str) -> None:
    task, shape, y, reason = REFUSED[name]
    with pytest.raises(UsageError, match=reason) as caught:
        made(task, shape).targets(np.array(y))
    assert caught.value.where == "parameter `data`"


def test_targets_take_the_shape_of_the_outputs() -> None:
    assert made("regression", (1, 1, 1)).targets(np.array([1, 2], np.int32)).shape == (2, 1)
    assert made("binary", (1, 1, 1)).targets(np.array([[True], [False]])).tolist() == [1, 0]
    assert made("map", (1, 4, 2)).targets(np.zeros((3, 4), int)).shape == (3, 4)


# --- Which task -----------------------------------------------------------------------------------------------


def dense(outputs: int, inputs: int = 6, scale: float = 0.1, zero_point: int = 128, shape=None, **facts) -> Graph:
    """One dense layer, with an output of any shape that has its size."""
    layer = Dense(
        "dense", "input", "output", RNG.integers(-128, 128, (outputs, inputs)).astype(np.int8),
        np.zeros(outputs, np.int32),
        Requantize(np.full(outputs, 1 << 20, np.int32), np.full(outputs, 32, np.uint8)), ((8, 8),),
    )  # fmt: skip
    tensors = (Tensor("input", (1, 1, inputs), 0.5, 100), Tensor("output", (1, 1, outputs), scale, zero_point))
    return Graph("g", tensors, (layer,), "input", "output", **facts)


def test_a_task_is_inferred_from_the_outputs() -> None:
    assert infer(dense(4)) == "classifier"
    assert infer(dense(1)) == "regression"
    assert infer(dense(1, provenance={"dropped": ["LOGISTIC"]})) == "binary"
    assert infer(dense(1, scale=1 / 256, zero_point=0)) == "binary"
    assert infer(dense(6)) == "reconstruction"
    two = replace(dense(4), tensors=(*dense(4).tensors,), more_outputs=())
    assert infer(two) == "classifier"
    assert with_task(dense(4), None).task == "classifier"
    assert with_task(dense(4), "regression").task == "regression"


@pytest.mark.parametrize(
    ("task", "outputs", "reason"),
    [
        ("binary", 4, "a single number, and the model makes 4"),
        ("classifier", 1, "a number for each class"),
        ("reconstruction", 4, "as many outputs as inputs, 6, and the model makes 4"),
        ("outputs", 4, "several outputs"),
        ("juggling", 4, "is no task"),
    ],
)
def test_a_task_that_the_outputs_cannot_have_is_refused(task: str, outputs: int, reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        with_task(dense(outputs), task)
    assert caught.value.where == "parameter `task`"


def test_names_suit_the_task() -> None:
    with pytest.raises(UnsupportedError, match="2 class names for 1 outputs"):
        dense(1, classes=("no", "yes"))
    graph = replace(dense(1), task="binary")
    assert task_of(replace(graph, classes=("no", "yes"))).names == ("no", "yes")
    assert task_of(replace(graph, provenance={"threshold": 0.75})).threshold == 0.75


def test_codes_stand_for_numbers() -> None:
    graph = dense(4)
    codes = RNG.integers(0, 256, (5, 4), dtype=np.uint8)
    np.testing.assert_allclose(reals(graph, codes), 0.1 * (codes.astype(float) - 128))
    inputs = RNG.integers(0, 256, (5, 1, 1, 6), dtype=np.uint8)
    np.testing.assert_allclose(inputs_of(graph, inputs), 0.5 * (inputs.astype(float) - 100))
