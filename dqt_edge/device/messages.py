"""The messages, defined once: packed and parsed here, emitted as a C header for the firmware.

Frame, before COBS: type u8, flags u8 (0), sequence u16, length u16, payload, CRC-32 (zlib) u32 of all before it.
Everything is little-endian. A frame ends with one zero byte. See ``docs/protocol.md``.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

PROTOCOL = 2
"""1 had no settings, and a RUN did not say which input it meant."""
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
    FAULT = 0x07
    SET_BAUD = 0x08
    HELLO_REPLY = 0x81
    LOAD_REPLY = 0x82
    RESULT = 0x83
    STATS_REPLY = 0x84
    RESET_REPLY = 0x85
    SELECT_REPLY = 0x86
    FAULT_REPLY = 0x87
    SET_BAUD_REPLY = 0x88
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
    OTHER_INPUT = 13
    NO_SETTINGS = 14
    BAD_SETTING = 15
    NO_TUNED = 16
    BAD_BAUD = 17


class RunPolicy(IntEnum):
    """What decides how the input is computed."""

    CONTROLLER = 0
    VECTOR = 1
    SETTING = 2
    COST = 3
    AGREEMENT = 4


class Restart(IntEnum):
    """Why a device started, as far as it knows."""

    UNKNOWN = 0
    FAULT = 1
    REQUEST = 2
    POWER = 3
    PIN = 4
    WATCHDOG = 5


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

    @cached_property
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
FEATURE_SETTINGS = 0x10
"""Feature of a model: it has decision points, a second pass or tuned settings, and runs settings."""
FEATURE_SECOND_PASS = 0x20
"""Feature of a model: it can compute an input once more."""
FEATURE_BAUD = 0x40
"""The rate of the device's serial line can be raised."""

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
        ("points", "u8"),
        ("tuned", "u8"),
        ("restart", "u8"),
        ("reserved", "u8"),
        ("input_size", "u32"),
        ("output_size", "u32"),
        ("board", "bytes16"),
        ("model", "bytes32"),
    ),
)
"""``layers`` counts all layers, the controller's included, and behind them those of decision points. ``points`` and
``tuned`` are how many decision points and tuned settings there are. ``window`` is how many LOADs may be unanswered.
``features`` is a sum of ``FEATURE_...``, ``restart`` a :class:`Restart`. ``models`` is how many models the image holds;
the rest describes the one that is served. Firmware that serves one model only may say 0."""

SELECT = Record("select", (("model", "u16"),))
"""Serve this model from now on, counted from 0 in the order of the export. The reply is a HELLO_REPLY."""

LOAD = Record("load", (("offset", "u32"),))
"""Followed by the bytes, of several inputs one behind another. Offset 0 starts new inputs; otherwise it must not lie
behind what has been received."""

LOAD_REPLY = Record("load_reply", (("received", "u32"),))
"""How many bytes of the input have been received without a gap."""

RUN = Record("run", (("policy", "u8"), ("flags", "u8"), ("count", "u16"), ("input_crc", "u32")))
"""``input_crc``: see :func:`input_crc`; if other inputs were loaded, or for another model, nothing runs.

Followed by candidate indices (u8), one for each adaptive layer, under the VECTOR policy. Under the CONTROLLER policy by
biases (int32), one for each candidate, to add to the logits; or by nothing. ``count`` is how many. Under the SETTING
policy by a SETTING; ``count`` is the number of decision points. Under COST and AGREEMENT by nothing; ``count`` is the
tuned setting's cost at most, or agreement at least, in thousandths."""


def input_crc(model_hash: bytes, codes: bytes) -> int:
    """What a RUN carries: CRC-32 of the model's hash and, behind it, of the inputs that are meant, in order."""
    return zlib.crc32(codes, zlib.crc32(model_hash))


