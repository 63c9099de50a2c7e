"""USART3 in FIFO mode (RM0433 section 48). The line has no time: bytes wait to be read and leave at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from .values import RuleError, checked

UE, RE, TE, FIFOEN = 1 << 0, 1 << 2, 1 << 3, 1 << 29
ORE, RXFNE, TC, TXFNF, TXFE, TEACK, REACK = 1 << 3, 1 << 5, 1 << 6, 1 << 7, 1 << 23, 1 << 21, 1 << 22
IDLE_POLLS = 64
"""Reads of the status register in a row that find nothing: the firmware is waiting for the host."""

_NAMES = {0x00: "CR1", 0x04: "CR2", 0x08: "CR3", 0x0C: "BRR", 0x2C: "PRESC"}


@dataclass
class Line:
    """The wire, which outlives a reset of the chip. ``sent``: by the chip; ``waiting``: for the chip."""

    sent: bytearray = field(default_factory=bytearray)
    waiting: deque[int] = field(default_factory=deque)


class Usart:
    """Registers of USART3.

    Args:
        check_line: Called when the USART is switched on; raises a RuleError if pins or clock are not right.
    """

    name = "USART3"

    def __init__(self, check_line: Callable[[], None]) -> None:
        self._check_line = check_line
        self.line = Line()
        self._values = dict.fromkeys(_NAMES, 0)
        self.errors = 0
        self.idle_polls = 0

    @property
    def divider(self) -> int:
        """Kernel clocks a bit."""
        return self._values[0x0C]

    def peek(self, offset: int) -> int:
        """Stored value, without the effects of a read."""
        return self._values.get(offset, 0)

    def overrun(self) -> None:
        """Lose what is waiting, as a chip does that is not read in time."""
        self.line.waiting.clear()
        self.errors |= ORE

    def read(self, offset: int) -> int:
        """Value of a register."""
        if offset == 0x1C:
            return self._status()
        if offset == 0x24:
            checked(bool(self._values[0] & RE), "USART3_RDR is read while the receiver is off")
            checked(bool(self.line.waiting), "USART3_RDR is read while nothing was received")
            self.idle_polls = 0
            return self.line.waiting.popleft()
        checked(offset in _NAMES, f"no register of USART3 is modelled at offset 0x{offset:x}")
        return self._values[offset]

    def write(self, offset: int, value: int) -> None:
        """Write a register."""
        on = bool(self._values[0] & UE)
        if offset == 0x28:
            checked(on and bool(self._values[0] & TE), "USART3_TDR is written while the transmitter is off")
            self.line.sent.append(value & 0xFF)
            self.idle_polls = 0
        elif offset == 0x20:
            self.errors &= ~value
        elif offset == 0x00:
            self._write_cr1(value)
        elif offset in _NAMES:
            checked(not on, f"USART3_{_NAMES[offset]} is written while USART3 is on")
            checked(offset == 0x0C or value == 0, f"USART3_{_NAMES[offset]} 0x{value:x} is not modelled")
            checked(offset != 0x0C or 16 <= value <= 0xFFFF, f"USART3_BRR {value} is below 16 or above 65535")
            self._values[offset] = value
        else:
            raise RuleError(f"no register of USART3 is modelled at offset 0x{offset:x}, or it is read-only")

    def _write_cr1(self, value: int) -> None:
        before = self._values[0]
        unknown = value & ~(UE | RE | TE | FIFOEN)
        checked(unknown == 0, f"USART3_CR1 bits 0x{unknown:x} are not modelled")
        if before & UE:
            checked(not (before ^ value) & FIFOEN, "USART3's FIFO is switched while USART3 is on")
        elif value & UE:
            checked(self.divider >= 16, "USART3 is switched on without a baud rate")
            self._check_line()
        self._values[0] = value

    def _status(self) -> int:
        control = self._values[0]
        status = self.errors | TC | TXFNF
        if control & FIFOEN:
            status |= TXFE
        if control & UE:
            status |= (TEACK if control & TE else 0) | (REACK if control & RE else 0)
            if control & RE and self.line.waiting and not self.errors & ORE:
                return status | RXFNE
            self.idle_polls += 1
        return status
