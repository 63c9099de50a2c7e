"""Layers that move codes: side by side, in another order, between padding, and interpolated."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from . import nested
from .values import Requantize, Shape, Value, refuse

CONCAT_MAX = 64
"""Most tensors of a concatenation."""
FLAT = 3
"""Axis of a concatenation whose inputs are flattened first."""
LOOPS_MAX = 6
"""Most nested loops of a Rearrange."""


def _check_integers(name: str, what: str, values: object, count: int, least: int) -> None:
    """Refuse what is not ``count`` integers of at least ``least``."""
    given = isinstance(values, tuple) and len(values) == count
    if not given or not all(type(value) is int and value >= least for value in values):  # type: ignore[attr-defined]
        refuse(name, f"{what} {values!r} must be {count} integers of at least {least}")


@dataclass(frozen=True, eq=False)
class Concat(Value):
    """Tensors side by side along ``axis`` (0: height, 1: width, 2: channels, 3: all in a row), in the output's scale.

    Input i: ``A2 = 2*(x - z_i) + bias_twice[i]``, then ``requantize`` with index ``i``. An input that has the output's
    scale and zero point keeps its codes: multiplier 2^30, shift 31, bias 2*z_i.
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    axis: int
    bias_twice: npt.NDArray[np.int32]
    requantize: Requantize

    def _check(self) -> None:
        if not 2 <= len(self.inputs) <= CONCAT_MAX or self.axis not in (0, 1, 2, FLAT):
            refuse(self.name, f"needs 2 to {CONCAT_MAX} inputs and an axis within 0..3")
        shape = (len(self.inputs),)
        if self.bias_twice.shape != shape or self.requantize.multiplier.shape != shape:
            refuse(self.name, "needs one multiplier and one bias for every input")
        if self.bias_twice.dtype != np.int32:
            refuse(self.name, "bias must be int32")
        if int(np.abs(self.bias_twice.astype(np.int64)).max()) + 2 * 255 > nested.INT32_MAX:
            refuse(self.name, "the accumulator does not fit int32")

    def keeps(self, i: int, zero_point: int) -> bool:
        """Whether input i, whose zero point is given, goes to the output as it is."""
        rq = self.requantize
        same = (int(rq.multiplier[i]), int(rq.shift[i])) == nested.IDENTITY and (rq.low, rq.high) == (0, 255)
        return same and int(self.bias_twice[i]) == 2 * zero_point


@dataclass(frozen=True)
class _Moved:
    """What layers with one input, whose scale and zero point pass through, share."""

    name: str
    input: str
    output: str

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors that the layer reads."""
        return (self.input,)


@dataclass(frozen=True)
class Rearrange(_Moved):
    """Codes in another order: the output, row by row, is ``input[start + sum(i_j * strides[j])]`` for all ``i``.

    ``i_j`` runs from 0 to ``sizes[j] - 1``, the last one fastest. So it reshapes, transposes, slices (with steps too),
    reverses, repeats (stride 0), turns depth to space, and enlarges by whole factors.

    Attributes:
        start: Input element of the first output element, in (height, width, channel) order.
        sizes: Of 1 to 6 nested loops; their product is the output's size.
        strides: Input elements from one step of each loop to the next; 0 and negative ones too.
    """

    start: int
    sizes: tuple[int, ...]
    strides: tuple[int, ...]

    def __post_init__(self) -> None:
        loops = len(self.sizes) if isinstance(self.sizes, tuple) else 0
        if not 1 <= loops <= LOOPS_MAX:
            refuse(self.name, f"has {loops} loops, needs 1 to {LOOPS_MAX}")
        _check_integers(self.name, "sizes", self.sizes, loops, 1)
        _check_integers(self.name, "strides", self.strides, loops, -(2**31))
        _check_integers(self.name, "start", (self.start,), 1, 0)

    @property
    def size(self) -> int:
        """Elements of the output."""
        return math.prod(self.sizes)

    def reach(self) -> tuple[int, int]:
        """Lowest and highest input element that is read."""
        ends = [(n - 1) * stride for n, stride in zip(self.sizes, self.strides, strict=True)]
        return self.start + sum(end for end in ends if end < 0), self.start + sum(end for end in ends if end > 0)

    @property
    def is_view(self) -> bool:
        """Whether the output is the first elements of the input in their order, so that nothing need move."""
        return self.start == 0 and self.loops() == ((self.size, 1),)

    def loops(self) -> tuple[tuple[int, int], ...]:
        """The fewest loops, (size, stride) each, that read the same elements in the same order; at least one."""
        merged: list[tuple[int, int]] = []
        for size, stride in zip(self.sizes, self.strides, strict=True):
            if size == 1:
                continue
            if merged and merged[-1][1] == size * stride:
                merged[-1] = (merged[-1][0] * size, stride)
            else:
                merged.append((size, stride))
        return tuple(merged) or ((1, 1),)


@dataclass(frozen=True)
class Pad(_Moved):
    """The input within codes of one value: element (y, x, c) goes to ``before + (y*step_y, x*step_x, c)``.

    Attributes:
        before: Rows, columns and channels before the input's first element.
        step: Output rows and columns from one input row and column to the next; more than 1 puts ``value`` between.
        value: Code of all other output elements.
    """

    before: tuple[int, int, int]
    step: tuple[int, int]
    value: int

    def __post_init__(self) -> None:
        _check_integers(self.name, "before", self.before, 3, 0)
        _check_integers(self.name, "step", self.step, 2, 1)
        _check_integers(self.name, "value", (self.value,), 1, 0)
        if self.value > nested.CODE_MAX:
            refuse(self.name, f"value {self.value} is not a code within 0..255")

    def least_shape(self, source: Shape) -> Shape:
        """The smallest output that holds an input of that shape."""
        (height, width, channels), (top, left, first) = source, self.before
        down, right = self.step
        return (top + (height - 1) * down + 1, left + (width - 1) * right + 1, first + channels)


@dataclass(frozen=True, eq=False)
class Resize(Value):
    """Another height and width, by interpolation between two rows and two columns of codes.

    ``y = (sum of four codes, each times its row's and its column's weight, + 2^19) >> 20``. Row ``i`` takes input rows
    ``n = rows[i, 0]`` with weight ``1024 - rows[i, 1]``, and ``min(n + 1, height - 1)`` with weight ``rows[i, 1]``;
    columns likewise. Weights of 0 take the nearest.

    Attributes:
        rows: int32 [output height, 2], index and weight 0..1024.
        columns: int32 [output width, 2].
    """

    name: str
    input: str
    output: str
    rows: npt.NDArray[np.int32]
    columns: npt.NDArray[np.int32]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors that the layer reads."""
        return (self.input,)

    def _check(self) -> None:
        for what, table in (("rows", self.rows), ("columns", self.columns)):
            if table.dtype != np.int32 or table.ndim != 2 or table.shape[1] != 2 or not len(table):
                refuse(self.name, f"{what} must be int32 of shape (output size, 2)")
            if table.min() < 0 or table[:, 1].max() > nested.RESIZE_ONE:
                refuse(self.name, f"{what} must be indices of 0 or more with weights within 0..{nested.RESIZE_ONE}")
