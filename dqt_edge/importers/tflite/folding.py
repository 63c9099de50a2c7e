"""Operators on constants, computed while the model is read: shapes, mostly, and weights of narrow types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ..problems import Unfit
from .file import RawOperator, RawTensor
from .slices import strided

Array = npt.NDArray[Any]
FOLDED_MAX = 1 << 24
"""Most elements of a computed constant."""

_BINARY: dict[str, Callable[[Array, Array], Array]] = {
    "ADD": np.add,
    "SUB": np.subtract,
    "MUL": np.multiply,
    "MAXIMUM": np.maximum,
    "MINIMUM": np.minimum,
    "POW": np.power,
    "EQUAL": np.equal,
    "NOT_EQUAL": np.not_equal,
    "GREATER": np.greater,
    "GREATER_EQUAL": np.greater_equal,
    "LESS": np.less,
    "LESS_EQUAL": np.less_equal,
    "LOGICAL_AND": np.logical_and,
    "LOGICAL_OR": np.logical_or,
}
_DIVISIONS: dict[str, Callable[[Array, Array], Array]] = {
    "DIV": lambda a, b: a / b if a.dtype.kind == "f" else np.trunc(a / b).astype(a.dtype),
    "FLOOR_DIV": np.floor_divide,
    "FLOOR_MOD": np.mod,
}
_UNARY: dict[str, Callable[[Array], Array]] = {
    "NEG": np.negative,
    "ABS": np.abs,
    "SQUARE": np.square,
    "LOGICAL_NOT": np.logical_not,
    "ZEROS_LIKE": np.zeros_like,
    "EXP": np.exp,
    "SQRT": lambda a: np.sqrt(np.maximum(a, 0)),
    "RSQRT": lambda a: 1 / np.sqrt(np.maximum(a, 1e-30)),
}
_REDUCTIONS: dict[str, Callable[..., Any]] = {
    "REDUCE_PROD": np.prod,
    "SUM": np.sum,
    "MEAN": np.mean,
    "REDUCE_MAX": np.max,
    "REDUCE_MIN": np.min,
    "REDUCE_ANY": np.any,
    "REDUCE_ALL": np.all,
}
MOVING = frozenset(
    (
        *(
            "RESHAPE",
            "SQUEEZE",
            "EXPAND_DIMS",
            "TRANSPOSE",
            "STRIDED_SLICE",
            "SLICE",
            "PACK",
            "UNPACK",
            "CONCATENATION",
        ),
        *("GATHER", "TILE", "BROADCAST_TO", "SPLIT", "REVERSE_V2", "PAD"),
    )
)
"""These keep what the numbers stand for: quantised constants, too, go through them."""


def shape_constant(shape: Sequence[int]) -> Array:
    """What SHAPE makes."""
    return np.array(shape, np.int32)


def fold(op: RawOperator, inputs: list[Array], tensors: list[RawTensor], output: RawTensor) -> list[Array] | None:
    """Results of an operator whose inputs are all constant; None if it is not among those that are computed here.

    Raises:
        Unfit: The operands do not belong together, or the result would be too large.
    """
    try:
        with np.errstate(all="ignore"):
            made = _fold(op, inputs, tensors, output)
    except (ValueError, IndexError, TypeError, ZeroDivisionError, OverflowError) as error:
        raise Unfit(f"its constants do not belong together ({error})", "the model converted again") from error
    return None if made is None else [np.asarray(part) for part in made]


def _fold(op: RawOperator, inputs: list[Array], tensors: list[RawTensor], output: RawTensor) -> list[Array] | None:
    if op.type == "DEQUANTIZE":
        return [real_values(inputs[0], tensors[0]).astype(np.float32)]
    if op.type in _MOVES:
        return _MOVES[op.type](op, inputs)
    if any(len(tensor.scales) for tensor in (*tensors, output)) or op.type in MOVING:
        return None
    if op.type == "CAST":
        return [inputs[0].astype({"FLOAT32": "f4", "INT32": "i4", "INT64": "i8", "BOOL": "?"}[output.type])]
    if op.type in _MADE:
        return [_MADE[op.type](*inputs)]
    made = _computed(op, inputs)
    return None if made is None else [made]


def _computed(op: RawOperator, inputs: list[Array]) -> Array | None:
    """What arithmetic makes."""
    kind = op.type
    if kind in _UNARY:
        return _UNARY[kind](inputs[0])
    if kind in _REDUCTIONS:
        axes = tuple(int(i) for i in inputs[1].ravel())
        made = _REDUCTIONS[kind](inputs[0], axis=axes, keepdims=bool(op.number("KeepDims")))
        return np.asarray(made, inputs[0].dtype)
    if kind in _BINARY or kind in _DIVISIONS:
        if kind in _DIVISIONS and not inputs[1].all():
            raise ZeroDivisionError("division by zero")
        limited(np.broadcast_shapes(inputs[0].shape, inputs[1].shape))
        return (_BINARY | _DIVISIONS)[kind](inputs[0], inputs[1])
    return None


def _range(start: Array, limit: Array, delta: Array) -> Array:
    first, last, step = (float(part.ravel()[0]) for part in (start, limit, delta))
    if not step or abs((last - first) / step) > FOLDED_MAX:
        raise Unfit("its range is too long", "a shorter one")
    return np.arange(first, last, step).astype(start.dtype)


def _select(condition: Array, first: Array, second: Array) -> Array:
    limited(np.broadcast_shapes(condition.shape, first.shape, second.shape))
    return np.where(condition, first, second)


_MADE: dict[str, Callable[..., Array]] = {
    "RANK": lambda x: np.array(x.ndim, np.int32),
    "FILL": lambda shape, value: np.full(limited(shape.ravel()), value.ravel()[0], value.dtype),
    "RANGE": _range,
    "SELECT": _select,
    "SELECT_V2": _select,
    "BROADCAST_ARGS": lambda *shapes: shape_constant(np.broadcast_shapes(*(whole(part) for part in shapes))),
}


# --- Moves ------------------------------------------------------------------------------------------------------


def whole(data: Array) -> tuple[int, ...]:
    """A constant list of integers."""
    return tuple(int(n) for n in data.ravel())


def _reshape(op: RawOperator, inputs: list[Array]) -> list[Array]:
    return [inputs[0].reshape(whole(inputs[1]) if len(inputs) > 1 else op.numbers("NewShape"))]


def _squeeze(op: RawOperator, inputs: list[Array]) -> list[Array]:
    axes = op.numbers("SqueezeDims")
    return [np.squeeze(inputs[0], axes) if axes else np.squeeze(inputs[0])]


def _slice(op: RawOperator, inputs: list[Array]) -> list[Array]:
    del op
    x, begins, sizes = inputs[0], whole(inputs[1]), whole(inputs[2])
    lines = zip(x.shape, begins, sizes, strict=True)
    return [x[tuple(slice(b, n if size == -1 else b + size) for n, b, size in lines)]]


def _joined(op: RawOperator, inputs: list[Array]) -> list[Array]:
    limited((sum(part.size for part in inputs),))
    axis = op.number("Axis")
    return [np.stack(inputs, axis) if op.type == "PACK" else np.concatenate(inputs, axis)]


def _unpack(op: RawOperator, inputs: list[Array]) -> list[Array]:
    axis = op.number("Axis")
    return [np.take(inputs[0], i, axis) for i in range(inputs[0].shape[axis])]


def _gather(op: RawOperator, inputs: list[Array]) -> list[Array] | None:
    x, indices, axis = inputs[0], inputs[1].astype(np.int64), op.number("Axis")
    if op.number("BatchDims"):
        return None
    limited((x.size // max(x.shape[axis], 1) * indices.size,))
    return [np.take(x, indices, axis)]


def _tile(op: RawOperator, inputs: list[Array]) -> list[Array]:
    del op
    times = whole(inputs[1])
    limited(n * m for n, m in zip(inputs[0].shape, times, strict=True))
    return [np.tile(inputs[0], times)]


_MOVES: dict[str, Callable[[RawOperator, list[Array]], list[Array] | None]] = {
    "RESHAPE": _reshape,
    "SQUEEZE": _squeeze,
    "EXPAND_DIMS": lambda _, inputs: [np.expand_dims(inputs[0], whole(inputs[1])[0])],
    "TRANSPOSE": lambda _, inputs: [inputs[0].transpose(whole(inputs[1]))],
    "STRIDED_SLICE": lambda op, inputs: [strided(op, inputs[0].shape, *inputs[1:4]).take(inputs[0])],
    "SLICE": _slice,
    "PACK": _joined,
    "CONCATENATION": _joined,
    "UNPACK": _unpack,
    "GATHER": _gather,
    "TILE": _tile,
    "BROADCAST_TO": lambda _, inputs: [np.broadcast_to(inputs[0], limited(whole(inputs[1]))).copy()],
}


def limited(shape: Any) -> tuple[int, ...]:  # noqa: ANN401 - any iterable of integers
    """The shape as plain integers; raises Unfit if it is too large."""
    sizes = tuple(int(n) for n in shape)
    if min(sizes, default=1) < 0 or prod(sizes) > FOLDED_MAX:
        raise Unfit(f"it computes a tensor of shape {sizes}", f"at most {FOLDED_MAX} elements")
    return sizes


def real_values(data: Array, tensor: RawTensor) -> npt.NDArray[np.float64]:
    """The real numbers that a constant stands for."""
    values = data.astype(np.float64)
    if not len(tensor.scales):
        return values
    along = [1] * data.ndim
    if len(tensor.scales) > 1:
        if not 0 <= tensor.axis < data.ndim or data.shape[tensor.axis] != len(tensor.scales):
            raise Unfit(f"it has {len(tensor.scales)} scales for shape {data.shape}", "one for each channel")
        along[tensor.axis] = -1
    zeros = np.broadcast_to(tensor.zeros if len(tensor.zeros) else np.zeros(1, np.int64), len(tensor.scales))
    return (values - zeros.reshape(along)) * tensor.scales.reshape(along)
