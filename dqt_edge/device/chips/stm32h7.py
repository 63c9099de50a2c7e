"""The registers of the STM32H743 (ST RM0433 rev. 8) and STM32H735 (RM0468) that the firmware uses, strictly.

What a chip would answer with a hang, an ignored write or a wrong baud rate is a RuleError here: an access to
a register or bit that is not modelled, to a peripheral without its clock, a clock faster than voltage or
flash allow, a source that is not ready. Ready flags rise only after some reads: who does not wait is caught.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from ...boards import Board
from .boot import NoBootRom
from .core import CORE_PAGES, CORTEX_M7, CoreRegisters
from .iwdg import iwdg_of
from .pin import trigger_of
from .stm32 import BSRR, GPIO_STEP, drive
from .stm32h7_kinds import KINDS
from .uart import Usart
from .values import Bank, Peripheral, Reset, RuleError, checked, prescale

HSI_HZ = 64_000_000
CAUSES = {
    Reset.SOFTWARE: 1 << 24 | 1 << 22 | 1 << 17,
    Reset.POWER: 0x00FA0000,
    Reset.PIN: 1 << 22 | 1 << 17,
    Reset.WATCHDOG: 1 << 26 | 1 << 22 | 1 << 17,
}
"""Flags of RCC_RSR that a reset raises (section 8.7.39 and table 55)."""
READY_AFTER = 3
"""Reads of a flag until it rises."""

RCC, PWR, SYSCFG, FLASH = 0x58024400, 0x58024800, 0x58000400, 0x52002000
GPIO, USART3, IWDG1 = 0x58020000, 0x40004800, 0x58004800
CORE = 0xE0000000
USART3_ISR = USART3 + 0x1C

# Section 8.7: reset values; the third figure is the bits that may be written.
_RCC = {
    0x00: ("RCC_CR", 0x0000C005, 0x0105_0019),
    0x10: ("RCC_CFGR", 0, 0x7),
    0x18: ("RCC_D1CFGR", 0, 0xF7F),
    0x1C: ("RCC_D2CFGR", 0, 0x770),
    0x20: ("RCC_D3CFGR", 0, 0x70),
    0x28: ("RCC_PLLCKSELR", 0x02020200, 0x03F3F3F3),
    0x2C: ("RCC_PLLCFGR", 0x01FF0000, 0x01FF0FFF),
    0x30: ("RCC_PLL1DIVR", 0x01010280, 0x7F7FFFFF),
    0x54: ("RCC_D2CCIP2R", 0, 0x7),
    0xD0: ("RCC_RSR", CAUSES[Reset.POWER], 1 << 16),
    0xE0: ("RCC_AHB4ENR", 0, 0x7FF),  # a bit for each port of pins
    0xE8: ("RCC_APB1LENR", 0, 1 << 18),
    0xF4: ("RCC_APB4ENR", 0, 1 << 1),
}
_PWR = {0x04: ("PWR_CSR1", 0x4000, 0), 0x0C: ("PWR_CR3", 0x6, 0x7), 0x18: ("PWR_D3CR", 0x4000, 0xC000)}
_GPIO = {
    0x00: ("MODER", 0xFFFFFFFF, 0xFFFFFFFF),
    0x08: ("OSPEEDR", 0, 0xFFFFFFFF),
    0x0C: ("PUPDR", 0, 0xFFFFFFFF),
    0x18: ("BSRR", 0, 0xFFFFFFFF),
    0x20: ("AFRL", 0, 0xFFFFFFFF),
    0x24: ("AFRH", 0, 0xFFFFFFFF),
}


@dataclass
class Stm32h7(NoBootRom):
    """All register banks and what connects them.

    Attributes:
        board: Its constants say which chip, clock and pins it has.
        dead: Hardware that never gets ready, to test the firmware's way out: ``supply``, ``vos1``, ``vos0``,
            ``hse``, ``pll``, ``flash``, ``switch``.
    """

    board: Board
    dead: frozenset[str] = frozenset()
    cpu: ClassVar[str] = "CORTEX_M7"
    status: ClassVar[int] = USART3_ISR
    usart: Usart = field(init=False)
    core: CoreRegisters = field(init=False)

    def __post_init__(self) -> None:
        given = self.board.constants
        self.kind = KINDS[given["chip"]]
        self._ports = sorted({given["gpio_port"], given["red_port"], given.get("trigger_port", given["red_port"])})
        gpio = {GPIO + GPIO_STEP * port & ~0xFFF for port in self._ports}
        self.pages: tuple[int, ...] = (USART3 & ~0xFFF, FLASH, 0x58000000, *sorted(gpio), 0x58024000, *CORE_PAGES)
        self._power_on()
        self.pages += () if self.watchdog is None else (IWDG1 & ~0xFFF,)

    def reset(self, by: Reset = Reset.SOFTWARE) -> None:
        """Do a reset: bytes on the line stay, and but for POWER the supply configuration too (section 6.8.4)."""
        line, supply, causes = self.usart.line, self.pwr.peek(0x0C), self.rcc.peek(0xD0)
        self._power_on()
        self.usart.line = line
        if by == Reset.POWER:
            return
        self.rcc.put(0xD0, causes | CAUSES[by])
        if not self._is_open(supply):
            self.pwr.write(0x0C, supply)

    def _power_on(self) -> None:
        self.rcc, self.pwr = Bank("RCC", _RCC), Bank("PWR", _PWR)
        self.syscfg = Bank("SYSCFG", {0x2C: ("SYSCFG_PWRCR", 0, 1)})
        self.flash = Bank("FLASH", {0x00: ("FLASH_ACR", 0x37, 0x3F)})
        names = {port: f"GPIO{'ABCDEFGHIJK'[port]}" for port in self._ports}
        modes = {0: 0xABFFFFFF, 1: 0xFFFFFEBF}
        self.gpio = {
            port: Bank(name, {**_GPIO, 0x00: ("MODER", modes.get(port, 0xFFFFFFFF), 0xFFFFFFFF)})
            for port, name in names.items()
        }
        self.trigger = trigger_of(self.board, self._trigger_is_output)
        self.usart = Usart("USART3", self._check_line)
        self.watchdog = iwdg_of(self.board)
        self.core = CoreRegisters(CORTEX_M7, 0x08000000)
        self._waits: dict[str, int] = {}

    def read(self, address: int) -> int:
        """Value of a 32-bit register; RuleError if it is not modelled or has no clock."""
        bank, offset = self._find(address)
        value = bank.read(offset)
        if bank is self.rcc and offset == 0x00:
            return self._oscillators(value)
        if bank is self.rcc and offset == 0x10:
            return value | (self._source() << 3)
        if bank is self.pwr and offset == 0x04:
            return value | (self._ready("supply", not self.supply_open) << 13)
        if bank is self.pwr and offset == 0x18:
            return value | (self._ready(self._scale_flag, True) << 13)
        if bank is self.flash and "flash" in self.dead:
            return 0x37
        return value

    def write(self, address: int, value: int) -> None:
        """Write a 32-bit register; RuleError where the manual forbids it."""
        bank, offset = self._find(address)
        before = bank.peek(offset)
        rule = self._rules().get((id(bank), offset))
        bank.write(offset, value)
        if rule is not None:
            rule(before, bank.peek(offset))
        if self.trigger is not None and offset == BSRR:
            port = self.board.constants["trigger_port"]
            drive(self.trigger, bank is self.gpio[port], value, self.board)
        if bank in (self.rcc, self.pwr, self.syscfg, self.flash):
            self._check_clocks()

    def _is_open(self, cr3: int) -> bool:
        """Whether PWR_CR3 says that nobody has configured the supply: by SCUEN, or by both supplies on."""
        return bool(cr3 & 4) if self.kind.overdrive else cr3 & 7 == 6

    @property
    def supply_open(self) -> bool:
        """The supply configuration is still open."""
        return self._is_open(self.pwr.peek(0x0C))

    @property
    def overdrive(self) -> bool:
        """SYSCFG asks for VOS0."""
        return bool(self.syscfg.peek(0x2C) & 1)

    @property
    def scale(self) -> int:
        """Voltage scale 0..3 that is in effect: the last one that was reported ready."""
        asked = self.kind.scales[self.pwr.peek(0x18) >> 14 & 3]
        if asked == 1 and self.overdrive:
            return 0 if self._is_ready("vos0") else 1
        return asked if asked == 3 or self._is_ready(self._scale_flag) else 3

    @property
    def _scale_flag(self) -> str:
        """What rises when the voltage scale that is asked for has come."""
        lowest = self.kind.scales[self.pwr.peek(0x18) >> 14 & 3] == 0
        return "vos0" if self.overdrive or lowest else "vos1"

    @property
    def core_hz(self) -> int:
        """Clock of the core."""
        return self._tree(self._source())[0]

    @property
    def red_light(self) -> bool:
        """The board's red light is on."""
        given = self.board.constants
        gpio, bit = self.gpio[given["red_port"]], given["red"] + 16 * given["red_low"]
        return gpio.peek(0x00) >> 2 * given["red"] & 3 == 1 and bool(gpio.peek(BSRR) >> bit & 1)

    def _trigger_is_output(self) -> bool:
        given = self.board.constants
        return self.gpio[given["trigger_port"]].peek(0x00) >> 2 * given["trigger_pin"] & 3 == 1

    def _find(self, address: int) -> tuple[Peripheral, int]:
        checked(address % 4 == 0, "an access that is not aligned to 32 bits")
        banks: tuple[tuple[int, int, Peripheral, tuple[int, int] | None], ...] = (
            (USART3, 0x400, self.usart, (0xE8, 18)),
            (RCC, 0x400, self.rcc, None),
            (PWR, 0x400, self.pwr, None),
            (FLASH, 0x1000, self.flash, None),
            (SYSCFG, 0x400, self.syscfg, (0xF4, 1)),
            *((GPIO + GPIO_STEP * n, GPIO_STEP, bank, (0xE0, n)) for n, bank in self.gpio.items()),
            (CORE, 0x100000, self.core, None),
            *(() if self.watchdog is None else ((IWDG1, 0x400, self.watchdog, None),)),
        )
        for base, size, bank, clock in banks:
            if base <= address < base + size:
                if clock is not None:  # an enable register of RCC and the bit in it
                    on = self.rcc.peek(clock[0]) >> clock[1] & 1
                    checked(bool(on), f"{bank.name} is used while its clock is off")
                return bank, address - base
        raise RuleError("no peripheral is modelled here")

    def _rules(self) -> dict[tuple[int, int], Callable[[int, int], None]]:
        rcc, pwr = id(self.rcc), id(self.pwr)
        return {
            (rcc, 0x00): self._write_cr,
            (rcc, 0x10): self._write_cfgr,
            (rcc, 0x28): self._write_pll,
            (rcc, 0x2C): self._write_pll,
            (rcc, 0x30): self._write_pll,
            (rcc, 0xD0): self._write_causes,
            (pwr, 0x0C): self._write_supply,
            (pwr, 0x18): self._write_scale,
            (id(self.syscfg), 0x2C): self._write_overdrive,
        }

    def _ready(self, name: str, enabled: bool) -> bool:
        """Flag of a piece of hardware; counts the reads since it was enabled."""
        if not enabled or name in self.dead:
            return False
        self._waits[name] = self._waits.get(name, 0) + 1
        return self._waits[name] >= READY_AFTER

    def _is_ready(self, name: str) -> bool:
        return self._waits.get(name, 0) >= READY_AFTER

    def _oscillators(self, cr: int) -> int:
        cr &= ~(1 << 2 | 1 << 17 | 1 << 25)
        cr |= (cr & 1) << 2
        cr |= self._ready("hse", bool(cr >> 16 & 1)) << 17
        return cr | self._ready("pll", bool(cr >> 24 & 1)) << 25

    def _write_cr(self, before: int, after: int) -> None:
        source = self._source()
        checked(bool(after & 1) or source != 0, "the internal oscillator is stopped while the core runs from it")
        if (before ^ after) >> 18 & 1:
            checked(not before >> 16 & 1, "HSEBYP changes while HSE is on")
        if after >> 16 & 1:
            wired = self.board.constants["hse_bypass"]
            checked(after >> 18 & 1 == wired, "HSE's bypass is not as the board is wired")
        if not after >> 16 & 1:
            self._waits.pop("hse", None)
        if not after >> 24 & 1:
            checked(source != 3, "PLL1 is stopped while the core runs from it")
            self._waits.pop("pll", None)
        elif not before >> 24 & 1:
            self._check_pll()

    def _write_pll(self, before: int, after: int) -> None:
        del before, after
        checked(not self.rcc.peek(0x00) >> 24 & 1, "PLL1 is configured while it is on")

    def _write_causes(self, before: int, after: int) -> None:
        del before
        if after >> 16 & 1:  # RMVF
            self.rcc.put(0xD0, 0)

    def _check_pll(self) -> None:
        self._powered("PLL1 is started")
        select, config = self.rcc.peek(0x28), self.rcc.peek(0x2C)
        checked(select & 3 in (0, 2), "PLL1 has no clock source that is modelled")
        checked(select & 3 == 0 or self._is_ready("hse"), "PLL1 is started before HSE is ready")
        checked(bool(config >> 16 & 1), "PLL1's output P is off")
        reference, vco, _ = self._pll()
        low, high = ((1, 2), (2, 4), (4, 8), (8, 16))[config >> 2 & 3]
        checked(low * 1e6 <= reference <= high * 1e6, f"PLL1's input of {reference} Hz is outside PLL1RGE")
        low, high = (150, 420) if config >> 1 & 1 else self.kind.vco
        checked(low * 1e6 <= vco <= high * 1e6, f"PLL1's VCO at {vco} Hz is outside {low}..{high} MHz")
        p = (self.rcc.peek(0x30) >> 9 & 0x7F) + 1
        checked(p % self.kind.p_step == 0, f"PLL1 divides its output P by {p}, which is not even")

    def _pll(self) -> tuple[int, int, int]:
        select, dividers = self.rcc.peek(0x28), self.rcc.peek(0x30)
        m = select >> 4 & 0x3F
        checked(m > 0, "PLL1's input divider is off")
        reference = (self.board.constants["hse_hz"] if select & 3 == 2 else HSI_HZ) // m
        vco = reference * ((dividers & 0x1FF) + 1)
        return reference, vco, vco // ((dividers >> 9 & 0x7F) + 1)

    def _write_cfgr(self, before: int, after: int) -> None:
        asked = after & 7
        checked(asked in (0, 2, 3), f"system clock source {asked} is not modelled")
        name = {0: "hsi", 2: "hse", 3: "pll"}[asked]
        checked(
            name == "hsi" or self._is_ready(name),
            f"the core is switched to {name.upper()} before it is ready",
        )
        if name != "hsi" and "switch" not in self.dead:
            self._check_limits(asked)
        del before

    def _source(self) -> int:
        asked = self.rcc.peek(0x10) & 7
        return 0 if asked == 3 and "switch" in self.dead else asked

    def _write_supply(self, before: int, after: int) -> None:
        checked(self._is_open(before), "PWR_CR3 is written a second time after power-on")
        wanted, name = self.kind.supply
        bits = after & (3 if self.kind.overdrive else 7)
        checked(bits == wanted, f"the supply is not set to {name}, which is how the board is wired")

    def _powered(self, doing: str) -> None:
        checked(not self.supply_open, f"{doing} before the supply is configured (PWR_CR3)")
        checked(self._is_ready("supply"), f"{doing} before ACTVOSRDY")
        checked(self._is_ready(self._scale_flag), f"{doing} before VOSRDY")

    def _write_scale(self, before: int, after: int) -> None:
        checked(not self.supply_open, "the voltage scale is set before the supply is configured (PWR_CR3)")
        if before != after:
            checked(not self.overdrive, "the voltage scale changes in overdrive")
            self._waits.pop("vos1", None)
            self._waits.pop("vos0", None)

    def _write_overdrive(self, before: int, after: int) -> None:
        if after and not before:
            checked(self.kind.overdrive, "the chip has no overdrive")
            checked(self.pwr.peek(0x18) >> 14 & 3 == 3, "overdrive without VOS1")
            checked(self._is_ready("vos1"), "overdrive before VOS1 is ready")
        self._waits.pop("vos0", None)

    def _tree(self, source: int) -> tuple[int, int, int, tuple[int, ...]]:
        """Hz of core, AXI, APB1 and of all four APB."""
        divided = HSI_HZ >> (self.rcc.peek(0x00) >> 3 & 3)
        system = {0: divided, 2: self.board.constants["hse_hz"]}.get(source) or self._pll()[2]
        d1, d2, d3 = self.rcc.peek(0x18), self.rcc.peek(0x1C), self.rcc.peek(0x20)
        core = system // prescale(d1 >> 8 & 0xF, 8)
        bus = core // prescale(d1 & 0xF, 8)
        apb = tuple(bus // prescale(bits & 7, 4) for bits in (d1 >> 4, d2 >> 4, d2 >> 8, d3 >> 4))
        return core, bus, apb[1], apb

    def _check_clocks(self) -> None:
        """Check the clocks in use. The chip leaves reset with APB at 64 MHz in VOS3, too fast by the book."""
        self._check_limits(self._source(), apb_too=self._source() != 0)

    def _check_limits(self, source: int, apb_too: bool = True) -> None:
        core, bus, _, apb = self._tree(source)
        scale = self.scale
        clocks = (core, bus, max(apb) if apb_too else 0)
        for name, hz, limit in zip(("core", "AXI", "APB"), clocks, self.kind.limits[scale], strict=True):
            checked(hz <= limit, f"{name} at {hz} Hz, above {limit} Hz at VOS{scale}")
        acr = self.flash.peek(0x00)
        fastest = self.kind.wait_states.get((acr & 0xF, acr >> 4 & 3))
        if fastest is None:
            raise RuleError(f"FLASH_ACR 0x{acr:02x} is no pair of wait states and programming delay in table 17")
        checked(
            bus <= fastest[scale] * 1_000_000,
            f"{acr & 0xF} wait states at {bus} Hz and VOS{scale}: enough up to {fastest[scale]} MHz",
        )

    def _check_line(self) -> None:
        """Called when the USART is switched on: pins, kernel clock, baud rate."""
        gpio = self.gpio[self.board.constants["gpio_port"]]
        mode, function = gpio.peek(0x00), gpio.peek(0x24)
        checked(mode >> 16 & 0xF == 0xA, "USART3 is switched on while PD8 and PD9 are not in alternate mode")
        checked(function & 0xFF == 0x77, "USART3 is switched on while PD8 and PD9 are not at AF7")
        checked(self.rcc.peek(0x54) & 7 == 0, "USART3's kernel clock is not APB1")
        self._check_limits(self._source())
        actual = self._tree(self._source())[2] / self.usart.divider
        self.usart.line.check("USART3", actual, self.board.serial.baud)
