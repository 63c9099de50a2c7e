"""Descriptors of layers without weights and windows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...graph import (
    LOOPS_MAX,
    Add,
    AveragePool2D,
    Concat,
    Lookup,
    Maximum,
    Minimum,
    Multiply,
    Pad,
    Rearrange,
    Requantize,
    Resize,
    Shape,
    Softmax,
    nested,
)
from .. import records
from .kernel import Context, Described, Tensors, Way
from .packing import Planes


def one_product(rq: Requantize, most: npt.NDArray[np.int64]) -> bool:
    """Whether accumulators of each channel, at most ``most`` in magnitude, are requantised by one product's high word.

    They are if the right shift is 32, or less and an accumulator can be shifted left by the difference.
    """
    shift = rq.shift.astype(np.int64)
    return bool((shift <= 32).all() and (most << (32 - shift).clip(0) <= nested.INT32_MAX).all())


def scales_mean(layer: AveragePool2D, _tensors: Tensors) -> bool:
    """See :func:`one_product`."""
    return one_product(layer.requantize, 2 * 255 * np.array(layer.counts) + np.abs(layer.bias_twice.astype(np.int64)))


def scales_product(layer: Multiply, _tensors: Tensors) -> bool:
    """See :func:`one_product`."""
    return one_product(layer.requantize, np.array([layer.bound]))


def scales_parts(layer: Concat, tensors: Tensors) -> bool:
    """See :func:`one_product`; of the parts that are not copied."""
    zero = np.array([tensors[name].zero_point for name in layer.inputs])
    most = 2 * 255 + np.abs(layer.bias_twice.astype(np.int64) - 2 * zero)
    kept = [layer.keeps(i, int(z)) for i, z in enumerate(zero)]
    return one_product(layer.requantize, np.where(kept, 0, most))


def broadcast_loops(first: Shape, second: Shape) -> list[tuple[int, int, int]]:
    """Fewest loops over the output of two inputs, as (size, bytes from step to step in the first, in the second)."""
    sizes = [max(a, b) for a, b in zip(first, second, strict=True)]
    found: list[tuple[int, int, int]] = []
    for size, *steps in zip(sizes, _steps(first), _steps(second), strict=True):
        a, b = steps
        if size == 1:
            continue
        if found and found[-1][1:] == (a * size, b * size):
            found[-1] = (found[-1][0] * size, a, b)
        else:
            found.append((size, a, b))
    return found or [(1, 0, 0)]


def _steps(shape: Shape) -> tuple[int, int, int]:
    """Bytes from one row, column and channel to the next; 0 along what broadcasts."""
    height, width, channels = shape
    return width * channels * (height > 1), channels * (width > 1), int(channels > 1)


def _operands(layer: Add | Multiply | Maximum | Minimum, context: Context) -> records.Operands:
    first, second = layer.inputs
    loops = broadcast_loops(context.tensors[first].shape, context.tensors[second].shape)
    size, a, b = zip(*[(1, 0, 0)] * (3 - len(loops)), *loops, strict=True)
    return records.Operands(
        input=(context.offsets[first], context.offsets[second]),
        output=context.offsets[layer.output],
        size=size,
        first=a,
        second=b,
    )


def broadcast_sum(layer: Add, _way: Way, _planes: Planes | None, context: Context) -> Described:
    """An addition that broadcasts."""
    operands = _operands(layer, context)
    return Described(
        records.BroadcastSum(operands, layer.multipliers, layer.offset, layer.shift, layer.low, layer.high)
    )


def product(layer: Multiply, _way: Way, _planes: Planes | None, context: Context) -> Described:
    """A product of two stored tensors."""
    first, second = (context.tensors[name].zero_point for name in layer.inputs)
    rq = layer.requantize
    record = records.Multiplication(
        operands=_operands(layer, context),
        bias_twice=int(layer.bias_twice[0]),
        multiplier=int(rq.multiplier[0]),
        zero=(first, second),
        shift=int(rq.shift[0]),
        low=rq.low,
        high=rq.high,
    )
    return Described(record, layer.bound)


def extreme(layer: Maximum | Minimum, _way: Way, _planes: Planes | None, context: Context) -> Described:
    """The larger or smaller of two codes."""
    return Described(_operands(layer, context))


def lookup(layer: Lookup, _way: Way, _planes: Planes | None, context: Context) -> Described:
    """A table of codes, or one for each channel."""
    record = records.CodeTable(
        input=context.offsets[layer.input],
        output=context.offsets[layer.output],
        size=context.tensors[layer.output].size,
        tables=len(layer.table),
        table=context.constants.add(layer.name, "table", layer.table, "codes, [table][code]"),
    )
    return Described(record)


def softmax(layer: Softmax, _way: Way, _planes: Planes | None, context: Context) -> Described:
    """A softmax of each pixel."""
    height, width, channels = context.tensors[layer.input].shape
    values = layer.exponentials.astype(np.uint16)
    record = records.RowSoftmax(
        input=context.offsets[layer.input],
        output=context.offsets[layer.output],
        rows=height * width,
        channels=channels,
        exponentials=context.constants.add(layer.name, "exponentials", values, "by distance from the largest code"),
    )
    return Described(record, channels * int(values.max()))


def rearrangement(layer: Rearrange, _way: Way, _planes: Planes | None, context: Context) -> Described:
    """Codes in another order."""
    loops = layer.loops()
    loops = ((1, 0),) * (LOOPS_MAX - len(loops)) + loops
    record = records.Rearrangement(
        input=context.offsets[layer.input],
        output=context.offsets[layer.output],
        start=layer.start,
        size=tuple(size for size, _ in loops),
        stride=tuple(stride for _, stride in loops),
    )
    return Described(record)


def padding(layer: Pad, _way: Way, _planes: Planes | None, context: Context) -> Described:
    """The input within codes of one value."""
    source, target = context.tensors[layer.input].shape, context.tensors[layer.output].shape
    # A step from a single row or column to the next is never taken, and may be too large for the descriptor.
    down, right = (1 if size == 1 else step for size, step in zip(source, layer.step, strict=False))
    offsets = context.offsets[layer.input], context.offsets[layer.output]
    return Described(records.Padding(*offsets, *source, *target, *layer.before, down, right, layer.value))


def resizing(layer: Resize, _way: Way, _planes: Planes | None, context: Context) -> Described:
    """Interpolation between two rows and two columns."""
    height, width, channels = context.tensors[layer.input].shape
    comment = "index and weight of the next one, in 1024ths"

    def table(kind: str, values: npt.NDArray[np.int32]) -> str:
        return context.constants.add(layer.name, kind, values.astype(np.uint16), comment)

    record = records.Resizing(
        input=context.offsets[layer.input],
        output=context.offsets[layer.output],
        rows=table("rows", layer.rows),
        columns=table("columns", layer.columns),
        in_height=height,
        in_width=width,
        out_height=len(layer.rows),
        out_width=len(layer.columns),
        channels=channels,
    )
    return Described(record)
