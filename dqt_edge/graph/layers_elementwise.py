"""Layers that compute each code from the codes at its own place: sums, products, extremes, tables, softmax.

A layer of two inputs broadcasts: each dimension of an input is the output's, or 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from . import nested
from .values import Requantize, Value, refuse


def _check_two(name: str, inputs: tuple[str, ...]) -> None:
    if len(inputs) != 2:
        refuse(name, f"has {len(inputs)} inputs, needs 2")


@dataclass(frozen=True, eq=False)
class Add(Value):
    """Sum of two stored tensors: ``clamp((x1*m1 + x2*m2 + offset + 2^(r-1)) >> r, low, high)``.

    A negative multiplier subtracts. Each input dimension is the output's, or 1.
    """

    name: str
    inputs: tuple[str, str]
    output: str
    multipliers: tuple[int, int]
    offset: int
    shift: int
    low: int = 0
    high: int = 255

    def _check(self) -> None:
        _check_two(self.name, self.inputs)
        worst = 255 * sum(map(abs, self.multipliers)) + abs(self.offset)
        if not 8 <= self.shift <= 21 or worst + (1 << (self.shift - 1)) > nested.INT32_MAX:
            refuse(self.name, "shift must be 8..21 and every intermediate must fit int32")
        if not 0 <= self.low <= self.high <= 255:
            refuse(self.name, f"clamp {self.low}..{self.high} is not within 0..255")


@dataclass(frozen=True, eq=False)
class Multiply(Value):
    """Product of two stored tensors: ``A2 = 2*(x1 - z1)*(x2 - z2) + bias_twice[0]``, then ``requantize``, one channel.

    Each input dimension is the output's, or 1.
    """

    name: str
    inputs: tuple[str, str]
    output: str
    bias_twice: npt.NDArray[np.int32]
    requantize: Requantize

    def _check(self) -> None:
        _check_two(self.name, self.inputs)
        if self.bias_twice.dtype != np.int32 or self.bias_twice.shape != (1,):
            refuse(self.name, "bias must be int32 of shape (1,)")
        if self.requantize.multiplier.shape != (1,):
            refuse(self.name, "requantise must have 1 channel")
        if self.bound > nested.INT32_MAX:
            refuse(self.name, "the accumulator does not fit int32")

    @property
    def bound(self) -> int:
        """Largest magnitude of an accumulator, over all codes and zero points."""
        return 2 * nested.CODE_MAX**2 + abs(int(self.bias_twice[0]))


@dataclass(frozen=True, eq=False)
class _Extreme(Value):
    """What maximum and minimum share. All three tensors have one scale and zero point, so codes are compared."""

    name: str
    inputs: tuple[str, str]
    output: str

    def _check(self) -> None:
        _check_two(self.name, self.inputs)


@dataclass(frozen=True, eq=False)
class Maximum(_Extreme):
    """The larger of two codes. Each input dimension is the output's, or 1."""


@dataclass(frozen=True, eq=False)
class Minimum(_Extreme):
    """The smaller of two codes. Each input dimension is the output's, or 1."""


@dataclass(frozen=True, eq=False)
class Lookup(Value):
    """Any function of a code: ``y[..., c] = table[c][x]``.

    Attributes:
        table: Codes, uint8 [channels, 256], or [1, 256] for all channels.
    """

    name: str
    input: str
    output: str
    table: npt.NDArray[np.uint8]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors that the layer reads."""
        return (self.input,)

    def _check(self) -> None:
        if self.table.dtype != np.uint8 or self.table.ndim != 2 or self.table.shape[1] != 256:
            refuse(self.name, "table must be uint8 of shape (channels, 256) or (1, 256)")


@dataclass(frozen=True, eq=False)
class Softmax(Value):
    """Softmax over the channels of each pixel: ``min(255, (512*e[d_c] + S) // (2*S))``, ``S`` the sum of all ``e[d]``.

    ``d`` is the largest code of the pixel less the channel's. The output has scale 1/256 and zero point 0.

    Attributes:
        exponentials: ``e[d] = floor(32768 * exp(-s_x * d) + 1/2)``, int32 [256], see ``nested.exponentials``;
            0..32768, the first one not 0.
    """

    name: str
    input: str
    output: str
    exponentials: npt.NDArray[np.int32]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors that the layer reads."""
        return (self.input,)

    def _check(self) -> None:
        values = self.exponentials
        if values.dtype != np.int32 or values.shape != (256,):
            refuse(self.name, "exponentials must be int32 of shape (256,)")
        if not (values.min() >= 0 and values.max() <= nested.EXPONENTIAL_ONE and values[0] > 0):
            refuse(self.name, f"exponentials must be within 0..{nested.EXPONENTIAL_ONE}, and the first one more than 0")
