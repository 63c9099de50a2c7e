"""What the register models share: a strict bank of 32-bit registers."""

from __future__ import annotations

from typing import Protocol


class RuleError(Exception):
    """The firmware did what the reference manual forbids, or what is not modelled."""


def checked(holds: bool, otherwise: str) -> None:
    """Raise a RuleError with that text unless the condition holds."""
    if not holds:
        raise RuleError(otherwise)


class Peripheral(Protocol):
    """Registers by offset."""

    name: str

    def peek(self, offset: int) -> int:
        """Stored value, without the effects of a read."""

    def read(self, offset: int) -> int:
        """Value as the core reads it."""

    def write(self, offset: int, value: int) -> None:
        """Write as the core does."""


class Bank:
    """Registers by offset: (name, reset value, bits that may be changed)."""

    def __init__(self, name: str, registers: dict[int, tuple[str, int, int]]) -> None:
        self.name = name
        self._registers = registers
        self._values = {offset: reset for offset, (_, reset, _) in registers.items()}

    def peek(self, offset: int) -> int:
        """Stored value, without the effects of a read; 0 where no register is modelled."""
        return self._values.get(offset, 0)

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
