"""Promise: a run's picture shows every line of its log and every policy of its results."""

from __future__ import annotations

import pytest

from dqt_edge.report import run_picture as picture

LOG = [
    {"epoch": 1, "phase": "float", "val_float": 70.0},
    {"epoch": 2, "phase": "nested", "val_full": 80.0, "val_least": 60.0, "val_dynamic": 75.0, "best": True},
    {"epoch": 3, "phase": "nested", "val_full": 81.0, "val_least": 61.0, "val_dynamic": 74.0, "best": False},
]
MEASURED = {"8x8": {"accuracy": 0.8, "bitops_ratio": 1.0}, "dynamic": {"accuracy": 0.79, "bitops_ratio": 0.4}}


def test_the_picture_names_lines_and_policies() -> None:
    pytest.importorskip("altair")
    drawing = picture.run_picture(LOG, MEASURED)
    assert drawing is not None
    assert drawing.startswith("<svg")
    for text in ("floating point", "8x8", "least widths", "dynamic", "epoch", "held-out"):
        assert text in drawing
    alone = picture.run_picture(LOG, {})
    assert alone is not None
    assert "held-out" not in alone


def test_without_altair_there_is_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "find_altair", lambda: None)
    assert picture.run_picture(LOG, MEASURED) is None
