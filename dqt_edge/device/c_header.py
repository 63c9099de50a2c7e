"""The C side of :mod:`dqt_edge.device.messages`: ``dqt_messages.h``, made from the same definitions."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from . import messages
from .messages import Nak, Record, RunPolicy, Type

_SIZES = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "bytes16": 16, "bytes32": 32}
_FRAME = Record("frame", (("type", "u8"), ("flags", "u8"), ("sequence", "u16"), ("length", "u16")))


def messages_header() -> str:
    """Text of ``dqt_messages.h``: message types, codes, and offset and size of every record field.

    Pure: the same text at every call, no path and no time in it. All macros are unsigned (``u``).
    ``DQT_<RECORD>_SIZE`` is the size of the fixed part, without what follows it (data, choices, counts).
    """
    assert _FRAME.layout.size == messages.HEADER.size, "the frame header differs from messages.HEADER"
    lines = [
        "/* The serial protocol, generated from dqt_edge/device/messages.py. Little-endian, no padding. */",
        "#ifndef DQT_MESSAGES_H",
        "#define DQT_MESSAGES_H",
        "",
        f"#define DQT_PROTOCOL {messages.PROTOCOL}u",
        f"#define DQT_NO_SEQUENCE 0x{messages.NO_SEQUENCE:04X}u",
        f"#define DQT_CRC_SIZE {messages.CRC_SIZE}u",
        "",
        *_enumeration("TYPE", Type),
        *_enumeration("NAK", Nak),
        *_enumeration("POLICY", RunPolicy),
        f"#define DQT_RUN_COUNTS 0x{messages.RUN_COUNTS:02X}u",
        f"#define DQT_RUN_CHECKSUMS 0x{messages.RUN_CHECKSUMS:02X}u",
    ]
    for record in (_FRAME, *messages.RECORDS):
        lines += ["", *_record(record)]
    return "\n".join([*lines, "", "#endif", ""])


def _enumeration(prefix: str, members: type[IntEnum]) -> Iterable[str]:
    for member in members:
        yield f"#define DQT_{prefix}_{member.name} 0x{member.value:02X}u"
    yield ""


def _record(record: Record) -> Iterable[str]:
    offset = 0
    prefix = f"DQT_{record.name.upper()}"
    for name, kind in record.fields:
        yield f"#define {prefix}_{name.upper()}_OFFSET {offset}u"
        offset += _SIZES[kind]
    assert offset == record.layout.size, f"{record.name}: sizes differ from struct's"
    yield f"#define {prefix}_SIZE {offset}u"
