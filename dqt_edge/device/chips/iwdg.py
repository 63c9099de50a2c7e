"""ST's independent watchdog, IWDG (RM0090 section 21, RM0433 section 46).

No clock of a bus need be switched on for it. There is no time in the emulator, so it never ends: tests judge its
time-out, and where it is fed.
"""

from __future__ import annotations

from ...boards import Board
from .values import checked

KR, PR, RLR, SR = 0x00, 0x04, 0x08, 0x0C
START, UNLOCK, RELOAD = 0xCCCC, 0x5555, 0xAAAA
LSI_HZ = 32_000
BUSY_POLLS = 3
"""Reads of SR until a new PR or RLR has arrived in LSI's domain."""


class Iwdg:
    """Registers of one. ``feeds``: how often its counter was begun anew."""

    name = "IWDG"

    def __init__(self) -> None:
        self.feeds = 0
        self._values = {PR: 0, RLR: 0xFFF}
        self._started = self._open = False
        self._busy = {PR: 0, RLR: 0}

    @property
    def seconds(self) -> float | None:
        """Its time-out at LSI's nominal rate; None before it was started."""
        return (self._values[RLR] + 1) * (4 << self._values[PR]) / LSI_HZ if self._started else None

    def peek(self, offset: int) -> int:
        """Stored value; 0 of KR, which cannot be read."""
        return self._values.get(offset, 0)

    def read(self, offset: int) -> int:
        """Value; RuleError if the register is not modelled."""
        checked(offset in (PR, RLR, SR), f"no register of IWDG can be read at offset 0x{offset:x}")
        if offset != SR:
            checked(self._busy[offset] == 0, "IWDG_PR or IWDG_RLR is read before it has arrived")
            return self._values[offset]
        value = (self._busy[PR] > 0) << 0 | (self._busy[RLR] > 0) << 1
        self._busy = {at: max(0, left - 1) for at, left in self._busy.items()}
        return value

    def write(self, offset: int, value: int) -> None:
        """Write; RuleError where the chip would ignore it."""
        if offset == KR:
            checked(value in (START, UNLOCK, RELOAD), f"IWDG_KR has no key 0x{value:x}")
            self._open = value == UNLOCK
            self._started |= value == START
            if value == RELOAD:
                checked(self._started, "IWDG is fed before it is started")
                checked(not any(self._busy.values()), "IWDG is fed before its time-out has arrived")
                self.feeds += 1
            return
        checked(offset in self._values, f"no register of IWDG can be written at offset 0x{offset:x}")
        checked(self._started, "IWDG is configured before LSI runs: nothing would arrive")
        checked(self._open, "IWDG_PR or IWDG_RLR is written while it is locked")
        checked(self._busy[offset] == 0, "IWDG_PR or IWDG_RLR is written before the last value has arrived")
        largest = 6 if offset == PR else 0xFFF
        checked(value <= largest, f"0x{value:x} is no value of IWDG_{'PR' if offset == PR else 'RLR'}")
        self._values[offset] = value
        self._busy[offset] = BUSY_POLLS


def iwdg_of(board: Board) -> Iwdg | None:
    """The watchdog of an image that starts it, by the board's constants."""
    return Iwdg() if "watchdog_ms" in board.constants else None
