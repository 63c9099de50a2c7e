"""How long a process has waited for the processor, by Linux's scheduler: time in which it could not work."""

from __future__ import annotations

import time
from pathlib import Path

EVERY = 0.05
"""Seconds for which a reading is used."""


class WorkingClock:
    """Seconds of a process, without those in which it was ready to run and the computer was busy with others.

    Where the system does not tell, these are seconds of the wall clock.

    Args:
        pid: Of the process. Of several threads the one that has waited longest counts.
    """

    def __init__(self, pid: int) -> None:
        self._tasks = Path(f"/proc/{pid}/task")
        self._read_at = -EVERY
        self._waited = 0.0
        self._last = 0.0

    def __call__(self) -> float:
        """Seconds from some start; never less than before."""
        now = time.monotonic()
        if now - self._read_at >= EVERY:
            self._read_at = now
            self._waited = max(self._waited, self._longest_wait())
        self._last = max(self._last, now - self._waited)
        return self._last

    def _longest_wait(self) -> float:
        try:
            lines = [(task / "schedstat").read_text() for task in self._tasks.iterdir()]
            return max(int(line.split()[1]) for line in lines) / 1e9
        except (OSError, ValueError, IndexError):
            return 0.0
