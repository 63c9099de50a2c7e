"""The model's inputs and outputs, as its user sees them, with the integers that convert numbers to codes and back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ..graph import Shape, Tensor

UNIT = 1 << 16
"""Numbers on a device are in units of 1 / UNIT."""


@dataclass(frozen=True)
class FixedScale:
    """The fields of ``dqt_scale``. A factor is a 31-bit integer; the product with it is shifted right by 1..62."""

    to_code: int
    to_code_shift: int
    to_number: int
    to_number_shift: int
    zero_point: int


@dataclass(frozen=True)
class Terminal:
    """An input or output of the model. What a code stands for: number = scale * (code - zero point).

    Attributes:
        name: Of its tensor.
        offset: Into the arena, in bytes.
    """

    shape: Shape
    scale: float
    zero_point: int
    name: str = ""
    offset: int = 0

    @classmethod
    def of(cls, tensor: Tensor, offset: int) -> Terminal:
        """The terminal that a tensor is."""
        return cls(tensor.shape, float(tensor.scale), tensor.zero_point, tensor.name, offset)

    @property
    def text(self) -> str:
        """Its shape, such as ``28x28x1``."""
        return "x".join(map(str, self.shape))

    @property
    def facts(self) -> dict[str, Any]:
        """What its user needs to know, as plain JSON values."""
        facts = {"name": self.name, "shape": list(self.shape), "size": self.size}
        return facts | {"scale": self.scale, "zero_point": self.zero_point}

    @property
    def size(self) -> int:
        """Bytes, a code each."""
        return self.shape[0] * self.shape[1] * self.shape[2]

    @property
    def fixed(self) -> FixedScale | None:
        """The scale in integers; None unless it lies between 2^-46 and 2^14."""
        to_code = _factor(1 / (Fraction(self.scale) * UNIT))
        to_number = _factor(Fraction(self.scale) * UNIT)
        if to_code is None or to_number is None:
            return None
        return FixedScale(*to_code, *to_number, self.zero_point)


def _factor(value: Fraction) -> tuple[int, int] | None:
    """(m, shift) with value = m / 2^shift to 31 bits, 2^30 <= m < 2^31; None unless 1 <= shift <= 62."""
    shift = 30 - math.floor(math.log2(value))
    while True:
        m = math.floor(value * Fraction(2) ** shift + Fraction(1, 2))
        if m >= 1 << 31:
            shift -= 1
        elif m < 1 << 30:
            shift += 1
        else:
            return (m, shift) if 1 <= shift <= 62 else None
