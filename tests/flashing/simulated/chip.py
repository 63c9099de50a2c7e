"""A chip's flash as its manual has it, with every fault that flash can have, and what starts from it."""

from __future__ import annotations

import pickle
import random
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a program that plays a tool starts quickly without it
    from dqt_edge.boards import Board

CPUID = 0xE000ED00
PART = {"cortex-m0": 0xC20, "cortex-m0plus": 0xC60, "cortex-m4": 0xC24, "cortex-m7": 0xC27, "cortex-m33": 0xD21}
"""PARTNO of CPUID, by the cores' technical reference manuals."""

SEAL = 64
"""Offset of the seal in an image of :func:`image`, behind sixteen vectors."""


class PowerLostError(Exception):
    """The chip stopped in the middle of an operation."""


class FlashFaultError(Exception):
    """The chip says that an operation failed."""


@dataclass
class Faults:
    """What is wrong: addresses of sectors, of write units and of bytes.

    Attributes:
        erase, program, read: The operation fails and says so.
        silent_erase, silent_program: Nothing happens, and the chip says that all is well.
        stuck: Byte's address -> mask and value of the bits that never change.
        cut: Power is lost in this operation, counted from 0: it is done by half.
    """

    erase: set[int] = field(default_factory=set)
    program: set[int] = field(default_factory=set)
    read: set[int] = field(default_factory=set)
    silent_erase: set[int] = field(default_factory=set)
    silent_program: set[int] = field(default_factory=set)
    stuck: dict[int, tuple[int, int]] = field(default_factory=dict)
    cut: int | None = None


class Chip:
    """Flash of a board, erased by sector and programmed by unit.

    Args:
        board: Its first region of flash is simulated.
        once: A unit can be programmed only while it is erased (flash with ECC); else bits only leave the erased state.
        seed: Of what flash holds before, and of what an operation that is cut off leaves.
    """

    def __init__(self, board: Board, *, once: bool = False, seed: int = 1) -> None:
        region = board.regions("flash")[0]
        self.start, self.unit, self.erased = region.start, region.page, region.erased
        self.sectors = region.sectors()
        self.once = once
        self.rng = random.Random(seed)
        self.content = bytearray(b"\xa5" * region.size)
        self.faults = Faults()
        self.operations = 0
        self.starts = 0
        ram = board.regions("ram")[0]
        self.ram_start, self.ram = ram.start, bytearray(ram.size)
        self.core = PART[board.cpu.core]

    def erase(self, address: int) -> None:
        """Erase the sector that starts there."""
        size = dict(self.sectors)[address]
        offset = address - self.start
        if address in self.faults.erase:
            raise FlashFaultError(f"erase of 0x{address:08x}")
        wanted = bytes([self.erased]) * size
        if address in self.faults.silent_erase:
            wanted = bytes(self.content[offset : offset + size])
        self._step(offset, wanted)

    def program(self, address: int, data: bytes) -> None:
        """Program whole units."""
        assert address % self.unit == 0, "a write starts at a unit"
        assert len(data) % self.unit == 0, "units are whole"
        for at in range(0, len(data), self.unit):
            self._program(address + at, data[at : at + self.unit])

    def _program(self, address: int, data: bytes) -> None:
        offset = address - self.start
        before = bytes(self.content[offset : offset + self.unit])
        if address in self.faults.program or (self.once and before != bytes([self.erased]) * self.unit):
            raise FlashFaultError(f"program of 0x{address:08x}")
        if address in self.faults.silent_program:
            data = before
        elif self.erased:
            data = bytes(a & b for a, b in zip(before, data, strict=True))
        else:
            data = bytes(a | b for a, b in zip(before, data, strict=True))
        self._step(offset, data)

    def _step(self, offset: int, wanted: bytes) -> None:
        number, self.operations = self.operations, self.operations + 1
        if number == self.faults.cut:
            half = self.rng.randrange(len(wanted))
            mixed = wanted[:half] + bytes([wanted[half] ^ self.rng.randrange(256)])
            self.content[offset : offset + len(mixed)] = mixed
            raise PowerLostError(f"operation {number}")
        self.content[offset : offset + len(wanted)] = wanted

    def read(self, address: int, size: int) -> bytes:
        """Bytes of flash or RAM, or the core's CPUID."""
        if address == CPUID:
            return (0x410F0000 | self.core << 4).to_bytes(4, "little")
        if self.ram_start <= address < self.ram_start + len(self.ram):
            return bytes(self.ram[address - self.ram_start :][:size])
        if any(address <= at < address + size for at in self.faults.read):
            raise FlashFaultError(f"read of 0x{address:08x}")
        found = bytearray(self.content[address - self.start :][:size])
        for at, (mask, value) in self.faults.stuck.items():
            if address <= at < address + size:
                found[at - address] = found[at - address] & ~mask | value & mask
        return bytes(found)

    def restart(self) -> None:
        """Reset."""
        self.starts += 1

    def save(self, path: Path) -> None:
        """Keep it for another process."""
        path.write_bytes(pickle.dumps(self))

    @staticmethod
    def load(path: Path) -> Chip:
        """What :meth:`save` kept."""
        found = pickle.loads(path.read_bytes())
        assert isinstance(found, Chip)
        return found


def image(board: Board, size: int, seed: int, gap: slice | None = None) -> bytes:
    """Vectors, seal and random code, as an image of the project is laid out (firmware/port/cortexm/dqt_seal.c).

    ``gap``: bytes that nothing is written to; there erased flash is what was sealed.
    """
    region = board.regions("flash")[0]
    content = bytearray(random.Random(seed).randbytes(size))
    if gap is not None:
        content[gap] = bytes([region.erased]) * (gap.stop - gap.start)
    stack = board.regions("ram")[0].start + 0x1000
    vectors = struct.pack("<16I", stack, *[region.start + SEAL + 8 + 1 + 2 * i for i in range(15)])
    crc = zlib.crc32(content[SEAL + 8 :], zlib.crc32(vectors))
    content[: SEAL + 8] = vectors + struct.pack("<II", size, crc)
    return bytes(content)


def starts_healthy(board: Board, chip: Chip) -> bool:
    """Whether what is in flash starts and says that it is whole, as the core and the firmware's own check see it."""
    region, ram = board.regions("flash")[0], board.regions("ram")[0]
    content = chip.read(chip.start, region.size)
    stack, entry = struct.unpack_from("<II", content)
    runs = region.start <= entry & ~1 < region.end and entry & 1 == 1
    if not (runs and ram.start < stack <= ram.end):
        return False
    size, crc = struct.unpack_from("<II", content, SEAL)
    if not SEAL + 8 <= size <= len(content):
        return False
    return zlib.crc32(content[SEAL + 8 : size], zlib.crc32(content[:SEAL])) == crc
