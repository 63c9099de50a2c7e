"""A device that is a process of this computer: bytes over file descriptors, always reaped."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import shlex
import shutil
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Sequence
from typing import IO

from ..errors import DeviceError, ToolchainError
from .starving import WorkingClock

LOG = logging.getLogger(__name__)

_CHUNK = 65536
_WRITE_TIMEOUT = 8.0
_END_TIMEOUT = 2.0
_READ, _WRITE = 1, 2
_STDERR_SHOWN = 2000


class ProcessTransport:
    """A Transport that owns a process and the two descriptors that lead to it.

    The process ends with :meth:`close`, when the object is collected, and when Python exits; where util-linux's
    ``setpriv`` is installed, also when this process is killed.

    Args:
        name: For messages.
        command: Program and arguments.
        reader: Descriptor to read from, taken over; None: the process's standard output.
        writer: Descriptor to write to, taken over, may be the same; None: its standard input.
        inherited: Descriptors that the process gets and this one closes.

    Raises:
        ToolchainError: It cannot be started.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        reader: int | None = None,
        writer: int | None = None,
        inherited: Sequence[int] = (),
    ) -> None:
        self._name = name
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._ahead = bytearray()
        piped = reader is None
        LOG.info("%s: %s", name, shlex.join(command))
        try:
            self._process = subprocess.Popen(
                [*_dies_with_parent(), *command],
                stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
                stdout=subprocess.PIPE if piped else self._errors,
                stderr=self._errors,
                bufsize=0,
                pass_fds=tuple(inherited),
                start_new_session=True,  # Ctrl-C is for us: who ends the device is close()
            )
        except OSError as error:
            self._errors.close()
            _close_all({fd for fd in (reader, writer) if fd is not None})
            raise ToolchainError(
                f"cannot start {command[0]}: {error.strerror}",
                where=name,
                next_step="check that the file exists, is executable and was built for this computer",
            ) from error
        finally:
            _close_all(inherited)
        if self._process.stdin is not None and self._process.stdout is not None:
            # Duplicates, so that one place closes them and no file object outlives its descriptor.
            reader, writer = os.dup(self._process.stdout.fileno()), os.dup(self._process.stdin.fileno())
            self._process.stdout.close()
            self._process.stdin.close()
        assert reader is not None
        assert writer is not None
        self._reader, self._writer = reader, writer
        self._polls = _polls(reader, writer)
        self._clock = WorkingClock(self._process.pid)
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        self._end = weakref.finalize(self, _end, self._process, {reader, writer}, self._errors)

    @property
    def name(self) -> str:
        """Where it leads, for messages."""
        return self._name

    @property
    def counts(self) -> bool:
        """See Transport."""
        return True

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def clock(self) -> float:
        """See Transport. Stands still while the process waits for the processor: a busy computer is no hang."""
        return self._clock()

    def read(self, limit: int, timeout: float) -> bytes:
        """See Transport."""
        if not self._ahead:
            self._wait(_READ, timeout)
        content = bytes(self._ahead[:limit])
        del self._ahead[: len(content)]
        return content

    def write(self, content: bytes) -> None:
        """See Transport. Takes input meanwhile: a device that is busy answering may not be reading."""
        rest = memoryview(content)
        deadline = self.clock() + _WRITE_TIMEOUT
        while rest:
            if not self._end.alive:
                raise self._closed()
            try:
                rest = rest[os.write(self._writer, rest) :]
            except BlockingIOError:
                left = deadline - self.clock()
                if left <= 0:
                    raise self._gone(f"took no more input for {_WRITE_TIMEOUT:g} s") from None
                self._wait(_READ | _WRITE, left)
            except OSError as error:
                raise self._gone("closed its input") from error

    def reset_input(self) -> None:
        """See Transport."""
        self._ahead.clear()
        while self.read(_CHUNK, 0):
            pass

    def close(self) -> None:
        """See Transport."""
        self._end()

    def __enter__(self) -> ProcessTransport:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wait(self, events: int, timeout: float) -> int:
        """Wait for one of the events, take what can be read, and return the events that happened."""
        if not self._end.alive:
            raise self._closed()
        writes = bool(events & _WRITE)
        happened = 0
        for descriptor, mask in self._polls[writes].poll(1000 * max(0.0, timeout)):
            if descriptor == self._writer and mask & ~select.POLLIN:
                happened |= _WRITE
            if descriptor == self._reader and mask & ~select.POLLOUT:
                happened |= _READ
        if happened & _READ:
            try:
                content = os.read(self._reader, _CHUNK)
            except BlockingIOError:
                return happened
            except OSError as error:
                raise self._gone("closed its output") from error
            if not content:
                raise self._gone("closed its output")
            self._ahead += content
        return happened

    def _closed(self) -> DeviceError:
        return DeviceError("the device is closed", where=self._name, next_step="open it again")

    def _gone(self, what: str) -> DeviceError:
        """Error for a process that no longer takes part, with what it last said."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_TIMEOUT)
        status = self._process.poll()
        if status is not None:
            what = f"ended by signal {-status}" if status < 0 else f"ended with exit status {status}"
        said = self._last_words()
        return DeviceError(
            f"the device process {what}" + (f": {said}" if said else ""),
            where=self._name,
            next_step="build the project again; if it happens again, report it with this text",
        )

    def _last_words(self) -> str:
        """End of what it wrote to its standard error; warnings, such as QEMU's of an idle network, aside."""
        self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, self._errors.tell() - _STDERR_SHOWN))
        lines = self._errors.read().decode(errors="replace").splitlines()
        return "\n".join(line for line in lines if ": warning: " not in line).strip()


def _polls(reader: int, writer: int) -> tuple[select.poll, select.poll]:
    """What waits for input; and for input or room for output."""
    reading, both = select.poll(), select.poll()
    reading.register(reader, select.POLLIN)
    if reader == writer:
        both.register(reader, select.POLLIN | select.POLLOUT)
    else:
        both.register(reader, select.POLLIN)
        both.register(writer, select.POLLOUT)
    return reading, both


def _dies_with_parent() -> list[str]:
    """Make a prefix that ends a process with its parent, which for Linux is a thread: the main one only."""
    found = shutil.which("setpriv")
    if found is None or threading.current_thread() is not threading.main_thread():
        return []
    return [found, "--pdeathsig", "KILL", "--"]


def _close_all(descriptors: Sequence[int] | set[int]) -> None:
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            os.close(descriptor)


def _end(process: subprocess.Popen[bytes], descriptors: set[int], errors: IO[bytes]) -> None:
    """End of input first, which is a clean exit for a native device; then SIGTERM, then SIGKILL."""
    _close_all(descriptors)
    try:
        process.terminate()
        process.wait(_END_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    finally:
        errors.close()
