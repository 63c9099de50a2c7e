"""ST's USARTs and LPUARTs with ISR, RDR and TDR (RM0433 section 48).

The line has no time: bytes reach the host at once, and a UART counts as sending for some looks at its status.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from .values import RuleError, checked

UE, RE, TE, FIFOEN = 1 << 0, 1 << 2, 1 << 3, 1 << 29
ORE, RXFNE, TC, TXFNF, TXFE, TEACK, REACK = 1 << 3, 1 << 5, 1 << 6, 1 << 7, 1 << 23, 1 << 21, 1 << 22
SENDING_POLLS = 5
"""Reads of the status register until the last byte that was written has left."""
IDLE_POLLS = 64
"""Reads of the status register in a row that find nothing: the firmware is waiting for the host."""

_NAMES = {0x00: "CR1", 0x04: "CR2", 0x08: "CR3", 0x0C: "BRR"}
_WITH_FIFO = {**_NAMES, 0x2C: "PRESC"}


@dataclass
class Line:
    """The wire, which outlives a reset of the chip. ``sent``: by the chip; ``waiting``: for the chip.

    ``baud``: rate that the host expects of the chip, bits a second; 0: the board's.
    """

    sent: bytearray = field(default_factory=bytearray)
    waiting: deque[int] = field(default_factory=deque)
    baud: int = 0

    def check(self, name: str, actual: float, board_baud: int) -> None:
        """Refuse a UART of that name that runs at another rate than the host expects."""
        baud = self.baud or board_baud
        off = abs(actual / baud - 1)
        checked(off < 0.02, f"{name} runs at {actual:.0f} baud, {100 * off:.1f} % off the host's {baud}")


class SerialLine(Protocol):
    """What the emulator needs of a UART."""

    line: Line
    idle_polls: int

    def overrun(self) -> None:
        """Lose what is waiting, as a chip does that is not read in time."""


class Usart:
    """Registers of one.

    Args:
        name: For messages.
        check_line: Called when the USART is switched on; raises a RuleError if pins or clock are not right.
        fifo: It has the FIFO mode and the prescaler.
        dividers: Least and largest BRR: a USART's is the clock in bits, an LPUART's 256 times that.
    """

    status = 0x1C
    """Offset of the register that says what there is to do."""

    def __init__(
        self,
        name: str,
        check_line: Callable[[], None],
        fifo: bool = True,
        dividers: tuple[int, int] = (16, 0xFFFF),
    ) -> None:
        self.name = name
        self._check_line = check_line
        self._fifo, self._dividers = fifo, dividers
        self._names = _WITH_FIFO if fifo else _NAMES
        self.line = Line()
        self._values = dict.fromkeys(self._names, 0)
        self.errors = 0
        self.idle_polls = 0
        self._sending = 0

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
            checked(bool(self._values[0] & RE), f"{self.name}_RDR is read while the receiver is off")
            checked(bool(self.line.waiting), f"{self.name}_RDR is read while nothing was received")
            self.idle_polls = 0
            return self.line.waiting.popleft()
        checked(offset in self._names, f"no register of {self.name} is modelled at offset 0x{offset:x}")
        return self._values[offset]

    def write(self, offset: int, value: int) -> None:
        """Write a register."""
        on = bool(self._values[0] & UE)
        if offset == 0x28:
            checked(on and bool(self._values[0] & TE), f"{self.name}_TDR is written while the transmitter is off")
            self.line.sent.append(value & 0xFF)
            self.idle_polls, self._sending = 0, SENDING_POLLS
        elif offset == 0x20:
            self.errors &= ~value
        elif offset == 0x00:
            self._write_cr1(value)
        elif offset in self._names:
            checked(not on, f"{self.name}_{self._names[offset]} is written while {self.name} is on")
            checked(offset == 0x0C or value == 0, f"{self.name}_{self._names[offset]} 0x{value:x} is not modelled")
            low, high = self._dividers
            checked(
                offset != 0x0C or low <= value <= high,
                f"{self.name}_BRR {value} is below {low} or above {high}",
            )
            self._values[offset] = value
        else:
            raise RuleError(f"no register of {self.name} is modelled at offset 0x{offset:x}, or it is read-only")

    def _write_cr1(self, value: int) -> None:
        before = self._values[0]
        unknown = value & ~(UE | RE | TE | FIFOEN * self._fifo)
        checked(unknown == 0, f"{self.name}_CR1 bits 0x{unknown:x} are not modelled")
        if before & UE:
            checked(value & UE != 0 or not self._sending, f"{self.name} is switched off while it sends")
            checked(not (before ^ value) & FIFOEN, f"{self.name}'s FIFO is switched while {self.name} is on")
        elif value & UE:
            checked(self.divider > 0, f"{self.name} is switched on without a baud rate")
            self._check_line()
        self._values[0] = value

    def _status(self) -> int:
        control = self._values[0]
        self._sending = max(0, self._sending - 1)
        status = self.errors | TXFNF | (0 if self._sending else TC)
        if control & FIFOEN:
            status |= TXFE
        if control & UE:
            status |= (TEACK if control & TE else 0) | (REACK if control & RE else 0)
            if control & RE and self.line.waiting and not self.errors & ORE:
                return status | RXFNE
            self.idle_polls += 1
        return status


class ShiftUsart:
    """Registers of an older USART, with SR and one DR (RM0090 section 30.6). See :class:`Usart` for the arguments."""

    status = 0x00
    """Offset of the register that says what there is to do."""
    _CR1_UE = 1 << 13

    def __init__(self, name: str, check_line: Callable[[], None]) -> None:
        self.name = name
        self._check_line = check_line
        self.line = Line()
        self._names = {0x08: "BRR", 0x0C: "CR1", 0x10: "CR2", 0x14: "CR3"}
        self._values = dict.fromkeys(self._names, 0)
        self._overrun = self._status_read = False
        self.idle_polls = 0
        self._sending = 0

    @property
    def divider(self) -> int:
        """Kernel clocks a bit."""
        return self._values[0x08]

    def peek(self, offset: int) -> int:
        """Stored value, without the effects of a read."""
        return self._values.get(offset, 0)

    def overrun(self) -> None:
        """Lose what is waiting, as a chip does that is not read in time. Reading SR and then DR ends the state."""
        self.line.waiting.clear()
        self._overrun, self._status_read = True, False

    def read(self, offset: int) -> int:
        """Value of a register."""
        control = self._values[0x0C]
        ready = bool(control & self._CR1_UE and control & RE and self.line.waiting) and not self._overrun
        if offset == 0x00:
            self._status_read = True
            self.idle_polls += not ready and bool(control & self._CR1_UE)
            self._sending = max(0, self._sending - 1)
            return ORE * self._overrun | RXFNE * ready | TC * (not self._sending) | TXFNF
        if offset == 0x04 and self._overrun:
            checked(self._status_read, f"{self.name}_DR is read in an overrun, and SR not before it")
            self._overrun = False
            return 0
        if offset == 0x04:
            checked(ready, f"{self.name}_DR is read while nothing was received")
            self.idle_polls = 0
            return self.line.waiting.popleft()
        checked(offset in self._names, f"no register of {self.name} is modelled at offset 0x{offset:x}")
        return self._values[offset]

    def write(self, offset: int, value: int) -> None:
        """Write a register."""
        control = self._values[0x0C]
        on = bool(control & self._CR1_UE)
        if offset == 0x04:
            checked(on and bool(control & TE), f"{self.name}_DR is written while the transmitter is off")
            self.line.sent.append(value & 0xFF)
            self.idle_polls, self._sending = 0, SENDING_POLLS
            return
        checked(offset in self._names, f"no register of {self.name} is modelled at offset 0x{offset:x}")
        if offset == 0x0C:
            unknown = value & ~(self._CR1_UE | RE | TE)
            checked(unknown == 0, f"{self.name}_CR1 bits 0x{unknown:x} are not modelled")
            checked(
                bool(value & self._CR1_UE) or not (on and self._sending), f"{self.name} is switched off as it sends"
            )
            if value & self._CR1_UE and not on:
                checked(self.divider >= 16, f"{self.name} is switched on without a baud rate")
                self._check_line()
        else:
            checked(not on, f"{self.name}_{self._names[offset]} is written while {self.name} is on")
            checked(offset == 0x08 or value == 0, f"{self.name}_{self._names[offset]} 0x{value:x} is not modelled")
            checked(value <= 0xFFFF, f"{self.name}_BRR {value} is above 65535")
        self._values[offset] = value
