"""RP2040 and RP2350 (their datasheets), as far as the firmware uses them. See :mod:`.stm32` for the rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from ...boards import Board
from .boot import Boot
from .core import CORE_PAGES, CORTEX_M0PLUS, CORTEX_M33, CoreKind, CoreRegisters
from .pin import trigger_of
from .pl011 import Pl011
from .rp2_watchdog import CTRL, CTRL_RESET, ENABLE, LOAD, WDSEL, Rp2Watchdog
from .values import Peripheral, Reset, RuleError, StrictBank, checked

READY_AFTER = 3
"""Reads of a flag until it rises."""
CORE, SSI, SIO = 0xE0000000, 0x18000000, 0xD0000000
RING_HZ = 6_500_000
"""The ring oscillator, from which the chip starts; nominal."""
BOOT2_SIZE, BOOT2_RAM = 256, 0x20041F00
READ_HZ = 50_000_000
"""Fastest clock of a serial flash for command 03h (Winbond W25Q16JV, fR)."""
BLOCK = (0xFFFFDED3, 0x10210142, 0x000001FF, 0, 0xAB123579)
"""An image definition: executable, Arm, secure, RP2350 (RP2350 Datasheet, "Image definitions")."""

_RESETS = {0x0: "RESET", 0x4: "WDSEL", 0x8: "RESET_DONE"}
_XOSC = {0x00: ("XOSC_CTRL", 0, 0xFFFFFF, 0), 0x04: ("XOSC_STATUS", 0, 0, 0), 0x0C: ("XOSC_STARTUP", 0xC4, 0x103FFF, 0)}
_PLL = {
    0x0: ("PLL_CS", 1, 0x13F, 1 << 31),
    0x4: ("PLL_PWR", 0x2D, 0x2D, 0),
    0x8: ("PLL_FBDIV_INT", 0, 0xFFF, 0),
    0xC: ("PLL_PRIM", 0x77000, 0x77000, 0),
}
_CLOCKS = {
    0x30: ("CLK_REF_CTRL", 0, 0x63, 0),
    0x38: ("CLK_REF_SELECTED", 1, 0, 0),
    0x3C: ("CLK_SYS_CTRL", 0, 0xE1, 0),
    0x44: ("CLK_SYS_SELECTED", 1, 0, 0),
    0x48: ("CLK_PERI_CTRL", 0, 0xCE0, 1 << 28),
}
_SSI = {
    0x00: ("SSI_CTRLR0", 0, 0x17FFFFF, 0),
    0x04: ("SSI_CTRLR1", 0, 0xFFFF, 0),
    0x08: ("SSI_SSIENR", 1, 1, 0),
    0x14: ("SSI_BAUDR", 0, 0xFFFF, 0),
    0xF4: ("SSI_SPI_CTRLR0", 0x03000000, 0xFF0FFB3F, 0),
}
SERIAL_READ = {0x00: 31 << 16 | 3 << 8, 0x04: 0, 0xF4: 0x03 << 24 | 2 << 8 | 6 << 2}
"""Frames of 32 bits, "EEPROM read", one frame; command 03h of 8 bits and an address of 24, all on one line."""


REASON, SCRATCH0 = 0x08, 0x0C
"""Of the watchdog, which a reset of the core leaves as they are."""
TIMER = 1
"""Of the watchdog's reasons."""


@dataclass(frozen=True)
class Kind:
    """A chip: banks, bits of RESETS by bank, limits, where and how it keeps why it was reset, and GPIO in SIO.

    ``dog``: what its watchdog counts in a millisecond, and bits of PSM that are the whole chip but its oscillators.
    """

    cpu: str
    core: CoreKind
    bases: dict[str, int]
    resets: dict[str, int]
    hz: int
    pad_reset: int
    all_resets: int
    boot2: bool
    chip_reset: tuple[str, int]
    causes: dict[Reset, int]
    sio: dict[int, str]
    dog: tuple[int, int]


