"""Judges how a bad file is read: by a typed error that names the place, with nothing executed and nothing written.

What a reader does beside reading is seen by Python's audit events, which programs that are started, code that runs,
modules that are imported and files that are opened all raise. What libraries do in C raises none.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from dqt_edge.errors import DqtError

from .case import Case, Format

EXECUTES = frozenset(
    """exec import marshal.loads code.__new__ pickle.find_class ctypes.dlopen os.system os.exec os.fork os.posix_spawn
    os.spawn pty.spawn subprocess.Popen socket.__new__ socket.connect urllib.Request webbrowser.open""".split()  # noqa: SIM905 - a list of words
)
"""Events of what no reader does with a file."""
CHANGES = frozenset(
    "os.remove os.rename os.mkdir os.rmdir os.chmod os.chown os.link os.symlink os.truncate shutil.rmtree".split()  # noqa: SIM905
)
"""Events of what changes the path that comes first. With a folder's number last they are part of another event."""
TRAPS = ("/etc/passwd", "secret")
"""What bad files name, to have it read."""

_seen: list[str] | None = None
"""What was done since :func:`_watched` began; None outside of it."""
_hooked = False


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if _seen is None:
        return
    if event in EXECUTES:
        _seen.append(f"{event} {arguments!r:.200}")
    elif event in CHANGES and arguments[-1] in (None, -1) and not _is_temporary(arguments[0]):
        _seen.append(f"{event} {arguments[0]!r}")
    elif event == "open" and isinstance(arguments[0], str | bytes):
        path, mode = str(arguments[0]), str(arguments[1] or "r")
        if set(mode) & set("wax+") and not _is_temporary(arguments[0]):
            _seen.append(f"wrote {path}")
        if path.endswith(TRAPS):
            _seen.append(f"opened {path}")


def _is_temporary(path: object) -> bool:
    return str(path).startswith(tempfile.gettempdir())


def _watched(read: Callable[[Path], object], path: Path) -> tuple[Exception | None, list[str]]:
    """What reading a file ends in, and what it did beside."""
    global _seen, _hooked  # noqa: PLW0603 - a hook cannot be taken away again
    if not _hooked:
        sys.addaudithook(_note)
        _hooked = True
    _seen = []
    error: Exception | None = None
    try:
        read(path)
    except Exception as caught:
        error = caught
    finally:
        seen, _seen = _seen, None
    return error, seen


def faults(kind: Format, case: Case, folder: Path) -> list[str]:
    """What is wrong with how a file that :meth:`Format.place` wrote into a folder is read; nothing, as it should be."""
    path = folder / (case.file or kind.file)
    before = _contents(folder)
    error, seen = _watched(kind.read, path)
    if seen:  # perhaps a module that is imported where it is used first: that is not there the second time
        error, seen = _watched(kind.read, path)
    found = [f"it did: {what}" for what in seen]
    if _contents(folder) != before:
        found.append("it changed files beside the bad one")
    if error is None:
        return [*found, "it is read without a word"]
    if not isinstance(error, DqtError):
        return [*found, f"{type(error).__name__} is no error of ours: {error}"]
    if str(path) not in error.where and str(path.parent) not in error.where:
        found.append(f"the error names no file: {error.where}")
    if case.told not in error.what:
        found.append(f"the error does not say {case.told!r}: {error.what}")
    if not error.next_step:
        found.append("the error says nothing to do")
    return found


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
