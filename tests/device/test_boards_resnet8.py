"""A ResNet-8 on every board with room for it: predicted, built, booted, and exact. ``make test-boards`` runs it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dqt_edge.boards import board_ids, load_board
from dqt_edge.device.chips.choose import CHIPS
from dqt_edge.device.connect import open_client
from dqt_edge.errors import DoesNotFitError
from dqt_edge.graph import Graph, interpreter
from dqt_edge.graph.checkpoint import load
from dqt_edge.project.build import build
from dqt_edge.project.export import export
from dqt_edge.project.footprint import predict
from dqt_edge.project.optimize import plans_for
from tests.device.chip_boards import FIRST

pytestmark = [pytest.mark.slow, pytest.mark.emulate, pytest.mark.qemu]

CHECKPOINT = Path(__file__).parents[2] / "docs" / "results" / "resnet8.safetensors"
NO_ROOM = {"qemu-m0": "bytes of RAM"}
"""Boards without room, and of what there is too little; their images are never built."""
BOARDS = [board_id for board_id in board_ids() if board_id != "host" and board_id not in NO_ROOM]
MANY, FEW = 10, 2
"""Inputs: of a board of each family, and of the others."""


@pytest.fixture(scope="module")
def resnet8() -> Graph:
    return load(CHECKPOINT)


@pytest.fixture(scope="module")
def inputs() -> np.ndarray:
    return np.random.default_rng(8).integers(0, 256, (MANY, 32, 32, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def answers(resnet8: Graph, inputs: np.ndarray) -> np.ndarray:
    return interpreter.run(resnet8, inputs, "dynamic").outputs


@pytest.mark.parametrize("board_id", BOARDS)
def test_it_boots_and_classifies(
    board_id: str, resnet8: Graph, inputs: np.ndarray, answers: np.ndarray, tmp_path: Path
) -> None:
    modelled = load_board(board_id).port in CHIPS
    if modelled:
        pytest.importorskip("unicorn", reason="pip install 'dqt-edge[emulate]'")
    made, _, footprint = export(resnet8, load_board(board_id), tmp_path / "p")
    image = build(made.folder, cross=True)
    assert footprint is not None
    assert footprint.exact
    assert (image.flash, image.ram) == (footprint.flash, footprint.ram)
    with open_client(made.board, made.elf, made.model_hash, "unicorn:" if modelled else None) as client:
        for sample, want in zip(inputs[: MANY if board_id in FIRST else FEW], answers, strict=False):
            assert client.infer(sample.tobytes(), None).output == want.tobytes()


def test_boards_without_room_are_those_and_say_what_lacks(resnet8: Graph) -> None:
    assert NO_ROOM.keys() <= set(board_ids())
    for board_id, words in NO_ROOM.items():
        with pytest.raises(DoesNotFitError, match=words):
            predict(plans_for([resnet8], load_board(board_id), "speed"))
