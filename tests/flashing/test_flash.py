"""The road connect - erase - write - read back - reset, and every way it can end early, on a fake probe."""

from __future__ import annotations

import random

import pytest

from dqt_edge.boards import load_board
from dqt_edge.errors import FlashError
from dqt_edge.flashing.base import Segment, flash, plan

from .fake import FakeFlash, FakeRunner

BOARD = load_board("stm32h7")
START, SECTOR = 0x08000000, 0x20000
IMAGE = random.Random(1).randbytes(SECTOR + 1000)
PLAN = plan([Segment(START, IMAGE), Segment(START + 4 * SECTOR + 7, b"tail")], BOARD)
STEPS = [
    "connect",
    "erase 08000000",
    "erase 08020000",
    "erase 08080000",
    "write 08000000",
    "write 08080000",
    "read 08000000",
    "read 08080000",
    "reset",
    "close",
]


def test_the_whole_road() -> None:
    runner = FakeRunner(FakeFlash(BOARD))
    seen: list[tuple[str, int, int]] = []
    flash(PLAN, runner, lambda *step: seen.append(step))
    assert runner.log == STEPS
    assert runner.memory.read(START, len(IMAGE)) == IMAGE
    assert runner.memory.read(START + 4 * SECTOR + 7, 4) == b"tail"
    assert runner.memory.read(START + 2 * SECTOR, 4) == b"\xa5" * 4, "another sector was touched"
    assert [step for step in seen if step[1] == step[2]] == [
        ("erase", PLAN.erase_bytes, PLAN.erase_bytes),
        ("write", PLAN.write_bytes, PLAN.write_bytes),
        ("verify", PLAN.write_bytes, PLAN.write_bytes),
    ]


@pytest.mark.parametrize("words", [0, 1, 2, 100, SECTOR // 32, PLAN.write_bytes // 32 - 1])
def test_a_power_cut_is_reported_and_repaired_by_flashing_again(words: int) -> None:
    runner = FakeRunner(FakeFlash(BOARD))
    runner.memory.power = words
    with pytest.raises(FlashError, match="power is off"):
        flash(PLAN, runner)
    assert runner.log[-1] == "close"
    assert "reset" not in runner.log, "a half-written program must not be started"
    runner.memory.power = None
    flash(PLAN, runner)
    assert runner.memory.read(START, len(IMAGE)) == IMAGE


@pytest.mark.parametrize("sector", [START, START + SECTOR, START + 4 * SECTOR])
def test_a_protected_sector_ends_before_anything_is_written(sector: int) -> None:
    runner = FakeRunner(FakeFlash(BOARD))
    runner.memory.protected.add(sector)
    with pytest.raises(FlashError, match="is protected"):
        flash(PLAN, runner)
    assert not any(step.startswith("write") for step in runner.log)
    assert runner.log[-1] == "close"


@pytest.mark.parametrize("offset", [0, 31, 5000, len(IMAGE) - 1])
def test_a_byte_that_reads_back_wrong_is_named(offset: int) -> None:
    runner = FakeRunner(FakeFlash(BOARD))
    runner.memory.stuck[START + offset] = IMAGE[offset] ^ 1
    with pytest.raises(FlashError) as caught:
        flash(PLAN, runner)
    assert caught.value.what == (
        f"verify failed at 0x{START + offset:08x}: wrote 0x{IMAGE[offset]:02x}, "
        f"read 0x{IMAGE[offset] ^ 1:02x}; 1 of {len(PLAN.segments[0].data)} bytes differ"
    )
    assert "reset" not in runner.log


def test_a_short_read_back_is_an_error() -> None:
    runner = FakeRunner(FakeFlash(BOARD))
    runner.read = lambda address, size: b"abc"  # type: ignore[method-assign]
    with pytest.raises(FlashError, match="read back 3 of"):
        flash(PLAN, runner)