RP2040 = Kind(
    cpu="CORTEX_M0",
    core=CORTEX_M0PLUS,
    bases={
        **{"RESETS": 0x4000C000, "CLOCKS": 0x40008000, "XOSC": 0x40024000, "PLL_SYS": 0x40028000},
        **{"IO_BANK0": 0x40014000, "PADS_BANK0": 0x4001C000, "UART0": 0x40034000, "WATCHDOG": 0x40058000},
        **{"TIMER": 0x40054000, "SSI": SSI, "VREG_AND_CHIP_RESET": 0x40064000},
        "PSM": 0x40010000,
    },
    resets={"IO_BANK0": 5, "PADS_BANK0": 8, "PLL_SYS": 12, "TIMER": 21, "UART0": 22},
    hz=133_000_000,
    pad_reset=0x56,
    all_resets=0x01FFFFFF,
    boot2=True,
    chip_reset=("VREG_AND_CHIP_RESET", 0x08),
    causes={Reset.POWER: 1 << 8, Reset.PIN: 1 << 16},
    sio={0x14: "set", 0x18: "clear", 0x24: "output"},
    dog=(2000, 0x1FFFC),
)
RP2350 = Kind(
    cpu="CORTEX_M33",
    core=CORTEX_M33,
    bases={
        **{"RESETS": 0x40020000, "CLOCKS": 0x40010000, "XOSC": 0x40048000, "PLL_SYS": 0x40050000},
        **{"IO_BANK0": 0x40028000, "PADS_BANK0": 0x40038000, "UART0": 0x40070000, "WATCHDOG": 0x400D8000},
        **{"POWMAN": 0x40100000, "PSM": 0x40018000, "TICKS": 0x40108000},
    },
    resets={"IO_BANK0": 6, "PADS_BANK0": 9, "PLL_SYS": 14, "UART0": 26},
    hz=150_000_000,
    pad_reset=0x116,
    all_resets=0x1FFFFFFF,
    boot2=False,
    chip_reset=("POWMAN", 0x2C),
    causes={Reset.POWER: 1 << 16, Reset.PIN: 1 << 18},
    sio={0x18: "set", 0x20: "clear", 0x38: "output"},
    dog=(1000, 0x1FFFFF3),
)


