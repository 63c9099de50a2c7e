"""What kernels are made of, asked by itself: requantisation, views, numbers to codes and back, copies and fills."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from fractions import Fraction
from itertools import product

from . import requantise
from .case import Case, Kind, rounded, words

CORNERS = 3000
"""Of requantisation; ``requantise.py`` tries millions."""
FACTORS = (1 << 30, (1 << 30) + 1, 0x5A5A5A5A, (1 << 31) - 1)
NUMBERS = (-(2**31), -(2**31) + 1, -(1 << 20), -1, 0, 1, 1 << 20, 2**31 - 1)


def parts() -> Case:
    """All of it in one case."""
    corners = tuple(column[:CORNERS] for column in requantise.chunk(0))
    codes, scaled = requantise.wanted(corners)
    rows = zip(*(column.tolist() for column in corners), strict=True)
    request = b"".join(words(row[:2]) + bytes(row[2:]) for row in rows)
    answer = b"".join(bytes([code, code]) + words([high]) for code, high in zip(codes, scaled, strict=True))
    for shift in range(7):
        answer += bytes(min((code + ((1 << shift) >> 1)) >> shift, 255 >> shift) for code in range(256))
    asked, scaled_codes = _scales()
    request = words([CORNERS]) + request + words([len(asked) // SCALE_BYTES]) + asked
    return Case(bytes([Kind.PARTS, 0, 0]) + request, answer + scaled_codes + words(_copies()))


SCALE_BYTES = 11
"""Of a question about numbers and codes: factor, shift, zero point, number, code."""


def _scales() -> tuple[bytes, bytes]:
    """Every shift, with results at and beyond the ends of int32; the same factor there and back."""
    asked, answer = bytearray(), bytearray()
    for shift, (factor, zero) in product(range(1, 63), product(FACTORS, (0, 128, 255))):
        for number, code in zip(NUMBERS, (0, 1, 64, 127, 128, 129, 192, 255), strict=True):
            asked += words([factor]) + bytes([shift, zero]) + words([number]) + bytes([code])
            steps = rounded(Fraction(number * factor, 1 << shift))
            answer.append(min(255, max(0, steps + zero)))
            answer += words([rounded(Fraction((code - zero) * factor, 1 << shift))])
    return bytes(asked), bytes(answer)


def _copies() -> Iterator[int]:
    """Checksums of arrays of 64 bytes behind each copy and fill; as ``copies()`` in ``suite.c``."""
    for size in range(21):
        for place in range(16):
            source = bytearray((3 * i + 1) % 256 for i in range(64))
            target = bytearray(255 - i for i in range(64))
            to, from_ = 8 + place // 4, 8 + place % 4
            target[to : to + size] = source[from_ : from_ + size]
            yield zlib.crc32(target)
            target[to + 1 : to + 1 + size] = bytes([place + 7]) * size
            yield zlib.crc32(target)
            source[to : to + size] = source[to + 4 : to + 4 + size]
            yield zlib.crc32(source)
