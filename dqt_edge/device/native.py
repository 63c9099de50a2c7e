"""The firmware as a process of this computer, with pipes for a serial line."""

from __future__ import annotations

from pathlib import Path

from ..errors import BadFileError
from .process import ProcessTransport


class NativeTransport(ProcessTransport):
    """Starts a firmware that was built for this computer.

    Raises:
        BadFileError: There is no such file.
        ToolchainError: It cannot be started.
    """

    def __init__(self, executable: Path) -> None:
        if not executable.is_file():
            raise BadFileError(
                "the native firmware does not exist",
                where=str(executable),
                next_step="run 'dqt-edge build' first",
            )
        super().__init__(str(executable), [str(executable.resolve())])
