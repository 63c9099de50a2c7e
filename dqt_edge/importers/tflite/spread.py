"""Dilation, as converters write it: SPACE_TO_BATCH_ND, a convolution, BATCH_TO_SPACE_ND."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..builder import Value
from ..problems import Unfit

if TYPE_CHECKING:
    from .operands import Known

Pair = tuple[int, int]
Convolve = Callable[[tuple[int, int, int], tuple[int, int, int, int], Pair, int], Value]
"""Makes the convolution of an image of this shape, with padding (top, left, bottom, right), a dilation and a source."""
NEAREST = "SPACE_TO_BATCH_ND, one convolution of stride 1 and BATCH_TO_SPACE_ND, which is a dilation"


@dataclass(frozen=True)
class Axis:
    """An axis between batch and channels.

    Attributes:
        block: Its samples are ``block`` apart: the dilation.
        before, after: Padding of SPACE_TO_BATCH_ND.
        size: Of the whole axis, without padding.
        kernel, own: Size of the convolution's kernel and of its own padding before the first sample, once it is known.
    """

    block: int
    before: int
    after: int
    size: int
    kernel: int = 1
    own: int = 0


FREE = Axis(1, 0, 0, 1)
"""An axis of size 1 that EXPAND_DIMS put there."""


@dataclass(frozen=True, eq=False)
class Spread:
    """A tensor between the two operators."""

    origin: Known
    axes: tuple[Axis, ...]
    convolve: Convolve | None = None


def begin(origin: Known, blocks: list[int], pads: list[int]) -> tuple[Spread, tuple[int, ...]]:
    """The spread tensor, and its shape in the file."""
    rank = len(origin.shape)
    spatial = len(blocks)
    if origin.shape[0] != 1 or spatial != len(pads) // 2 or spatial > rank - 1 or rank not in (3, 4):
        raise Unfit(f"it spreads shape {origin.shape} by {blocks}", NEAREST)
    axes, shape, copies = [], [], 1
    for i, size in enumerate(origin.shape[1:-1]):
        block, before, after = (blocks[i], pads[2 * i], pads[2 * i + 1]) if i < spatial else (1, 0, 0)
        padded = size + before + after
        if block < 1 or min(before, after) < 0 or padded % block:
            raise Unfit(f"it spreads {padded} samples by {block}", NEAREST)
        axes.append(Axis(block, before, after, size))
        shape.append(padded // block)
        copies *= block
    if spatial == rank - 1:
        raise Unfit("it spreads channels", NEAREST)
    return Spread(origin, tuple(axes)), (copies, *shape, origin.shape[-1])


def reshaped(spread: Spread, old: tuple[int, ...], new: tuple[int, ...]) -> Spread:
    """After a reshape that adds or drops axes of size 1."""
    if (old[0], old[-1]) != (new[0], new[-1]):
        raise Unfit(f"it reshapes {old} to {new} between them", NEAREST)
    left = [pair for pair in zip(spread.axes, old[1:-1], strict=True) if pair[0] != FREE]
    axes = []
    for size in new[-2:0:-1]:  # from the right: a series lies along the last axis, EXPAND_DIMS puts one before it
        if left and left[-1][1] == size:
            axes.append(left.pop()[0])
        elif size == 1:
            axes.append(FREE)
        else:
            raise Unfit(f"it reshapes {old} to {new} between them", NEAREST)
    if left:
        raise Unfit(f"it reshapes {old} to {new} between them", NEAREST)
    return replace(spread, axes=tuple(reversed(axes)))


def finish(
    spread: Spread, shape: tuple[int, ...], blocks: list[int], crops: list[int], source: int
) -> tuple[Value, tuple[int, ...]]:
    """The dilated convolution, and its shape in the file.

    ``shape`` is that of BATCH_TO_SPACE_ND's input, and ``source`` the index of its output.
    """
    axes = list(spread.axes)
    blocks += [1] * (len(axes) - len(blocks))
    crops += [0] * (2 * len(axes) - len(crops))
    if spread.convolve is None or blocks != [axis.block for axis in axes]:
        raise Unfit("no convolution lies between, or it joins other blocks than were spread", NEAREST)
    pads, sizes = [], []
    for i, axis in enumerate(axes):
        made = shape[1 + i] * axis.block - crops[2 * i] - crops[2 * i + 1]
        first = axis.before + axis.block * axis.own - crops[2 * i]
        sizes.append(made)
        pads.append((first, made + axis.block * (axis.kernel - 1) - axis.size - first))
    if min(sizes) < 1:
        raise Unfit("its crops leave nothing", NEAREST)
    lines = [(axis.size, axis.block, pad) for axis, pad in zip(axes, pads, strict=True)]
    while len(lines) < 2:  # one axis: an image of one row
        lines.insert(0, (1, 1, (0, 0)))
    (height, dilation_h, (top, bottom)), (width, dilation_w, (left, right)) = lines
    if min(top, bottom, left, right) < 0:
        raise Unfit("its crops cut into the input", NEAREST)
    image = height, width, spread.origin.shape[-1]
    value = spread.convolve(image, (top, left, bottom, right), (dilation_h, dilation_w), source)
    return value, (1, *sizes, value.shape[-1])
