"""What STM32 chips share: a clock tree, flags that follow enable bits, and the rules between them; families are data.

What a chip would answer with a hang, an ignored write or a wrong baud rate is a RuleError here: a register or bit that
is not modelled, a peripheral without its clock, a clock faster than voltage or flash allow, a source that is not ready.
Ready flags rise only after some reads: who does not wait is caught.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ...boards import Board
from .boot import NoBootRom
from .core import CORE_PAGES, CoreKind, CoreRegisters
from .iwdg import iwdg_of
from .pin import Pin, trigger_of
from .uart import ShiftUsart, Usart
from .values import Field, Peripheral, Reset, RuleError, StrictBank, checked, prescale

READY_AFTER = 3
"""Reads of a flag until it rises."""
CORE = 0xE0000000
IWDG = 0x40003000
"""In all families of :class:`Family`."""
GPIO_STEP, BSRR = 0x400, 0x18
"""Bytes between ports of pins, and their register that sets (bits 0..15) and resets (16..31) pins."""

Registers = Mapping[int, tuple[str, int, int, int]]
"""Offset -> name, reset value, bits that may be changed, bits that ignore what is written."""


@dataclass(frozen=True)
class Flag:
    """A bit that hardware sets some reads after another one asked for it, or clears, if ``falls``."""

    at: Field
    asked: Callable[[Stm32], bool]
    falls: bool = False


def on(at: Field) -> Callable[[Stm32], bool]:
    """Whether a bit, or any of a field, is set: what most flags follow."""
    return lambda chip: chip.get(at) != 0


@dataclass(frozen=True)
class Source:
    """An oscillator: Hz, the bit that switches it on, and the name of its ready flag."""

    hz: int
    on: Field
    ready: str


@dataclass(frozen=True)
class Pll:
    """The main PLL: its fields, what their values mean, and the ranges of its input and of its oscillator in Hz.

    ``locked``: registers that may change only while it is off. ``output``: the bit that lets its output through.
    """

    on: Field
    source: Field
    sources: Mapping[int, str]
    m: Field
    n: Field
    r: Field
    m_plus: int
    n_plus: int
    divides: Callable[[int], int]
    input: tuple[int, int]
    vco: tuple[int, int]
    locked: tuple[tuple[str, int], ...]
    output: Field | None = None


@dataclass(frozen=True)
class Limits:
    """What the regulator's state allows: Hz of core and AHB, Hz that a wait state of flash is good for, its name."""

    hz: int
    step: int
    words: str


@dataclass(frozen=True)
class Line:
    """A USART: registers, its clock's enable bit, the APB's place in ``Family.apb``, the field that selects a clock.

    ``scale``: bits of BRR a bit, 1 or 256 for an LPUART.
    """

    base: int
    enable: Field
    apb: int = 0
    select: Field | None = None
    fifo: bool = True
    shift: bool = False
    scale: int = 1


@dataclass(frozen=True)
class Causes:
    """Where RCC keeps why the chip was reset: the register's offset, the bit that clears all flags, those of POWER."""

    offset: int
    remove: int
    power: int

    def register(self, name: str, others: int = 0) -> tuple[str, int, int, int]:
        """As banks have it, after power-on; ``others``: bits besides that are set then."""
        return name, self.flags(Reset.POWER) | others, self.remove, 0xFF000000 & ~self.remove

    def flags(self, by: Reset) -> int:
        """What a reset raises; every one pulls the pin (bit 26) too."""
        raised = {Reset.POWER: self.power, Reset.SOFTWARE: 1 << 28, Reset.WATCHDOG: 1 << 29, Reset.PIN: 0}
        return raised[by] | 1 << 26


