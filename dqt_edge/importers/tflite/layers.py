"""Operators with weights, and poolings."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import prod
from typing import Literal

from ...graph import WINDOW_MAX
from ..builder import Value, Weights
from ..problems import Unfit
from . import spread
from .file import RawOperator
from .operands import Known, Operands
from .operators import fused, reads

Pair = tuple[int, int]
REDUCTIONS: dict[str, Literal["mean", "sum", "max", "min"]] = {
    "MEAN": "mean",
    "SUM": "sum",
    "REDUCE_MAX": "max",
    "REDUCE_MIN": "min",
}


def whole(op: RawOperator, *names: str) -> Pair:
    """Two options as positive integers."""
    values = tuple(op.number(name) for name in names)
    if min(values) < 1 or max(values) > WINDOW_MAX:
        raise Unfit(f"its {' and '.join(names)} are {values}", f"numbers within 1..{WINDOW_MAX}")
    return values[0], values[1]


def padding_of(op: RawOperator) -> Literal["same", "valid"]:
    """Which of the two paddings an operator has."""
    number = op.number("Padding")
    if number not in (0, 1):
        raise Unfit(f"its padding has number {number}", "SAME or VALID")
    return "same" if number == 0 else "valid"


def image(r: Operands, known: Known) -> Value:
    """A value of height, width and channels."""
    if len(known.shape) != 4:
        raise Unfit(f"it reads shape {known.shape}", "a batch of images: four dimensions")
    if known.shape[0] != 1:
        raise Unfit(f"it computes {known.shape[0]} samples at once", "a batch of one")
    return r.sample(known)


# --- Convolutions -----------------------------------------------------------------------------------------------


@reads("CONV_2D", supported="any kernel, stride, padding, dilation and groups")
def conv(r: Operands, op: RawOperator) -> None:
    """Weights [out, kh, kw, in / groups]."""
    weights = r.weights(op, 4, axis=0)
    out, height, width, inner = weights.values.shape
    channels = r.operand(op).shape[-1]
    groups = channels // inner
    if groups * inner != channels or out % max(groups, 1):
        raise Unfit(f"its weights read {inner} of {channels} channels", "groups of equal size")
    options = {"stride": whole(op, "StrideH", "StrideW"), "groups": groups}
    _convolution(r, op, partial(r.builder.conv, r.name(op, "conv"), weights=weights, **options), (height, width), out)


@reads("DEPTHWISE_CONV_2D", supported="any kernel, stride, padding, dilation and depth multiplier")
def depthwise(r: Operands, op: RawOperator) -> None:
    """Weights [1, kh, kw, channels * multiplier]."""
    weights = r.weights(op, 4, axis=3)
    first, height, width, out = weights.values.shape
    channels = r.operand(op).shape[-1]
    if first != 1 or out % channels:
        raise Unfit(f"its weights {weights.values.shape} do not fit {channels} channels", "a whole depth multiplier")
    taps = weights.values[0].transpose(2, 0, 1).reshape(channels, out // channels, height, width)
    weights = weights._replace(values=taps)
    stride = whole(op, "StrideH", "StrideW")
    make = partial(r.builder.depthwise, r.name(op, "depthwise"), weights=weights, stride=stride)
    _convolution(r, op, make, (height, width), out)


def _convolution(r: Operands, op: RawOperator, layer: partial[Value], kernel: Pair, out: int) -> None:
    """Make a layer, or let BATCH_TO_SPACE_ND make it if it lies behind SPACE_TO_BATCH_ND."""
    dilation = whole(op, "DilationHFactor", "DilationWFactor")
    quant = r.quant(op.outputs[0])
    layer = partial(layer, activation=fused(op), quant=quant)
    known = r.operand(op)
    if known.spread is None:
        x = image(r, r.source(op))
        value = layer(x=x, padding=padding_of(op), dilation=dilation, source=op.outputs[0])
        r.put(op, (1, *value.shape), value, quant)
        return
    if len(known.shape) != 4 or layer.keywords["stride"] != (1, 1) or dilation != (1, 1) or known.spread.convolve:
        raise Unfit("it lies between SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND", spread.NEAREST)
    same = padding_of(op) == "same"
    sizes = [n if same else n - k + 1 for n, k in zip(known.shape[1:3], kernel, strict=True)]
    if min(sizes) < 1:
        raise Unfit(f"its kernel {kernel} is larger than its input", spread.NEAREST)
    origin = known.spread.origin.value
    assert origin is not None

    def convolve(shape: tuple[int, int, int], pads: tuple[int, int, int, int], dilation: Pair, source: int) -> Value:
        return layer(x=r.shaped(origin, shape), padding=pads, dilation=dilation, source=source)

    pairs = zip(known.spread.axes, kernel, strict=True)
    axes = tuple(replace(axis, kernel=k, own=(k - 1) // 2 if same else 0) for axis, k in pairs)
    between = replace(known.spread, axes=axes, convolve=convolve)
    r.known[op.outputs[0]] = Known((known.shape[0], *sizes, out), quant=quant, spread=between)


@reads("SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND", supported="around one convolution, which is a dilation; in 1-D too")
def batches(r: Operands, op: RawOperator) -> None:
    """Two thirds of a dilated convolution."""
    blocks, edges = r.integers(op, 1, "its blocks"), r.integers(op, 2, "its edges")
    if op.type == "SPACE_TO_BATCH_ND":
        between, shape = spread.begin(r.source(op), blocks, edges)
        r.known[op.outputs[0]] = Known(shape, quant=between.origin.quant, spread=between)
        return
    known = r.operand(op)
    if known.spread is None:
        raise Unfit("no SPACE_TO_BATCH_ND lies before it", spread.NEAREST)
    value, shape = spread.finish(known.spread, known.shape, blocks, edges, op.outputs[0])
    r.move(op, shape, value, Known(shape, value, known.quant))


@reads("TRANSPOSE_CONV", supported="any kernel, stride and padding")
def transposed(r: Operands, op: RawOperator) -> None:
    """Weights [out, kh, kw, in]; the size of the result is an input."""
    weights = r.weights(op, 4, axis=0)
    x = image(r, r.source(op, 2))
    size = r.integers(op, 0, "the size of its result")
    if len(size) != 4 or size[0] != 1 or size[3] != len(weights.values) or min(size) < 1:
        raise Unfit(f"its result has shape {size}", "a batch of one image")
    if weights.values.shape[3] != x.shape[2]:
        raise Unfit(f"its weights read {weights.values.shape[3]} of {x.shape[2]} channels", "all channels")
    stride, kernel = whole(op, "StrideH", "StrideW"), weights.values.shape[1:3]
    before = [0, 0]
    if padding_of(op) == "same":  # as of the convolution that this one transposes
        lines = zip(size[1:3], kernel, stride, strict=True)
        before = [max((-(-n // s) - 1) * s + k - n, 0) // 2 for n, k, s in lines]
    quant = r.quant(op.outputs[0])
    value = r.builder.transposed_conv(
        r.name(op, "transposed"),
        x,
        weights,
        stride=stride,
        padding=(before[0], before[1]),
        size=(size[1], size[2]),
        activation=fused(op),
        quant=quant,
        source=op.outputs[0],
    )
    r.put(op, tuple(size), value, quant)


# --- Dense ------------------------------------------------------------------------------------------------------


@reads("FULLY_CONNECTED", supported="on one row of inputs, or on each of several")
def dense(r: Operands, op: RawOperator) -> None:
    """Weights [out, in]; whatever the input's shape, its rows have the length of the weights."""
    if op.number("WeightsFormat"):
        raise Unfit("its weights are shuffled", "the default weights format")
    known = r.source(op)
    if r.operand(op, 1).data is None:
        raise Unfit("both its factors are computed, as in attention", "weights that are constant")
    weights = r.weights(op, 2, axis=0)
    shape = known.shape[:-1] if op.number("KeepNumDims") else ()
    _rows(r, op, known, weights, shape)


