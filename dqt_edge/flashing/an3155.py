"""The boot loader in the ROM of STM32 chips, by its serial line: ST AN3155."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Protocol

from ..errors import FlashError

ACK, NACK, SYNC = 0x79, 0x1F, 0x7F
GET, GET_ID, READ, GO, WRITE, ERASE, EXTENDED_ERASE = 0x00, 0x02, 0x11, 0x21, 0x31, 0x43, 0x44
BLOCK = 256
"""Bytes of a READ or WRITE, at most."""
ERASE_MAX = 255
"""Sectors that the older ERASE takes by number: one byte each, and 0xFF means all."""

ANSWER_SECONDS, ERASE_SECONDS = 2.0, 40.0
"""A sector of 128 KB takes up to 4 s of a chip's data sheet; the bound is of a loader that hangs."""


class Line(Protocol):
    """A serial line, 8 bits, even parity."""

    def read(self, size: int) -> bytes:
        """Up to so many bytes; fewer when none comes within the time that was set."""

    def write(self, content: bytes) -> object:
        """Sends bytes."""

    def wait(self, seconds: float) -> None:
        """How long the next reads wait for a byte."""


class Loader:
    """The host's side of the protocol.

    Args:
        line: The serial line.
        where: Its name, for messages.
    """

    def __init__(self, line: Line, where: str) -> None:
        self._line = line
        self._where = where
        self.commands: frozenset[int] = frozenset()

    def start(self) -> int:
        """Finds the boot loader at its baud rate; its chip's id.

        Raises:
            FlashError: Nobody answers, or somebody else.
        """
        answers = []
        for _ in range(2):  # after an earlier session the first byte is half a command
            self._line.write(bytes([SYNC]))
            answer = self._line.read(1)
            answers.append(answer)
            if answer in (bytes([ACK]), bytes([NACK])):
                break
        else:
            raise self._nobody(b"".join(answers))
        self.commands = frozenset(self._list(GET, "GET")[1:])
        return int.from_bytes(self._list(GET_ID, "GET ID"), "big")

    def _nobody(self, seen: bytes) -> FlashError:
        if seen:
            return FlashError(
                f"what answers is no boot loader: it sent {seen.hex(' ')}",
                where=self._where,
                next_step="keep BOOT0 high, press reset so that the chip starts its boot loader, and try again",
            )
        return FlashError(
            "no boot loader answers",
            where=self._where,
            next_step="keep BOOT0 high and press reset, check that TX and RX are crossed, and try again",
        )

    def read(self, address: int, size: int) -> bytes:
        """Bytes of memory.

        Raises:
            FlashError: The chip is locked, or the address is none of its own.
        """
        found = bytearray()
        while len(found) < size:
            count = min(BLOCK, size - len(found))
            self._command(READ, "READ")
            self._address(address + len(found))
            self._send(bytes([count - 1, (count - 1) ^ 0xFF]), f"READ of {count} bytes")
            found += self._take(count, "READ")
        return bytes(found)

    def write(self, address: int, content: bytes) -> None:
        """Programs erased flash, or writes RAM; whole words."""
        for offset in range(0, len(content), BLOCK):
            block = content[offset : offset + BLOCK]
            self._command(WRITE, "WRITE")
            self._address(address + offset)
            counted = bytes([len(block) - 1]) + block
            self._send(counted + bytes([_xor(counted)]), f"writing at 0x{address + offset:08x}", ERASE_SECONDS)

    def erase(self, numbers: Sequence[int]) -> None:
        """Erases sectors by their numbers."""
        doing = f"erasing sector {numbers[0]}"
        if EXTENDED_ERASE in self.commands:
            self._command(EXTENDED_ERASE, "EXTENDED ERASE")
            listed = struct.pack(f">H{len(numbers)}H", len(numbers) - 1, *numbers)
        else:
            self._command(ERASE, "ERASE")
            listed = bytes([len(numbers) - 1, *numbers])
        self._send(listed + bytes([_xor(listed)]), doing, ERASE_SECONDS)

    def go(self, address: int) -> None:
        """Jumps to the program whose vectors are at an address."""
        self._command(GO, "GO")
        self._address(address)

    def _list(self, command: int, name: str) -> bytes:
        self._command(command, name)
        size = self._take(1, name)[0] + 1
        listed = self._take(size, name)
        self._acknowledged(name)
        return listed

    def _command(self, command: int, name: str) -> None:
        if self.commands and command not in self.commands:
            raise self._error(f"the boot loader has no {name}")
        self._send(bytes([command, command ^ 0xFF]), name, refused=self._locked)

    def _address(self, address: int) -> None:
        content = struct.pack(">I", address)
        self._send(content + bytes([_xor(content)]), f"the address 0x{address:08x}")

    def _send(
        self,
        content: bytes,
        doing: str,
        seconds: float = ANSWER_SECONDS,
        refused: Callable[[str], FlashError] | None = None,
    ) -> None:
        self._line.write(content)
        self._acknowledged(doing, seconds, refused)

    def _acknowledged(
        self, doing: str, seconds: float = ANSWER_SECONDS, refused: Callable[[str], FlashError] | None = None
    ) -> None:
        self._line.wait(seconds)
        answer = self._take(1, doing)[0]
        self._line.wait(ANSWER_SECONDS)
        if answer == NACK:
            raise (refused or self._refused)(doing)
        if answer != ACK:
            raise self._error(f"the boot loader answered {doing} with 0x{answer:02x}")

    def _take(self, size: int, doing: str) -> bytes:
        found = self._line.read(size)
        if len(found) < size:
            raise self._error(f"the boot loader stopped answering at {doing}")
        return found

    def _refused(self, doing: str) -> FlashError:
        return self._error(f"the boot loader refused {doing}")

    def _locked(self, doing: str) -> FlashError:
        return FlashError(
            f"the chip is locked: its boot loader refuses {doing}",
            where=self._where,
            next_step="remove the readout protection (RDP, with STM32CubeProgrammer), which erases the chip",
        )

    def _error(self, what: str) -> FlashError:
        return FlashError(
            what, where=self._where, next_step="keep BOOT0 high, press reset, and flash again: nothing is damaged"
        )


def _xor(content: bytes) -> int:
    return reduce(int.__xor__, content, 0)
