"""Short training runs shared by the tests of this folder."""

# ruff: noqa: PLC0415 - TensorFlow is imported where a test needs it, not where tests are collected

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dqt_edge.training.options import Options

SHORT = Options(model="tiny", epochs=6, seed=3)


@pytest.fixture(scope="session")
def short_run(tensorflow: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A short run of ``tiny``, never interrupted."""
    from dqt_edge.training.loop import train

    return train(SHORT, tmp_path_factory.mktemp("short") / "short.safetensors")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where a test's checkpoint goes."""
    return tmp_path / "model.safetensors"
