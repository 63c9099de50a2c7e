"""The firmware's dial gives the biases of dqt_edge/graph/dial.py for every target, on cores and on the host."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dqt_edge.boards import load_board
from dqt_edge.device.connect import open_device
from dqt_edge.graph import Graph
from dqt_edge.graph.dial import DialPoint, bias_at
from dqt_edge.project.build import build, forbidden_symbols
from dqt_edge.project.export import export
from tests.support.random_graphs import random_dial, random_graph
from tests.support.waiting import wait_until

UNTOUCHED = 0x5A5A5A5A
OK, NO_DIAL = 0, 5
"""DQT_OK and DQT_NO_DIAL of dqt.h."""
TARGETS = (*range(1002), 0x7FFFFFFF, 0xFFFFFFFF)


def model(*points: DialPoint, seed: int = 1) -> Graph:
    graph = random_graph(seed)
    assert graph.controller is not None
    return replace(graph, controller=replace(graph.controller, dial=points))


def dials() -> dict[str, Graph]:
    candidates = len(random_graph(1).adaptive[0].candidates)
    most = 2**31 - 1 - 2**20

    def ends(value: int) -> tuple[int, ...]:
        return (value, -value, *[0] * (candidates - 2))

    rng = np.random.default_rng(3)
    return {
        "none": model(),
        "one point": model(DialPoint(0.5, ends(7))),
        "from end to end": model(DialPoint(0.0, ends(-most)), DialPoint(1.0, ends(most))),
        "neighbours": model(DialPoint(0.999, ends(most)), DialPoint(1.0, ends(-most))),
        "odd spans": model(
            *(DialPoint(t, ends(v)) for t, v in ((0.113, -3), (0.12, 2), (0.401, 1000), (0.988, -most)))
        ),
        "random": model(*max((random_dial(rng, candidates) for _ in range(9)), key=len)),
    }


@pytest.mark.parametrize("board_id", ["host", pytest.param("qemu-m4", marks=pytest.mark.qemu)])
@pytest.mark.parametrize("name", dials())
def test_every_target_gives_the_interpolated_bias(name: str, board_id: str, tmp_path: Path) -> None:
    graph = dials()[name]
    board = load_board(board_id)
    made, _, _ = export(graph, board, tmp_path / "p")
    (made.folder / "app" / "dqt_server.c").write_text((Path(__file__).parent / "dial_app.c").read_text())
    definitions = ["DQT_SANITIZE=ON"] if board.is_host else []
    image = build(made.folder, cross=not board.is_host, definitions=definitions)
    if not board.is_host:
        assert forbidden_symbols(image.elf) == ()
    candidates = len(graph.adaptive[0].candidates)
    record = struct.Struct(f"<B{candidates}i")
    content = bytearray()
    with open_device(board, made.elf) as device:

        def all_came() -> bool:
            if not content:  # a byte that comes while the UART is set up is dropped
                device.write(b"x")
            content.extend(device.read(65536, 1.0))
            return len(content) >= record.size * len(TARGETS)

        wait_until(all_came, "the device stopped sending", pause=0)
    assert graph.controller is not None
    dial = graph.controller.dial
    for t, (answer, *bias) in zip(TARGETS, record.iter_unpack(content), strict=True):
        if dial and dial[0].thousandths <= t <= dial[-1].thousandths:
            assert (answer, tuple(bias)) == (OK, bias_at(dial, t, "test")), t
        else:
            assert (answer, bias) == (NO_DIAL, [UNTOUCHED] * candidates), t
