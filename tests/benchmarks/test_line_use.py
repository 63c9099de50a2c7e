"""The model of a line: shares follow from bytes, baud rate and waiting alone."""

from __future__ import annotations

from pathlib import Path

import pytest

import dqt_edge as dqt
from benchmarks.line_use import use
from dqt_edge.device.frame import encode
from dqt_edge.device.messages import LOAD, LOAD_REPLY, Type
from dqt_edge.device.native import NativeTransport
from dqt_edge.graph import Graph

BAUD = 921_600


def test_shares_are_those_of_the_bytes(graph: Graph, tmp_path: Path) -> None:
    """An input of one LOAD: the request, its answer, and what the bridge and the device take between them."""
    project = dqt.export(graph, "host", tmp_path / "p")
    dqt.build(project)
    wire = len(encode(Type.LOAD, 1, LOAD.pack(offset=0) + bytes(range(1, 65)))) + len(
        encode(Type.LOAD_REPLY, 1, LOAD_REPLY.pack(received=64))
    )
    for latency, byte_seconds in ((0.0, 0.0), (0.001, 0.0), (0.0, 1e-6)):
        with NativeTransport(project.elf) as device:
            found = use(device, BAUD, latency, byte_seconds)
        waited = wire * 10 / BAUD + latency + 77 * byte_seconds
        assert found == pytest.approx(64 * 10 / BAUD / waited, rel=0.02)
