"""The messages, defined once: packed and parsed here, emitted as a C header for the firmware.

Frame, before COBS: type u8, flags u8 (0), sequence u16, length u16, payload, CRC-32 (zlib) u32 of all before it.
Everything is little-endian. A frame ends with one zero byte. See ``docs/protocol.md``.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

PROTOCOL = 1
HEADER = struct.Struct("<BBHH")
CRC_SIZE = 4
PAYLOAD_MAX = 0xFFFF
"""The length of a payload is 16 bits."""
NO_SEQUENCE = 0xFFFF
"""Sequence of a NAK to a frame that could not be read; requests use 0..0xFFFE."""


class Type(IntEnum):
    """Message types. A reply is its request with the top bit set."""

    HELLO = 0x01
    LOAD = 0x02
    RUN = 0x03
    STATS = 0x04
    RESET = 0x05
    SELECT = 0x06
    HELLO_REPLY = 0x81
    LOAD_REPLY = 0x82
    RESULT = 0x83
    STATS_REPLY = 0x84
    RESET_REPLY = 0x85
    SELECT_REPLY = 0x86
    NAK = 0xFF


class Nak(IntEnum):
    """Why a request was refused; the device's state is unchanged."""

    BAD_FRAME = 1
    UNKNOWN_TYPE = 2
    BAD_LENGTH = 3
    BAD_OFFSET = 4
    INPUT_INCOMPLETE = 5
    BAD_POLICY = 6
    BAD_CHOICE = 7
    NO_CONTROLLER = 8
    NO_MODEL = 9
    FAILED = 10
    NO_STREAM = 11
    DAMAGED = 12


class RunPolicy(IntEnum):
    """Who chooses the widths."""

    CONTROLLER = 0
    VECTOR = 1


RUN_COUNTS = 0x01
"""RUN flag: the result carries a counter difference for each layer."""
RUN_CHECKSUMS = 0x02
"""RUN flag: the result carries a CRC-32 of each layer's output. Made outside the counted time."""
RUN_START = 0x04
"""RUN flag: a new stream begins; states are what they are before the first inference."""


@dataclass(frozen=True)
class Record:
    """A fixed little-endian record: C field names with their types, in wire order, without padding."""

    name: str
    fields: tuple[tuple[str, str], ...]

    @property
    def layout(self) -> struct.Struct:
        """Layout for :mod:`struct`."""
        return struct.Struct("<" + "".join(_CODES[kind] for _, kind in self.fields))

    def pack(self, **values: int | bytes) -> bytes:
        """Bytes of the record."""
        return self.layout.pack(*(values[name] for name, _ in self.fields))

    def unpack(self, content: bytes) -> dict[str, int | bytes]:
        """Fields of the record at the start of ``content``; struct.error if it is too short."""
        return dict(zip((name for name, _ in self.fields), self.layout.unpack_from(content), strict=True))


_CODES = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "bytes16": "16s", "bytes32": "32s"}

FEATURE_CONTROLLER = 0x01
"""Feature of a model: it can choose its widths itself."""
FEATURE_STATES = 0x02
"""Feature of a model: it keeps states from one inference to the next."""
FEATURE_CHECKED = 0x04
"""The device knows a CRC of its whole image, and has just compared it."""
FEATURE_DAMAGED = 0x08
"""The image, or the weights of the model that is served, are not what was built. It refuses every RUN."""

HELLO_REPLY = Record(
    "hello_reply",
    (
        ("protocol", "u16"),
        ("adaptive", "u16"),
        ("layers", "u16"),
        ("candidates", "u8"),
        ("window", "u8"),
        ("max_payload", "u16"),
        ("features", "u8"),
        ("models", "u8"),
        ("input_size", "u32"),
        ("output_size", "u32"),
        ("board", "bytes16"),
        ("model", "bytes32"),
    ),
)
"""``layers`` counts all executed layers, the controller's included; ``window`` is how many LOADs may be unanswered.
``features`` is a sum of ``FEATURE_...``. ``models`` is how many models the image holds; the rest describes the one that
is served. Firmware that serves one model only may say 0."""

SELECT = Record("select", (("model", "u16"),))
"""Serve this model from now on, counted from 0 in the order of the export. The reply is a HELLO_REPLY."""

LOAD = Record("load", (("offset", "u32"),))
"""Followed by the bytes, of several inputs one behind another. Offset 0 starts new inputs; otherwise it must not lie
behind what has been received."""

LOAD_REPLY = Record("load_reply", (("received", "u32"),))
"""How many bytes of the input have been received without a gap."""

RUN = Record("run", (("policy", "u8"), ("flags", "u8"), ("count", "u16")))
"""Followed by candidate indices (u8), one for each adaptive layer, under the VECTOR policy. Under the CONTROLLER policy
by biases (int32), one for each candidate, to add to the logits; or by nothing. ``count`` is how many."""

BIAS_SIZE = 4
"""Bytes of a bias in a RUN."""

RESULT = Record(
    "result",
    (
        ("policy", "u8"),
        ("flags", "u8"),
        ("adaptive", "u16"),
        ("layers", "u16"),
        ("reserved", "u16"),
        ("output_size", "u32"),
        ("total", "u64"),
    ),
)
"""Followed by choices u8[adaptive], outputs u8[output_size] one behind another, then by flags counts u64[layers],
checksums u32[layers].

``total`` is the counter difference over the whole inference. A layer that did not run has count 0 and checksum 0."""

STATS_REPLY = Record("stats_reply", (("runs", "u32"), ("bad_frames", "u32"), ("naks", "u32"), ("stack_used", "u32")))

NAK = Record("nak", (("code", "u8"), ("request", "u8"), ("reserved", "u16"), ("detail", "u32")))

RECORDS = (HELLO_REPLY, SELECT, LOAD, LOAD_REPLY, RUN, RESULT, STATS_REPLY, NAK)


def result_size(adaptive: int, layers: int, output_size: int) -> int:
    """Bytes of the longest RESULT payload of a model."""
    return RESULT.layout.size + adaptive + output_size + 12 * layers
