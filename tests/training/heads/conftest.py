"""Heads for the digits model, trained for a moment."""

# ruff: noqa: PLC0415 - TensorFlow is imported where a test needs it, not where tests are collected

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dqt_edge.data.load import codes, load_data
from tests.support.digits import DIGITS


@pytest.fixture(scope="session")
def early(tensorflow: Any) -> Any:
    """Two points, behind a layer with one candidate and behind adaptive ones; at all widths."""
    import dqt_edge as dqt

    return dqt.train_heads(DIGITS, "digits", points="stem,conv2", epochs=6, samples=600, seed=4)


@pytest.fixture(scope="session")
def inputs(graph: Any) -> np.ndarray:
    """Codes of held-out digits."""
    return codes(load_data("digits").x_test, graph)
