"""A board's name that is none: families of chips are told by what boards state, and letters come last."""

from __future__ import annotations

import pytest

from dqt_edge import chips
from dqt_edge.boards import CORES, board_ids, load_board
from dqt_edge.errors import UsageError


def meant(name: str) -> str:
    with pytest.raises(UsageError, match="unknown board") as caught:
        load_board(name)
    return caught.value.next_step.partition("choose from")[0].strip()


def boards_of(**facts: str) -> list[str]:
    found = [load_board(name) for name in board_ids()]
    return [b.id for b in found if facts in ({"port": b.port}, {"core": b.cpu.core})]


def test_a_series_is_the_boards_with_its_chips() -> None:
    family = boards_of(port="stm32f4")
    assert len(family) == 3
    assert meant("stm32f4") == f"did you mean {family[0]!r}, {family[1]!r} or {family[2]!r}?"
    assert all(repr(name) in meant("STM32F411") for name in family), "a chip of the series that no board has"


@pytest.mark.parametrize(
    ("name", "board"),
    [
        ("nucleo-h743", "stm32h7"),
        ("f446", "nucleo-f446re"),
        ("mps2-an386", "qemu-m4"),
        ("Cortex_M33", "qemu-m33"),
        ("m55", "qemu-m55"),
        ("qemu-m5", "qemu-m55"),
        ("stm32h8", "stm32h7"),
        ("rp2040", "pico"),
        ("stm32g4", "nucleo-g474re"),
        ("u575", "nucleo-u575zi"),
    ],
)
def test_other_names_of_a_board_and_typing_errors(name: str, board: str) -> None:
    assert meant(name) == f"did you mean {board!r}?"


@pytest.mark.parametrize(
    ("name", "series", "core"),
    [
        ("stm32f7", "stm32f7", "M7"),
        ("stm32f103c8", "stm32f1", "M3"),
        ("nrf5340", "nrf53", "M33"),
        ("lpc55s69", "lpc55", "M33"),
    ],
)
def test_a_series_that_no_board_has_leads_to_boards_with_its_core(name: str, series: str, core: str) -> None:
    """And never to another series whose name has nearly the same letters."""
    text = meant(name)
    assert text.startswith(f"chips of the series {series} have a Cortex-{core}, begin with the file of ")
    same = boards_of(core=f"cortex-{core.lower()}")
    named = [board for board in board_ids() if repr(board) in text]
    assert named
    assert set(named) <= set(same)


def test_cores_with_the_same_instructions_stand_in_for_one_another() -> None:
    only = [chips.Known("qemu-m0", (), "nrf51", "cortex-m0")]
    text = chips.hint("rp2040", only)
    assert text == "chips of the series rp2040 have a Cortex-M0+, begin with the file of 'qemu-m0'."
    assert chips.hint("cortex-m0+", only) == "for a Cortex-M0+, begin with the file of 'qemu-m0'."


def test_other_processors_are_named_as_such() -> None:
    assert "no Cortex-M" in meant("esp32-s3")


@pytest.mark.parametrize("name", ["x", "", "zzzz", "my-product"])
def test_what_means_nothing_gets_no_hint(name: str) -> None:
    assert meant(name) == ""


def test_series_stand_once_and_their_cores_exist() -> None:
    assert set(chips.SERIES) <= set(CORES)
    every = [series for text in chips.SERIES.values() for series in text.split()]
    assert len(every) == len(set(every))
    assert not [series for series in every if series.startswith(chips.NO_CORTEX_M)]
