"""Tensors whose every element is a function of the same element of another one: kept by value.

Converters write SELU, softsign or a leaky ReLU with a threshold as comparisons, selections and quotients. Whatever they
are, they compute one number from one number, which a lookup table holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...graph import nested
from ..builder import Quant
from ..network import LIMITS, Activation

if TYPE_CHECKING:
    from .file import RawTensor
    from .operands import Known

Reals = npt.NDArray[np.float64]
JUMPS_MAX = 256
_NEAR, _FAR = np.linspace(0, 16, 4097)[1:], np.geomspace(16, 1e4, 257)[1:]
GRID: Reals = np.concatenate([-_FAR[::-1], -_NEAR[::-1], [0.0], _NEAR, _FAR])
"""Where a function is known in a floating-point model; between, it is taken to be straight."""


@dataclass(frozen=True, eq=False)
class Chain:
    """A function of a tensor, element by element.

    Attributes:
        root: The tensor.
        at: Numbers that it may hold, rising: all 256 in an integer model.
        values: What the function makes of them; truth values behind a comparison.
    """

    root: Known
    at: Reals
    values: npt.NDArray[Any]


def grid_of(tensors: Iterable[RawTensor]) -> Reals:
    """The grid, with both sides of each number that a model compares with: functions jump there."""
    single = [t.data.ravel() for t in tensors if t.data is not None and t.type == "FLOAT32" and t.data.size == 1]
    jumps = np.concatenate([np.zeros(0, np.float32), *single[:JUMPS_MAX]]).astype(np.float32)
    sides = [jumps, np.nextafter(jumps, np.float32(np.inf)), np.nextafter(jumps, np.float32(-np.inf))]
    found = np.unique(np.concatenate([GRID, *(side.astype(np.float64) for side in sides)]))
    return np.asarray(found[np.isfinite(found)], np.float64)


def start(known: Known, grid: Reals) -> Chain:
    """The tensor as a function of itself."""
    if known.chain is not None:
        return known.chain
    at = grid
    if known.quant is not None:
        at = known.quant.scale * (np.arange(256.0) - known.quant.zero_point)
    return Chain(known, at, at)


def rounded(values: npt.NDArray[Any], quant: Quant | None, activation: Activation = "none") -> Reals:
    """Real numbers as a tensor holds them: limited, and in an integer model rounded to a code."""
    low, high = LIMITS[activation]
    finite = np.clip(np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=1e30, neginf=-1e30), low, high)
    if quant is None:
        return np.asarray(finite, np.float64)
    codes = nested.quantize(finite, quant.scale, quant.zero_point).astype(np.float64)
    return np.asarray(quant.scale * (codes - quant.zero_point), np.float64)
