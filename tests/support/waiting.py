"""Waiting in tests: long enough that a busy machine is never taken for a fault, and not for ever."""

from __future__ import annotations

import time
from collections.abc import Callable

LIMIT = 600.0
"""Seconds. What is waited for comes within one on a quiet machine; a test that gets here has found a hang."""


def wait_until(condition: Callable[[], bool], what: str, pause: float = 0.01) -> None:
    """Call ``condition`` until it is true; fail the test, saying ``what``, when it never is."""
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(pause)
