"""What the tests of importers need, and what skips them."""

# ruff: noqa: PLC0415 - TensorFlow is imported where a test needs it, not where tests are collected

from __future__ import annotations

import importlib.util
from typing import Any

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with a reason, what needs TensorFlow where it is absent."""
    if importlib.util.find_spec("tensorflow") is None:
        for item in items:
            if item.get_closest_marker("train"):
                item.add_marker(pytest.mark.skip(reason="TensorFlow is not installed"))


@pytest.fixture(scope="session")
def keras() -> Any:
    """Keras, started as the command does."""
    from dqt_edge.system.tensorflow import start_tensorflow

    start_tensorflow()
    import keras

    return keras
