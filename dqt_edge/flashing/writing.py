"""Erase, write, read back, compare, reset: in an order in which no image that is cut off ever starts.

The sector of the vectors is erased first, so that the old image cannot start any more. What lies behind the vectors is
written and read back; the vectors, and the seal behind them, come last, when all else is known to be right. A core
without vectors does not start, and an image whose seal does not fit says that it is damaged.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from ..errors import FlashError
from .base import WHOLE_SECTORS, FlashPlan, Progress, Runner, Sector, Segment

CPUID = 0xE000ED00
PARTS = {
    "cortex-m0": 0xC20,
    "cortex-m0plus": 0xC60,
    "cortex-m3": 0xC23,
    "cortex-m4": 0xC24,
    "cortex-m7": 0xC27,
    "cortex-m33": 0xD21,
    "cortex-m55": 0xD22,
}
"""PARTNO of each core's CPUID register, which lies at one address in all of them."""

HEAD = 256
"""Bytes that hold the vectors of every port and the seal; a second boot stage is as long."""


def parts(planned: FlashPlan, unit: int) -> tuple[tuple[Segment, ...], Segment]:
    """What is written first, and what last: the vectors, in one segment with all that shares their write units.

    Args:
        planned: The plan.
        unit: The runner's; with ``WHOLE_SECTORS``, what lies in a sector, or in sectors side by side, is one segment.
    """
    first = planned.segments[0].address
    if unit == WHOLE_SECTORS:
        border = planned.sectors[0].address + planned.sectors[0].size
    else:
        border = -(-(first + HEAD) // unit) * unit
    below = [_cut(segment, 0, border) for segment in planned.segments if segment.address < border]
    above = [_cut(segment, border, segment.end) for segment in planned.segments if segment.end > border]
    if unit == WHOLE_SECTORS:
        above = [_joined(run, planned.erased) for run in _runs(above, planned)]
    return tuple(above), _joined(below, planned.erased)


def _cut(segment: Segment, start: int, end: int) -> Segment:
    """What of a segment lies from one address to another."""
    at = max(start, segment.address)
    return Segment(at, segment.data[at - segment.address : end - segment.address])


def _joined(segments: Sequence[Segment], erased: int) -> Segment:
    """One segment, with bytes of erased flash in the gaps."""
    start = segments[0].address
    content = bytearray([erased]) * (segments[-1].end - start)
    for segment in segments:
        content[segment.address - start : segment.end - start] = segment.data
    return Segment(start, bytes(content))


def _runs(segments: Sequence[Segment], planned: FlashPlan) -> list[list[Segment]]:
    """Segments in groups: those of a sector, and of sectors side by side, belong together."""
    starts = [sector.address for sector in planned.sectors]

    def sector(address: int) -> Sector:
        return planned.sectors[bisect_right(starts, address) - 1]

    found: list[list[Segment]] = []
    for segment in segments:
        last = sector(found[-1][-1].end - 1) if found else None
        if last is not None and sector(segment.address).address <= last.address + last.size:
            found[-1].append(segment)
        else:
            found.append([segment])
    return found


def flash(planned: FlashPlan, runner: Runner, progress: Progress | None = None) -> None:
    """Erases, writes, reads every byte back, compares, and resets the chip.

    Raises:
        FlashError: The probe or the flash failed, or what was read back differs.
        ToolchainError: The runner's software is missing.
    """
    report = progress or (lambda step, done, total: None)
    body, head = parts(planned, runner.write_unit)
    total = sum(len(segment.data) for segment in (*body, head))
    # A write that erases by itself needs only the old vectors to be gone.
    erased = planned.sectors[:1] if runner.write_unit == WHOLE_SECTORS else planned.sectors
    try:
        runner.connect(planned)
        if runner.sees_core:
            _check_core(planned, runner)
        done = 0
        for sector in erased:
            runner.erase((sector,))
            done += sector.size
            report("erase", done, sum(each.size for each in erased))
        written = done = 0
        for group in (body, (head,)) if body else ((head,),):
            runner.write(group)
            written += sum(len(segment.data) for segment in group)
            report("write", written, total)
            for segment in group:
                _compare(segment, runner.read(segment.address, len(segment.data)), runner.name)
                done += len(segment.data)
                report("verify", done, total)
        runner.reset()
    finally:
        runner.close()


def _check_core(planned: FlashPlan, runner: Runner) -> None:
    """Before anything is erased: the core is the board's."""
    found = int.from_bytes(runner.read(CPUID, 4), "little") >> 4 & 0xFFF
    wanted = PARTS[planned.board.cpu.core]
    if found != wanted:
        names = {part: core for core, part in PARTS.items()}
        raise FlashError(
            f"the chip's core is {names.get(found, f'none that is known (part 0x{found:03x})')}, "
            f"and that of board {planned.board.id!r} {planned.board.cpu.core}",
            where=f"runner {runner.name}",
            next_step="connect the board of the project, or export for this one; nothing was written",
        )


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
