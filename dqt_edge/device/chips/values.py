"""What the register models share: a strict bank of 32-bit registers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class RuleError(Exception):
    """The firmware did what the reference manual forbids, or what is not modelled."""


def checked(holds: bool, otherwise: str) -> None:
    """Raise a RuleError with that text unless the condition holds."""
    if not holds:
        raise RuleError(otherwise)


class Reset(Enum):
    """What resets a chip."""

    SOFTWARE = "the core, on request"
    POWER = "the supply"
    PIN = "the reset pin"
    WATCHDOG = "a watchdog"


class Peripheral(Protocol):
    """Registers by offset."""

    name: str

    def peek(self, offset: int) -> int:
        """Stored value, without the effects of a read."""

    def read(self, offset: int) -> int:
        """Value as the core reads it."""

    def write(self, offset: int, value: int) -> None:
        """Write as the core does."""


class Watchdog(Protocol):
    """A watchdog, as tests judge it. ``feeds``: how often its counter was begun anew."""

    feeds: int

    @property
    def seconds(self) -> float | None:
        """Its time-out at the nominal rate of its clock; None before it was started."""


@dataclass(frozen=True)
class Field:
    """A field of a register: the bank's name, the register's offset, the lowest bit, and how many bits."""

    bank: str
    offset: int
    shift: int
    width: int = 1


class Bank:
    """Registers by offset: (name, reset value, bits that may be changed)."""

    def __init__(self, name: str, registers: dict[int, tuple[str, int, int]]) -> None:
        self.name = name
        self._registers = registers
        self._values = {offset: reset for offset, (_, reset, _) in registers.items()}

    def peek(self, offset: int) -> int:
        """Stored value, without the effects of a read; 0 where no register is modelled."""
        return self._values.get(offset, 0)

    def reset_of(self, offset: int) -> int:
        """Value after reset; 0 where no register is modelled."""
        return self._registers[offset][1] if offset in self._registers else 0

    def put(self, offset: int, value: int) -> None:
        """Store what hardware sets, whatever may be written."""
        self._values[offset] = value

    def read(self, offset: int) -> int:
        """Value; RuleError if the register is not modelled."""
        checked(offset in self._values, f"no register of {self.name} is modelled at offset 0x{offset:x}")
        return self._values[offset]

    def write(self, offset: int, value: int) -> None:
        """Store; RuleError if a bit changes that may not be, except flags that hardware sets."""
        self.read(offset)
        name, _, writable = self._registers[offset]
        if writable == 0:
            raise RuleError(f"{name} is read-only")
        self._values[offset] = (self._values[offset] & ~writable) | (value & writable)


class StrictBank(Bank):
    """Registers by offset: (name, reset value, bits that may be changed, bits that ignore what is written).

    All other bits are reserved: the manuals want them kept, so a write that changes one is a RuleError.
    """

    def __init__(self, name: str, registers: Mapping[int, tuple[str, int, int, int]]) -> None:
        super().__init__(name, {offset: facts[:3] for offset, facts in registers.items()})
        self._ignoring = {offset: facts[3] for offset, facts in registers.items()}

    def write(self, offset: int, value: int) -> None:
        """Store; RuleError if a reserved bit or one that is not modelled changes, or there is no such register."""
        self.read(offset)
        name, _, writable = self._registers[offset]
        wrong = (value ^ self._values[offset]) & ~(writable | self._ignoring[offset])
        checked(wrong == 0, f"bits 0x{wrong:x} of {name} are reserved, read-only or not modelled")
        self._values[offset] = (self._values[offset] & ~writable) | (value & writable)


def prescale(bits: int, on: int) -> int:
    """What ST's prescaler fields divide by: 1 below ``on``, else 2, 4, 8, 16 (and 64.. for HPRE, which skips 32)."""
    if bits < on:
        return 1
    power = bits - on + 1
    return 1 << (power + 1 if on == 8 and power > 4 else power)
