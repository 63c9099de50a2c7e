"""Arm's UART PL011 (DDI0183), as far as the firmware uses it. The line has no time, see :mod:`.uart`."""

from __future__ import annotations

from collections.abc import Callable

from .uart import SENDING_POLLS, Line
from .values import RuleError, checked

DR, FR, IBRD, FBRD, LCR_H, CR = 0x00, 0x18, 0x24, 0x28, 0x2C, 0x30
BUSY, RXFE, TXFE, RXE, TXE, UARTEN = 1 << 3, 1 << 4, 1 << 7, 1 << 9, 1 << 8, 1 << 0
EIGHT_BITS_FIFO = 3 << 5 | 1 << 4


class Pl011:
    """Registers of UART0.

    Args:
        check_line: Called when the UART is switched on; raises a RuleError if pins or clock are not right.
    """

    name = "UART0"
    status = FR
    """Offset of the register that says what there is to do."""

    def __init__(self, check_line: Callable[[], None]) -> None:
        self._check_line = check_line
        self.line = Line()
        self.idle_polls = self._sending = 0
        self._values = {IBRD: 0, FBRD: 0, LCR_H: 0, CR: 0x300}
        self._taken = 0

    @property
    def divider(self) -> int:
        """Clocks a bit in 64ths of 16, as the last write of UARTLCR_H took it over."""
        return self._taken

    def peek(self, offset: int) -> int:
        """Stored value, without the effects of a read."""
        return self._values.get(offset, 0)

    def overrun(self) -> None:
        """Lose what is waiting, as a chip does that is not read in time; its FIFO goes on by itself."""
        self.line.waiting.clear()

    def read(self, offset: int) -> int:
        """Value of a register."""
        ready = bool(self._values[CR] & UARTEN and self._values[CR] & RXE and self.line.waiting)
        if offset == FR:
            self.idle_polls += not ready and bool(self._values[CR] & UARTEN)
            self._sending = max(0, self._sending - 1)
            return (BUSY if self._sending else TXFE) | RXFE * (not ready)
        if offset == DR:
            checked(ready, "UARTDR is read while nothing was received")
            self.idle_polls = 0
            return self.line.waiting.popleft()
        checked(offset in self._values, f"no register of UART0 is modelled at offset 0x{offset:x}")
        return self._values[offset]

    def write(self, offset: int, value: int) -> None:
        """Write a register."""
        on = bool(self._values[CR] & UARTEN)
        if offset == DR:
            checked(on and bool(self._values[CR] & TXE), "UARTDR is written while the transmitter is off")
            self.line.sent.append(value & 0xFF)
            self.idle_polls, self._sending = 0, SENDING_POLLS
        elif offset == CR:
            checked(value & ~0x301 == 0, f"UARTCR 0x{value:x} is not modelled")
            checked(bool(value & UARTEN) or not (on and self._sending), "UART0 is switched off while it sends")
            self._values[CR] = value
            if value & UARTEN and not on:
                checked(self._taken >= 64, "UART0 is switched on without a baud rate (UARTLCR_H takes it over)")
                checked(self._values[LCR_H] == EIGHT_BITS_FIFO, "UART0 has not 8 bits and a FIFO")
                self._check_line()
        elif offset in self._values:
            checked(not on, "UART0 is configured while it is on")
            checked(value <= {IBRD: 0xFFFF, FBRD: 0x3F, LCR_H: 0xFF}[offset], f"UART0 offset 0x{offset:x}: too large")
            self._values[offset] = value
            if offset == LCR_H:
                self._taken = self._values[IBRD] << 6 | self._values[FBRD]
        else:
            raise RuleError(f"no register of UART0 is modelled at offset 0x{offset:x}, or it is read-only")
