"""Exported images of boards that people own, unmodified: each boots, and classifies as the interpreter does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dqt_edge.boards import Qemu, load_board
from dqt_edge.data.load import codes, load_data
from dqt_edge.device.client import Client
from dqt_edge.device.connect import open_client
from dqt_edge.device.qemu import QemuTransport
from dqt_edge.graph import Graph, interpreter
from dqt_edge.project.build import build, forbidden_symbols
from dqt_edge.project.export import export
from tests.device.chip_boards import CASES

pytest.importorskip("unicorn", reason="pip install 'dqt-edge[emulate]'")
pytest.importorskip("sklearn", reason="pip install 'dqt-edge[data]'")

pytestmark = [pytest.mark.emulate, pytest.mark.cross]

COUNT = 10


@pytest.fixture(scope="module")
def digits(graph: Graph) -> np.ndarray:
    return codes(load_data("digits").x_test, graph)[:COUNT]


def classify(client: Client, graph: Graph, digits: np.ndarray) -> None:
    want = interpreter.run(graph, digits, "dynamic")
    for i, sample in enumerate(digits):
        assert client.infer(sample.tobytes(), None).output == want.outputs[i].tobytes()
    stats = client.stats()
    assert (stats.runs, stats.naks, stats.bad_frames) == (len(digits), 0, 0)


@pytest.mark.parametrize("board_id", [case for case in CASES if case.values != ("stm32h7",)])
def test_a_board_is_predicted_builds_boots_and_classifies(
    board_id: str, graph: Graph, digits: np.ndarray, tmp_path: Path
) -> None:
    """Warnings are errors in an export's build; stm32h7 has tests of its own."""
    made, _, footprint = export(graph, load_board(board_id), tmp_path / "p")
    image = build(made.folder, cross=True)
    assert footprint is not None
    assert footprint.exact
    assert (image.flash, image.ram) == (footprint.flash, footprint.ram)
    assert forbidden_symbols(image.elf) == ()
    with open_client(made.board, made.elf, made.model_hash, "unicorn:") as client:
        classify(client, graph, digits)


@pytest.mark.qemu
def test_the_image_of_an_stm32f405_runs_on_qemu_too(graph: Graph, digits: np.ndarray, tmp_path: Path) -> None:
    """QEMU's netduinoplus2 has no RCC: no oscillator ever starts, and the port stays at the clock after reset."""
    board = load_board("pyboard")
    made, _, _ = export(graph, board, tmp_path / "p")
    build(made.folder, cross=True)
    emulated = replace(board, qemu=Qemu("netduinoplus2", 7))
    with Client(QemuTransport(emulated, made.elf)) as client:
        client.expect(made.model_hash, board.id)
        classify(client, graph, digits[:3])
