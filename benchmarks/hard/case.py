"""A case of the native suite: a request and its answer, as bytes that a core of any width and byte order can read."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from fractions import Fraction


class Kind(IntEnum):
    """Of a request; as in ``suite.c``."""

    RUN, DECIDE, DIAL, TUNED, QUANTIZE, SIZES, BAD, WEIGHTS, PARTS = range(9)


class Flag(IntFlag):
    """What a request holds; as in ``suite.c``."""

    FRESH = 1
    WIDTHS = 2
    BIAS = 4
    STOPS = 8


@dataclass(frozen=True)
class Case:
    """A request and the answer to it."""

    request: bytes
    answer: bytes

    @property
    def content(self) -> bytes:
        """As ``suite.c`` reads it."""
        return struct.pack("<II", len(self.request), len(self.answer)) + self.request + self.answer

    def without_fresh(self) -> Case:
        """The same in memory that the cases before it have used."""
        kept = self.request[2] & ~Flag.FRESH
        return Case(self.request[:2] + bytes([kept]) + self.request[3:], self.answer)


def words(values: Iterable[int]) -> bytes:
    """Numbers of 32 bits, signed or not."""
    return b"".join(struct.pack("<I", value & 0xFFFFFFFF) for value in values)


def rounded(value: Fraction) -> int:
    """Half up, saturated to int32."""
    whole = (2 * value + 1).__floor__() // 2
    return max(-(2**31), min(2**31 - 1, whole))
