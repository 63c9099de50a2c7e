"""A plan is refused before the first write, or is right: units whole, sectors covered, nothing twice."""

from __future__ import annotations

import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dqt_edge.boards import Board, board_ids, load_board
from dqt_edge.errors import BadFileError, FlashError
from dqt_edge.flashing.base import Segment, plan
from dqt_edge.flashing.choose import runners

BOARD = load_board("stm32h7")
START, SECTOR, END = 0x08000000, 0x20000, 0x08200000


@pytest.mark.parametrize(
    ("segments", "sectors"),
    [
        ([(START, 1)], [START]),
        ([(START, SECTOR)], [START]),
        ([(START, SECTOR + 1)], [START, START + SECTOR]),
        ([(START + SECTOR - 1, 2)], [START, START + SECTOR]),
        ([(START, 8), (START + 5 * SECTOR, 8)], [START, START + 5 * SECTOR]),
        ([(END - 1, 1)], [END - SECTOR]),
        ([(0x080FFFFF, 2)], [0x080E0000, 0x08100000]),  # across the two banks
    ],
)
def test_sectors(segments: list[tuple[int, int]], sectors: list[int]) -> None:
    made = plan([Segment(address, bytes(size)) for address, size in segments], BOARD)
    assert [s.address for s in made.sectors] == sectors
    assert all(s.size == SECTOR for s in made.sectors)
    assert made.image_bytes == sum(size for _, size in segments)


def test_two_segments_in_one_flash_word_are_written_once() -> None:
    made = plan([Segment(START + 20, b"bb"), Segment(START + 3, b"aaa")], BOARD)
    assert made.segments == (Segment(START, b"\xff" * 3 + b"aaa" + b"\xff" * 14 + b"bb" + b"\xff" * 10),)
    assert (made.write_bytes, made.image_bytes) == (32, 5)


@pytest.mark.parametrize(
    ("segments", "words"),
    [
        ([], "the image is empty"),
        ([(START, 0)], "the image is empty"),
        ([(START, 10), (START + 9, 1)], "two segments overlap at 0x08000009"),
        ([(START, 10), (START, 10)], "two segments overlap at 0x08000000"),
        ([(START - 1, 2)], "0x07ffffff-0x08000000 lies outside"),
        ([(END - 1, 2)], "0x081fffff-0x08200000 lies outside"),
        ([(0x20000000, 4)], "0x20000000-0x20000003 lies outside"),
    ],
)
def test_refused(segments: list[tuple[int, int]], words: str) -> None:
    with pytest.raises(FlashError) as caught:
        plan([Segment(address, bytes(size)) for address, size in segments], BOARD)
    assert words in caught.value.what
    assert "nothing was written" in caught.value.next_step
    assert caught.value.exit_code == 7


def test_board_without_erasable_flash() -> None:
    with pytest.raises(FlashError, match="it has none that can be erased"):
        plan([Segment(0, b"a")], load_board("qemu-m7"))


@given(st.lists(st.tuples(st.integers(0, 3 * SECTOR), st.binary(min_size=1, max_size=200)), min_size=1, max_size=8))
def test_a_plan_holds_the_image_and_only_whole_words(parts: list[tuple[int, bytes]]) -> None:
    segments = [Segment(START + offset, data) for offset, data in parts]
    ordered = sorted(segments, key=lambda s: s.address)
    if any(a.end > b.address for a, b in pairwise(ordered)):
        with pytest.raises(FlashError):
            plan(segments, BOARD)
        return
    made = plan(segments, BOARD)
    memory = {s.address + i: b for s in made.segments for i, b in enumerate(s.data)}
    assert len(memory) == made.write_bytes
    assert all(memory[s.address + i] == b for s in segments for i, b in enumerate(s.data))
    assert all(s.address % 32 == 0 and len(s.data) % 32 == 0 for s in made.segments)
    erased = {s.address for s in made.sectors}
    assert {address - (address - START) % SECTOR for address in memory} == erased


def test_missing_and_damaged_files(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.elf"
    damaged.write_bytes(b"\x7fELF" + bytes(30))
    for path in (tmp_path / "missing.elf", damaged, tmp_path):
        with pytest.raises(BadFileError) as caught:
            plan(path, BOARD)
        assert caught.value.where == str(path)


@pytest.mark.cross
@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed")
def test_elf_is_taken_at_its_load_addresses(tmp_path: Path) -> None:
    source, script, elf = tmp_path / "a.c", tmp_path / "a.ld", tmp_path / "a.elf"
    source.write_text("const int code = 1; int data = 2; int bss;")
    script.write_text(
        "SECTIONS { .rodata 0x08000000 : { *(.rodata*) } .data 0x20000000 : AT(0x08000100) { *(.data) } "
        ".bss : { *(.bss*) } }"
    )
    command = ["arm-none-eabi-gcc", "-mcpu=cortex-m7", "-mthumb", "-nostdlib", "-Wl,-e0", f"-T{script}"]
    subprocess.run([*command, source, "-o", elf], check=True)
    made = plan(elf, BOARD)
    memory = {s.address + i: b for s in made.segments for i, b in enumerate(s.data)}
    assert bytes(memory[START + i] for i in range(4)) == b"\1\0\0\0"
    assert bytes(memory[START + 0x100 + i] for i in range(4)) == b"\2\0\0\0"
    assert made.image_bytes == 8


def test_an_image_for_another_machine_is_refused(tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no native C compiler")
    source = tmp_path / "a.c"
    source.write_text("int a;")
    subprocess.run([compiler, "-c", source, "-o", tmp_path / "a.o"], check=True)
    with pytest.raises(BadFileError, match="not for a 32-bit Arm core"):
        plan(tmp_path / "a.o", BOARD)


FLASHED = [b for b in map(load_board, board_ids()) if b.runners or b.uf2]


@pytest.mark.parametrize("board", FLASHED, ids=lambda board: board.id)
def test_a_board_that_is_flashed_has_whole_units_and_what_its_runners_need(board: Board) -> None:
    (flash,) = board.regions("flash")
    assert flash.size % flash.sector == 0
    assert flash.sector % flash.page == 0
    (first, size), (second, _), *_ = flash.sectors()
    made = plan([Segment(first, bytes(size + 1))], board)
    assert [s.address for s in made.sectors] == [first, second]
    for runner in runners(board) if board.runners else ():
        assert any(
            str(value) in runner.commands(made, lambda name, content: Path(name))[-1]
            for value in runner_settings(board, runner.name)
        )


def runner_settings(board: Board, name: str) -> list[str]:
    settings = next(runner.settings for runner in board.runners if runner.name == name)
    keys = {"pyocd": "target", "openocd": "config"}
    return settings[keys[name]].split()[:1] if name in keys else [""]


def test_targets_are_those_that_pyocd_has_without_a_pack() -> None:
    builtin = pytest.importorskip("pyocd.target.builtin", reason="pip install 'dqt-edge[flash]'")
    named = {r.settings["target"] for board in FLASHED for r in board.runners if r.name == "pyocd"}
    assert named == {"stm32h743xx", "stm32l475xg", "nrf52840"}
    assert named <= set(builtin.BUILTIN_TARGETS)
