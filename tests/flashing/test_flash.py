"""The road connect - erase - write - read back - reset, and every way it can end early, on a simulated chip."""

from __future__ import annotations

import random

import pytest

from dqt_edge.boards import load_board
from dqt_edge.errors import FlashError
from dqt_edge.flashing.base import WHOLE_SECTORS, Segment, plan
from dqt_edge.flashing.writing import PARTS, flash, parts

from .fake import FakeRunner

BOARD = load_board("stm32h7")
START, SECTOR = 0x08000000, 0x20000
IMAGE = random.Random(1).randbytes(SECTOR + 1000)
PLAN = plan([Segment(START, IMAGE), Segment(START + 4 * SECTOR + 7, b"tail")], BOARD)
STEPS = [
    "connect",
    "read e000ed00",
    "erase 08000000",
    "erase 08020000",
    "erase 08080000",
    "write 08000100",
    "write 08080000",
    "read 08000100",
    "read 08080000",
    "write 08000000",
    "read 08000000",
    "reset",
    "close",
]


def test_the_whole_road() -> None:
    runner = FakeRunner(BOARD)
    seen: list[tuple[str, int, int]] = []
    flash(PLAN, runner, lambda *step: seen.append(step))
    assert runner.log == STEPS
    assert runner.chip.read(START, len(IMAGE)) == IMAGE
    assert runner.chip.read(START + 4 * SECTOR + 7, 4) == b"tail"
    assert runner.chip.read(START + 2 * SECTOR, 4) == b"\xa5" * 4, "another sector was touched"
    assert [step for step in seen if step[1] == step[2]] == [
        ("erase", PLAN.erase_bytes, PLAN.erase_bytes),
        ("write", PLAN.write_bytes, PLAN.write_bytes),
        ("verify", PLAN.write_bytes, PLAN.write_bytes),
    ]


@pytest.mark.parametrize("cut", [0, 2, 3, 100, PLAN.write_bytes // 32 + 2])
def test_a_power_cut_is_reported_and_repaired_by_flashing_again(cut: int) -> None:
    runner = FakeRunner(BOARD)
    runner.chip.faults.cut = cut
    with pytest.raises(FlashError, match=f"operation {cut}"):
        flash(PLAN, runner)
    assert runner.log[-1] == "close"
    assert "reset" not in runner.log, "a half-written program must not be started"
    runner.chip.faults.cut = None
    flash(PLAN, runner)
    assert runner.chip.read(START, len(IMAGE)) == IMAGE


@pytest.mark.parametrize("sector", [START, START + SECTOR, START + 4 * SECTOR])
def test_a_protected_sector_ends_before_anything_is_written(sector: int) -> None:
    runner = FakeRunner(BOARD)
    runner.chip.faults.erase.add(sector)
    with pytest.raises(FlashError, match=f"erase of 0x{sector:08x}"):
        flash(PLAN, runner)
    assert not any(step.startswith("write") for step in runner.log)
    assert runner.log[-1] == "close"


@pytest.mark.parametrize("offset", [0, 31, 5000, len(IMAGE) - 1])
def test_a_byte_that_reads_back_wrong_is_named(offset: int) -> None:
    runner = FakeRunner(BOARD)
    runner.chip.faults.stuck[START + offset] = (1, ~IMAGE[offset] & 1)
    with pytest.raises(FlashError) as caught:
        flash(PLAN, runner)
    size = 256 if offset < 256 else len(PLAN.segments[0].data) - 256
    assert caught.value.what == (
        f"verify failed at 0x{START + offset:08x}: wrote 0x{IMAGE[offset]:02x}, "
        f"read 0x{IMAGE[offset] ^ 1:02x}; 1 of {size} bytes differ"
    )
    assert "reset" not in runner.log


def test_a_short_read_back_is_an_error() -> None:
    runner = FakeRunner(BOARD)
    runner.sees_core = False
    runner.read = lambda address, size: b"abc"  # type: ignore[method-assign]
    with pytest.raises(FlashError, match="read back 3 of"):
        flash(PLAN, runner)


@pytest.mark.parametrize(("part", "words"), [(PARTS["cortex-m4"], "core is cortex-m4"), (0xC0F, "part 0xc0f")])
def test_another_core_is_refused_before_anything_is_erased(part: int, words: str) -> None:
    runner = FakeRunner(BOARD)
    runner.chip.core = part
    with pytest.raises(FlashError, match=words) as caught:
        flash(PLAN, runner)
    assert "nothing was written" in caught.value.next_step
    assert runner.log == ["connect", "read e000ed00", "close"]


@pytest.mark.parametrize("unit", [WHOLE_SECTORS, 32, 256, 4096])
def test_what_is_written_is_the_plan_with_the_vectors_last_and_no_unit_twice(unit: int) -> None:
    """Segments that share a sector or a unit become one; where nothing was planned, erased flash is written."""
    scattered = [Segment(START, IMAGE[:300]), Segment(START + 0x800, b"abc"), Segment(START + 3 * SECTOR - 5, IMAGE)]
    made = plan(scattered, BOARD)
    body, head = parts(made, unit)
    grain = unit or SECTOR
    units = [{a // grain for a in range(s.address, s.end)} for s in (head, *body)]
    assert all(units[0].isdisjoint(other) for other in units[1:])
    if unit == WHOLE_SECTORS:
        assert all(a.isdisjoint(b) for i, a in enumerate(units) for b in units[i + 1 :])
    written = {s.address + i: byte for s in (head, *body) for i, byte in enumerate(s.data)}
    planned = {s.address + i: byte for s in made.segments for i, byte in enumerate(s.data)}
    assert planned.items() <= written.items()
    assert {byte for address, byte in written.items() if address not in planned} <= {0xFF}
