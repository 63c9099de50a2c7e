"""Constant arrays of an image: weights, biases, multipliers."""

from __future__ import annotations

import re
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
        name = f"{c_name(layer)}_{kind}"
        self.found.append(Constant(name, np.ascontiguousarray(values).ravel(), comment))
        return name


ESCAPE = re.compile(r"_[0-9a-f]{2}_")


def c_name(name: str) -> str:
    """A graph name as part of a C identifier; distinct names stay distinct.

    A name of letters, digits and ``_`` stays as it is, unless it holds something like ``_2e_``. In any other name, each
    character but letters and digits becomes its code between underscores: ``conv.1`` is ``conv_2e_1``.
    """
    plain = name.replace("_", "").isalnum() and name.isascii() and not ESCAPE.search(name)
    return name if plain else "".join(ch if ch.isascii() and ch.isalnum() else f"_{ord(ch):02x}_" for ch in name)
