"""What every runner shares: the plan, checked before the first write; then write, read back, reset."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from ..boards import Board, Memory
from ..errors import FlashError
from ..system.elf import load_parts

ERASED = 0xFF
"""A byte of erased flash, and the filling of a last, incomplete write unit."""

Progress = Callable[[str, int, int], None]
"""Called with a step (``erase``, ``write``, ``verify``), the bytes done and the bytes in all."""


@dataclass(frozen=True)
class Segment:
    """Bytes for an address."""

    address: int
    data: bytes

    @property
    def end(self) -> int:
        """First address behind the segment."""
        return self.address + len(self.data)


@dataclass(frozen=True)
class Sector:
    """One erase unit: start address and size in bytes."""

    address: int
    size: int


@dataclass(frozen=True)
class FlashPlan:
    """What will be written; nothing behind this value checks addresses again.

    Attributes:
        board: The board it was made for.
        segments: Ascending, apart, within flash; starts and sizes are multiples of the write unit.
        sectors: Every sector that a segment touches, ascending. They lose all they hold.
        image_bytes: Bytes of the image itself, without filling.
    """

    board: Board
    segments: tuple[Segment, ...]
    sectors: tuple[Sector, ...]
    image_bytes: int

    @property
    def write_bytes(self) -> int:
        """Bytes written, filling included."""
        return sum(len(segment.data) for segment in self.segments)

    @property
    def erase_bytes(self) -> int:
        """Bytes erased."""
        return sum(sector.size for sector in self.sectors)


class Runner(Protocol):
    """A debug probe's software. Methods raise FlashError, or ToolchainError where the software is missing."""

    @property
    def name(self) -> str:
        """Name in the board file."""

    def available(self) -> str | None:
        """None if the software is installed, else the reason with what to install. Touches no probe."""

    def commands(self, plan: FlashPlan) -> tuple[str, ...]:
        """What will be done, in order, as a person could type it; for the preview."""

    def connect(self) -> None:
        """Finds the probe and halts the core."""

    def erase(self, sectors: Sequence[Sector]) -> None:
        """Erases whole sectors."""

    def write(self, segments: Sequence[Segment]) -> None:
        """Writes into erased flash."""

    def read(self, address: int, size: int) -> bytes:
        """Reads back; exactly ``size`` bytes."""

    def reset(self) -> None:
        """Resets the chip and lets it run."""

    def close(self) -> None:
        """Lets go of the probe; harmless if not connected."""


def plan(image: Path | Iterable[Segment], board: Board) -> FlashPlan:
    """Plan for an ELF file or for segments.

    Raises:
        FlashError: Nothing to write, segments overlap, or one lies outside the board's flash.
        BadFileError: The file is unreadable.
    """
    where = str(image) if isinstance(image, Path) else f"image for {board.name}"
    given = tuple(Segment(*part) for part in load_parts(image)) if isinstance(image, Path) else tuple(image)
    segments = sorted((s for s in given if s.data), key=lambda s: s.address)
    if not segments:
        raise _refused("the image is empty", where)
    for before, after in pairwise(segments):
        if before.end > after.address:
            raise _refused(
                f"two segments overlap at 0x{after.address:08x} ({len(before.data)} bytes from "
                f"0x{before.address:08x}, {len(after.data)} bytes from 0x{after.address:08x})",
                where,
            )
    regions = [region for region in board.regions("flash") if region.sector > 0 and region.page > 0]
    units: dict[int, bytearray] = {}
    sectors: dict[int, Sector] = {}
    for segment in segments:
        region = _region(segment, regions, where)
        _fill(units, segment, region)
        first = (segment.address - region.start) // region.sector
        last = (segment.end - 1 - region.start) // region.sector
        for index in range(first, last + 1):
            sectors[region.start + index * region.sector] = Sector(region.start + index * region.sector, region.sector)
    return FlashPlan(
        board,
        _joined(units),
        tuple(sectors[address] for address in sorted(sectors)),
        sum(len(segment.data) for segment in segments),
    )


def _region(segment: Segment, regions: Sequence[Memory], where: str) -> Memory:
    for region in regions:
        if region.start <= segment.address and segment.end <= region.end:
            return region
    spans = ", ".join(f"0x{r.start:08x}-0x{r.end - 1:08x}" for r in regions)
    raise _refused(
        f"0x{segment.address:08x}-0x{segment.end - 1:08x} lies outside the board's flash "
        f"({spans or 'it has none that can be erased'})",
        where,
    )


def _refused(what: str, where: str) -> FlashError:
    return FlashError(
        what,
        where=where,
        next_step="nothing was written; export and build the project for this board, then flash again",
    )


def _fill(units: dict[int, bytearray], segment: Segment, region: Memory) -> None:
    """Spreads a segment over write units: two segments may share one, which can be programmed only once."""
    position = segment.address
    while position < segment.end:
        start = region.start + (position - region.start) // region.page * region.page
        unit = units.setdefault(start, bytearray([ERASED]) * region.page)
        size = min(segment.end, start + region.page) - position
        offset = position - segment.address
        unit[position - start : position - start + size] = segment.data[offset : offset + size]
        position += size


def _joined(units: dict[int, bytearray]) -> tuple[Segment, ...]:
    """Segments of adjacent write units."""
    parts: list[tuple[int, bytearray]] = []
    for address in sorted(units):
        if parts and parts[-1][0] + len(parts[-1][1]) == address:
            parts[-1][1].extend(units[address])
        else:
            parts.append((address, bytearray(units[address])))
    return tuple(Segment(address, bytes(data)) for address, data in parts)


def flash(planned: FlashPlan, runner: Runner, progress: Progress | None = None) -> None:
    """Erases, writes, reads every byte back, compares, and resets the chip.

    Raises:
        FlashError: The probe or the flash failed, or what was read back differs.
        ToolchainError: The runner's software is missing.
    """
    report = progress or (lambda step, done, total: None)
    try:
        runner.connect()
        done = 0
        for sector in planned.sectors:
            runner.erase((sector,))
            done += sector.size
            report("erase", done, planned.erase_bytes)
        runner.write(planned.segments)
        report("write", planned.write_bytes, planned.write_bytes)
        done = 0
        for segment in planned.segments:
            _compare(segment, runner.read(segment.address, len(segment.data)), runner.name)
            done += len(segment.data)
            report("verify", done, planned.write_bytes)
        runner.reset()
    finally:
        runner.close()


def _compare(segment: Segment, found: bytes, runner: str) -> None:
    if found == segment.data:
        return
    if len(found) != len(segment.data):
        what = f"read back {len(found)} of {len(segment.data)} bytes from 0x{segment.address:08x}"
    else:
        first = next(i for i, (a, b) in enumerate(zip(segment.data, found, strict=True)) if a != b)
        count = sum(a != b for a, b in zip(segment.data, found, strict=True))
        what = (
            f"verify failed at 0x{segment.address + first:08x}: wrote 0x{segment.data[first]:02x}, "
            f"read 0x{found[first]:02x}; {count} of {len(found)} bytes differ"
        )
    raise FlashError(
        what,
        where=f"runner {runner}",
        next_step="flash again; if it repeats at the same address, the sector may be write protected or worn",
    )
