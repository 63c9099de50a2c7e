"""Short training runs shared by the tests of this folder."""

# ruff: noqa: PLC0415 - TensorFlow is imported where a test needs it, not where tests are collected

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from dqt_edge.training.options import Options

SHORT = Options(model="tiny", epochs=6, seed=3)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with a reason, what trains where TensorFlow is absent."""
    if importlib.util.find_spec("tensorflow") is None:
        for item in items:
            if item.get_closest_marker("train"):
                item.add_marker(pytest.mark.skip(reason="TensorFlow is not installed"))


@pytest.fixture(scope="session")
def tensorflow() -> Any:
    """TensorFlow, started as the command does."""
    from dqt_edge.system.tensorflow import start_tensorflow

    start_tensorflow()
    import tensorflow as tf

    return tf


@pytest.fixture(scope="session")
def short_run(tensorflow: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A short run of ``tiny``, never interrupted."""
    from dqt_edge.training.loop import train

    return train(SHORT, tmp_path_factory.mktemp("short") / "short.safetensors")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where a test's checkpoint goes."""
    return tmp_path / "model.safetensors"
