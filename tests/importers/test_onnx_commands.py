"""Promise: the commands take an .onnx file, and compare it with ONNX Runtime layer by layer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

pytest.importorskip("onnx", reason="the extra onnx is not installed")
pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")

import dqt_edge as dqt
from dqt_edge.cli import cli
from dqt_edge.graph import checkpoint
from dqt_edge.importers.floating import outputs_of
from dqt_edge.importers.onnx import read_onnx
from dqt_edge.importers.reference_onnx import OnnxReference
from tests.importers.test_onnx_quantised import torch_model
from tests.support.onnx_models import Maker

RNG = np.random.default_rng(5)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(a) for a in arguments])


def test_the_package_is_imported_where_it_is_needed() -> None:
    code = "import sys, dqt_edge.cli, dqt_edge.importers.comparison, dqt_edge.importers.files, dqt_edge.importers.onnx"
    code += "; assert not {'onnx', 'onnxruntime'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_integer_model_needs_no_data(here: Path) -> None:
    torch_model(here / "torch.onnx", stored=True, dtype=np.int8, transposed=False)
    done = run("import", "torch.onnx", "--out", "torch.safetensors")
    assert done.exit_code == 0, done.output
    assert "input takes 12x12x3, channels last, though the file has them first" in done.output
    graph = checkpoint.load(here / "torch.safetensors")
    assert graph.provenance["source"] == "torch.onnx"
    done = run("compare", "torch.safetensors", "torch.onnx", "--n", 12, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    assert (told["runtime"], told["samples"]) == ("onnxruntime", 12)
    assert len(told["layers"]) == len(graph.layers)
    assert max(layer["alone"] for layer in told["layers"]) <= 1


def floating_model(path: Path) -> Path:
    """A map of two classes behind a concatenation, and a second output."""
    m = Maker()
    x = m.add("Relu", m.conv(m.input("batch", 2, 8, 10), 2, 6, pads=[1] * 4))
    y = m.add("Concat", x, m.add("Sigmoid", m.conv(x, 6, 3, (1, 1))), axis=1)
    classes = m.conv(y, 9, 2, (1, 1))
    return m.save(path, classes, m.dense(m.add("Flatten", m.add("GlobalAveragePool", y)), 9, 3))


def test_a_floating_point_model_is_compared_output_by_output(here: Path) -> None:
    floating_model(here / "map.onnx")
    typical = RNG.normal(0, 1, (40, 8, 10, 2)).astype(np.float32)
    np.savez(here / "typical.npz", x_test=typical, y_test=np.arange(40) % 3)
    done = run("import", "map.onnx", "--out", "map.safetensors", "--calibration", "typical.npz")
    assert done.exit_code == 0, done.output
    done = run("compare", "map.safetensors", "map.onnx", "--n", 10)
    assert done.exit_code == 0, done.output
    assert "beside onnxruntime" in done.output
    graph = checkpoint.load(here / "map.safetensors")
    assert [graph.tensor(name).shape for name in graph.outputs] == [(8, 10, 2), (1, 1, 3)]
    away = dqt.compare(graph, "map.onnx", count=10).output_rms
    graph.provenance["layouts"] = {}  # as if the axes were read in the file's order
    assert away < dqt.compare(graph, "map.onnx", count=10).output_rms / 3


def swapped(m: Maker) -> Any:
    """Rows and columns of a model that has channels last change places at the end, on purpose."""
    x = m.add("Transpose", m.input(1, 6, 5, 2), perm=[0, 3, 1, 2])
    return m.add("Transpose", m.add("Elu", m.conv(x, 2, 3)), perm=[0, 3, 2, 1])


def test_an_output_that_a_model_turns_is_turned(here: Path) -> None:
    m = Maker()
    path = m.save(here / "model.onnx", swapped(m))
    network = read_onnx(path)
    given = RNG.normal(0, 1, (3, 6, 5, 2)).astype(np.float32)
    wanted = OnnxReference(path).run([given], ["t3"])["t3"]
    assert network.edges[network.output].shape == (3, 4, 3)
    assert np.abs(outputs_of(network, given)[0].reshape(3, -1) - wanted).max() < 1e-4