@dataclass(frozen=True)
class Family:
    """A family of chips as data. All names of flags, sources and banks are keys of the mappings here.

    Attributes:
        cpu: Unicorn's name of the core.
        banks: Name -> base and registers; ``gpio`` is left out.
        gpio: Base of port A; the others follow every 1 KB.
        gpio_enable: Register whose bit 0 switches port A's clock on.
        gated: Bank -> its clock's enable bit.
        switch, chosen: The field that selects the system clock, and the one that says what is selected.
        choices: Its values -> ``pll`` or a source.
        causes: Why the chip was reset.
        ahb, apb: Prescalers, and for each APB its largest Hz (0: that of the core).
        latency: Wait states of flash.
        limits: Called with the chip.
        supplies: Port of pins -> the bit that connects its supply.
        rules: Register -> what is checked when it was written; called with the chip, old and new value.
    """

    name: str
    cpu: str
    kind: CoreKind
    banks: Mapping[str, tuple[int, Registers]]
    gpio: int
    gpio_enable: tuple[str, int]
    gated: Mapping[str, Field]
    flags: Mapping[str, Flag]
    sources: Mapping[str, Source]
    pll: Pll
    switch: Field
    chosen: Field
    choices: Mapping[int, str]
    causes: Causes
    ahb: Field
    apb: tuple[tuple[Field, int], ...]
    latency: Field
    limits: Callable[[Stm32], Limits]
    lines: Mapping[str, Line]
    gpio_resets: Mapping[int, int] = field(default_factory=dict)
    supplies: Mapping[int, Field] = field(default_factory=dict)
    apb_on: int = 4
    rules: Mapping[tuple[str, int], Callable[[Stm32, int, int], None]] = field(default_factory=dict)


