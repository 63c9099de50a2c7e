"""Promise: with `balance`, the epoch is chosen by how well rare classes are found too, as the loss weighs them."""

# ruff: noqa: PLC0415 - TensorFlow is imported where a test needs it, not where tests are collected

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.train
Y = np.repeat([0, 1, 2], [90, 9, 1])
RIGHT = np.concatenate([np.arange(90) < 81, np.arange(9) < 3, [True]])
"""Recalls of 0.9, 1/3 and 1; the class 3 has no sample."""


@pytest.mark.parametrize(
    ("balance", "expected"),
    [(0.0, 85 / 100), (1.0, (0.9 + 1 / 3 + 1) / 3), (0.5, (81 / 90**0.5 + 3 / 3 + 1) / (90**0.5 + 3 + 1))],
)
def test_balance_leads_from_accuracy_to_mean_recall(balance: float, expected: float, tensorflow: Any) -> None:
    from dqt_edge.training.objective import balanced

    assert balanced(RIGHT, Y, balance) == pytest.approx(expected)


def test_the_best_epoch_has_the_best_score_though_another_has_the_best_accuracy(tensorflow: Any) -> None:
    from dqt_edge.training.loop import Trainer
    from dqt_edge.training.options import Options
    from dqt_edge.training.state import State

    trainer = SimpleNamespace(state=State(), options=Options(epochs=10, budget=0.5), keep=lambda: None)
    rows = [
        {"epoch": epoch, "val_full": full, "val_dynamic": full, "val_score": score, "val_loss": 1.0}
        for epoch, full, score in ((9, 90.0, 60.0), (10, 80.0, 70.0))
    ]
    for row in rows:
        Trainer.snapshot(trainer, row)  # type: ignore[arg-type]
    assert [row["best"] for row in rows] == [True, True]
    assert trainer.state.best_score[2] == 70.0