SETTING = Record("setting", (("again", "u16"), ("parts", "u8"), ("reserved", "u8")))
"""Followed by exits u32[points] and widen u32[points]; then, by ``parts``, stops u32[words of 32 classes], bias
int32[candidates], widths u8[adaptive]."""

SETTING_WIDTHS = 0x01
"""Part of a SETTING: widths to begin with; else the controller chooses."""
SETTING_BIAS = 0x02
"""Part of a SETTING: biases for the controller's logits."""
SETTING_STOPS = 0x04
"""Part of a SETTING: which classes may be answered early, class c as bit c % 32 of word c // 32; else all may."""
SETTING_AGAIN_MAX = 256
"""Largest ``again`` of a SETTING: every answer is computed once more."""

BIAS_SIZE = 4
"""Bytes of a bias in a RUN."""

RESULT = Record(
    "result",
    (
        ("policy", "u8"),
        ("flags", "u8"),
        ("adaptive", "u16"),
        ("layers", "u16"),
        ("point", "u8"),
        ("passes", "u8"),
        ("output_size", "u32"),
        ("margin", "u32"),
        ("total", "u64"),
    ),
)
"""Followed by choices u8[adaptive], outputs u8[output_size] one behind another, then by flags counts u64[layers],
checksums u32[layers].

``total`` is the counter difference over the whole inference. A layer that did not run has count 0 and checksum 0; one
that ran twice the sum of both counts and the second checksum. ``point`` is the decision point that answered, or the
number of points if the network's end did; ``passes`` 1 or 2; ``margin`` that of the point that answered, at the
network's end of the first pass. Policies without a setting give 0 for it. A choice of 255 is a layer that did not run.
"""

NOT_RUN = 0xFF
"""Choice of an adaptive layer that did not run, behind an early answer."""

STATS_REPLY = Record("stats_reply", (("runs", "u32"), ("bad_frames", "u32"), ("naks", "u32"), ("stack_used", "u32")))

FAULT_REPLY = Record(
    "fault_reply",
    (
        ("faults", "u32"),
        ("pc", "u32"),
        ("lr", "u32"),
        ("status", "u32"),
        ("exception", "u8"),
        ("restart", "u8"),
        ("place", "u16"),
    ),
)
"""The last of ``faults`` since power-on; without any, the rest says nothing. ``place`` is the number of the layer that
had ended last, or ``FAULT_...``. ``exception`` is the core's number of it, ``status`` its CFSR. ``restart`` is a
:class:`Restart` as in HELLO, and says something always."""

FAULT_OUTSIDE = 0xFFFF
"""Place of a fault: outside of an inference."""
FAULT_FIRST = 0xFFFE
"""Place of a fault: within an inference, before its first layer had ended."""

SET_BAUD = Record("set_baud", (("baud", "u32"),))
"""Give the line this rate, bits a second, behind the reply, which still comes at the old one."""

SET_BAUD_REPLY = Record("set_baud_reply", (("baud", "u32"),))
"""The rate that the device's divider makes of it."""

BAUD_TOLERANCE_SHIFT = 6
"""A rate is refused if the divider would be off by more than the rate's 2^-6, 1.6 %."""
BAUD_STRAYS = 16
"""A device goes back to the board's rate when so many zero bytes have come at another one, and no whole frame."""
WAKE = 2 * BAUD_STRAYS
"""Zero bytes that take it there, at the board's rate: also if half of them are lost."""

NAK = Record("nak", (("code", "u8"), ("request", "u8"), ("reserved", "u16"), ("detail", "u32")))

RECORDS = (
    HELLO_REPLY,
    SELECT,
    LOAD,
    LOAD_REPLY,
    RUN,
    SETTING,
    RESULT,
    STATS_REPLY,
    FAULT_REPLY,
    SET_BAUD,
    SET_BAUD_REPLY,
    NAK,
)


def result_size(adaptive: int, layers: int, output_size: int) -> int:
    """Bytes of the longest RESULT payload of a model."""
    return RESULT.layout.size + adaptive + output_size + 12 * layers
