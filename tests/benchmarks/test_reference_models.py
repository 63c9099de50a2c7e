"""Promise: the run over the reference models fails when an accuracy is missed or an answer differs, and says why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

pytest.importorskip("tflite", reason="the package tflite is not installed")

from benchmarks import reference_models as reference
from dqt_edge.graph import Graph


def facts(accuracy: float = 0.9, mismatches: int = 0, alone: int = 1) -> dict:
    sets = {"test": {"accuracy": accuracy, "mismatches": mismatches}}
    return {"wanted": 0.869, "compared": {"test": {"largest_alone": alone}}, "boards": {"host": sets}}


@pytest.mark.parametrize(
    ("found", "lines"),
    [
        (facts(), []),
        (facts(accuracy=0.8689), ["resnet8: accuracy 0.8689, wanted 0.8690"]),
        (facts(mismatches=3), ["resnet8 on host: 3 answers differ"]),
        (facts(alone=2), ["resnet8, test: a layer is 2 codes from TFLite's"]),
    ],
)
def test_what_is_missed_is_told(found: dict, lines: list[str]) -> None:
    assert reference.problems("resnet8", found) == lines


@pytest.mark.parametrize("shape", [(12, 10, 3), (1, 1, 640)])
def test_inputs_like_real_ones_have_neighbours_that_resemble_each_other(shape: tuple[int, int, int]) -> None:
    made = reference.smooth(np.random.default_rng(1), shape, 40)
    assert made.shape == (40, *shape)
    flat = made.reshape(40, -1, 3) if shape[2] == 3 else made.reshape(40, -1, 1)
    near = np.abs(np.diff(flat.astype(int), axis=1)).mean()
    far = np.abs(flat.astype(int) - flat[:, ::-1]).mean()
    assert near < 0.8 * far
    assert made.std() > 20


def test_the_table_has_the_figure_of_the_models_own_task() -> None:
    """An autoencoder has no accuracy: its figure is the error of what it makes again."""
    boards = {"host": {"random": {"score": "MSE 886.2", "mismatches": 0, "samples": 2000, "count": None}}}
    beside = {
        "agreement": "outputs differ by 0.0025",
        "largest_alone": 1,
        "figures": ["MSE: dqt-edge 882.5, TFLite 882.5"],
    }
    console = Console(record=True, width=200)
    reference.show({"ad": {"title": "autoencoder", "compared": {"random": beside}, "boards": boards}}, [], console)
    told = console.export_text()
    assert "MSE 886.2, 0 of 2,000 differ" in told
    assert "MSE: dqt-edge 882.5, TFLite 882.5" in told
    assert "outputs differ by 0.0025, 1 code" in told


def test_without_data_both_kinds_of_inputs_are_made(graph: Graph, tmp_path: Path) -> None:
    made = reference.inputs(reference.MODELS["resnet8"], graph, tmp_path)
    assert {kind: (len(samples), labels) for kind, (samples, labels) in made.items()} == {
        "random": (reference.UNLABELLED, None),
        "like real ones": (reference.UNLABELLED, None),
    }
