"""Reading a file within limits of time and memory, and what came of it."""

from __future__ import annotations

import resource
import signal
import traceback
from collections.abc import Callable
from pathlib import Path

from dqt_edge.errors import DqtError

SECONDS = 1.0
"""Of processor time."""
MEMORY = 1 << 30
"""Bytes beyond what the process has."""
Read = Callable[[Path], object]


class SlowError(BaseException):
    """Too much processor time; no reader may catch it."""


def stop(*_: object) -> None:
    """What the timer's signal does."""
    raise SlowError


def watch() -> None:
    """Let the timer end what takes too long."""
    signal.signal(signal.SIGPROF, stop)


def outcome(read: Read, path: Path) -> str:
    """``read``, ``refused``, or what is wrong."""
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        read(path)
    except DqtError as error:
        named = path.name in f"{error.where} {error.what}" or str(path.parent) in error.where
        return "refused" if named or error.where else f"names no file: {error}"
    except SlowError:
        return f"takes more than {SECONDS:g} s\n{traceback.format_exc()}"
    except BaseException:
        return traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return "read"


def limit_memory() -> None:
    """Grant so much more address space than the process has now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, hard))
