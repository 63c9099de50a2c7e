"""Nordic's watchdog, WDT (nRF52840 Product Specification, "WDT - Watchdog timer"), with reload register 0 alone.

There is no time in the emulator, so it never ends: tests judge its time-out, and where it is fed. A reset by software
leaves it running.
"""

from __future__ import annotations

from ...boards import Board
from .values import checked

START, CRV, RREN, CONFIG, RR0 = 0x000, 0x504, 0x508, 0x50C, 0x600
RELOAD = 0x6E524635
CRV_LEAST = 15
TICK_HZ = 32_768


class Wdt:
    """Registers of one. ``feeds``: how often its counter was begun anew."""

    name = "WDT"

    def __init__(self) -> None:
        self.feeds = 0
        self._values = {CRV: 0xFFFFFFFF, RREN: 1, CONFIG: 1}
        self._started = False

    @property
    def seconds(self) -> float | None:
        """Its time-out at the nominal rate of the low-frequency clock; None before it was started."""
        return (self._values[CRV] + 1) / TICK_HZ if self._started else None

    def peek(self, offset: int) -> int:
        """Stored value; 0 of tasks and reload registers, which cannot be read."""
        return self._values.get(offset, 0)

    def read(self, offset: int) -> int:
        """Value; RuleError if the register is not modelled."""
        checked(offset in self._values, f"no register of WDT can be read at offset 0x{offset:x}")
        return self._values[offset]

    def write(self, offset: int, value: int) -> None:
        """Write; RuleError where the chip would ignore it, but for a configuration that is the same again."""
        if offset == START:
            checked(value == 1, "a task of WDT is started with something else than 1")
            self._started = True
        elif offset == RR0:
            checked(value == RELOAD, f"WDT_RR0 has no key 0x{value:x}")
            checked(self._started, "WDT is fed before it is started")
            self.feeds += 1
        else:
            checked(offset in self._values, f"no register of WDT is modelled at offset 0x{offset:x}")
            checked(not self._started or value == self._values[offset], "WDT is configured while it runs")
            checked(offset != CRV or value >= CRV_LEAST, f"WDT_CRV {value} is below {CRV_LEAST}")
            checked(offset != RREN or value == 1, "WDT waits for another reload register than RR0")
            checked(offset != CONFIG or value == 1, "WDT pauses while the core sleeps, or runs while it is halted")
            self._values[offset] = value


def wdt_of(board: Board) -> Wdt | None:
    """The watchdog of an image that starts it, by the board's constants."""
    return Wdt() if "watchdog_ms" in board.constants else None
