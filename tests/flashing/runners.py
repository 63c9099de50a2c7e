"""Every runner on a simulated chip, within this process: what a test can do thousands of times."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dqt_edge.boards import Board, load_board
from dqt_edge.errors import FlashError
from dqt_edge.flashing.base import Runner, Segment
from dqt_edge.flashing.dfu import DfuRunner
from dqt_edge.flashing.jlink import JlinkRunner
from dqt_edge.flashing.nrfutil import NrfutilRunner
from dqt_edge.flashing.openocd import OpenocdRunner
from dqt_edge.flashing.pyocd import PyocdRunner
from dqt_edge.flashing.stlink import StlinkRunner
from dqt_edge.flashing.stm32_uart import Stm32UartRunner
from dqt_edge.flashing.tool import Tool

from .simulated import tools
from .simulated.chip import Chip, image
from .simulated.loader import BootLoader, DirectLine

RUNNERS = ("pyocd", "openocd", "st-flash", "dfu-util", "stm32-uart", "nrfutil", "jlink")


def shaped(name: str) -> Board:
    """Boards whose flash has the shapes there are: page of 2 K, F4's 16/64/128 K, H7's 128 K, and one erased to 0."""
    board = load_board({"2k": "nucleo-l476rg", "f4": "nucleo-f446re", "h7": "stm32h7", "zero": "nucleo-l476rg"}[name])
    region = board.regions("flash")[0]
    # Small pieces are written by the tools, so that an image of a few of them touches several sectors.
    if name == "zero":
        region = replace(region, sector=0x80, page=4, erased=0, size=0x8000)
    sizes = {"2k": 0x4000, "f4": 0x20000, "h7": 0x40000}
    region = replace(region, size=sizes.get(name, region.size))
    return replace(board, memory=(region, *board.regions("ram")))


SHAPES = ("2k", "f4", "h7", "zero")
ONCE = ("2k", "h7")
"""Shapes whose flash has ECC: a unit is programmed once."""


def chip_of(name: str, **options: Any) -> Chip:
    """A chip of that shape."""
    return Chip(shaped(name), once=name in ONCE, **options)


def image_parts(name: str, seed: int) -> list[Segment]:
    """An image over several sectors, with a gap between two parts, so that there are few operations."""
    board = shaped(name)
    region = board.regions("flash")[0]
    (_, _), (second, _), *_ = region.sectors()
    if name == "zero":
        return [Segment(region.start, image(board, 0x140, seed))]
    gap = slice(0x120, second + 64 - region.start)
    whole = image(board, gap.stop + 45, seed, gap)
    return [Segment(region.start, whole[: gap.start]), Segment(region.start + gap.stop, whole[gap.stop :])]


@contextmanager
def runner_on(name: str, board: Board, chip: Chip, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runner]:
    """A runner whose other side is the chip; after the block, the chip has what its tool did."""
    if name == "stm32-uart":
        yield Stm32UartRunner(board, {"chip_id": "0x415"}, "line", lambda port: DirectLine(BootLoader(chip)))  # type: ignore[arg-type,return-value]
    elif name == "pyocd":
        yield PyocdRunner({"target": "x"}, lambda settings: FakeSession(chip))
    else:
        chip.save(folder / tools.CHIP)

        def run(self: Tool, arguments: list[str], doing: str) -> str:
            code, output = tools.main(self.executable, folder, arguments)
            if code:
                raise self.explain(output, doing)
            return output

        monkeypatch.setattr(Tool, "run", run)
        monkeypatch.setattr(Tool, "available", lambda self: None)
        unit = board.regions("flash")[0].page
        made = {
            "openocd": OpenocdRunner({"config": "x.cfg"}, unit),
            "st-flash": StlinkRunner({}),
            "dfu-util": DfuRunner({}),
            "nrfutil": NrfutilRunner({"family": "nrf52"}),
            "jlink": JlinkRunner({"device": "X"}),
        }
        try:
            yield made[name]
        finally:
            chip.__dict__.update(Chip.load(folder / tools.CHIP).__dict__)


class Operation(Enum):
    ERASE = 1
    PROGRAM = 2


class FakeAlgorithm:
    """The part of pyocd.flash.flash.Flash that is used, with its rules."""

    Operation = Operation

    def __init__(self, chip: Chip, page: int) -> None:
        self.chip = chip
        self.page = page
        self.active: Operation | None = None

    def init(self, operation: Operation) -> None:
        self.active = operation

    def erase_sector(self, address: int) -> None:
        assert self.active == Operation.ERASE
        self.chip.erase(address)

    def program_page(self, address: int, data: bytes) -> None:
        assert self.active == Operation.PROGRAM
        assert address % self.page == 0
        assert len(data) == self.page
        self.chip.program(address, data)

    def cleanup(self) -> None:
        self.active = None


class FakeSession:
    """The part of pyocd.core.session.Session that is used, on a chip whose flash is in two banks."""

    def __init__(self, chip: Chip, page: int | None = None) -> None:
        self.log: list[str] = []
        page = page or max(chip.unit, 64)
        bank = len(chip.content) // 2
        self.algorithms = [FakeAlgorithm(chip, page), FakeAlgorithm(chip, page)]
        regions = [
            SimpleNamespace(start=chip.start + i * bank, is_flash=True, page_size=page, flash=algorithm)
            for i, algorithm in enumerate(self.algorithms)
        ]

        def find(address: int) -> Any:
            return next((r for r in regions if r.start <= address < r.start + bank), None)

        def reset() -> None:
            self.log.append("reset")
            chip.restart()

        self.target = SimpleNamespace(
            memory_map=SimpleNamespace(get_region_for_address=find),
            reset_and_halt=lambda: self.log.append("halt"),
            reset=reset,
            read_memory_block8=lambda address, size: list(chip.read(address, size)),
        )

    def close(self) -> None:
        self.log.append("close")


def failed(action: Any) -> FlashError:
    """The error of an action that must fail."""
    with pytest.raises(FlashError) as caught:
        action()
    return caught.value
