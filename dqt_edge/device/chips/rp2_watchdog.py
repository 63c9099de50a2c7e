"""The watchdog of RP2040 and RP2350 (their datasheets, "Watchdog").

There is no time in the emulator, so it never ends: tests judge its time-out, and where it is fed. A reset of the core
leaves it running.
"""

from __future__ import annotations

from collections.abc import Callable

from .values import checked

CTRL, LOAD, WDSEL = 0x00, 0x04, 0x08
ENABLE = 1 << 30
CTRL_RESET = 7 << 24
"""It pauses while a debugger works."""


class Rp2Watchdog:
    """What the banks WATCHDOG and PSM make of it. ``feeds``: how often its counter was begun anew.

    Args:
        ticks_a_ms: What the counter goes down by in a millisecond.
        chip: Bits of PSM_WDSEL that a reset of the whole chip has.
        ticks: Whether its tick of a microsecond runs.
    """

    def __init__(self, ticks_a_ms: int, chip: int, ticks: Callable[[], bool]) -> None:
        self.feeds = 0
        self._ticks_a_ms, self._chip, self._ticks = ticks_a_ms, chip, ticks
        self._load = self._resets = 0
        self._enabled = False

    @property
    def seconds(self) -> float | None:
        """Its time-out; None before it was started."""
        return self._load / self._ticks_a_ms / 1000 if self._enabled else None

    def written(self, bank: str, offset: int, value: int) -> None:
        """Called behind every write of a bank; RuleError where the chip would not do what was meant."""
        if (bank, offset) == ("PSM", WDSEL):
            self._resets = value
        elif (bank, offset) == ("WATCHDOG", LOAD):
            self._load = value
            self.feeds += self._enabled
        elif (bank, offset) == ("WATCHDOG", CTRL):
            if value & ENABLE and not self._enabled:
                checked(self._load > 0, "the watchdog is started with nothing to count")
                checked(self._ticks(), "the watchdog is started without its tick of a microsecond")
                checked(self._resets == self._chip, f"the watchdog would reset 0x{self._resets:x} of the chip alone")
            self._enabled = bool(value & ENABLE)
