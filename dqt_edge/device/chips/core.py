"""The cores' own registers that the firmware uses: Armv7-M manual DDI0403E (v6-M DDI0419E, v8-M DDI0553B)."""

from __future__ import annotations

from dataclasses import dataclass

from .mpu import Mpu
from .values import RuleError, checked

LAR, LAR_KEY = 0x1FB0, 0xC5ACCE55
DWT_CTRL, CYCCNT = 0x1000, 0x1004
CPUID, VTOR, AIRCR, CCR, CPACR, DHCSR, DEMCR = 0xED00, 0xED08, 0xED0C, 0xED14, 0xED88, 0xEDF0, 0xEDFC
CCSIDR, CSSELR, ICIALLU, DCISW, DCCMVAC = 0xED80, 0xED84, 0xEF50, 0xEF60, 0xEF68
SYST_CSR, SYST_RVR, SYST_CVR = 0xE010, 0xE014, 0xE018
ICER = range(0xE180, 0xE1A0, 4)
FAULT_STATUS = range(0xED28, 0xED3C, 4)

DATA_CACHE = 0xF00FE019
"""16 KB, 4 ways, 128 sets, lines of 32 bytes."""
DATA_CACHE_LINES = 512

CORE_PAGES = (0xE0001000, 0xE000E000)
"""4 KB pages of these registers."""


@dataclass(frozen=True)
class CoreKind:
    """What a core has: CPUID, architecture, caches, cycle counter, the lock before it, fault status, MPU regions."""

    cpuid: int
    architecture: int = 7
    caches: bool = False
    counter: bool = True
    lock: bool = False
    faults: bool = True
    regions: int = 8


CORTEX_M7 = CoreKind(0x411FC271, caches=True, lock=True, regions=16)
CORTEX_M4 = CoreKind(0x410FC241)
CORTEX_M33 = CoreKind(0x411FD210, architecture=8)
CORTEX_M0PLUS = CoreKind(0x410CC601, architecture=6, counter=False, faults=False)


class CoreRegisters:
    """System control space and DWT, by offset from 0xE0000000. The counters stand: at 0, or where a test puts SysTick.

    Args:
        kind: The core.
        vectors: Where its vector table lies after reset.
    """

    name = "core"

    def __init__(self, kind: CoreKind, vectors: int) -> None:
        self._kind = kind
        self._values = {VTOR: vectors, CCR: 0x00040200, SYST_CSR: 0, SYST_RVR: 0}
        if kind.counter:
            self._values |= {DEMCR: 0, DWT_CTRL: 0x40000000}
        if kind.caches:
            self._values |= {CSSELR: 0}
        if kind.faults:
            self._values |= {CPACR: 0, **dict.fromkeys(FAULT_STATUS, 0)}
        self.mpu = Mpu(kind.architecture, kind.regions)
        self._unlocked = not kind.lock
        self.systick = 0
        self._instructions_clean = False
        self._lines_clean: set[int] = set()
        self.reset_requested = False

    def peek(self, offset: int) -> int:
        """Stored value, without the effects of a read."""
        return self._values.get(offset, 0)

    def read(self, offset: int) -> int:
        """Value of a register."""
        if offset in self.mpu.registers:
            return self.mpu.read(offset)
        fixed = {CPUID: self._kind.cpuid, CYCCNT: 0, DHCSR: 0, AIRCR: 0xFA050000, CCSIDR: DATA_CACHE}
        fixed[SYST_CVR] = self.systick
        lacking = (CYCCNT,) * (not self._kind.counter) + (CCSIDR,) * (not self._kind.caches)
        if offset in fixed and offset not in lacking:
            checked(offset != CCSIDR or self._values[CSSELR] == 0, "only the data cache's size is modelled")
            return fixed[offset]
        checked(offset in self._values, f"no core register is modelled at 0x{0xE0000000 + offset:08x}")
        return self._values[offset]

    def write(self, offset: int, value: int) -> None:
        """Write a register."""
        if offset in self.mpu.registers:
            self.mpu.write(offset, value)
        elif offset == AIRCR:
            checked(value >> 16 == 0x05FA, "SCB_AIRCR is written without its key")
            self.reset_requested = bool(value & 4)
        elif offset == LAR and self._kind.lock:
            self._unlocked = value == LAR_KEY
        elif offset in (DWT_CTRL, CYCCNT) and self._kind.counter:
            checked(bool(self._values[DEMCR] >> 24 & 1), "the DWT is written before DEMCR.TRCENA")
            checked(self._unlocked, "the DWT is written before it is unlocked (DWT_LAR)")
            if offset == DWT_CTRL:
                self._values[offset] = value
        elif offset == SYST_CVR or offset in ICER:
            pass  # clears the counter; switches interrupts off that are off
        elif offset == ICIALLU and self._kind.caches:
            self._instructions_clean = True
        elif offset == DCISW and self._kind.caches:
            self._lines_clean.add(value)
        elif offset == DCCMVAC and self._kind.caches:
            checked(bool(self._values[CCR] >> 16 & 1), "a line of the data cache is cleaned while that is off")
        elif offset == CCR:
            self._write_ccr(value)
        elif offset in self._values:
            self._values[offset] = value
        else:
            raise RuleError(f"no core register is modelled at 0x{0xE0000000 + offset:08x}, or it is read-only")

    def _write_ccr(self, value: int) -> None:
        rising = value & ~self._values[CCR]
        if rising >> 17 & 1:
            checked(self._instructions_clean, "the instruction cache is enabled before it is invalidated")
        if rising >> 16 & 1:
            lines = len(self._lines_clean)
            checked(
                lines == DATA_CACHE_LINES,
                f"the data cache is enabled with {lines} of {DATA_CACHE_LINES} lines invalidated",
            )
        self._values[CCR] = value
