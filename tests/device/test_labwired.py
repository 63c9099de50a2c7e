"""Unmodified images on LabWired, a simulator of others: they boot, say HELLO and classify.

``make test-boards`` installs it from PyPI and runs this. The image of nucleo-g474re says HELLO there and comes to no
answer: LabWired lacks instructions of the DSP extension. Its STM32G071 stands for the G0B1, a chip of the same line.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dqt_edge.boards import load_board
from dqt_edge.data.load import codes, load_data
from dqt_edge.device.client import Client
from dqt_edge.graph import Graph, interpreter
from dqt_edge.project.build import build
from dqt_edge.project.export import export

COUNT = 10
BURST = 8
"""Bytes that are sent at once: fewer than a UART and the firmware's ring hold."""

pytestmark = [pytest.mark.slow, pytest.mark.cross]


class Simulated:
    """A transport to a machine whose time is virtual and goes on only while somebody waits."""

    counts = True
    name = "LabWired"

    def __init__(self, image: Path, chip: str, uart: str | None) -> None:
        self._machine: Any = pytest.importorskip("labwired", reason="pip install labwired").Sim(
            str(image), chip=chip, uart=uart
        )

    def clock(self) -> float:
        return float(self._machine.time)

    def write(self, content: bytes) -> None:
        for first in range(0, len(content), BURST):
            self._machine.send_bytes(content[first : first + BURST])
            self._machine.run_for("200us")

    def read(self, limit: int, timeout: float) -> bytes:
        end = self.clock() + timeout
        while not (content := self._machine.read_uart_bytes()) and self.clock() < end:
            self._machine.run_for("1ms")
        return bytes(content)

    def reset_input(self) -> None:
        self._machine.read_uart_bytes()

    def close(self) -> None:
        self._machine.close()


@pytest.mark.parametrize(
    ("board_id", "chip", "uart"), [("nucleo-g0b1re", "stm32g071", "usart2"), ("pico", "rp2040", None)]
)
def test_an_image_boots_and_classifies(
    graph: Graph, tmp_path: Path, board_id: str, chip: str, uart: str | None
) -> None:
    pytest.importorskip("sklearn", reason="pip install 'dqt-edge[data]'")
    made, _, _ = export(graph, load_board(board_id), tmp_path / "p")
    build(made.folder, cross=True)
    samples = codes(load_data("digits").x_test, graph)[:COUNT]
    want = interpreter.run(graph, samples, "dynamic")
    with Client(Simulated(made.elf, chip, uart)) as client:
        client.expect(made.model_hash, board_id)
        for sample, answer in zip(samples, want.outputs, strict=True):
            assert client.infer(sample.tobytes(), None).output == answer.tobytes()
        assert client.stats().runs == COUNT
