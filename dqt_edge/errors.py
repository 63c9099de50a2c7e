"""Every error a user can meet: what happened, where, and what to do next.

    DqtError
    |-- UsageError          2  a wrong parameter, option or name
    |   `-- UnknownNameError    nothing in the model has that name; a KeyError too
    |-- DoesNotFitError     3  the model is larger than the board
    |-- UnsupportedError    4  a layer or parameter that cannot be lowered
    |-- MismatchError       5  results differ from the interpreter, or accuracy is below a stated bound
    |-- DeviceError         6  serial port or device
    |   |-- PortError           the port is missing, busy or not permitted
    |   |-- SilentDeviceError   no answer within the named timeout, after the named retries
    |   |-- ProtocolError       an answer that is no valid message
    |   |-- RefusedError        a typed NAK
    |   |-- DamagedImageError   what is in flash is not what was built
    |   |-- FaultError          the device's program faults or hangs
    |   |-- LostStreamError     the device lost the states of its model
    |   `-- WrongModelError     the device runs another model
    |-- FlashError          7  debug probe or flash memory
    |-- BadFileError        8  an input file that is missing, damaged or hostile, or an output that cannot be written
    |-- ToolchainError      9  compiler, CMake, QEMU or another tool
    `-- StoppedError      130  the user stopped the work, which can be resumed

    DataWarning                a warning, no error: data that hardly is what was meant

The number is the exit code of the command line. Where a text names a parameter, it stands in backticks, such as
`policy`; the command line puts the option there.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable
from functools import partial
from typing import Any


def plain(text: str) -> str:
    """Text that may come from a file, a tool or a device, as it may be shown: a terminal obeys none of it.

    Line ends and tabs stay. Other control characters, what hides or turns text, and half characters become escapes.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(ch if ch in "\n\t" or _shown(ch) else ch.encode("unicode_escape").decode() for ch in text)


def _shown(ch: str) -> bool:
    return unicodedata.category(ch) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _line(text: str) -> str:
    """The same in one line, so that no name of a file looks like a line of ours."""
    return plain(text).replace("\n", "\\n")


NAMES_SHOWN = 20
"""Of the names that could have been meant."""


class DqtError(Exception):
    """Base of all errors meant for a user.

    Args:
        what: One sentence: what happened.
        where: The file, layer, option or device it happened in.
        next_step: One sentence: what to do about it.
    """

    exit_code = 1
    partial: Any = None
    """What was finished until then, of work that has a partial result: of ``profile`` a ``ProfileResult``."""

    def __init__(self, what: str, *, where: str, next_step: str) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.next_step = next_step

    def __reduce__(self) -> tuple[Any, ...]:
        """How it reaches another process: its arguments go by name."""
        return partial(type(self), where=self.where, next_step=self.next_step), (self.what,)

    def __str__(self) -> str:
        return f"error: {plain(self.what)}\n  where: {_line(self.where)}\n  next:  {_line(self.next_step)}"


class DataWarning(UserWarning):
    """Data that can be used, but hardly is what was meant. The arguments are those of :class:`DqtError`."""

    def __init__(self, what: str, *, where: str, next_step: str) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.next_step = next_step

    def __str__(self) -> str:
        return f"warning: {plain(self.what)}\n  where: {_line(self.where)}\n  next:  {_line(self.next_step)}"


class UsageError(DqtError):
    """A wrong option, value or name on the command line or in a call."""

    exit_code = 2


class UnknownNameError(UsageError, KeyError):
    """Nothing has that name."""

    @classmethod
    def among(cls, kind: str, name: str, known: Iterable[str], where: str) -> UnknownNameError:
        """The error for a name of that kind, with what was perhaps meant."""
        names = list(known)
        close = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
        more = ", ..." if len(names) > NAMES_SHOWN else ""
        hint = f"did you mean {close[0]!r}?" if close else f"choose from {', '.join(names[:NAMES_SHOWN])}{more}"
        return cls(f"there is no {kind} {name!r}", where=where, next_step=hint)


class DoesNotFitError(DqtError):
    """The model needs more flash or RAM than the board has, or breaks an exact bound."""

    exit_code = 3


class UnsupportedError(DqtError):
    """A layer, shape or parameter that cannot be lowered."""

    exit_code = 4


class MismatchError(DqtError):
    """Device results differ from the interpreter's, or accuracy is below a stated bound."""

    exit_code = 5


class DeviceError(DqtError):
    """The serial link or the device failed."""

    exit_code = 6


class PortError(DeviceError):
    """The port does not exist, is in use, or may not be opened."""


class SilentDeviceError(DeviceError):
    """No answer within the named timeout, after the named number of tries."""


class ProtocolError(DeviceError):
    """The device answered with something that is no valid message."""


class RefusedError(DeviceError):
    """The device answered with a typed NAK; its state is unchanged."""


class DamagedImageError(DeviceError):
    """What is in the device's flash is not what was built; it refuses to run."""


class FaultError(DeviceError):
    """The device's program came to a fault or hung, and restarted."""


class LostStreamError(DeviceError):
    """In the middle of a stream, the device lost the states of its model."""


class WrongModelError(DeviceError):
    """The device runs another model than the exported one."""


class FlashError(DqtError):
    """The debug probe or the flash memory failed."""

    exit_code = 7


class BadFileError(DqtError):
    """An input file is missing, damaged or hostile, or an output cannot be written."""

    exit_code = 8


class ToolchainError(DqtError):
    """The compiler, CMake, QEMU or another tool is missing or failed."""

    exit_code = 9


class StoppedError(DqtError):
    """The user stopped the work; it can be resumed. The exit code is that of a shell's interrupted command."""

    exit_code = 130
