"""Frames on a byte stream: COBS with a zero byte behind each frame, CRC-32 inside. Layout: messages.py."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from cobs import cobs

from .messages import CRC_SIZE, HEADER

PAYLOAD_MAX = 0xFFFF
FRAME_MAX = HEADER.size + PAYLOAD_MAX + CRC_SIZE
DELIMITER = b"\0"
SHOWN = 64
"""Bytes of a bad frame that are kept."""


@dataclass(frozen=True)
class Frame:
    """A frame whose CRC and length are right. ``type`` need not be a known one; ``sequence`` is 0..0xFFFF."""

    type: int
    sequence: int
    payload: bytes


@dataclass(frozen=True)
class BadFrame:
    """Bytes between two delimiters that are no frame, and why; ``start`` are the first of them."""

    reason: str
    size: int
    start: bytes = b""


def encode(kind: int, sequence: int, payload: bytes) -> bytes:
    """Bytes on the wire of a frame, its delimiter included; ``payload`` has at most 65,535 bytes."""
    body = HEADER.pack(kind, 0, sequence, len(payload)) + payload
    wire: bytes = cobs.encode(body + zlib.crc32(body).to_bytes(CRC_SIZE, "little"))
    return wire + DELIMITER


class Decoder:
    """Splits a byte stream into frames. Every delimiter is a fresh start: a bad frame never costs the next.

    Args:
        limit: Longest payload that is accepted. What is longer is dropped while it arrives, never kept.
    """

    def __init__(self, limit: int = PAYLOAD_MAX) -> None:
        size = HEADER.size + min(limit, PAYLOAD_MAX) + CRC_SIZE
        self._longest = size + size // 254 + 1
        self._pending = bytearray()
        self._dropped = 0

    @property
    def pending(self) -> bytes:
        """First bytes of a frame that has begun."""
        return bytes(self._pending[:SHOWN])

    def reset(self) -> None:
        """Forget a frame that has begun."""
        self._pending.clear()
        self._dropped = 0

    def feed(self, content: bytes) -> Iterator[Frame | BadFrame]:
        """Take bytes, and yield each frame that ends in them. Consume the iterator completely: it does the work."""
        *ended, rest = content.split(DELIMITER)
        for part in ended:
            self._keep(part)
            block, dropped = bytes(self._pending), self._dropped
            self.reset()
            if dropped:
                yield BadFrame("longer than any frame", len(block) + dropped, block[:SHOWN])
            elif block:
                yield _decode(block)
        self._keep(rest)

    def _keep(self, part: bytes) -> None:
        room = self._longest - len(self._pending)
        self._pending += part[:room]
        self._dropped += max(0, len(part) - room)


def _decode(block: bytes) -> Frame | BadFrame:
    try:
        content = cobs.decode(block)
    except cobs.DecodeError:
        return BadFrame("not COBS", len(block), block[:SHOWN])
    if len(content) < HEADER.size + CRC_SIZE:
        return BadFrame("shorter than any frame", len(block), block[:SHOWN])
    body, crc = content[:-CRC_SIZE], content[-CRC_SIZE:]
    if zlib.crc32(body) != int.from_bytes(crc, "little"):
        return BadFrame("wrong CRC", len(block), block[:SHOWN])
    kind, flags, sequence, length = HEADER.unpack_from(body)
    if flags != 0 or length != len(body) - HEADER.size:
        return BadFrame("wrong header", len(block), block[:SHOWN])
    return Frame(kind, sequence, body[HEADER.size :])
