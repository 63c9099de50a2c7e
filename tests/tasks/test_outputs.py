"""Promise: several outputs are judged one behind another, each in its own unit, by validate and search."""

from __future__ import annotations

import numpy as np
import pytest

import dqt_edge as dqt
from dqt_edge import errors
from dqt_edge.graph import Dense, Graph, Requantize, Tensor, interpreter
from dqt_edge.tasks import every_output, infer, reals

RNG = np.random.default_rng(9)
PAIRS = ((8, 8), (4, 8), (2, 8))


def dense(name: str, source: str, inputs: int, outputs: int, adaptive: bool = True) -> Dense:
    requantize = Requantize(np.full(outputs, 1 << 21, np.int32), np.full(outputs, 32, np.uint8))
    weights = RNG.integers(-100, 101, (outputs, inputs)).astype(np.int8)
    bias = np.full(outputs, 200_000, np.int32)
    return Dense(name, source, f"{name}_out", weights, bias, requantize, PAIRS if adaptive else PAIRS[:1])


@pytest.fixture(scope="module")
def graph() -> Graph:
    """Three numbers and two others of another scale, behind a hidden layer."""
    layers = (
        dense("hidden", "input", 10, 12),
        dense("pose", "hidden_out", 12, 3),
        dense("speed", "hidden_out", 12, 2, adaptive=False),
    )
    tensors = (
        Tensor("input", (1, 1, 10), 0.1, 128), Tensor("hidden_out", (1, 1, 12), 0.05),
        Tensor("pose_out", (1, 1, 3), 0.5, 90),
        Tensor("speed_out", (1, 1, 2), 0.01, 128),
    )  # fmt: skip
    return Graph("two", tensors, layers, "input", "pose_out", more_outputs=("speed_out",), task="outputs")


@pytest.fixture(scope="module")
def data(graph: Graph) -> tuple[np.ndarray, np.ndarray]:
    codes = RNG.integers(0, 256, (60, 1, 1, 10), dtype=np.uint8)
    found = interpreter.run(graph, codes, "8x8").output_codes
    pose, speed = (graph.tensor(name) for name in ("pose_out", "speed_out"))
    right = [t.scale * (found[t.name].astype(float) - t.zero_point) for t in (pose, speed)]
    return codes, np.concatenate(right, axis=1) + RNG.normal(0, 0.02, (60, 5))


def test_outputs_stand_one_behind_another(graph: Graph, data) -> None:
    codes, y = data
    assert infer(graph) == "outputs"
    real = reals(graph, every_output(interpreter.run(graph, codes, "8x8")))
    assert real.shape == y.shape == (60, 5)
    np.testing.assert_allclose(real, y, atol=0.1)
    score = dqt.validate(graph, (codes, y), policy="8x8").score
    assert score.main.name == "rmse"
    assert score.main.value == pytest.approx(np.sqrt(((real - y) ** 2).mean()))
    assert list(score.details["outputs"]) == ["0", "1", "2", "3", "4"]
    with pytest.raises(errors.UsageError, match="3 targets for each sample, and the model has 5 outputs"):
        dqt.validate(graph, (codes, y[:, :3]), policy="8x8")


def test_a_search_weighs_each_output_by_its_own_spread(graph: Graph, data) -> None:
    codes, y = data
    found = dqt.search(graph, (codes, y), samples=30, budget=0.7, trials=4)
    assert found.found.loss == "mse"
    assert found.best.bitops_ratio <= 0.7
    uniform = {point.pairs[0]: point for point in found.points if point.origin == "uniform"}
    assert uniform[8, 8].loss == 0
    assert uniform[4, 8].loss < uniform[2, 8].loss
    assert uniform[8, 8].score.main.value < uniform[2, 8].score.main.value
    assert found.best.accuracy is None