@reads("BATCH_MATMUL", supported="where the second factor is a constant matrix")
def product(r: Operands, op: RawOperator) -> None:
    """Rows times a matrix [in, out], or [out, in] where it is turned."""
    known = r.source(op)
    if r.operand(op, 1).data is None:
        raise Unfit("both its factors are computed, as in attention", "a second factor that is constant")
    rank = r.operand(op, 1).shape
    if op.number("AdjX") or len(rank) < 2 or any(n != 1 for n in rank[:-2]):
        raise Unfit(f"its constant has shape {rank}, or its input is turned", "rows times one constant matrix")
    weights = r.weights(op, len(rank), axis=len(rank) - (2 if op.number("AdjY") else 1))
    matrix = weights.values.reshape(rank[-2:])
    weights = weights._replace(values=matrix if op.number("AdjY") else matrix.T)
    _rows(r, op, known, weights, known.shape[:-1])


def _rows(r: Operands, op: RawOperator, known: Known, weights: Weights, shape: tuple[int, ...]) -> None:
    assert known.value is not None
    out, length = weights.values.shape
    rows = prod(known.shape) // length
    if rows * length != prod(known.shape):
        raise Unfit(f"its weights read {length} numbers of shape {known.shape}", "rows that have the weights' length")
    quant = r.quant(op.outputs[0])
    x = r.shaped(known.value, (length,) if rows == 1 else (rows, length))
    value = r.builder.dense(r.name(op, "dense"), x, weights, activation=fused(op), quant=quant, source=op.outputs[0])
    r.put(op, (*shape, out) if shape else (rows, out), value, quant)


