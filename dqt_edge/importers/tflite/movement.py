"""Operators that move data and compute nothing."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import prod

import numpy as np

from ..builder import Operand, Value
from ..builder_moves import PadMode
from ..problems import Unfit
from . import spread
from .file import RawOperator
from .folding import limited
from .operands import Known, Operands
from .operators import fused, reads
from .slices import strided


def axis_of(axis: int, rank: int) -> int:
    """An axis as 0..rank-1; raises Unfit for one that does not exist."""
    if not -rank <= axis < rank:
        raise Unfit(f"it works along axis {axis} of {rank}", "an axis that exists")
    return axis % rank


# --- Shapes -----------------------------------------------------------------------------------------------------


@reads("RESHAPE", "SQUEEZE", "EXPAND_DIMS", supported="anywhere; the shape may be computed")
def reshape(r: Operands, op: RawOperator) -> None:
    """The data stays where it is."""
    known = r.operand(op)
    shape = _new_shape(r, op, known.shape)
    if known.spread is not None:
        between = spread.reshaped(known.spread, known.shape, shape)
        r.known[op.outputs[0]] = replace(known, shape=shape, spread=between)
        return
    r.move(op, shape, r.sample(r.source(op)), known)


def _new_shape(r: Operands, op: RawOperator, old: tuple[int, ...]) -> tuple[int, ...]:
    if op.type == "EXPAND_DIMS":
        axis = axis_of(r.integers(op, 1, "its axis")[0], len(old) + 1)
        return (*old[:axis], 1, *old[axis:])
    if op.type == "SQUEEZE":
        axes = [axis_of(a, len(old)) for a in op.numbers("SqueezeDims")] or [i for i, n in enumerate(old) if n == 1]
        if any(old[a] != 1 for a in axes):
            raise Unfit(f"it drops axes {axes} of {old}", "axes of size 1")
        return tuple(n for i, n in enumerate(old) if i not in axes)
    written = r.graph.tensors[op.outputs[0]]
    if r.has(op, 1) and (r.operand(op, 1).data is not None or set(written.open) - {0}):
        sizes = r.integers(op, 1, "its shape")
    else:  # an old converter's option, or a shape that depends on the batch alone
        sizes = [*(op.numbers("NewShape") or written.shape)]
    known = prod(n for n in sizes if n != -1)
    if sizes.count(-1) == 1 and known > 0:
        sizes[sizes.index(-1)] = prod(old) // known
    if min(sizes, default=1) < 1 or prod(sizes) != prod(old):
        raise Unfit(f"it reshapes {old} to {tuple(sizes)}", "a reshape of one sample")
    return tuple(sizes)


@reads("TRANSPOSE", supported="of any axes")
def transpose(r: Operands, op: RawOperator) -> None:
    """A constant order of the axes."""
    known = r.source(op)
    order = [axis_of(a, len(known.shape)) for a in r.integers(op, 1, "its order")]
    if sorted(order) != list(range(len(known.shape))):
        raise Unfit(f"its order is {order}", "each axis once")
    shape = tuple(known.shape[a] for a in order)
    inner = r.sample(known)
    if len(inner.shape) < len(order):  # without the batch dimension, wherever it goes
        order = [a - 1 for a in order if a]
    r.move(op, shape, r.builder.transpose(r.name(op, "transpose"), inner, order), known)


@reads("DEPTH_TO_SPACE", "SPACE_TO_DEPTH", supported="any block")
def blocks(r: Operands, op: RawOperator) -> None:
    """A transpose of blocks."""
    known = r.source(op)
    block = op.number("BlockSize")
    if len(known.shape) != 4 or known.shape[0] != 1 or block < 1:
        raise Unfit(f"it reads shape {known.shape} in blocks of {block}", "a batch of one image")
    _, height, width, channels = known.shape
    if op.type == "DEPTH_TO_SPACE":
        parts, shape = (height, width, block, block, channels // block**2), (height * block, width * block)
    else:
        parts, shape = (height // block, block, width // block, block, channels), (height // block, width // block)
    if prod(parts) != prod(known.shape):
        raise Unfit(f"its blocks of {block} do not divide {known.shape}", "whole blocks")
    value = r.shaped(r.sample(known), parts)
    value = r.builder.transpose(r.name(op, "blocks"), value, [0, 2, 1, 3, 4])
    made = (1, *shape, prod(parts) // prod(shape))
    r.move(op, made, r.shaped(value, made[1:]), known)


# --- Parts ------------------------------------------------------------------------------------------------------


def part(r: Operands, name: str, value: Value, ranges: list[tuple[int, int, int]]) -> Value:
    """A slice; ``ranges`` has begin, end and step of each axis."""
    if all(span == (0, n, 1) for span, n in zip(ranges, value.shape, strict=True)):
        return value
    begin, end, step = ([span[i] for span in ranges] for i in range(3))
    return r.builder.slice(name, value, begin, end, step)


def take(r: Operands, op: RawOperator, name: str, known: Known, axis: int, span: tuple[int, int, int]) -> Value:
    """A slice of one axis; the shape of the file without its leading 1, unless that is the axis."""
    value = r.sample(known) if axis else r.values(known)
    axis -= len(known.shape) - len(value.shape)
    ranges = [(0, n, 1) for n in value.shape]
    ranges[axis] = span
    return part(r, name, value, ranges)


@reads("SLICE", "STRIDED_SLICE", supported="constant bounds, any steps and masks")
def slices(r: Operands, op: RawOperator) -> None:
    """Bounds are constant, or computed from shapes."""
    known = r.source(op)
    if op.type == "STRIDED_SLICE":
        bounds = [np.array(r.integers(op, i, "its bounds")) for i in (1, 2, 3)]
        found = strided(op, known.shape, *bounds)
        ranges, shape = list(zip(found.begin, found.end, found.step, strict=True)), found.shape
    else:
        begins, sizes = r.integers(op, 1, "its begin"), r.integers(op, 2, "its size")
        if not len(begins) == len(sizes) == len(known.shape):
            raise Unfit(f"it slices shape {known.shape} by {len(begins)} axes", "a slice for each axis")
        lines = zip(begins, sizes, known.shape, strict=True)
        ranges = [(b, n if size == -1 else b + size, 1) for b, size, n in lines]
        shape = tuple(e - b for b, e, _ in ranges)
        if any(not 0 <= b < e <= n for (b, e, _), n in zip(ranges, known.shape, strict=True)):
            raise Unfit(f"it takes {ranges} of {known.shape}", "bounds within the tensor")
    if min(shape, default=1) < 1:
        raise Unfit("it takes nothing", "bounds that leave an element")
    value = r.sample(known)
    ranges = ranges[len(ranges) - len(value.shape) :]
    r.move(op, shape, part(r, r.name(op, "slice"), value, ranges), known)


@reads("SPLIT", "SPLIT_V", "UNPACK", supported="along any axis")
def split(r: Operands, op: RawOperator) -> None:
    """Each part is a slice."""
    known = r.source(op, 1 if op.type == "SPLIT" else 0)
    count = len(op.outputs)
    if op.type == "UNPACK":
        axis = axis_of(op.number("Axis"), len(known.shape))
        sizes = [1] * known.shape[axis]
    elif op.type == "SPLIT":
        axis = axis_of(r.integers(op, 0, "its axis")[0], len(known.shape))
        sizes = [known.shape[axis] // count] * count
    else:
        axis = axis_of(r.integers(op, 2, "its axis")[0], len(known.shape))
        sizes = r.integers(op, 1, "its sizes")
        if sizes.count(-1) == 1:
            sizes[sizes.index(-1)] = known.shape[axis] - sum(sizes) - 1
    if len(sizes) != count or sum(sizes) != known.shape[axis] or min(sizes) < 1:
        raise Unfit(f"it splits {known.shape[axis]} into {count} parts of {sizes}", "parts that make up the whole")
    ends = np.cumsum([0, *sizes]).tolist()
    for i, (first, last) in enumerate(pairwise(ends)):
        value = take(r, op, f"{r.name(op, 'part')}_{i}", known, axis, (first, last, 1))
        kept = () if op.type == "UNPACK" else (sizes[i],)
        r.move(op, (*known.shape[:axis], *kept, *known.shape[axis + 1 :]), value, known, i)


@reads("GATHER", supported="constant indices")
def gather(r: Operands, op: RawOperator) -> None:
    """Indices that follow each other are one slice."""
    known = r.source(op)
    axis = axis_of(op.number("Axis"), len(known.shape))
    if op.number("BatchDims"):
        raise Unfit("it gathers by batch", "the same indices for all samples")
    indices = r.constant(op, 1, "its indices")
    numbers = [int(n) for n in indices.ravel()]
    size = known.shape[axis]
    if not numbers or not all(0 <= n < size for n in numbers) or len(numbers) > 4096:
        raise Unfit(f"it takes {len(numbers)} elements of {size}", "indices of elements that exist")
    runs = _runs(numbers)
    parts: list[Operand] = [
        take(r, op, f"{r.name(op, 'gather')}_{i}" if len(runs) > 1 else r.name(op, "gather"), known, axis, run)
        for i, run in enumerate(runs)
    ]
    value = parts[0]
    if len(parts) > 1:
        lost = len(known.shape) - len(parts[0].shape)
        value = r.builder.concat(r.name(op, "gathered"), parts, axis - lost, quant=known.quant)
    assert isinstance(value, Value)
    r.move(op, (*known.shape[:axis], *indices.shape, *known.shape[axis + 1 :]), value, known)


def _runs(numbers: list[int]) -> list[tuple[int, int, int]]:
    """Spans of indices with one step each."""
    spans: list[list[int]] = []
    for n in numbers:
        last = spans[-1] if spans else None
        step = 0 if last is None else n - last[-1]
        if last is not None and step and (len(last) == 1 or step == last[1] - last[0]):
            last.append(n)
        else:
            spans.append([n])
    steps = [span[1] - span[0] if len(span) > 1 else 1 for span in spans]
    return [(span[0], span[-1] + (1 if step > 0 else -1), step) for span, step in zip(spans, steps, strict=True)]


@reads("REVERSE_V2", supported="constant axes")
def reverse(r: Operands, op: RawOperator) -> None:
    """A slice with steps of -1."""
    known = r.source(op)
    axes = {axis_of(a, len(known.shape)) for a in r.integers(op, 1, "its axes")}
    ranges = [(n - 1, -1, -1) if i in axes and n > 1 else (0, n, 1) for i, n in enumerate(known.shape)]
    value = r.sample(known)
    r.move(op, known.shape, part(r, r.name(op, "reverse"), value, ranges[len(ranges) - len(value.shape) :]), known)


# --- Wholes -----------------------------------------------------------------------------------------------------


@reads("CONCATENATION", "PACK", supported="along any axis; of tensors and constants")
def concat(r: Operands, op: RawOperator) -> None:
    """PACK joins along an axis that it makes."""
    known = [r.operand(op, i) for i in range(len(op.inputs))]
    shapes = [k.shape for k in known]
    axis = axis_of(op.number("Axis"), len(shapes[0]) + (op.type == "PACK"))
    if op.type == "PACK":
        shapes = [(*s[:axis], 1, *s[axis:]) for s in shapes]
    if len({(*s[:axis], *s[axis + 1 :]) for s in shapes}) != 1:
        raise Unfit(f"it joins shapes {shapes} along axis {axis}", "shapes that differ along that axis alone")
    shape = (*shapes[0][:axis], sum(s[axis] for s in shapes), *shapes[0][axis + 1 :])
    drop = 1 if axis and shape[0] == 1 else 0
    if all(one.data is not None for one in known):
        r.source(op)
    operands: list[Operand] = []
    for i, (one, own) in enumerate(zip(known, shapes, strict=True)):
        if one.data is None:
            operands.append(r.shaped(r.sample(r.source(op, i)), own[drop:]))
        else:
            operands.append(r.real(op, i, "its constant").reshape(own[drop:]))
    ranges = [r.range_of(op, i) for i in range(len(known))] if r.integer else []
    quant = r.quant(op.outputs[0], lambda: (min(a for a, _ in ranges), max(b for _, b in ranges)))
    if len(operands) == 1:
        r.move(op, shape, r.sample(r.source(op)), known[0])
        return
    value = r.builder.concat(
        r.name(op, "concat"), operands, axis - drop, activation=fused(op), quant=quant, source=op.outputs[0]
    )
    r.put(op, shape, value, quant)


@reads("PAD", "PADV2", supported="of any axes, with any value")
@reads("MIRROR_PAD", supported="of any axes")
def pad(r: Operands, op: RawOperator) -> None:
    """By constant numbers of elements."""
    known = r.source(op)
    flat = r.integers(op, 1, "its padding")
    pads = list(zip(flat[::2], flat[1::2], strict=True)) if len(flat) == 2 * len(known.shape) else []
    if not pads or min(flat) < 0:
        raise Unfit(f"it pads shape {known.shape} by {flat}", "two numbers for each axis, not negative")
    value = 0.0
    if op.type == "PADV2":
        value = float(r.real(op, 2, "its value").ravel()[0])
    if op.number("Mode") not in (0, 1):
        raise Unfit(f"its mode has number {op.number('Mode')}", "REFLECT or SYMMETRIC")
    mode: PadMode = "constant" if op.type != "MIRROR_PAD" else "symmetric" if op.number("Mode") else "reflect"
    least = 1 if mode == "reflect" else 0
    if mode != "constant" and any(max(p) > n - least for p, n in zip(pads, known.shape, strict=True)):
        raise Unfit(f"it mirrors {pads} of {known.shape}", "less padding than elements")
    shape = limited(n + sum(p) for n, p in zip(known.shape, pads, strict=True))
    x = r.sample(known) if pads[0] == (0, 0) else r.values(known)
    inner = pads[len(pads) - len(x.shape) :]
    if any(map(any, inner)):
        x = r.builder.pad(r.name(op, "pad"), x, inner, value, mode)
    r.move(op, shape, x, known)


@reads("TILE", "BROADCAST_TO", supported="along any axes")
def tile(r: Operands, op: RawOperator) -> None:
    """A constant number of times, or to a constant shape."""
    known = r.source(op)
    numbers = r.integers(op, 1, "its sizes")
    if len(numbers) < len(known.shape) or min(numbers) < 1:
        raise Unfit(f"it repeats shape {known.shape} to {numbers}", "a number for each axis")
    old = (1,) * (len(numbers) - len(known.shape)) + known.shape
    shape = tuple(numbers)
    if op.type == "TILE":
        shape = limited(n * times for n, times in zip(old, numbers, strict=True))
    assert known.value is not None
    drop = 1 if shape[0] == 1 else 0
    x = r.shaped(known.value, old[drop:])
    if x.shape == limited(shape[drop:]):
        r.move(op, shape, x, known)
    elif op.type == "TILE":
        r.move(op, shape, r.builder.tile(r.name(op, "tile"), x, numbers[drop:]), known)
    else:
        r.move(op, shape, r.builder.broadcast(r.name(op, "broadcast"), x, shape[drop:]), known)


@reads("RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR", supported="any size; with both flags")
def resize(r: Operands, op: RawOperator) -> None:
    """To a constant size."""
    known = r.source(op)
    size = r.integers(op, 1, "its size")
    if len(known.shape) != 4 or known.shape[0] != 1 or len(size) != 2 or min(size) < 1:
        raise Unfit(f"it resizes shape {known.shape} to {size}", "a batch of one image")
    shape = limited((1, *size, known.shape[3]))
    value = r.builder.resize(
        r.name(op, "resize"),
        r.sample(known),
        (size[0], size[1]),
        method="bilinear" if op.type == "RESIZE_BILINEAR" else "nearest",
        half_pixel=bool(op.number("HalfPixelCenters")),
        align_corners=bool(op.number("AlignCorners")),
    )
    r.move(op, shape, value, known)


@reads(
    "SHAPE", "RANK", "FILL", "RANGE", supported="where only shapes depend on them: they are computed while importing"
)
def shape_only(r: Operands, op: RawOperator) -> None:
    """What could be computed has been."""
    raise Unfit("it depends on the inputs", "shapes that are known when the model is converted")
