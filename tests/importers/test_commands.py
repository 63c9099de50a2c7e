"""Promise: the commands write a checkpoint that runs, or nothing, and say what they did."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

pytest.importorskip("tflite", reason="the package tflite is not installed")

from dqt_edge import errors
from dqt_edge.boards import load_board
from dqt_edge.cli import cli
from dqt_edge.graph import checkpoint
from dqt_edge.lowering.plan import make_plan
from tests.support.json_keys import told
from tests.support.tflite_models import small_network

RNG = np.random.default_rng(4)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(a) for a in arguments])


def data_file(folder: Path, count: int = 20) -> Path:
    path = folder / "test.npz"
    x = RNG.uniform(-2, 2, (count, 9, 7, 3)).astype(np.float32)
    np.savez(path, x_test=x, y_test=RNG.integers(0, 5, count))
    return path


def test_import_writes_a_checkpoint_that_can_be_lowered(here: Path) -> None:
    model = small_network().write(here / "small.tflite")
    done = run("import", model, "--out", "s.safetensors", "--candidates", "8x8,4x8", "--data", data_file(here))
    assert done.exit_code == 0, done.output
    assert "imported small: 8 layers" in done.output
    assert "adaptive layers: 3, candidates 8x8,4x8" in done.output
    assert "20 samples" in done.output
    graph = checkpoint.load(here / "s.safetensors")
    assert graph.provenance["source"] == "small.tflite"
    for board in ("host", "qemu-m4"):
        assert make_plan(graph, load_board(board)).layers


def test_a_floating_point_model_needs_calibration(here: Path) -> None:
    model = small_network("FLOAT32").write(here / "small.tflite")
    done = run("import", model, "--out", "s.safetensors")
    assert isinstance(done.exception, errors.UsageError)
    assert "--calibration" in done.exception.next_step
    assert not (here / "s.safetensors").exists()
    done = run("import", model, "--out", "s.safetensors", "--calibration", data_file(here, 64))
    assert done.exit_code == 0, done.output
    assert checkpoint.load(here / "s.safetensors").provenance["calibration"]["samples"] == 64


def test_nothing_is_written_for_a_model_that_cannot_be_imported(here: Path) -> None:
    model = small_network()
    model.ops[0] = ("CUMSUM", *model.ops[0][1:])
    done = run("import", model.write(here / "bad.tflite"), "--out", "s.safetensors")
    assert isinstance(done.exception, errors.UnsupportedError)
    assert done.exception.exit_code == 4
    assert not (here / "s.safetensors").exists()


@pytest.mark.parametrize("name", ["model.pb", "model", "model.tflite.zip"])
def test_other_kinds_of_files_are_refused(name: str, here: Path) -> None:
    done = run("import", here / name, "--out", "s.safetensors")
    assert isinstance(done.exception, errors.UsageError)
    assert ".tflite, .onnx, .keras, .h5" in done.exception.next_step


@pytest.mark.train
def test_compare_prints_layers_and_agreement(here: Path) -> None:
    model = small_network().write(here / "small.tflite")
    assert run("import", model, "--out", "s.safetensors").exit_code == 0
    done = run("compare", "s.safetensors", model, "--data", data_file(here))
    assert done.exit_code == 0, done.output
    assert "given equal inputs: 1 codes" in done.output or "given equal inputs: 0 codes" in done.output
    assert "20 samples" in done.output
    assert "accuracy: dqt-edge" in done.output
    assert re.search(r"first layer that differs: (none|\w+, by up to \d+ codes?)\n", done.output)
    done = run("compare", "s.safetensors", model, "--n", 7, "--json")
    found = told("compare", done.output, whole=["compared layer"])
    assert (found["samples"], found["accuracy"], len(found["layers"])) == (7, None, 8)
