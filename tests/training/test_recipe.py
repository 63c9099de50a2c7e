"""Promise: the recipe learns the digits at every width, keeps the budget, and its controller tells inputs apart."""

# ruff: noqa: PLC0415 - TensorFlow is imported where a test needs it, not where tests are collected

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dqt_edge.training.options import Options


@pytest.mark.slow
@pytest.mark.train
def test_a_quarter_of_the_usual_run_already_learns(out: Path, tensorflow: Any) -> None:
    from dqt_edge.training.finish import finished_graph
    from dqt_edge.training.loop import train

    options = Options(epochs=40)
    measured = finished_graph(train(options, out), options).provenance["keras"]
    accuracies = {name: facts["accuracy"] for name, facts in measured.items()}
    assert min(accuracies.values()) > 0.92, accuracies
    assert measured["dynamic"]["bitops_ratio"] <= 0.5
    assert len(measured["dynamic"]["width_vectors"]) > 1
