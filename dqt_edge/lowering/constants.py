"""Constant arrays of an image: weights, biases, multipliers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

C_TYPES = {
    "uint32": "uint32_t",
    "int32": "int32_t",
    "int8": "int8_t",
    "uint8": "uint8_t",
    "uint16": "uint16_t",
}


@dataclass(frozen=True, eq=False)
class Constant:
    """A constant array of the image: C name and values (int8, uint8, uint16, int32 or uint32, one dimension)."""

    name: str
    values: npt.NDArray[Any]
    comment: str

    @property
    def c_type(self) -> str:
        """Element type in C."""
        return C_TYPES[self.values.dtype.name]


class Constants:
    """Collects the constants of a plan."""

    def __init__(self) -> None:
        self.found: list[Constant] = []

    def add(self, layer: str, kind: str, values: npt.NDArray[Any], comment: str) -> str:
        """Keep an array of a layer, flat; returns its C name."""
        name = f"dqt_{c_name(layer)}_{kind}"
        self.found.append(Constant(name, np.ascontiguousarray(values).ravel(), comment))
        return name


def c_name(name: str) -> str:
    """A graph name as part of a C identifier; distinct names stay distinct."""
    return "".join(ch if ch.isascii() and ch.isalnum() else f"_{ord(ch):02x}_" if ch != "_" else "_" for ch in name)
