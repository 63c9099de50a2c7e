"""The unmodified image of a Pico on rp2040js, a simulator of others: it boots, says HELLO and classifies.

``make test-boards`` installs rp2040js from npm and runs this.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dqt_edge.boards import load_board
from dqt_edge.data.load import codes, load_data
from dqt_edge.device.client import Client
from dqt_edge.device.process import ProcessTransport
from dqt_edge.graph import Graph, interpreter
from dqt_edge.project.build import build
from dqt_edge.project.export import export

ROOT = Path(__file__).parents[2]
SIMULATOR = ROOT / "build" / "rp2040js"
SCRIPT = ROOT / "tests" / "files" / "rp2040js" / "pico.mjs"
COUNT = 10

pytestmark = [
    pytest.mark.slow,
    pytest.mark.cross,
    pytest.mark.skipif(
        shutil.which("node") is None or not (SIMULATOR / "node_modules" / "rp2040js").is_dir(),
        reason="npm install --prefix build/rp2040js rp2040js@1.4.1",
    ),
]


def test_a_pico_of_rp2040js_classifies(graph: Graph, tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="pip install 'dqt-edge[data]'")
    made, _, _ = export(graph, load_board("pico"), tmp_path / "p")
    build(made.folder, cross=True)
    samples = codes(load_data("digits").x_test, graph)[:COUNT]
    want = interpreter.run(graph, samples, "dynamic")
    command = ["node", str(SCRIPT), str(SIMULATOR), str(made.elf.with_suffix(".bin"))]
    with Client(ProcessTransport("rp2040js", command)) as client:
        client.expect(made.model_hash, made.board.id)
        for sample, answer in zip(samples, want.outputs, strict=True):
            assert client.infer(sample.tobytes(), None).output == answer.tobytes()
        assert client.stats().runs == COUNT
