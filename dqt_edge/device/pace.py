"""Pace: how long to wait for an answer, from what was observed."""

from __future__ import annotations

from collections import deque

PATIENT = 8.0
"""An operation that once took so long may take this many times as long before it counts as silent."""
REPEAT = 2.0
"""A request is repeated after this many times the longest round trip of late."""
LATEST = 2.0
"""Misses make no wait longer than this: behind a long silence one lost frame must not use up all of the time."""
FADES = 0.98
"""Of the longest round trip stays this part with each shorter one."""
NEW = 1 / 8
"""What a round trip adds to the usual one, as RFC 6298 smooths it."""
QUIET = 0.002
"""Shortest silence that ends a burst of garbage: a USB bridge sends what it has each millisecond."""
WINDOW = 64
"""Answers of late by which a line is judged."""
BAD = 0.5
"""A line that damages more of them is not used."""


class Pace:
    """What is known of the time an operation takes. Times are in seconds.

    Round trips count that leave no doubt: an answer to a request that was sent twice may be one to either, so it says
    nothing, and the longer wait that it was got by stays until an answer comes without a repeat (Karn and Partridge,
    "Improving Round-Trip Time Estimates in Reliable Transport Protocols", SIGCOMM 1987).

    Args:
        guess: Longest time that is thought of before any was observed.
        least: Shortest time after which a request is repeated.
    """

    def __init__(self, guess: float, least: float) -> None:
        self.guess, self._least = guess, least
        self._longest: float | None = None
        self._usual = 0.0
        self._patience = 1.0

    def took(self, seconds: float) -> None:
        """Note the round trip of a request that was sent once."""
        if self._longest is None:
            self._longest = self._usual = seconds
        self._longest = max(seconds, FADES * self._longest)
        self._usual += NEW * (seconds - self._usual)
        self._patience = 1.0

    def missed(self) -> None:
        """Note that no answer came in time: the next is waited for twice as long, within limits."""
        self._patience *= 2

    def refused(self) -> None:
        """Note a refusal: the device is there, and it says nothing of how long the operation takes."""
        self._patience = 1.0

    @property
    def repeat(self) -> float:
        """After how long a request is repeated."""
        known = max(self._least, self.guess if self._longest is None else REPEAT * self._longest)
        return max(known, min(self._patience * known, LATEST))

    def quiet(self, longest: float, damaged: int) -> float:
        """How long a line must be silent for a burst of garbage to be over.

        Args:
            longest: Most that is waited.
            damaged: Bursts before it since the last answer: where one follows another, more may be on their way.
        """
        usual = longest if self._longest is None else max(QUIET, REPEAT * self._usual)
        return min(longest, usual * 2.0 ** min(max(damaged, 0), WINDOW))

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
