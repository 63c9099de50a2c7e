"""ST's boot loader (AN3155), byte by byte, on a simulated chip: in this process, or behind a pseudo terminal."""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from dqt_edge.flashing.stm32_uart import restart_program

from .chip import Chip, FlashFaultError, PowerLostError

ACK, NACK = b"\x79", b"\x1f"


@dataclass
class Character:
    """What this chip is like.

    Attributes:
        chip_id: Of GET ID.
        extended: It has EXTENDED ERASE (0x44); else ERASE (0x43).
        locked: Readout protection: what touches memory is refused.
        mute: It answers nothing.
        says: Another program runs, which answers every byte with this.
        vanish: After so many bytes received, nothing comes any more.
    """

    chip_id: int = 0x415
    extended: bool = True
    locked: bool = False
    mute: bool = False
    says: bytes = b""
    vanish: int | None = None


class BootLoader:
    """The loader of a chip. ``feed`` takes bytes of the host; ``output`` holds the answers."""

    def __init__(self, chip: Chip, character: Character | None = None) -> None:
        self.chip = chip
        self.character = character or Character()
        self.output = bytearray()
        self.dead = False
        self.received = 0
        self._input = bytearray()
        self._program = self._serve()
        self._wanted = next(self._program)

    def feed(self, content: bytes) -> None:
        """Bytes of the host."""
        for byte in content:
            self.received += 1
            vanish = self.character.vanish
            if self.dead or self.character.mute or (vanish is not None and self.received > vanish):
                return
            if self.character.says:
                self.output += self.character.says
                continue
            self._input.append(byte)
            if len(self._input) == self._wanted:
                taken = bytes(self._input)
                self._input.clear()
                try:
                    self._wanted = self._program.send(taken)
                except (PowerLostError, StopIteration):
                    self.dead = True

    def _serve(self) -> Generator[int, bytes, None]:
        """Yields how many bytes it waits for."""
        while (yield 1) != b"\x7f":
            pass
        self.output += ACK
        commands = {
            0x00: self._get,
            0x02: self._get_id,
            0x11: self._read,
            0x21: self._go,
            0x31: self._write,
            (0x44 if self.character.extended else 0x43): self._extended if self.character.extended else self._erase,
        }
        while True:
            command, check = yield 2
            known = commands.get(command)
            if command ^ check != 0xFF or known is None or (self.character.locked and command not in (0x00, 0x02)):
                self.output += NACK
                continue
            self.output += ACK
            if (yield from known()):
                return

    def _get(self) -> Generator[int, bytes, bool]:
        listed = bytes([0x00, 0x02, 0x11, 0x21, 0x31, 0x44 if self.character.extended else 0x43])
        self.output += bytes([len(listed), 0x31]) + listed + ACK
        return False
        yield 0

    def _get_id(self) -> Generator[int, bytes, bool]:
        self.output += b"\x01" + self.character.chip_id.to_bytes(2, "big") + ACK
        return False
        yield 0

    def _address(self) -> Generator[int, bytes, int | None]:
        content = yield 5
        address = int.from_bytes(content[:4], "big")
        flash = self.chip.start <= address < self.chip.start + len(self.chip.content)
        ram = self.chip.ram_start <= address < self.chip.ram_start + len(self.chip.ram)
        good = _xor(content) == 0 and (flash or ram)
        self.output += ACK if good else NACK
        return address if good else None

    def _read(self) -> Generator[int, bytes, bool]:
        address = yield from self._address()
        if address is not None:
            count, check = yield 2
            if count ^ check != 0xFF:
                self.output += NACK
                return False
            try:
                content = self.chip.read(address, count + 1)
            except FlashFaultError:
                self.output += NACK
                return False
            self.output += ACK + content
        return False

    def _write(self) -> Generator[int, bytes, bool]:
        address = yield from self._address()
        if address is not None:
            count = yield 1
            rest = yield count[0] + 2
            if _xor(count + rest) != 0 or address % 4 or len(rest) % 4 != 1:
                self.output += NACK
                return False
            if address >= self.chip.ram_start:
                at = address - self.chip.ram_start
                self.chip.ram[at : at + len(rest) - 1] = rest[:-1]
                self.output += ACK
                return False
            self._try(lambda: self.chip.program(address, rest[:-1]))
        return False

    def _erase(self) -> Generator[int, bytes, bool]:
        count = yield 1
        if count == b"\xff":
            yield 1
            self._numbers(range(len(self.chip.sectors)))
            return False
        rest = yield count[0] + 2
        if _xor(count + rest) != 0:
            self.output += NACK
            return False
        self._numbers(rest[:-1])
        return False

    def _extended(self) -> Generator[int, bytes, bool]:
        count = yield 2
        if count == b"\xff\xff":
            yield 1
            self._numbers(range(len(self.chip.sectors)))
            return False
        rest = yield 2 * (int.from_bytes(count, "big") + 1) + 1
        if _xor(count + rest) != 0:
            self.output += NACK
            return False
        self._numbers([int.from_bytes(rest[i : i + 2], "big") for i in range(0, len(rest) - 1, 2)])
        return False

    def _numbers(self, numbers: object) -> None:
        def erase() -> None:
            for number in numbers:  # type: ignore[attr-defined]
                self.chip.erase(self.chip.sectors[number][0])

        self._try(erase)

    def _try(self, action: object) -> None:
        try:
            action()  # type: ignore[operator]
        except FlashFaultError:
            self.output += NACK
        else:
            self.output += ACK

    def _go(self) -> Generator[int, bytes, bool]:
        address = yield from self._address()
        if address is None:
            return False
        if address >= self.chip.ram_start:  # what the project puts there asks for a reset; tests run it on a core
            assert self.chip.read(address, 32).startswith(restart_program(address))
        self.chip.restart()
        return True


def _xor(content: bytes) -> int:
    value = 0
    for byte in content:
        value ^= byte
    return value


class DirectLine:
    """A serial line without a wire: what is not there at once never comes."""

    def __init__(self, loader: BootLoader) -> None:
        self.loader = loader
        self.closed = False

    def read(self, size: int) -> bytes:
        """See Line."""
        found = bytes(self.loader.output[:size])
        del self.loader.output[:size]
        return found

    def write(self, content: bytes) -> None:
        """See Line."""
        self.loader.feed(content)

    def wait(self, seconds: float) -> None:
        """See Line."""

    def close(self) -> None:
        """See Line."""
        self.closed = True


@contextlib.contextmanager
def on_terminal(loader: BootLoader) -> Iterator[str]:
    """Path of a pseudo terminal behind which the loader sits; a loader that vanishes takes the terminal with it."""
    master, slave = os.openpty()
    path = os.ttyname(slave)
    os.set_blocking(master, False)
    stop = threading.Event()

    def carry() -> None:
        while not stop.is_set():
            if not select.select([master], [], [], 0.01)[0]:
                continue
            with contextlib.suppress(OSError):
                loader.feed(os.read(master, 4096))
                while loader.output:
                    del loader.output[: os.write(master, bytes(loader.output[:512]))]

    thread = threading.Thread(target=carry)
    thread.start()
    try:
        yield path
    finally:
        stop.set()
        thread.join()
        os.close(master)
        os.close(slave)
