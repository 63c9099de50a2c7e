"""The runner for a board without a probe: the boot loader in its STM32's ROM, by a serial line."""

from __future__ import annotations

import contextlib
import shlex
import termios
from collections.abc import Callable, Iterator, Sequence

import serial

from ..boards import Board
from ..device.serial_port import cannot_open, find_port
from ..errors import DqtError, FlashError, PortError
from .an3155 import ANSWER_SECONDS, BLOCK, Line, Loader
from .base import Files, FlashPlan, Sector, Segment

BAUD = 115200
"""The boot loader measures it at its first byte."""

RESTART_AT = 0x6000
"""Offset into RAM behind what the boot loaders use (ST AN2606); a program that restarts the chip goes there."""


class Stm32UartRunner:
    """Talks to the boot loader itself; settings: ``chip_id``, hexadecimal, as ST AN2606 lists it, and ``parity``.

    Args:
        board: Whose chip it is.
        settings: The runner's table in the board file.
        port: Serial port; None finds it by the board's USB id.
        open_line: Opens a port; tests give a fake.
    """

    name = "stm32-uart"
    write_unit = BLOCK
    by_hand = None
    sees_core = False

    def __init__(
        self,
        board: Board,
        settings: dict[str, str],
        port: str | None = None,
        open_line: Callable[[str], SerialLine] | None = None,
    ) -> None:
        self._board = board
        self._settings = settings
        self._port = port
        self._open = open_line or (lambda name: SerialLine(name, settings.get("parity", "even")))
        self._line: SerialLine | None = None
        self._loader: Loader | None = None

    def available(self) -> str | None:
        """See Runner. It needs nothing but pyserial."""
        return None

    def commands(self, plan: FlashPlan, files: Files) -> tuple[str, ...]:
        """See Runner. In the words of stm32loader, which speaks the same protocol."""
        port = self._port or "PORT"
        lines = []
        for s in plan.segments:
            image = files(f"0x{s.address:08x}.bin", s.data)
            lines.append(["stm32loader", "-p", port, "-e", "-w", "-v", "-a", f"0x{s.address:08x}", str(image)])
        return tuple(map(shlex.join, lines))

    def connect(self, plan: FlashPlan) -> None:
        """See Runner."""
        self._port = self._port or find_port(self._board)
        with self._typed():
            self._line = self._open(self._port)
            loader = Loader(self._line, self._port)
            found, wanted = loader.start(), int(self._settings.get("chip_id", "0"), 16)
        if wanted and found != wanted:
            raise FlashError(
                f"the chip's id is 0x{found:x}, and that of board {self._board.id!r} 0x{wanted:x}",
                where=self._port,
                next_step="connect the board of the project, or export for this one; nothing was written",
            )
        self._loader = loader

    def erase(self, sectors: Sequence[Sector]) -> None:
        """See Runner."""
        (region,) = (r for r in self._board.regions("flash") if r.start <= sectors[0].address < r.end)
        numbers = {start: number for number, (start, _) in enumerate(region.sectors())}
        with self._typed():
            for sector in sectors:
                self._connected.erase((numbers[sector.address],))

    def write(self, segments: Sequence[Segment]) -> None:
        """See Runner."""
        with self._typed():
            for segment in segments:
                self._connected.write(segment.address, segment.data)

    def read(self, address: int, size: int) -> bytes:
        """See Runner."""
        with self._typed():
            return self._connected.read(address, size)

    def reset(self) -> None:
        """See Runner. The boot loader cannot reset; a few instructions in RAM can, and leave no clock of its own."""
        start = self._board.regions("ram")[0].start + RESTART_AT
        with self._typed():
            self._connected.write(start, restart_program(start))
            self._connected.go(start)

    def close(self) -> None:
        """See Runner."""
        line, self._line, self._loader = self._line, None, None
        if line is not None:
            line.close()

    @property
    def _connected(self) -> Loader:
        assert self._loader is not None
        return self._loader

    @contextlib.contextmanager
    def _typed(self) -> Iterator[None]:
        try:
            yield
        except DqtError:
            raise
        except termios.error as error:  # some ports take the setting, and refuse it later
            raise no_parity(self._port or "") from error
        except (serial.SerialException, OSError, TypeError) as error:  # pyserial raises TypeError for a closed port
            raise FlashError(
                f"the serial port stopped working: {error}",
                where=self._port or "",
                next_step="check the cable, start the boot loader again, and flash again",
            ) from error


class SerialLine(Line):
    """A serial port as the boot loader wants it: 8 bits, even parity, for this program alone; raises PortError."""

    def __init__(self, port: str, parity: str = "even") -> None:
        try:
            self._serial = serial.serial_for_url(
                port,
                baudrate=BAUD,
                parity=serial.PARITY_EVEN if parity == "even" else serial.PARITY_NONE,
                timeout=ANSWER_SECONDS,
                write_timeout=ANSWER_SECONDS,
                exclusive=None if "://" in port else True,
            )
        except termios.error as error:  # no OSError
            raise no_parity(port) from error
        except (serial.SerialException, OSError, ValueError) as error:
            raise cannot_open(port, error) from error

    def read(self, size: int) -> bytes:
        """See Line."""
        return bytes(self._serial.read(size))

    def write(self, content: bytes) -> None:
        """See Line."""
        self._serial.write(content)

    def wait(self, seconds: float) -> None:
        """See Line."""
        self._serial.timeout = seconds

    def close(self) -> None:
        """Lets go of the port."""
        with contextlib.suppress(serial.SerialException, OSError):
            self._serial.close()


def no_parity(port: str) -> PortError:
    """The error for a port that cannot do what the boot loader wants."""
    return PortError(
        "the serial port has no even parity, which the boot loader wants",
        where=port,
        next_step="use another serial adapter; or set `parity` to none in the board's file, where what is behind the "
        "port adds it",
    )


def restart_program(start: int) -> bytes:
    """Vectors and code that ask for a reset (AIRCR.SYSRESETREQ), for an address in RAM.

    Thumb 1, for every core: ``ldr r0, =0xE000ED0C; ldr r1, =0x05FA0004; str r1, [r0]; dsb; b .``
    """
    vectors = (start + 0x100).to_bytes(4, "little") + (start + 8 + 1).to_bytes(4, "little")
    code = b"\x02\x48\x03\x49\x01\x60\xbf\xf3\x4f\x8f\xfe\xe7"
    return vectors + code + (0xE000ED0C).to_bytes(4, "little") + (0x05FA0004).to_bytes(4, "little")
