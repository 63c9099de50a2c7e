"""The cores' memory protection unit: Armv6-M DDI0419E B3.5, v7-M DDI0403E B3.5, v8-M DDI0553B D1.2.

Only its registers and what they allow to privileged code, as a judge of the firmware: accesses are not refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from .values import RuleError, checked

TYPE, CTRL, RNR, RBAR, RASR, MAIR0 = 0xED90, 0xED94, 0xED98, 0xED9C, 0xEDA0, 0xEDC0
MPU = (TYPE, CTRL, RNR, RBAR, RASR)
ENABLE, DEFAULT_MAP = 1, 4

RASR_BITS = {6: 0x1707FF3F, 7: 0x173FFF3F}
"""Bits that are not reserved, by architecture: Armv6-M has no TEX (bits 21:19)."""
SIZE_LEAST = {6: 7, 7: 4}
"""SIZE of the smallest region: 256 bytes and 32."""
RIGHTS = {0: "", 1: "rw", 2: "rw", 3: "rw", 5: "r", 6: "r"}
"""RASR.AP -> what privileged code may do. 4 is reserved, 7 an old form of 6."""
CACHED = {(0, 2): "through", (0, 3): "back", (1, 3): "back, allocating", (0, 0): "ordered", (0, 1): "device"}
"""(TEX, C and B) -> memory attribute, as far as modelled."""
MAIR = {0xAA: "through", 0xFF: "back, allocating"}
"""Byte of MPU_MAIR0 -> memory attribute, as far as modelled."""

SYSTEM = ("rw", "device")
DEFAULT = (("rwx", "through"), ("rwx", "back, allocating"), SYSTEM, ("rwx", "back, allocating"), ("rwx", "through"))
"""The map without regions, by eighths of the memory; what follows is devices."""


@dataclass(frozen=True)
class Region:
    """Addresses of an enabled region, eighths of it that do not count (a bit each), rights and memory attribute."""

    start: int
    end: int
    off: int
    rights: str
    attribute: str

    def holds(self, address: int) -> bool:
        """Whether it decides about an address."""
        return (
            self.start <= address < self.end
            and not self.off >> (address - self.start) * 8 // (self.end - self.start) & 1
        )


class Mpu:
    """Registers by offset from 0xE0000000.

    Args:
        architecture: 6, 7 or 8.
        regions: How many it has.
    """

    def __init__(self, architecture: int, regions: int) -> None:
        self._architecture = architecture
        self._values = {TYPE: regions << 8, CTRL: 0, RNR: 0}
        self._regions = [{RBAR: 0, RASR: 0} for _ in range(regions)]
        self.registers = (*MPU, MAIR0) if architecture == 8 else MPU
        if architecture == 8:
            self._values[MAIR0] = 0

    def read(self, offset: int) -> int:
        """Value of a register."""
        return self._regions[self._values[RNR]][offset] if offset in (RBAR, RASR) else self._values[offset]

    def write(self, offset: int, value: int) -> None:
        """Write a register; RuleError for reserved bits, what is not modelled, or a region that is none."""
        checked(offset != TYPE, "MPU_TYPE is read-only")
        if offset in (RBAR, RASR):
            number = self._values[RNR]
            self._regions[number] = {**self._regions[number], offset: value}
            self._region(number)
            return
        checked(offset != RNR or value < len(self._regions), f"the MPU has no region {value}")
        checked(offset != CTRL or value < 8, f"bits 0x{value:x} of MPU_CTRL are reserved")
        self._values[offset] = value
        if offset == CTRL and value & ENABLE:
            self._check_overlaps()

    def at(self, address: int) -> tuple[str, str]:
        """What privileged code may do there (letters of ``rwx``), and the memory attribute."""
        if self._values[CTRL] & ENABLE:
            for region in reversed(self._all()):
                if region.holds(address):
                    return region.rights, region.attribute
            checked(bool(self._values[CTRL] & DEFAULT_MAP), f"no region allows 0x{address:08x}")
        eighth = address >> 29
        return DEFAULT[eighth] if eighth < len(DEFAULT) else SYSTEM

    def _all(self) -> list[Region]:
        return [region for number in range(len(self._regions)) if (region := self._region(number)) is not None]

    def _check_overlaps(self) -> None:
        """Two regions at one address are a fault on Armv8-M; before, the higher number counts."""
        if self._architecture == 8:
            ordered = sorted(self._all(), key=lambda region: region.start)
            for below, above in pairwise(ordered):
                checked(below.end <= above.start, f"two regions of the MPU hold 0x{above.start:08x}")

    def _region(self, number: int) -> Region | None:
        """A region, or None while it is off."""
        base, size = (self._regions[number][at] for at in (RBAR, RASR))
        return self._by_limit(base, size) if self._architecture == 8 else self._by_size(base, size)

    def _by_size(self, base: int, rasr: int) -> Region | None:
        checked(base & 0x1F == 0, "MPU_RBAR.VALID and REGION are not modelled")
        wrong = rasr & ~RASR_BITS[self._architecture]
        checked(wrong == 0, f"bits 0x{wrong:x} of MPU_RASR are reserved")
        if not rasr & ENABLE:
            return None
        size, access, kind = rasr >> 1 & 31, rasr >> 24 & 7, (rasr >> 19 & 7, rasr >> 16 & 3)
        checked(size >= SIZE_LEAST[self._architecture], f"the MPU has no region of {2 << size} bytes")
        checked(base % (2 << size) == 0, f"a region of {2 << size} bytes begins at 0x{base:08x}")
        checked(access in RIGHTS, f"MPU_RASR.AP {access} is reserved")
        checked(kind in CACHED, f"TEX {kind[0]} with C and B {kind[1]} is not modelled")
        rights = RIGHTS[access] + "x" * (RIGHTS[access] != "" and not rasr >> 28 & 1)
        return Region(base, base + (2 << size), rasr >> 8 & 0xFF, rights, CACHED[kind])

    def _by_limit(self, base: int, limit: int) -> Region | None:
        checked(limit >> 4 & 1 == 0, "bit 4 of MPU_RLAR is reserved")
        checked(base >> 3 & 3 != 1, "MPU_RBAR.SH 1 is reserved")
        if not limit & ENABLE:
            return None
        start, end = base & ~31, (limit | 31) + 1
        checked(start < end, f"a region from 0x{start:08x} ends at 0x{end:08x}")
        byte = self._values[MAIR0] >> (limit >> 1 & 7) * 8 & 0xFF if limit >> 1 & 7 < 4 else 0
        if byte not in MAIR:
            raise RuleError(f"memory attribute 0x{byte:02x} is not modelled")
        rights = ("r" if base >> 2 & 1 else "rw") + "x" * (not base & 1)
        return Region(start, end, 0, rights, MAIR[byte])
