"""What every runner shares: the plan, checked before the first write, and what a runner has to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from ..boards import Board, Memory
from ..errors import FlashError
from ..system import elf

WHOLE_SECTORS = 0
"""The write unit of a runner whose every write erases the sectors that it touches."""

ARMV6M = (elf.V6_M, elf.V6S_M)
ARMV7M = (*ARMV6M, elf.V7)
ARMV8M = (*ARMV7M, elf.V7E_M, elf.V8M_BASE, elf.V8M_MAIN)
ARCHITECTURES = {
    "cortex-m0": ARMV6M,
    "cortex-m0plus": ARMV6M,
    "cortex-m3": ARMV7M,
    "cortex-m4": (*ARMV7M, elf.V7E_M),
    "cortex-m7": (*ARMV7M, elf.V7E_M),
    "cortex-m33": ARMV8M,
    "cortex-m55": (*ARMV8M, elf.V8_1M_MAIN),
}
"""Versions of the architecture whose images a core runs."""

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
        segments: Ascending, apart, within flash; starts and sizes are multiples of the write unit. The first one begins
            with the vectors.
        sectors: Every sector that a segment touches, ascending. They lose all they hold.
        image_bytes: Bytes of the image itself, without filling.
        erased: What a byte of erased flash reads as.
    """

    board: Board
    segments: tuple[Segment, ...]
    sectors: tuple[Sector, ...]
    image_bytes: int
    erased: int = 0xFF

    @property
    def write_bytes(self) -> int:
        """Bytes written, filling included."""
        return sum(len(segment.data) for segment in self.segments)

    @property
    def erase_bytes(self) -> int:
        """Bytes erased."""
        return sum(sector.size for sector in self.sectors)


Files = Callable[[str, bytes], Path]
"""Keeps bytes in a file of that name, for a preview, and gives its path; with no bytes, the path alone."""


class Runner(Protocol):
    """What writes a board's flash. Methods raise FlashError, or ToolchainError where software is missing."""

    @property
    def name(self) -> str:
        """Name in the board file."""

    @property
    def write_unit(self) -> int:
        """A write may start and end at multiples of so many bytes, a power of two; or ``WHOLE_SECTORS``."""

    @property
    def sees_core(self) -> bool:
        """Whether ``read`` reaches the registers of the core, too: a debug probe's does."""

    @property
    def by_hand(self) -> str | None:
        """What a person has to do to start the image after ``reset``; None: nothing."""

    def available(self) -> str | None:
        """None if the software is installed, else the reason with what to install. Touches no probe."""

    def commands(self, plan: FlashPlan, files: Files) -> tuple[str, ...]:
        """What will be done, in order, as a person could type it; for the preview. The files exist then."""

    def connect(self, plan: FlashPlan) -> None:
        """Finds the probe or boot loader, makes sure that the chip is the board's, and halts the core."""

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
        FlashError: Nothing to write, segments overlap, one lies outside the board's flash, or the image is for another
            core.
        BadFileError: The file is unreadable.
    """
    where = str(image) if isinstance(image, Path) else f"image for {board.name}"
    if isinstance(image, Path):
        _check_core(image, board)
    given = tuple(Segment(*part) for part in elf.load_parts(image)) if isinstance(image, Path) else tuple(image)
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
    sectors: set[tuple[int, int]] = set()
    for segment in segments:
        region = _region(segment, regions, where)
        _fill(units, segment, region)
        sectors.update(
            (start, size) for start, size in region.sectors() if start < segment.end and segment.address < start + size
        )
    return FlashPlan(
        board,
        _joined(units),
        tuple(Sector(start, size) for start, size in sorted(sectors)),
        sum(len(segment.data) for segment in segments),
        regions[0].erased,
    )


def _check_core(image: Path, board: Board) -> None:
    """An image for a core with more instructions starts, and faults at the first of them."""
    version = elf.architecture(image)
    known = ARCHITECTURES.get(board.cpu.core, ())
    if version is not None and known and version not in known:
        raise _refused(
            f"the image is for {elf.ARCHITECTURES.get(version, 'another architecture')}, which the board's "
            f"{board.cpu.core} does not run",
            str(image),
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
        unit = units.setdefault(start, bytearray([region.erased]) * region.page)
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
