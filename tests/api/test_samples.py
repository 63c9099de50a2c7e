"""Promise: a part of a data set is taken at random, each class in proportion, and images need no TensorFlow."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import dqt_edge as dqt
from dqt_edge.api.given import samples_of
from dqt_edge.cli import cli
from dqt_edge.errors import DataWarning
from dqt_edge.graph import Graph

RNG = np.random.default_rng(4)
Y = np.repeat(np.arange(10), 20)
X = RNG.random((200, 8, 8, 1)).astype(np.float32)
"""Sorted by class."""


def test_some_of_a_sorted_file_are_of_all_classes(graph: Graph) -> None:
    found = dqt.validate(graph, (X, Y), policy="8x8", count=50)
    assert {samples for _, samples in found.per_class.values()} == {5}
    first = dqt.validate(graph, (X, Y), policy="8x8", count=50, first=True)
    assert [samples for _, samples in first.per_class.values()] == [20, 20, 10, *[0] * 7]


@pytest.mark.parametrize("kind", ["arrays", "file", "codes"])
def test_inputs_and_labels_are_those_of_the_same_samples(kind: str, graph: Graph, tmp_path: Path) -> None:
    marked = X.copy()
    marked[:, 0, 0, 0] = np.arange(200) / 255
    codes = np.round(255 * marked).astype(np.uint8)
    np.savez(tmp_path / "d.npz", x_test=marked, y_test=Y)
    data = {"arrays": (marked, Y), "file": tmp_path / "d.npz", "codes": (codes, Y)}[kind]
    parts = [samples_of(data, graph, 40, seed=seed) for seed in (1, 2)]
    for part in parts:
        places = part.codes[:, 0, 0, 0]
        np.testing.assert_array_equal(part.labels, Y[places])
        np.testing.assert_array_equal(part.codes, codes[places])
    assert (parts[0].codes != parts[1].codes).any()


def test_a_stream_has_no_gaps(graph: Graph) -> None:
    class Streaming:
        """The same graph with states, of which the choice of samples asks."""

        states = ("one",)

        def __getattr__(self, name: str) -> object:
            return getattr(graph, name)

    part = samples_of((X, Y), Streaming(), 30)  # type: ignore[arg-type]
    np.testing.assert_array_equal(part.codes, samples_of((X, Y), graph).codes[:30])


def test_a_search_calibrates_and_judges_with_different_samples_of_all_classes(graph: Graph, tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x_test=X, y_test=Y)
    seen = {}
    for first in (False, True):
        found = dqt.search(graph, tmp_path / "d.npz", budget=0.5, samples=30, count=60, trials=0, first=first)
        assert (found.found.calibration_samples, found.found.test_samples, found.found.overlap) == (30, 60, True)
        seen[first] = [point.accuracy for point in found.points]
    assert seen[False] != seen[True]


@pytest.mark.parametrize("command", ["profile", "compare", "search", "import"])
def test_every_command_that_takes_a_part_has_seed_and_first(command: str) -> None:
    told = CliRunner().invoke(cli, [command, "--help"]).output
    assert "--first" in told
    assert "--seed" in told


# --- Units ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [255, 1 / 255])
def test_inputs_in_another_unit_are_said(factor: float, graph: Graph) -> None:
    with pytest.warns(DataWarning, match="in another unit") as caught:
        dqt.validate(graph, (factor * X, Y), count=10)
    assert f"the inputs of model {graph.name!r}" in str(caught[0].message)


def test_a_calibration_in_another_unit_is_seen_where_the_model_is_used(graph: Graph) -> None:
    with pytest.warns(DataWarning, match=r"[0-9.]+% of the values are cut off"):
        samples_of((2 * X, Y), graph)


# --- Folders --------------------------------------------------------------------------------------------------

WITHOUT_TENSORFLOW = """
import sys
sys.modules["tensorflow"] = sys.modules["keras"] = None
import dqt_edge as dqt
model, folder = sys.argv[1:]
print(dqt.validate(model, folder, policy="8x8").samples)
print(dqt.search(model, folder, budget=0.5, samples=6, count=4, trials=0).found.test_samples)
project = dqt.export(model, "host", "p")
dqt.build(project)
print(dqt.profile(project, folder, policy="8x8", count=5).mismatches)
"""


def test_images_need_no_tensorflow(graph: Graph, tmp_path: Path) -> None:
    pixels = replace(graph, tensors=tuple(
        replace(tensor, scale=1.0) if tensor.name == graph.input else tensor for tensor in graph.tensors
    ))  # fmt: skip
    dqt.save(pixels, tmp_path / "m.safetensors")
    for name in graph.classes:
        for i in range(6):
            path = tmp_path / "images" / name / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(RNG.integers(0, 256, (20, 16)).astype(np.uint8)).save(path)
    command = [sys.executable, "-c", WITHOUT_TENSORFLOW, tmp_path / "m.safetensors", tmp_path / "images"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["12", "4", "0"]), done.stderr
