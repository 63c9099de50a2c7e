"""Fixtures shared by all tests: a trained-like model without training, its checkpoint, and what this machine lacks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dqt_edge import checkpoint
from dqt_edge.graph import Graph
from tests.support.digits_graph import digits_graph

NEEDS = {
    "qemu": ("qemu-system-arm", "qemu-system-arm is not installed"),
    "cross": ("arm-none-eabi-gcc", "arm-none-eabi-gcc is not installed"),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with a reason, what needs a tool that is absent; a QEMU test needs the compiler too."""
    for item in items:
        for mark in item.iter_markers():
            for name in ("cross", "qemu") if mark.name == "qemu" else (mark.name,):
                if name in NEEDS and shutil.which(NEEDS[name][0]) is None:
                    item.add_marker(pytest.mark.skip(reason=NEEDS[name][1]))


@pytest.fixture(scope="session")
def graph() -> Graph:
    """A small network for 8x8 images with every operator and a controller; random weights, fixed seed."""
    return digits_graph()


@pytest.fixture(scope="session")
def model_file(graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its checkpoint."""
    path = tmp_path_factory.mktemp("model") / "digits.safetensors"
    checkpoint.save(graph, path)
    return path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
