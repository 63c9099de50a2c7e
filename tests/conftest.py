"""Fixtures shared by all tests: a trained model, its checkpoint, and what this machine lacks."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest

from dqt_edge.graph import Graph
from tests.support.compiler_cache import use_compiler_cache
from tests.support.digits import DIGITS, digits_graph

NEEDS = {
    "qemu": ("qemu-system-arm", "qemu-system-arm is not installed"),
    "cross": ("arm-none-eabi-gcc", "arm-none-eabi-gcc is not installed"),
    "clang": ("clang", "clang is not installed"),
}

use_compiler_cache()

hypothesis.settings.register_profile(
    "any speed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any speed")

ALL = "DQT_ALL_TESTS"
"""Variable with which every case of every test runs, as ``make test-all`` does."""

TRAINED = frozenset({"short_run", "early"})
"""Fixtures that train: tests which share one stay on one worker, or each worker would train."""


def pytest_report_header() -> str:
    """Say what is left out."""
    return (
        f"{ALL} is set: every case runs"
        if ALL in os.environ
        else "tests marked some(n) take every n-th case, those marked slow none"
    )


def _take_some(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of a test marked ``some(n)`` leave every n-th case, of one marked ``slow`` none; the others are deselected."""
    seen: Counter[str] = Counter()
    left: list[pytest.Item] = []
    gone: list[pytest.Item] = []
    for item in items:
        mark = item.get_closest_marker("some")
        base = item.nodeid.partition("[")[0]
        leaves = item.get_closest_marker("slow") is not None or (mark is not None and seen[base] % mark.args[0])
        (gone if leaves else left).append(item)
        seen[base] += 1
    config.hook.pytest_deselected(items=gone)
    items[:] = left


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip, with a reason, what needs a tool that is absent; a QEMU test needs the compiler too."""
    if ALL not in os.environ and not any("::" in arg for arg in config.args):
        _take_some(config, items)
    for item in items:
        for name in TRAINED.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.xdist_group(name))
        for mark in item.iter_markers():
            for name in ("cross", "qemu") if mark.name == "qemu" else (mark.name,):
                if name in NEEDS and shutil.which(NEEDS[name][0]) is None:
                    item.add_marker(pytest.mark.skip(reason=NEEDS[name][1]))
                if name == "train" and importlib.util.find_spec("tensorflow") is None:
                    item.add_marker(pytest.mark.skip(reason="TensorFlow is not installed"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Start the module's ``RNG`` anew, before fixtures too: a test draws the same numbers whichever ran before it."""
    rng = getattr(getattr(item, "module", None), "RNG", None)
    if isinstance(rng, np.random.Generator):
        seed = rng.bit_generator.seed_seq
        rng.bit_generator.state = np.random.default_rng(seed).bit_generator.state


@pytest.fixture(scope="session")
def tensorflow() -> Any:
    """TensorFlow, started as the command does."""
    from dqt_edge.system.tensorflow import start_tensorflow  # noqa: PLC0415

    start_tensorflow()
    import tensorflow as tf  # noqa: PLC0415 - where a test needs it, not where tests are collected

    return tf


@pytest.fixture(scope="session")
def graph() -> Graph:
    """The trained digits model: residual block, depthwise and 1x1 convolution, pooling, dense, controller."""
    return digits_graph()


@pytest.fixture(scope="session")
def model_file() -> Path:
    """Its checkpoint."""
    return DIGITS


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
