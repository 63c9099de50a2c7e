"""What peers are measured with is the same network, and a refusal is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

pytest.importorskip("flatbuffers", reason="pip install 'dqt-edge[import]'")
pytest.importorskip("tflite", reason="pip install 'dqt-edge[import]'")

from benchmarks import peer
from benchmarks.networks import PAIRS
from benchmarks.peer_models import PeerModel
from dqt_edge.errors import ToolchainError
from dqt_edge.graph import MacLayer
from dqt_edge.importers.assemble import assemble
from dqt_edge.importers.tflite import read_network
from tests.support.topologies import TOPOLOGIES


@pytest.mark.parametrize("name", list(TOPOLOGIES))
def test_a_peer_gets_the_same_network(name: str, tmp_path: Path) -> None:
    """Read back by our importer: the same layers with weights, in order, with the same MACs and weights."""
    graph, file = TOPOLOGIES[name](), tmp_path / f"{name}.tflite"
    file.write_bytes(PeerModel(graph).encode())
    found = assemble(read_network(file))
    ours, theirs = ([m for m in g.layers if isinstance(m, MacLayer)] for g in (graph, found))
    assert [graph.macs(m) for m in ours] == [found.macs(m) for m in theirs]
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(np.maximum(a.by_channel, -127), b.by_channel)


def test_a_refused_network_has_a_row_that_says_why() -> None:
    ours = {pair: {"instructions": 5_000_000, "flash": 10, "arena": 1, "scratch": 2} for pair in PAIRS}
    console = Console(width=100, record=True)
    good = {"instructions": 7_000_000, "flash": 3, "arena": 4}
    assert not peer.show(console, {"m4": {"ad": {"bakenn": good, "dqt_edge": ours}}})
    assert "7.000" in console.export_text()
    assert peer.show(console, {"m4": {"ad": {"bakenn": {"error": "CompileError: no"}, "dqt_edge": ours}}})
    assert "BakeNN refuses ad on m4: CompileError: no" in console.export_text()


def test_a_package_that_cannot_be_installed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "FOLDER", tmp_path)
    monkeypatch.setattr(peer, "ENVIRONMENT", tmp_path / "venv")
    monkeypatch.setattr(peer, "REQUIREMENT", str(tmp_path / "nothing.whl"))
    with pytest.raises(ToolchainError, match="failed with exit code"):
        peer.install(Console())
