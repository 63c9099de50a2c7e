"""Promise: every command speaks the figures of the model's task, and none of another one, at 80 columns too."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tflite", reason="the package tflite is not installed")

import dqt_edge as dqt
from dqt_edge import errors
from dqt_edge.tasks.kinds import TASKS
from dqt_edge.tasks.score import FIGURES
from tests.cli.outcome import Outcome
from tests.support.task_models import SAMPLES, Case, cases

SAID = {
    "classifier": ("accuracy", "mean recall"),
    "binary": ("accuracy", "AUC", "threshold"),
    "regression": ("RMSE", "MAE", "R2"),
    "reconstruction": ("AUC", "MSE of normal inputs", "MSE of others"),
    "map": ("pixel accuracy", "mean IoU"),
}
OPTIONS = {"regression": ("--task", "regression")}
"""Two outputs look like those of two classes."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    return cases(tmp_path_factory.mktemp("models"))


@pytest.fixture
def narrow(dqt_command: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """The command line in a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    return dqt_command


def imported(run: Callable[..., Outcome], task: str, case: Case, here: Path, *more: object) -> Outcome:
    data = case.save(here / "test.npz")
    done = run("import", case.model, "--out", "m.safetensors", "--candidates", "8x8,4x8", "--data", data,
               *OPTIONS.get(task, ()), *more)  # fmt: skip
    assert done.code == 0, done.err
    return done


def expected(task: str, case: Case) -> dict[str, float]:
    """Figures of the model in floating point, from their definitions."""
    outputs, y = case.outputs, case.y
    if task == "classifier":
        return {"accuracy": (outputs.argmax(1) == y).mean()}
    if task == "binary":
        pairs = np.subtract.outer(outputs[y == 1, 0], outputs[y == 0, 0])
        return {"accuracy": ((outputs[:, 0] > 0) == y).mean(), "auc": (pairs > 0).mean()}
    if task == "regression":
        return {"rmse": np.sqrt(((outputs - y) ** 2).mean()), "mae": np.abs(outputs - y).mean()}
    if task == "reconstruction":
        away = ((outputs - case.x) ** 2).mean(1)
        wins = np.subtract.outer(away[y == 1], away[y == 0]) > 0
        return {"auc": wins.mean(), "mse_normal": away[y == 0].mean(), "mse_anomaly": away[y == 1].mean()}
    return {"pixel_accuracy": (outputs.reshape(SAMPLES, 20, 4).argmax(2) == y.reshape(SAMPLES, 20)).mean()}


def assert_speaks(task: str, text: str) -> None:
    assert all(title in text for title in SAID[task]), text
    own = {FIGURES[name].title for name in FIGURES if FIGURES[name].title in SAID[task]}
    foreign = {kind.title for kind in FIGURES.values()} - own - {"MSE"}
    words = text.replace("pixel accuracy", "").replace("RMSE", "").replace("MSE of", "")
    if task == "map":
        foreign -= {"accuracy"}
    assert not [title for title in foreign if f"{title}:" in words or f" {title} " in words], text
    if task in ("regression", "reconstruction"):
        assert "accuracy" not in text


@pytest.mark.parametrize("task", SAID)
def test_import_tells_the_task_and_how_good_the_model_is(task: str, models, narrow, here: Path) -> None:
    done = imported(narrow, task, models[task], here)
    assert f"task: {task}" in done.out
    assert f"{SAMPLES} samples" in done.out
    assert_speaks(task, done.out)
    assert dqt.load("m.safetensors").task == task
    assert max(map(len, done.out.splitlines())) <= 80


@pytest.mark.parametrize("task", SAID)
def test_profile_and_its_reports(task: str, models, narrow, here: Path) -> None:
    imported(narrow, task, models[task], here)
    assert narrow("export", "m.safetensors", "--board", "host").code == 0
    assert narrow("build").code == 0
    done = narrow("profile", "--data", "test.npz", "--policy", "8x8", "--report", "r")
    assert done.code == 0, done.err
    assert_speaks(task, done.out)
    told = json.loads((here / "r" / "report.json").read_text())
    assert (told["task"], told["mismatches"]) == (task, 0)
    assert told["metrics"] == told["interpreter_metrics"]
    assert ("accuracy" in told) == (task in ("classifier", "binary"))
    for name, value in expected(task, models[task]).items():
        assert told["metrics"][name] == pytest.approx(value, rel=0.1, abs=0.05), name
    page = (here / "r" / "report.html").read_text()
    assert all(title in page for title in SAID[task])
    assert ("accuracy" in page) == (task in ("classifier", "binary", "map"))


@pytest.mark.parametrize("task", SAID)
def test_search_works_on_the_tasks_loss_and_judges_by_its_figure(task: str, models, narrow, here: Path) -> None:
    imported(narrow, task, models[task], here)
    done = narrow("search", "m.safetensors", "--data", "test.npz", "--samples", 30, "--budget", "0.8", "--trials", 2,
                  "--report", "r", "--out", "half.safetensors")  # fmt: skip
    assert done.code == 0, done.err
    told = json.loads((here / "r" / "search.json").read_text())
    assert (told["task"], told["loss"]) == (task, TASKS[task].loss)
    assert f"loss ({TASKS[task].loss})" in done.out
    assert FIGURES[next(iter(told["points"][0]["metrics"]))].title.split()[0] in done.out
    for point in told["points"]:
        assert ("accuracy" in point) == (task in ("classifier", "binary"))
        assert set(point["metrics"]) >= set(expected(task, models[task]))
    half = dqt.load("half.safetensors")
    assert (half.task, half.adaptive) == (task, ())
    assert half.provenance["search"]["metrics"] == told["points"][0]["metrics"]


@pytest.mark.train
@pytest.mark.parametrize("task", SAID)
def test_compare_gives_both_sides(task: str, models, narrow, here: Path, tensorflow) -> None:
    imported(narrow, task, models[task], here)
    done = narrow("compare", "m.safetensors", models[task].model, "--data", "test.npz")
    assert done.code == 0, done.err
    for title in SAID[task]:
        assert title == "threshold" or f"{title}: dqt-edge" in done.out
    assert ("another answer at" in done.out) == (task in ("classifier", "binary", "map"))
    told = json.loads(narrow("compare", "m.safetensors", models[task].model, "--data", "test.npz", "--json").out)
    assert (told["task"], told["samples"]) == (task, SAMPLES)
    assert told["output_rms"] < 0.05 * models[task].outputs.std()
    for name, value in expected(task, models[task]).items():
        assert told["metrics"][name] == pytest.approx(value, rel=0.1, abs=0.05)
        assert told["reference_metrics"][name] == pytest.approx(value, rel=0.1, abs=0.05)


def test_a_threshold_is_given_or_chosen(models, narrow, here: Path) -> None:
    case = models["binary"]
    done = imported(narrow, "binary", case, here, "--threshold", "0.75")
    assert "threshold: 0.75" in done.out
    np.savez("chosen.npz", x_test=case.x, y_test=case.y)
    imported(narrow, "binary", case, here, "--threshold", "chosen.npz")
    threshold = dqt.load("m.safetensors").provenance["threshold"]

    def recalls(at: float) -> float:
        above = case.outputs[:, 0] > at
        return above[case.y == 1].mean() + (~above)[case.y == 0].mean()

    assert recalls(threshold) >= max(recalls(at) for at in case.outputs[:, 0]) - 0.05
    assert dqt.validate("m.safetensors", (case.x, case.y), policy="8x8").score.figures[-1].value == threshold


@pytest.mark.parametrize("threshold", [None, -0.4, 1e9])
def test_the_header_says_which_codes_answer_yes(threshold: float | None, models, here: Path) -> None:
    graph = dqt.import_model(models["binary"].model, threshold=threshold)
    project = dqt.export(graph, "host", here / "p")
    header = (project.folder / "model" / f"dqt_{graph.name}.h").read_text()
    least = int(re.search(r"_YES_FROM (\d+)u", header)[1])
    tensor = graph.tensor(graph.output)
    real = tensor.scale * (np.arange(256) - tensor.zero_point)
    assert ((real > (threshold or 0.0)) == (np.arange(256) >= least)).all()
    other = dqt.export(dqt.import_model(models["classifier"].model), "host", here / "q")
    assert "_YES_FROM" not in "".join(path.read_text() for path in (other.folder / "model").glob("*.h"))


def test_a_sigmoid_stays_where_its_value_matters(models, here: Path) -> None:
    case = models["binary"]
    binary = dqt.import_model(case.model)
    numbers = dqt.import_model(case.model, task="regression")
    assert (binary.task, numbers.task) == ("binary", "regression")
    assert "dropped" in binary.provenance
    assert "dropped" not in numbers.provenance
    chances = 1 / (1 + np.exp(-case.outputs))
    found = dqt.validate(numbers, (case.x, chances), policy="8x8")
    assert found.score.main.value < 0.02


WRONG = {
    "too many classes": (
        "classifier",
        {"y_test": np.arange(SAMPLES) % 5},
        "label 3 occurs, and the model has outputs for 3 classes",
    ),
    "numbers for classes": ("classifier", {"y_test": np.ones((SAMPLES, 3))}, "takes class numbers"),
    "a third answer": ("binary", {"y_test": np.arange(SAMPLES) % 3}, "label 2 occurs"),
    "one number for two": ("regression", {"y_test": np.ones(SAMPLES)}, "and the model has 2 outputs"),
    "a map of another size": ("map", {"y_test": np.zeros((SAMPLES, 5, 5), int)}, "class numbers [4, 5]"),
}


@pytest.mark.parametrize("name", WRONG)
def test_targets_without_an_output_are_refused(name: str, models, narrow, here: Path) -> None:
    task, arrays, words = WRONG[name]
    np.savez("wrong.npz", x_test=models[task].x, **arrays)
    done = narrow("import", models[task].model, "--out", "m.safetensors", "--data", "wrong.npz", *OPTIONS.get(task, ()))
    assert done.code == errors.UsageError.exit_code, done.out + done.err
    assert words in " ".join(done.err.split())
    assert not (here / "m.safetensors").exists()