class Rp2:
    """A chip on a board, whose constants say which pins and which crystal it has.

    Args:
        kind: RP2040 or RP2350.
        board: The board.
        dead: ``crystal`` or ``pll``: hardware that never gets ready, to test the firmware's way out.
    """

    KINDS: ClassVar[dict[str, Kind]] = {"rp2040": RP2040, "rp2350": RP2350}

    def __init__(self, kind: Kind, board: Board, dead: frozenset[str] = frozenset()) -> None:
        self.kind, self._board, self._dead = kind, board, dead
        self.cpu = kind.cpu
        self.status = kind.bases["UART0"] + Pl011.status
        self.pages = (*sorted({base & ~0xFFF for base in kind.bases.values()}), SIO, *CORE_PAGES)
        self.watchdog: Rp2Watchdog | None = None
        self._power_on()

    def reset(self, by: Reset = Reset.SOFTWARE) -> None:
        """Do a reset: bytes on the line stay; of what says why, a reset of the core changes nothing."""
        line, watchdog = self.usart.line, self.banks["WATCHDOG"]
        kept = {at: watchdog.peek(at) for at in (REASON, SCRATCH0)}
        running = self.watchdog, watchdog.peek(CTRL)
        name, at = self.kind.chip_reset
        flags = self.banks[name].peek(at)
        self._power_on()
        self.usart.line = line
        self.banks[name].put(at, self.kind.causes.get(by, flags))
        if by in (Reset.SOFTWARE, Reset.WATCHDOG):
            for offset, value in kept.items():
                self.banks["WATCHDOG"].put(offset, value)
        if by == Reset.SOFTWARE:
            self.watchdog = running[0]
            self.banks["WATCHDOG"].put(CTRL, running[1])
        if by == Reset.WATCHDOG:
            self.banks["WATCHDOG"].put(REASON, TIMER)

    def _power_on(self) -> None:
        kind, pad = self.kind, self.kind.pad_reset
        self.usart = Pl011(self._check_line)
        self.core = CoreRegisters(kind.core, self._board.regions("flash")[0].start)
        bits = {0x0: kind.all_resets, 0x4: 0, 0x8: 0}
        writable = {0x0: kind.all_resets, 0x4: kind.all_resets, 0x8: 0}
        banks = {
            "RESETS": {at: (f"RESETS_{name}", bits[at], writable[at], 0) for at, name in _RESETS.items()},
            "CLOCKS": _CLOCKS,
            "XOSC": _XOSC,
            "PLL_SYS": _PLL,
            "IO_BANK0": {8 * pin + 4: ("GPIO_CTRL", 0x1F, 0x1F, 0) for pin in range(30)},
            "PADS_BANK0": {4 * pin + 4: ("PADS_GPIO", pad, pad | 0xFF, 0) for pin in range(30)},
            "WATCHDOG": {
                CTRL: ("WATCHDOG_CTRL", CTRL_RESET, ENABLE | CTRL_RESET, 0xFFFFFF),
                LOAD: ("WATCHDOG_LOAD", 0, 0xFFFFFF, 0),
                REASON: ("WATCHDOG_REASON", 0, 0, 0),
                SCRATCH0: ("WATCHDOG_SCRATCH0", 0, 0xFFFFFFFF, 0),
                0x2C: ("WATCHDOG_TICK", 0x200, 0x3FF, 0),
            },
            kind.chip_reset[0]: {kind.chip_reset[1]: ("CHIP_RESET", kind.causes[Reset.POWER], 0, 0)},
            "PSM": {WDSEL: ("PSM_WDSEL", 0, kind.dog[1], 0)},
            "TICKS": {0x30: ("TICKS_WATCHDOG_CTRL", 0, 1, 2), 0x34: ("TICKS_WATCHDOG_CYCLES", 0, 0x1FF, 0)},
            "TIMER": {0x28: ("TIMERAWL", 0, 0, 0)},
            "SSI": _SSI,
        }
        self.banks = {name: StrictBank(name, banks[name]) for name in kind.bases if name in banks}
        on = "watchdog_ms" in self._board.constants
        self.watchdog = Rp2Watchdog(*kind.dog, self._ticks) if on else None
        self.trigger = trigger_of(self._board, self._trigger_is_output)
        self._outputs = 0
        self._waits: dict[str, int] = {}
        self.reads_code = not kind.boot2

    def set_cycles(self, cycles: int) -> None:
        """Put SysTick and the timer of an RP2040 where that many cycles of its full clock have passed."""
        self.core.systick = -cycles & 0xFFFFFF
        self.banks["TIMER"].put(0x28, cycles * 1_000_000 // self.kind.hz & 0xFFFFFFFF)

    # --- Boot ROM ---------------------------------------------------------------------------------------------------

    def boot(self, read: Callable[[int, int], bytes]) -> Boot | None:
        """What the boot ROM does with the program in flash; RuleError if it would not start it."""
        flash = self._board.regions("flash")[0].start
        if not self.kind.boot2:
            content = read(flash, 4096)
            words = [int.from_bytes(content[i : i + 4], "little") for i in range(0, 4096, 4)]
            found = any(tuple(words[i : i + len(BLOCK)]) == BLOCK for i in range(len(words)))
            checked(found, "the first 4 KB of flash hold no image definition: the boot ROM would not start it")
            return None
        code = read(flash, BOOT2_SIZE)
        stated = int.from_bytes(code[-4:], "little")
        checked(boot2_crc(code[:-4]) == stated, f"the CRC of the second boot stage is not 0x{stated:08x}")
        reset_handler = int.from_bytes(read(flash + BOOT2_SIZE + 4, 4), "little")
        return Boot(((BOOT2_RAM, code),), BOOT2_RAM | 1, reset_handler & ~1)

    def arrived(self) -> None:
        """Called when the program starts behind the second boot stage: RuleError if flash cannot be read as code."""
        checked(self.reads_code, "the program is started before the flash interface (SSI) is set up for reads of code")
        self._check_clock()

    # --- Access -----------------------------------------------------------------------------------------------------

    def read(self, address: int) -> int:
        """Value of a 32-bit register; RuleError if it is not modelled or in reset."""
        name, bank, offset = self._find(address)
        value = bank.read(offset)
        if (name, offset) == ("RESETS", 0x8):
            free = self.kind.all_resets & ~self.banks["RESETS"].peek(0x0)
            return sum(1 << bit for bit in range(32) if free >> bit & 1 and self._waited(f"reset {bit}"))
        if (name, offset) == ("XOSC", 0x04):
            return (self._crystal_on() and self._waited("crystal")) << 31
        if (name, offset) == ("PLL_SYS", 0x0):
            return value | (not self._pll(0x4) & 0x21 and self._waited("pll")) << 31
        if (name, offset) in (("CLOCKS", 0x38), ("CLOCKS", 0x44)):
            control = self.banks["CLOCKS"].peek(offset - 8)
            chosen = control & 3 if offset == 0x38 else control & 1
            return 1 << chosen if self._waited(f"clock {offset} {chosen}") else 0
        return value

    def write(self, address: int, value: int) -> None:
        """Write a 32-bit register; RuleError where the datasheet forbids it."""
        if SIO <= address < SIO + 0x1000:
            self._write_sio(address - SIO, value)
            return
        name, bank, offset = self._find(address)
        before = bank.peek(offset)
        running = name == "PLL_SYS" and offset in (0x0, 0x8) and not self._pll(0x4) & 0x21
        bank.write(offset, value)
        after = bank.peek(offset)
        checked(not running or before == after, "the PLL's frequency is changed while it is on")
        if self.watchdog is not None:
            self.watchdog.written(name, offset, after)
        if name == "SSI":
            self._write_ssi(offset)
        elif name == "CLOCKS":
            self._write_clocks(offset, before, after)
        elif name == "PLL_SYS":
            self._check_pll()
        elif name == "XOSC" and offset == 0x00:
            checked(after & 0xFFF == 0xAA0, "XOSC_CTRL has not the range of 1 to 15 MHz")
        elif name == "RESETS":
            self._waits = {key: n for key, n in self._waits.items() if not key.startswith("reset")}

    def _write_sio(self, offset: int, value: int) -> None:
        """GPIO of the single-cycle IO block, which has no reset and no clock of its own."""
        does = self.kind.sio.get(offset)
        checked(does is not None, f"no register of SIO is modelled at offset 0x{offset:x}, or it is read-only")
        if does == "output":
            self._outputs |= value
        elif self.trigger is not None and value >> self._board.constants["trigger_pin"] & 1:
            self.trigger.drive(does == "set")

    def _ticks(self) -> bool:
        """Whether the watchdog's tick is one of a microsecond."""
        wanted = self._board.constants["xosc_hz"] // 1_000_000
        if self.kind.boot2:
            return self.banks["WATCHDOG"].peek(0x2C) == 0x200 | wanted
        return bool(self.banks["TICKS"].peek(0x30) & 1) and self.banks["TICKS"].peek(0x34) == wanted

    def _trigger_is_output(self) -> bool:
        pin = self._board.constants["trigger_pin"]
        function = self.banks["IO_BANK0"].peek(8 * pin + 4) & 0x1F
        pad = self.banks["PADS_BANK0"].peek(4 * pin + 4)
        return function == 5 and pad & 0x180 == 0 and bool(self._outputs >> pin & 1)

    def _find(self, address: int) -> tuple[str, Peripheral, int]:
        checked(address % 4 == 0, "an access that is not aligned to 32 bits")
        if CORE <= address < CORE + 0x100000:
            return "core", self.core, address - CORE
        for name, base in self.kind.bases.items():
            if base <= address < base + 0x1000:
                bit = self.kind.resets.get(name)
                checked(bit is None or self._is_ready(f"reset {bit}"), f"{name} is used before it is out of reset")
                return name, self.usart if name == "UART0" else self.banks[name], address - base
        raise RuleError("no peripheral is modelled here")

    def _waited(self, name: str) -> bool:
        """Whether a piece of hardware is ready; counts the reads since it was asked for."""
        if name in self._dead:
            return False
        self._waits[name] = self._waits.get(name, 0) + 1
        return self._waits[name] >= READY_AFTER

    def _is_ready(self, name: str) -> bool:
        return self._waits.get(name, 0) >= READY_AFTER

    # --- Clocks -----------------------------------------------------------------------------------------------------

    @property
    def core_hz(self) -> int:
        """Clock of the core."""
        if self.banks["CLOCKS"].peek(0x3C) & 1:
            return self._pll_hz()
        return self._board.constants["xosc_hz"] if self.banks["CLOCKS"].peek(0x30) & 3 == 2 else RING_HZ

    def _pll(self, offset: int) -> int:
        return self.banks["PLL_SYS"].peek(offset)

    def _crystal_on(self) -> bool:
        return self.banks["XOSC"].peek(0x00) >> 12 == 0xFAB

    def _pll_hz(self) -> int:
        dividers = (self._pll(0xC) >> 16 & 7) * (self._pll(0xC) >> 12 & 7)
        checked(dividers > 0, "the PLL divides by 0")
        return self._vco() // dividers

    def _vco(self) -> int:
        return self._board.constants["xosc_hz"] // max(self._pll(0x0) & 0x3F, 1) * self._pll(0x8)

    def _check_pll(self) -> None:
        if self._pll(0x4) & 0x21:
            self._waits.pop("pll", None)
            return
        checked(self._is_ready("crystal"), "the PLL is started before the crystal is stable")
        vco = self._vco()
        checked(750_000_000 <= vco <= 1_600_000_000, f"the PLL's VCO at {vco} Hz is outside 750..1600 MHz")
        self._check_clock()

    def _write_clocks(self, offset: int, before: int, after: int) -> None:
        if offset == 0x30 and after & 3 == 2:
            checked(self._is_ready("crystal"), "the reference clock is switched to the crystal before it is stable")
        if offset == 0x3C:
            checked(not (before & after & 1 and (before ^ after) & 0xE0), "the system clock's source changes under it")
            checked(not after & 1 or after & 0xE0 == 0, "the system clock's auxiliary source is not the PLL")
        self._check_clock()

    def _check_clock(self) -> None:
        if self.banks["CLOCKS"].peek(0x3C) & 1:
            checked(self._is_ready("pll"), "the core is switched to the PLL before it is locked")
            checked(not self._pll(0x4) & 0x8, "the PLL's output divider is off")
        checked(self.core_hz <= self.kind.hz, f"core at {self.core_hz} Hz, above {self.kind.hz} Hz")
        if self.kind.boot2 and self.reads_code:
            flash_hz = self.core_hz // self.banks["SSI"].peek(0x14)
            checked(flash_hz <= READ_HZ, f"flash is read at {flash_hz} Hz, above {READ_HZ} Hz for command 03h")

    # --- Flash interface and UART -----------------------------------------------------------------------------------

    def _write_ssi(self, offset: int) -> None:
        ssi = self.banks["SSI"]
        on = bool(ssi.peek(0x08) & 1)
        checked(offset == 0x08 or not on, "the flash interface (SSI) is configured while it is on")
        self.reads_code = False
        if on:
            divider = ssi.peek(0x14)
            checked(divider >= 2 and divider % 2 == 0, f"SSI_BAUDR is {divider}, and must be even")
            for at, wanted in SERIAL_READ.items():
                name, value = _SSI[at][0], ssi.peek(at)
                checked(value == wanted, f"{name} is 0x{value:08x}: no read of code by command 03h")
            self.reads_code = True

    def _check_line(self) -> None:
        """Called when the UART is switched on: pins, clock, baud rate."""
        given = self._board.constants
        for name in ("tx", "rx"):
            pin = given[name]
            function = self.banks["IO_BANK0"].peek(8 * pin + 4) & 0x1F
            checked(function == 2, f"UART0 is switched on while GPIO{pin} has function {function}")
            pad = self.banks["PADS_BANK0"].peek(4 * pin + 4)
            checked(pad & 0x1C0 == 0x40, f"UART0 is switched on while the pad of GPIO{pin} is off or isolated")
        peripheral = self.banks["CLOCKS"].peek(0x48)
        checked(bool(peripheral >> 11 & 1), "UART0 is switched on while its clock is off")
        checked(peripheral & 0xE0 == 0, "UART0's clock is not the system clock")
        self.usart.line.check("UART0", self.core_hz * 4 / self.usart.divider, self._board.serial.baud)


def boot2_crc(content: bytes) -> int:
    """CRC-32 that the boot ROM wants of the second stage: most significant bit first, from all ones, not inverted."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc >> 31 else crc << 1) & 0xFFFFFFFF
    return crc
