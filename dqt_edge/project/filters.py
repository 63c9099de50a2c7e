"""Jinja filters: how values look in C. Formatting only; no float can pass, but for the one that names itself so."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from ..lowering.constants import Constant, c_name
from ..lowering.record import POINTER, Member
from ..lowering.records import Proof

LINE = 112
WORD = 4
"""Bytes; every member of a model's constants is whole words."""


def c_integer(value: int, c_type: str = "int32_t") -> str:
    """A C literal of an integer; refuses anything else."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{value!r} is no integer and cannot become C")
    value = int(value)
    if c_type.startswith("uint"):
        return f"{value}u"
    # -2^31 has no literal of type int: its minus sign is an operator on a value that does not fit.
    return "(-2147483647 - 1)" if value == -(2**31) else str(value)


def number_text(value: float) -> str:
    """A number for a comment: the shortest decimal text that gives it back."""
    return repr(float(value))


def c_literal(value: int, c_type: str) -> str:
    """A literal as an element of an array: words, which are packed, in hexadecimal."""
    return f"0x{int(value):08x}u" if c_type == "uint32_t" else c_integer(value, c_type)


def c_list(values: Iterable[Any], c_type: str, indent: int = 4) -> str:
    """Comma-separated literals, wrapped."""
    return _wrapped([c_literal(value, c_type) for value in values], indent)


def _wrapped(texts: Sequence[str], indent: int) -> str:
    """Texts with commas behind them, as many in a line as it holds; there may be millions."""
    ends = list(accumulate(len(text) + 2 for text in texts))
    lines, start = [], 0
    while start < len(texts):
        before = ends[start - 1] if start else 0
        stop = max(bisect_right(ends, before + LINE - indent, start), start + 1)
        lines.append(" " * indent + ", ".join(texts[start:stop]) + ",")
        start = stop
    return "\n".join(lines)


def c_length(constant: Constant) -> int:
    """Elements of a constant array, rounded up to whole words; C fills what is not listed with zeros."""
    size = constant.values.itemsize
    return -(-constant.values.nbytes // WORD) * WORD // size


def c_values(constant: Constant) -> str:
    """The elements of a constant array."""
    if constant.values.itemsize > 1 or constant.values.dtype.kind not in "iu":
        return c_list(constant.values.tolist(), constant.c_type, indent=8)
    values = constant.values.astype(np.int64)
    known = {value: c_literal(value, constant.c_type) for value in np.unique(values).tolist()}
    return _wrapped([known[value] for value in values.tolist()], 8)


def c_bytes(content: bytes) -> str:
    """Bytes as the lines of an initialiser."""
    texts = [f"0x{byte:02x}u" for byte in content]
    return "\n".join(f"        {', '.join(texts[i : i + 16])}," for i in range(0, len(texts), 16))


def c_address(name: str | None, symbol: str) -> str:
    """Where a constant of a model lies, or a null pointer."""
    return "NULL" if name is None else f"{symbol}_weights.{name}"


def c_text(text: str) -> str:
    """A C string literal: all but plain ASCII as octal bytes of UTF-8, and no trigraph."""
    plain = set(range(0x20, 0x7F)) - set(b'"\\?')
    return '"' + "".join(chr(b) if b in plain else f"\\{b:03o}" for b in text.encode()) + '"'


def c_value(value: Any, member: Member, array: str = "", constants: str = "") -> str:  # noqa: ANN401 - any field
    """A field of a record.

    Args:
        value: Of the field.
        member: Its C type.
        array: Name of the records that the field points to, if it does.
        constants: What names of constants are preceded by.
    """
    if member.c_type == POINTER:
        name = array if isinstance(value, tuple) else value
        return "NULL" if name is None else f"{constants if member.constant else ''}{name}"
    if isinstance(value, Proof):
        return f"DQT_PROOF_{value.name}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"{{{', '.join(c_integer(item, member.c_type) for item in value)}}}"
    return "DQT_NONE" if value is None else c_integer(value, member.c_type)


FILTERS = {
    "c_integer": c_integer,
    "c_list": c_list,
    "c_length": c_length,
    "c_values": c_values,
    "c_bytes": c_bytes,
    "c_address": c_address,
    "c_name": c_name,
    "c_text": c_text,
    "c_value": c_value,
    "number_text": number_text,
}
