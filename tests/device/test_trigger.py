"""The pin that is high while the model runs: seen by models of the chips, and refused where there is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dqt_edge.boards import Trigger, load_board
from dqt_edge.device.connect import open_client
from dqt_edge.errors import UsageError
from dqt_edge.graph import Graph, interpreter
from dqt_edge.project.build import build
from dqt_edge.project.export import export_together
from dqt_edge.project.footprint import predict
from dqt_edge.project.optimize import plans_for
from dqt_edge.project.trigger import pin_numbers, with_trigger
from dqt_edge.system.elf import symbols
from tests.device.chip_boards import BOARDS, OTHERS
from tests.support.digits import digits_graph

HOOKS = ("dqt_run", "dqt_measure_layer")
CASES = ["pyboard", *(pytest.param(board_id, marks=OTHERS) for board_id in BOARDS if board_id != "pyboard")]


@pytest.mark.emulate
@pytest.mark.cross
@pytest.mark.parametrize("board_id", CASES)
def test_the_pin_is_high_from_before_the_first_layer_until_behind_the_last(
    board_id: str, graph: Graph, tmp_path: Path
) -> None:
    pytest.importorskip("unicorn", reason="pip install 'dqt-edge[emulate]'")
    project, plans, footprint = export_together([graph], load_board(board_id), tmp_path / "p", trigger="default")
    image = build(project.folder, cross=True)
    assert footprint is not None
    assert footprint.exact
    assert (image.flash, image.ram) == (footprint.flash, footprint.ram)
    sample = digits_inputs(graph)
    want = interpreter.run(graph, sample, "dynamic").outputs[0].tobytes()
    with open_client(project.board, project.elf, project.model_hash, "unicorn:") as client:
        device: Any = client._transport
        assert device.model.trigger.edges == []
        seen = watch(device, project.elf)
        assert client.infer(sample[0].tobytes(), None).output == want
        assert device.model.trigger.edges == [True, False]
        layers = len(plans[0].layers)
        assert seen == [("dqt_run", True)] + [("dqt_measure_layer", True)] * layers


def digits_inputs(graph: Graph) -> Any:
    """One image of digits, as codes."""
    from dqt_edge.data.load import codes, load_data  # noqa: PLC0415

    return codes(load_data("digits").x_test, graph)[:1]


def watch(device: Any, elf: Path) -> list[tuple[str, bool]]:
    """Each start of a function of HOOKS, with the level of the pin then."""
    import unicorn  # noqa: PLC0415

    seen: list[tuple[str, bool]] = []
    for name, address, _ in symbols(elf):
        if name in HOOKS:

            def enter(machine: object, at: int, size: int, user: object, name: str = name) -> None:
                seen.append((name, device.model.trigger.high))

            at = address & ~1
            device._machine.hook_add(unicorn.UC_HOOK_CODE, enter, begin=at, end=at)
    return seen


def test_without_it_an_image_is_predicted_as_ever_and_with_it_larger() -> None:
    plain, driven = (
        predict(plans_for([digits_graph()], board, "speed"))
        for board in (load_board("pyboard"), with_trigger(load_board("pyboard")))
    )
    assert 0 < driven.flash - plain.flash < 200
    assert driven.ram == plain.ram


@pytest.mark.parametrize(
    ("board_id", "wanted", "words"),
    [
        ("qemu-m4", "default", "board 'qemu-m4' is emulated, and QEMU has no pin"),
        ("host", "default", "this computer has no pin"),
        ("pyboard", "PB6", "the pin PB6 is the serial line's"),
        ("pyboard", "pa13", "the pin PA13 is SWDIO"),
        ("pyboard", "P0.13", "there is no pin 'P0.13'"),
        ("pyboard", "PA16", "there is no pin 'PA16'"),
        ("nrf52840dk", "P0.06", "the pin P0.06 is the serial line's"),
        ("nrf52840dk", "P1.16", "there is no pin 'P1.16'"),
        ("pico", "GP0", "the pin GP0 is the serial line's"),
        ("pico", "GP30", "there is no pin 'GP30'"),
    ],
)
def test_a_pin_that_is_none_is_refused(board_id: str, wanted: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        with_trigger(load_board(board_id), wanted)
    assert words in caught.value.what
    assert "`trigger_pin`" in caught.value.where


def test_a_board_of_ones_own_without_a_pin_says_where_to_name_it() -> None:
    board = replace(load_board("pyboard"), trigger=None)
    with pytest.raises(UsageError, match=r"names no pin, under \[trigger\]"):
        with_trigger(board)


def test_another_pin_of_the_chip_is_taken() -> None:
    board = with_trigger(load_board("nucleo-f446re"), "pc7")
    assert (board.constants["trigger_port"], board.constants["trigger_pin"]) == (2, 7)
    assert board.trigger == Trigger("PC7", "see the board's manual")


@pytest.mark.parametrize("board_id", BOARDS)
def test_every_board_of_silicon_names_a_pin_that_it_can_drive(board_id: str) -> None:
    board = load_board(board_id)
    assert board.trigger is not None
    assert pin_numbers(board.trigger.pin) is not None
    assert board.trigger.where
    assert "trigger" in board.provenance
    with_trigger(board)