class Stm32(NoBootRom):
    """A chip of a family on a board.

    Args:
        family: What it is made of.
        board: Its constants say which USART and pins are used; its memory, where the vectors lie.
        dead: Flags of hardware that never gets ready, to test the firmware's way out.
    """

    def __init__(self, family: Family, board: Board, dead: frozenset[str] = frozenset()) -> None:
        self.family, self.board, self._dead = family, board, dead
        self.cpu = family.cpu
        given = board.constants
        self._line_name = "LPUART1" if given["usart"] == 0 else f"USART{given['usart']}"
        self._line = family.lines[self._line_name]
        self._port = _gpio(given["gpio_port"])
        self._ports = {_gpio(n): n for n in (given["gpio_port"], given.get("trigger_port", given["gpio_port"]))}
        self.status = self._line.base + (ShiftUsart.status if self._line.shift else Usart.status)
        self._power_on()
        bases = [base for base, _ in family.banks.values()] + [self._line.base]
        bases += [family.gpio + GPIO_STEP * port for port in self._ports.values()]
        bases += [] if self.watchdog is None else [IWDG]
        self.pages = (*sorted({base & ~0xFFF for base in bases}), *CORE_PAGES)

    def reset(self, by: Reset = Reset.SOFTWARE) -> None:
        """Do a reset: bytes on the line stay."""
        line, causes = self.usart.line, self.family.causes
        before = self.banks["RCC"].peek(causes.offset)
        self._power_on()
        self.usart.line = line
        if by != Reset.POWER:
            self.banks["RCC"].put(causes.offset, before & ~causes.remove | causes.flags(by))

    def _power_on(self) -> None:
        family = self.family
        self.banks = {name: StrictBank(name, registers) for name, (_, registers) in family.banks.items()}
        self.banks |= {name: StrictBank(name, self._gpio_registers(name)) for name in self._ports}
        self.trigger = trigger_of(self.board, self._trigger_is_output)
        dividers = (16, 0xFFFF) if self._line.scale == 1 else (0x300, 0xFFFFF)
        self.usart: Usart | ShiftUsart = (
            ShiftUsart(self._line_name, self._check_line)
            if self._line.shift
            else Usart(self._line_name, self._check_line, self._line.fifo, dividers)
        )
        self.watchdog = iwdg_of(self.board)
        self.core = CoreRegisters(family.kind, self.board.regions("flash")[0].start)
        self._waits: dict[str, int] = {}

    def _gpio_registers(self, name: str) -> Registers:
        names = {0x00: "MODER", 0x08: "OSPEEDR", 0x0C: "PUPDR", BSRR: "BSRR", 0x20: "AFRL", 0x24: "AFRH"}
        resets = {0x00: self.family.gpio_resets.get(self._ports[name], 0xFFFFFFFF)}
        return {at: (f"{name}_{register}", resets.get(at, 0), 0xFFFFFFFF, 0) for at, register in names.items()}

    def _trigger_is_output(self) -> bool:
        given = self.board.constants
        return self.banks[_gpio(given["trigger_port"])].peek(0x00) >> 2 * given["trigger_pin"] & 3 == 1

    # --- Access -----------------------------------------------------------------------------------------------------

    def read(self, address: int) -> int:
        """Value of a 32-bit register; RuleError if it is not modelled or has no clock."""
        name, bank, offset = self._find(address)
        value = bank.read(offset)
        for flag_name, flag in self.family.flags.items():
            if (flag.at.bank, flag.at.offset) == (name, offset):
                up = self._waited(flag_name, flag.asked(self)) != flag.falls
                value = value & ~(1 << flag.at.shift) | up << flag.at.shift
        chosen = self.family.chosen
        if (chosen.bank, chosen.offset) == (name, offset):
            value |= self.get(self.family.switch) << chosen.shift
        return value

    def write(self, address: int, value: int) -> None:
        """Write a 32-bit register; RuleError where the manual forbids it."""
        name, bank, offset = self._find(address)
        before = bank.peek(offset)
        locked = (name, offset) in self.family.pll.locked and bool(self.get(self.family.pll.on))
        bank.write(offset, value)
        after = bank.peek(offset)
        if (name, offset) == ("RCC", self.family.causes.offset) and after & self.family.causes.remove:
            self.banks[name].put(offset, after & 0x00FFFFFF | self.family.causes.remove)
        checked(not locked or before == after, "the PLL is configured while it is on")
        for flag_name, flag in self.family.flags.items():
            if not flag.asked(self):
                self._waits.pop(flag_name, None)
        if name in self._ports and offset == BSRR and self.trigger is not None:
            drive(self.trigger, name == _gpio(self.board.constants["trigger_port"]), value, self.board)
        if (name, offset) in self.family.rules:
            self.family.rules[name, offset](self, before, after)
        if name in self.family.banks:
            self._check_sources()
            self._check_clocks()

    def get(self, at: Field) -> int:
        """Value of a field, as it was written."""
        return self.banks[at.bank].peek(at.offset) >> at.shift & ((1 << at.width) - 1)

    def is_ready(self, flag: str) -> bool:
        """Whether the firmware has seen the flag."""
        return self._waits.get(flag, 0) >= READY_AFTER

    def _waited(self, name: str, asked: bool) -> bool:
        """Whether a piece of hardware is ready; counts the reads since it was asked for."""
        if not asked or name in self._dead:
            return False
        self._waits[name] = self._waits.get(name, 0) + 1
        return self._waits[name] >= READY_AFTER

    def _find(self, address: int) -> tuple[str, Peripheral, int]:
        checked(address % 4 == 0, "an access that is not aligned to 32 bits")
        family = self.family
        if CORE <= address < CORE + 0x100000:
            return "core", self.core, address - CORE
        if self._line.base <= address < self._line.base + 0x400:
            self._clocked(self._line_name, self._line.enable)
            return self._line_name, self.usart, address - self._line.base
        if self.watchdog is not None and IWDG <= address < IWDG + 0x400:
            return "IWDG", self.watchdog, address - IWDG
        for name, port in self._ports.items():
            base = family.gpio + GPIO_STEP * port
            if base <= address < base + GPIO_STEP:
                self._clocked(name, Field(*family.gpio_enable, port))
                return name, self.banks[name], address - base
        for name, (base, registers) in family.banks.items():
            if base <= address < base + max(registers) + 4:
                if name in family.gated:
                    self._clocked(name, family.gated[name])
                return name, self.banks[name], address - base
        raise RuleError("no peripheral is modelled here")

    def _clocked(self, name: str, enable: Field) -> None:
        checked(bool(self.get(enable)), f"{name} is used while its clock is off")

    # --- Clocks -----------------------------------------------------------------------------------------------------

    @property
    def core_hz(self) -> int:
        """Clock of the core."""
        return self.system_hz // prescale(self.get(self.family.ahb), 8)

    @property
    def system_hz(self) -> int:
        """Clock before the AHB's prescaler."""
        return self._hz_of(self.family.choices.get(self.get(self.family.switch), ""))

    def _hz_of(self, source: str) -> int:
        family = self.family
        if source == "hse":
            return self.board.constants["hse_hz"]
        if source != "pll":
            checked(source in family.sources, "the system clock's source is not modelled")
            return family.sources[source].hz
        pll = family.pll
        divider = pll.divides(self.get(pll.r))
        return self._vco()[1] // divider

    def _vco(self) -> tuple[int, int]:
        """Hz of the PLL's input and of its oscillator."""
        pll = self.family.pll
        name = pll.sources.get(self.get(pll.source), "")
        checked(name != "", "the PLL has no clock source that is modelled")
        m, n = self.get(pll.m) + pll.m_plus, self.get(pll.n) + pll.n_plus
        checked(m > 0, "the PLL's input divider is 0")
        reference = self._hz_of(name) // m
        return reference, reference * n

    def _check_sources(self) -> None:
        """What runs must have a running source, and one that the firmware has seen ready."""
        family, pll = self.family, self.family.pll
        using = {family.choices.get(self.get(family.switch), "")}
        if self.get(pll.on):
            reference, vco = self._vco()
            name = pll.sources[self.get(pll.source)]
            low, high = pll.input
            checked(low <= reference <= high, f"the PLL's input of {reference} Hz is outside {low}..{high}")
            low, high = pll.vco
            checked(low <= vco <= high, f"the PLL's VCO at {vco} Hz is outside {low}..{high}")
            using.add(name)
        if "pll" in using:
            checked(bool(self.get(pll.on)), "the core runs from the PLL, which is off")
            checked(self.is_ready("pll"), "the core is switched to the PLL before it is ready")
            checked(pll.output is None or bool(self.get(pll.output)), "the PLL's output to the core is off")
        for name in using - {"pll"}:
            source = family.sources[name]
            checked(bool(self.get(source.on)), f"{name.upper()} is off while something runs from it")
            started = self.banks[source.on.bank].reset_of(source.on.offset) >> source.on.shift & 1
            checked(bool(started) or self.is_ready(source.ready), f"{name.upper()} is used before it is ready")

    def _check_clocks(self) -> None:
        family, limits = self.family, self.family.limits(self)
        hz = self.core_hz
        checked(hz <= limits.hz, f"core at {hz} Hz, above {limits.hz} Hz in {limits.words}")
        enough = (self.get(family.latency) + 1) * limits.step
        checked(
            hz <= enough,
            f"{self.get(family.latency)} wait states at {hz} Hz in {limits.words}: enough up to {enough} Hz",
        )
        for number, (at, limit) in enumerate(family.apb, 1):
            bus = hz // prescale(self.get(at), family.apb_on)
            checked(not limit or bus <= limit, f"APB{number} at {bus} Hz, above {limit} Hz")

    def _check_line(self) -> None:
        """Called when the USART is switched on: pins, clock, baud rate."""
        given, name = self.board.constants, self._line_name
        gpio = self.banks[self._port]
        supply = self.family.supplies.get(given["gpio_port"])
        checked(supply is None or bool(self.get(supply)), f"{name} is switched on while {self._port} has no supply")
        for pin in (given["tx"], given["rx"]):
            mode = gpio.peek(0x00) >> 2 * pin & 3
            checked(mode == 2, f"{name} is switched on while {self._port} pin {pin} is not in alternate mode")
            function = gpio.peek(0x20 if pin < 8 else 0x24) >> 4 * (pin % 8) & 0xF
            checked(function == given["af"], f"{name} is switched on while {self._port} pin {pin} is at AF{function}")
        if self._line.select is not None:
            checked(self.get(self._line.select) == 0, f"{name}'s clock is not its APB's")
        at, _ = self.family.apb[self._line.apb]
        clock = self.core_hz // prescale(self.get(at), self.family.apb_on)
        actual = clock * self._line.scale / self.usart.divider
        self.usart.line.check(name, actual, self.board.serial.baud)


def _gpio(port: int) -> str:
    return "GPIO" + "ABCDEFGHIJ"[port]


def drive(trigger: Pin, same_port: bool, value: int, board: Board) -> None:
    """What a write to a port's BSRR does to the trigger."""
    pin = board.constants["trigger_pin"]
    if same_port and value >> pin & 0x10001:
        trigger.drive(bool(value >> pin & 1))
