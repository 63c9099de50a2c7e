"""A serial line whose two ends have rates: bytes of another rate arrive as what a UART makes of their edges."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from dqt_edge.device.transport import Transport
from dqt_edge.errors import PortError

HOME = 115_200


def heard(byte: int, sent: int, at: int) -> bytes:
    """What a UART at a rate makes of a byte sent at another, as tests/firmware/stand_in/rated.c does."""

    def level(bit: int) -> int:
        return 0 if bit == 0 else 1 if bit > 8 else byte >> (bit - 1) & 1

    found, now = bytearray(), 0
    for bit in range(9):
        edge = 2 * at * bit
        falls = not level(bit) and (bit == 0 or level(bit - 1))
        if edge >= now and falls and not level((edge + sent) // (2 * at)):
            found.append(sum(level((edge + (2 * k + 3) * sent) // (2 * at)) << k for k in range(8)))
            now = edge + 19 * sent
    return bytes(found)


@dataclass
class RatedLine:
    """This end of a line to the stand-in that was built with ``stand_in.RATED``.

    Attributes:
        start: Starts the device.
        refused: Rates that the adapter does not take.
        good_to: Highest rate that the cable carries; above it, bits are flipped.
        lose_replies: How many frames of the device are still to be lost.
        lose_requests: How many writes of the host are still to be lost.
        changes: Rates that this end was given.
    """

    start: Callable[[], Transport]
    refused: tuple[int, ...] = ()
    good_to: int = 1 << 24
    lose_replies: int = 0
    lose_requests: int = 0
    changes: list[int] = field(default_factory=list)
    baud: int = HOME
    name: str = "rated line"
    counts: bool = True

    def __post_init__(self) -> None:
        self.device = self.start()
        self._came = b""
        self._chance = random.Random(1)

    def restart(self) -> None:
        """The device's power fails for a moment."""
        self.device.close()
        self.device, self._came = self.start(), b""

    def set_baud(self, baud: int) -> None:
        if baud in self.refused:
            raise PortError(f"no {baud} baud", where=self.name, next_step="another adapter")
        self.changes.append(baud)
        self.baud = baud
        self.reset_input()

    def clock(self) -> float:
        return self.device.clock()

    def write(self, content: bytes) -> None:
        if self.lose_requests:
            self.lose_requests -= 1
            return
        words = ((self.baud << 8 | self._carried(byte, self.baud)).to_bytes(4, "little") for byte in content)
        self.device.write(b"".join(words))

    def read(self, limit: int, timeout: float) -> bytes:
        self._came += self.device.read(4 * limit - len(self._came), timeout)
        whole = len(self._came) // 4 * 4
        words, self._came = self._came[:whole], self._came[whole:]
        found = bytearray()
        for at in range(0, whole, 4):
            byte, rate = words[at], int.from_bytes(words[at + 1 : at + 4], "little")
            if self.lose_replies:
                self.lose_replies -= byte == 0
                continue
            found += heard(self._carried(byte, rate), rate, self.baud)
        return bytes(found)

    def reset_input(self) -> None:
        self._came = b""
        self.device.reset_input()

    def close(self) -> None:
        self.device.close()

    def _carried(self, byte: int, rate: int) -> int:
        return byte if rate <= self.good_to else byte ^ self._chance.choice((0, 1 << self._chance.randrange(8)))
