"""Promise: the dense autoencoder of MLPerf Tiny, 640 values to 8 and back, goes the whole road with its own metric."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tflite", reason="the package tflite is not installed")

import dqt_edge as dqt
from tests.cli.outcome import Outcome
from tests.support.task_models import stack

SIZES = (640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640)
FOLDER = os.environ.get("DQT_REFERENCE_MODELS")
RNG = np.random.default_rng(31)
BASIS = np.linalg.qr(RNG.normal(size=(640, 4)))[0]


def machine(count: int, strange: float = 0.0) -> np.ndarray:
    """Spectra of a machine that has four ways to sound, and noise."""
    sound = 10 * RNG.normal(size=(count, 4)) @ BASIS.T
    return (sound + RNG.normal(0, 0.05 + strange, (count, 640))).astype(np.float32)


def write_model(path: Path) -> np.ndarray:
    """An autoencoder that keeps the four ways: x = relu(x) - relu(-x) through every layer; its inputs."""
    both = np.concatenate([np.eye(4), -np.eye(4)])
    layers, width = [np.zeros((128, 640))], 8
    layers[0][:8] = both @ BASIS.T
    for size in SIZES[2:-1]:
        weights = np.zeros((size, layers[-1].shape[0]))
        weights[:width, :width] = np.eye(width)
        layers.append(weights + 1e-3 * RNG.normal(size=weights.shape))
    layers.append(np.zeros((640, 128)))
    layers[-1][:, :8] = BASIS @ both.T
    layers[0][8:] = 1e-3 * RNG.normal(size=(120, 640))
    x = machine(60)
    x[::3] += RNG.normal(0, 0.4, (20, 640)).astype(np.float32)
    stack(path, x, layers)
    return x


@pytest.fixture
def model(here: Path) -> np.ndarray:
    x = write_model(here / "ad.tflite")
    np.savez(here / "ad.npz", x_test=x, y_test=(np.arange(60) % 3 == 0).astype(int))
    return x


@pytest.mark.parametrize("board", ["host", pytest.param("qemu-m4", marks=pytest.mark.qemu)])
def test_it_is_imported_and_profiled(board: str, model: np.ndarray, dqt_command: Callable[..., Outcome], here) -> None:
    done = dqt_command("import", "ad.tflite", "--out", "ad.safetensors", "--candidates", "8x8,4x8", "--data", "ad.npz")
    assert done.code == 0, done.err
    assert "task: reconstruction" in done.out
    graph = dqt.load("ad.safetensors")
    assert (graph.total_macs, len(graph.adaptive)) == (264_192, 10)
    assert dqt_command("export", "ad.safetensors", "--board", board).code == 0
    assert dqt_command("build").code == 0
    done = dqt_command("profile", "--data", "ad.npz", "--n", 9, "--first", "--policy", "8x8", "--report", "r")
    assert done.code == 0, done.err
    told = json.loads((here / "r" / "report.json").read_text())
    assert (told["task"], told["mismatches"], told["samples"]) == ("reconstruction", 0, 9)
    assert told["metrics"]["auc"] == 1
    assert told["metrics"]["mse_normal"] < 0.25 * told["metrics"]["mse_anomaly"]
    # What lies outside the four ways is what an ideal one cannot give back.
    kept = model[:9] @ BASIS @ BASIS.T
    ideal = ((model[:9] - kept) ** 2).mean(axis=1)
    assert told["metrics"]["mse_anomaly"] == pytest.approx(ideal[::3].mean(), rel=0.2)


def test_it_is_searched(model: np.ndarray, dqt_command: Callable[..., Outcome], here: Path) -> None:
    assert dqt_command("import", "ad.tflite", "--out", "ad.safetensors", "--candidates", "8x8,4x8").code == 0
    done = dqt_command("search", "ad.safetensors", "--data", "ad.npz", "--samples", 30, "--budget", "0.8,0.6",
                       "--trials", 2, "--report", "r", "--out", "half.safetensors")  # fmt: skip
    assert done.code == 0, done.err
    told = json.loads((here / "r" / "search.json").read_text())
    assert told["loss"] == "mse"
    wide, narrow = told["points"][0], told["points"][1]
    assert wide["bitops_ratio"] <= 0.8
    assert narrow["bitops_ratio"] <= 0.6
    assert 0 <= wide["loss"] <= narrow["loss"]
    assert "accuracy" not in done.out
    assert all(point["metrics"]["auc"] > 0.9 for point in told["points"][:1])


@pytest.mark.slow
@pytest.mark.train
def test_the_named_one_trains_a_few_epochs(dqt_command: Callable[..., Outcome], here: Path, tensorflow) -> None:
    strange = machine(40, 0.4)
    np.savez("machine.npz", x=machine(400), x_test=np.concatenate([machine(40), strange]), y_test=np.arange(80) // 40)
    done = dqt_command("train", "--data", "machine.npz", "--model", "autoencoder", "--candidates", "8x8,4x8",
                       "--budget", "0.9", "--epochs", 8, "--warmup", 6, "--batch", 16,
                       "--out", "m.safetensors")  # fmt: skip
    assert done.code == 0, done.err
    assert "accuracy" not in done.out + done.err
    graph = dqt.load("m.safetensors")
    assert (graph.task, graph.total_macs, len(graph.adaptive)) == ("reconstruction", 264_192, 8)
    assert graph.adaptive[0].name == "encoder2"
    found = graph.provenance["keras"]
    assert set(found) == {"8x8", "4x8", "dynamic", "static"}
    assert found["8x8"]["metrics"]["auc"] > 0.9
    log = [line.split(",") for line in Path("m.csv").read_text().splitlines()]
    rows = [dict(zip(log[0], line, strict=True)) for line in log[1:]]
    assert {row["metric"] for row in rows} == {"mse"}
    assert float(rows[-1]["val_full"]) < 0.5 * float(rows[0]["val_float"])


@pytest.mark.skipif(FOLDER is None, reason="DQT_REFERENCE_MODELS does not name a folder with the models")
def test_the_reference_model_is_a_reconstruction(here: Path) -> None:
    graph = dqt.import_model(Path(FOLDER or "") / "ad01_int8.tflite", candidates="8x8,4x8")
    assert graph.task == "reconstruction"
    tensor = graph.tensor(graph.input)
    x = (tensor.scale * (RNG.integers(0, 256, (8, 1, 1, 640)) - tensor.zero_point)).astype(np.float32)
    score = dqt.validate(graph, x, policy="8x8").score
    assert [figure.name for figure in score.figures] == ["mse"]