# --- Poolings ---------------------------------------------------------------------------------------------------


@reads("AVERAGE_POOL_2D", "MAX_POOL_2D", supported="any window, stride and padding")
def pool(r: Operands, op: RawOperator) -> None:
    """Padding SAME of an average is not counted."""
    quant = r.quant(op.outputs[0])
    kind: Literal["max", "average"] = "max" if op.type == "MAX_POOL_2D" else "average"
    value = r.builder.pool(
        r.name(op, f"{kind}_pool"),
        kind,
        image(r, r.source(op)),
        kernel=whole(op, "FilterHeight", "FilterWidth"),
        stride=whole(op, "StrideH", "StrideW"),
        padding=padding_of(op),
        activation=fused(op),
        quant=quant,
        source=op.outputs[0],
    )
    r.put(op, (1, *value.shape), value, quant)


@reads("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", supported="over any axes")
def reduction(r: Operands, op: RawOperator) -> None:
    """Over constant axes; one of size 1 has nothing to reduce."""
    known = r.source(op)
    rank = len(known.shape)
    given = r.integers(op, 1, "its axes")
    beyond = [a for a in given if not -rank <= a < rank]
    if beyond:
        raise Unfit(f"it works along axis {beyond[0]} of {rank}", "an axis that exists")
    axes = sorted({a % rank for a in given})
    keep = bool(op.number("KeepDims"))
    shape = tuple(1 if i in axes else n for i, n in enumerate(known.shape) if keep or i not in axes)
    kind = REDUCTIONS[op.type]
    quant = r.quant(op.outputs[0], None if kind == "sum" else partial(r.range_of, op, 0))
    first = known.shape[0] == 1
    inner = [a - 1 if first else a for a in axes if known.shape[a] > 1]
    if not inner:
        r.move(op, shape, r.sample(known), known)
        return
    value = r.builder.reduce(r.name(op, kind), kind, r.sample(known), inner, keep, quant=quant, source=op.outputs[0])
    r.put(op, shape, value, quant)
