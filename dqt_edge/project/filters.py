"""Jinja filters: how values look in C. Formatting only; no float can pass."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..lowering.plan import Constant, c_name

LINE = 112


def c_integer(value: int, c_type: str = "int32_t") -> str:
    """A C literal of an integer; refuses anything else."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{value!r} is no integer and cannot become C")
    value = int(value)
    if c_type.startswith("uint"):
        return f"{value}u"
    # -2^31 has no literal of type int: its minus sign is an operator on a value that does not fit.
    return "(-2147483647 - 1)" if value == -(2**31) else str(value)


def c_list(values: Iterable[Any], c_type: str, indent: int = 4) -> str:
    """Comma-separated literals, wrapped."""
    lines, line = [], " " * indent
    for value in values:
        text = f"0x{int(value):08x}u" if c_type == "uint32_t" else c_integer(value, c_type)
        if len(line) + len(text) + 2 > LINE:
            lines.append(line.rstrip())
            line = " " * indent
        line += f"{text}, "
    lines.append(line.rstrip())
    return "\n".join(lines)


def c_array(constant: Constant) -> str:
    """Definition of a constant array. Word alignment makes sizes additive, so they can be predicted."""
    body = c_list(constant.values.tolist(), constant.c_type)
    return (
        f"/* {constant.comment} */\n"
        f"const {constant.c_type} {constant.name}[{len(constant.values)}] DQT_ALIGNED = {{\n{body}\n}};"
    )


def c_bytes(content: bytes) -> str:
    """Bytes as an initialiser list."""
    return ", ".join(f"0x{byte:02x}u" for byte in content)


def c_address(name: str | None) -> str:
    """A constant's name, or a null pointer."""
    return "0" if name is None else name


FILTERS = {
    "c_integer": c_integer,
    "c_list": c_list,
    "c_array": c_array,
    "c_bytes": c_bytes,
    "c_address": c_address,
    "c_name": c_name,
}
