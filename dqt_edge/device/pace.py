"""Pace: how long to wait for an answer, from what was observed."""

from __future__ import annotations

from collections import deque

PATIENT = 8.0
"""An operation that once took so long may take this many times as long before it counts as silent."""
REPEAT = 2.0
"""A request is repeated after this many times the longest round trip of late, then at twice the time, and so on."""
FADES = 0.9
"""Of the longest round trip stays this part with each shorter one."""
WINDOW = 64
"""Answers of late by which a line is judged."""
BAD = 0.5
"""A line that damages more of them is not used."""


class Pace:
    """What is known of the time an operation takes. Times are in seconds.

    Args:
        guess: Longest time that is thought of before any was observed.
        least: Shortest time after which a request is repeated.
    """

    def __init__(self, guess: float, least: float) -> None:
        self.guess, self._least = guess, least
        self._longest: float | None = None

    def took(self, seconds: float) -> None:
        """Note a round trip; of a repeated request the time since it was first sent."""
        self._longest = seconds if self._longest is None else max(seconds, FADES * self._longest)

    @property
    def repeat(self) -> float:
        """After how long a request is repeated for the first time."""
        return max(self._least, self.guess if self._longest is None else REPEAT * self._longest)

    def silence(self, least: float) -> float:
        """After how long without any answer the device counts as silent; at least ``least``."""
        return max(least, PATIENT * self._longest if self._longest is not None else REPEAT * self.guess)


class Quality:
    """Which answers of late came whole."""

    def __init__(self) -> None:
        self._damaged: deque[bool] = deque(maxlen=WINDOW)

    def note(self, *, damaged: bool) -> None:
        """Note an answer."""
        self._damaged.append(damaged)

    @property
    def trouble(self) -> str:
        """Why the line is not used, in words; empty if it is."""
        count = sum(self._damaged)
        if len(self._damaged) < WINDOW or count <= BAD * WINDOW:
            return ""
        return f"{count} of the last {WINDOW} answers came damaged"
