"""What readers hand to the builder and get from it: values, constants, weights, scales."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, Union

import numpy as np
import numpy.typing as npt

from ..graph import DIMENSION_MAX, Shape, nested
from .problems import Unfit

Logical = tuple[int, ...]
"""Shape of one sample, of any rank, without a batch axis."""
Reals = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Quant:
    """Scale of an activation tensor of an integer model, and its zero point in codes 0..255 (an int8 one plus 128)."""

    scale: float
    zero_point: int

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise Unfit(f"its scale is {self.scale}", "a positive scale")
        if not 0 <= self.zero_point <= nested.CODE_MAX:
            raise Unfit(f"its zero point is code {self.zero_point}", "a zero point within the tensor's type")


def covering(low: float, high: float) -> Quant:
    """Scale and zero point of codes that reach from ``low`` to ``high``, and hold zero."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max((high - low) / nested.CODE_MAX, 1e-12)
    return Quant(scale, min(max(round(-low / scale), 0), nested.CODE_MAX))


@dataclass(frozen=True)
class Value:
    """A tensor while a model is read.

    Attributes:
        edge: The Network's edge that holds its data, row-major.
        shape: Of one sample, of any rank.
        refused: What a refused operator would have made: later operators are still checked, but follow from nothing.
    """

    edge: str
    shape: Logical
    refused: bool = False


Constant = Reals
"""Real numbers that broadcast against the shape of one sample."""
Operand = Union[Value, Constant]  # noqa: UP007 - used at run time on 3.10


class Weights(NamedTuple):
    """Weights of a layer.

    Attributes:
        values: float64 in a floating-point model; int64 in an integer one, with the zero point taken off, so that
            those of a uint8 model may reach beyond int8.
        scales: float64 [output channels], None in a floating-point model.
        bias: float64, or int64 in units of weight scale times input scale; None: zeros.
    """

    values: npt.NDArray[Any]
    scales: Reals | None
    bias: npt.NDArray[Any] | None


def layout(shape: Logical) -> Shape:
    """(height, width, channels) in which a sample of any rank lies: the last two axes stay, those before are one.

    Raises:
        Unfit: An axis is open, or too long.
    """
    if any(n < 1 for n in shape):
        raise Unfit(f"its shape is {shape}", "axes of known, positive length")
    wide = (1, 1, 1, *shape)
    found = math.prod(wide[:-2]), wide[-2], wide[-1]
    if max(found) > DIMENSION_MAX:
        raise Unfit(f"a tensor of shape {shape} has an axis of more than {DIMENSION_MAX} elements", "smaller tensors")
    return found


def groups_of(first: Logical, second: Logical) -> tuple[Shape, Shape] | None:
    """Both shapes as (height, width, channels) that broadcast alike; None if they alternate too often for three axes.

    Neighbouring axes along which the same of the two is repeated, or none, become one.
    """
    rank = max(len(first), len(second))
    pairs = list(zip((1,) * (rank - len(first)) + first, (1,) * (rank - len(second)) + second, strict=True))
    joined: list[tuple[int, int]] = []
    kinds: list[tuple[bool, bool]] = []
    for one, two in pairs:
        if one == two == 1:
            continue
        kind = one == 1, two == 1
        if kinds and kinds[-1] == kind:
            joined[-1] = joined[-1][0] * one, joined[-1][1] * two
        else:
            joined.append((one, two))
            kinds.append(kind)
    if len(joined) > 3:
        return None
    joined = [(1, 1)] * (3 - len(joined)) + joined
    return tuple(p[0] for p in joined), tuple(p[1] for p in joined)  # type: ignore[return-value]
