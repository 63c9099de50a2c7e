"""Log of a session: a file that grows by a line for each sample, so that an interruption loses nothing."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from ..errors import BadFileError, UsageError
from .records import Record, decode, encode, sealed, unsealed

FORMAT = 1
_CHUNK = 1 << 20
_LINE_MAX = 64 << 20


class SessionLog:
    """An open log, locked against other programs. The first line says of which run it is, the others are records.

    Each record reaches the file in one write, so a killed process leaves whole lines; what a computer that lost power
    left of the last line is dropped when the log is resumed.

    Args:
        path: The file. Without ``resume`` or ``force`` it must not exist yet.
        run: What the records belong to: plain JSON values. A log is resumed by the same run only.
        resume: Go on behind the last record; begin where there is no file.
        force: Replace a file.

    Raises:
        UsageError: The file exists, belongs to another run, or is in use.
        BadFileError: It is damaged, no log at all, or cannot be written.
    """

    def __init__(self, path: Path, run: dict[str, Any], *, resume: bool = False, force: bool = False) -> None:
        self.path = path
        self.count = 0
        """Records in the file."""
        header = sealed({"log": FORMAT, **run})
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise self._cannot(error) from error
        try:
            self._lock()
            size = os.fstat(self._file).st_size
            if resume and size:
                self._take_up(header, run)
            else:
                if size and not force:
                    raise self._exists()
                os.ftruncate(self._file, 0)
            self._records_at = len(header)
            if os.fstat(self._file).st_size == 0:
                self._write(header)
        except OSError as error:
            self.close()
            raise self._cannot(error) from error
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> SessionLog:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self.close()

    def append(self, record: Record) -> None:
        """Write the next record; raises BadFileError, such as for a full disk."""
        try:
            self._write(encode(record))
        except OSError as error:
            raise self._cannot(error) from error
        self.count += 1

    def records(self) -> Iterator[Record]:
        """Every record that is in the file, in order; raises BadFileError for one that is damaged."""
        for number, line in enumerate(self._lines(self._records_at)):
            try:
                record = decode(line)
                if record.number != number:
                    raise ValueError(f"it is record {record.number}, where {number} should be")
            except ValueError as error:
                raise self._damaged(number + 2, error) from error
            yield record

    def close(self) -> None:
        """Bring all to the disk and free the file; safe to repeat."""
        if self._file >= 0:
            with contextlib.suppress(OSError):
                os.fsync(self._file)
            os.close(self._file)
            self._file = -1

    def _take_up(self, header: bytes, run: dict[str, Any]) -> None:
        """Check whose log it is, and drop what follows the last newline."""
        end, lines, first = 0, 0, b""
        for line in self._lines(0, whole=False):
            if not line.endswith(b"\n"):
                if lines == 0 and not header.startswith(line):
                    raise self._damaged(1, ValueError("it has no newline"))
                break
            first = first or line
            end += len(line)
            lines += 1
        if first and first != header:
            raise self._other_run(first, run)
        os.ftruncate(self._file, end)
        self.count = max(0, lines - 1)

    def _other_run(self, first: bytes, run: dict[str, Any]) -> UsageError | BadFileError:
        try:
            found = unsealed(first)
            if found.pop("log") != FORMAT:
                raise ValueError("it is of another format")
        except (ValueError, KeyError) as error:
            return self._damaged(1, error)
        names = [name for name in {**run, **found} if run.get(name) != found.get(name)]
        told = ", ".join(f"{name} {_short(found.get(name))}, here {_short(run.get(name))}" for name in names)
        return UsageError(
            f"the log is of another run: {told}",
            where=f"`log` {self.path}",
            next_step="resume it with the model, board, data and options it was begun with, or name another `log`",
        )

    def _lines(self, at: int, *, whole: bool = True) -> Iterator[bytes]:
        """Lines from an offset on; the last may lack its newline unless ``whole``."""
        rest = b""
        while content := os.pread(self._file, _CHUNK, at):
            at += len(content)
            *lines, rest = (rest + content).split(b"\n")
            yield from (line + b"\n" for line in lines)
            if len(rest) > _LINE_MAX:
                raise self._damaged(1, ValueError("a line has no end"))
        if rest and not whole:
            yield rest

    def _write(self, line: bytes) -> None:
        done = 0
        while done < len(line):
            done += os.write(self._file, line[done:])

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                "another program is writing the log",
                where=f"`log` {self.path}",
                next_step="wait for it to end, or name another `log`",
            ) from error

    def _exists(self) -> UsageError:
        return UsageError(
            "the log exists, and the records of two runs are never mixed",
            where=f"`log` {self.path}",
            next_step="give `resume` to go on with it, `force` to replace it, or name another `log`",
        )

    def _damaged(self, line: int, error: Exception) -> BadFileError:
        return BadFileError(
            f"line {line} of the log is damaged: {error}",
            where=str(self.path),
            next_step="records before it are good, but nothing can go on behind it: give `force` to begin anew",
        )

    def _cannot(self, error: OSError) -> BadFileError:
        return BadFileError(
            f"cannot write the log: {error.strerror or error}",
            where=str(self.path),
            next_step="check that its folder exists, is writable and has free space; what was written stays valid",
        )


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
