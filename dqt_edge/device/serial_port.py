"""A board on a serial port, named by its path or found by the USB ids that its board file lists."""

from __future__ import annotations

import contextlib
import errno
import time
from dataclasses import dataclass

import serial
from serial.tools import list_ports

from ..boards import Board
from ..errors import DeviceError, PortError

_WRITE_TIMEOUT = 8.0
"""Seconds for a piece."""
_PIECE = 1024
"""Bytes that are written at once: a slow line takes them in a second or two, and one that takes none is stuck."""


@dataclass(frozen=True)
class FoundPort:
    """A serial port: device path, USB ids as ``vid:pid`` (empty if none), description for people."""

    path: str
    usb: str
    description: str


def list_serial_ports() -> tuple[FoundPort, ...]:
    """List the serial ports that exist, by path."""
    found = (
        FoundPort(port.device, "" if port.vid is None else f"{port.vid:04x}:{port.pid:04x}", port.description or "")
        for port in list_ports.comports()
    )
    return tuple(sorted(found, key=lambda port: port.path))


def find_port(board: Board) -> str:
    """Path of the one serial port with one of the board's USB ids.

    Raises:
        PortError: There is none, or more than one.
    """
    ids = tuple(usb.lower() for usb in board.serial.usb)
    matching = [port.path for port in list_serial_ports() if port.usb in ids]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise PortError(
            f"{len(matching)} boards of this kind are connected: {', '.join(matching)}",
            where=f"board {board.id!r}",
            next_step=f"choose one, for example `port` {matching[0]}",
        )
    raise PortError(
        f"no serial port with USB id {' or '.join(ids) or '(the board file lists none)'}",
        where=f"board {board.id!r}",
        next_step="connect the board with a cable that carries data, or name its `port`; "
        "'dqt-edge doctor' lists the ports",
    )


class SerialTransport:
    """An open serial port, 8N1, for this program alone; see :class:`~dqt_edge.device.transport.Transport`.

    Args:
        port: Device path, or a URL that pyserial knows, such as ``socket://host:4000``.
        baud: Bits per second.

    Raises:
        PortError: It does not exist, is in use, or may not be opened.
    """

    def __init__(self, port: str, baud: int) -> None:
        self._name = port
        try:
            # A URL's other end decides who may connect; a device file is locked here.
            exclusive = None if "://" in port else True
            self._serial = serial.serial_for_url(
                port, baudrate=baud, timeout=0, write_timeout=_WRITE_TIMEOUT, exclusive=exclusive
            )
        except (serial.SerialException, OSError, ValueError) as error:
            raise cannot_open(port, error) from error

    @property
    def name(self) -> str:
        """Where it leads."""
        return self._name

    @property
    def counts(self) -> bool:
        """See Transport."""
        return True

    @property
    def baud(self) -> int:
        """See RatedTransport."""
        return int(self._serial.baudrate)

    def set_baud(self, baud: int) -> None:
        """See RatedTransport."""
        if self._name.startswith("socket://"):
            raise _refused(self._name, baud, "the rate is that of the other end of a socket")
        try:
            self._serial.baudrate = baud
            self._serial.reset_input_buffer()
        except (serial.SerialException, OSError, ValueError, TypeError, OverflowError) as error:
            raise _refused(self._name, baud, str(error)) from error

    def clock(self) -> float:
        """See Transport."""
        return time.monotonic()

    def read(self, limit: int, timeout: float) -> bytes:
        """See Transport."""
        end = time.monotonic() + timeout
        try:
            waiting = int(self._serial.in_waiting)
            if waiting == 0 and timeout > 0:
                self._serial.timeout = timeout
                first = bytes(self._serial.read(1))
                self._serial.timeout = 0
                if not first or time.monotonic() > end:
                    return first
                return first + bytes(self._serial.read(min(limit - 1, int(self._serial.in_waiting))))
            return bytes(self._serial.read(min(limit, waiting)))
        except (serial.SerialException, OSError, TypeError) as error:
            raise self._gone(error) from error

    def write(self, content: bytes) -> None:
        """See Transport."""
        try:
            for at in range(0, len(content), _PIECE):
                self._serial.write(content[at : at + _PIECE])
        except (serial.SerialException, OSError, TypeError) as error:
            raise self._gone(error) from error

    def reset_input(self) -> None:
        """See Transport."""
        try:
            self._serial.reset_input_buffer()
        except (serial.SerialException, OSError, TypeError) as error:
            raise self._gone(error) from error

    def close(self) -> None:
        """See Transport."""
        with contextlib.suppress(serial.SerialException, OSError):
            self._serial.close()

    def __enter__(self) -> SerialTransport:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _gone(self, error: Exception) -> DeviceError:
        return DeviceError(
            f"the serial port stopped working: {error}",
            where=self._name,
            next_step="check the cable and that no other program uses the port, then start again",
        )


def _refused(port: str, baud: int, reason: str) -> PortError:
    return PortError(
        f"the serial port does not take {baud:,} baud: {reason}",
        where=port,
        next_step="use the board's own rate, or another adapter",
    )


def cannot_open(port: str, error: Exception) -> PortError:
    """The error for a port that does not open."""
    code = getattr(error, "errno", None)
    text = str(error)
    if code in (errno.ENOENT, errno.ENXIO, errno.ENODEV):
        return PortError(
            "the serial port does not exist",
            where=port,
            next_step="connect the board; 'dqt-edge doctor' lists the ports",
        )
    if code in (errno.EACCES, errno.EPERM):
        return PortError(
            "no permission to open the serial port",
            where=port,
            next_step="join the group dialout: 'sudo usermod -aG dialout $USER', then log in again",
        )
    if code in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in text:
        return PortError(
            "the serial port is in use by another program",
            where=port,
            next_step=f"close that program; 'fuser {port}' names it",
        )
    return PortError(f"cannot open the serial port: {text}", where=port, next_step="check the name of the port")
