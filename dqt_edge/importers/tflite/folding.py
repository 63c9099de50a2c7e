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
    ("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE", "STRIDED_SLICE", "SLICE", "PACK", "UNPACK", "CONCATENATION")
    + ("GATHER", "TILE", "BROADCAST_TO", "SPLIT", "REVERSE_V2", "PAD")
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
    kind = op.type
    if kind == "DEQUANTIZE":
        return [real_values(inputs[0], tensors[0]).astype(np.float32)]
    if kind in MOVING:
        return _move(op, inputs)
    if any(len(tensor.scales) for tensor in (*tensors, output)):
        return None
    if kind == "SHAPE":
        return [shape_constant(inputs[0].shape)]
    if kind == "RANK":
        return [np.array(inputs[0].ndim, np.int32)]
    if kind == "CAST":
        return [inputs[0].astype({"FLOAT32": "f4", "INT32": "i4", "INT64": "i8", "BOOL": "?"}[output.type])]
    if kind in _BINARY:
        limited(np.broadcast_shapes(inputs[0].shape, inputs[1].shape))
        return [_BINARY[kind](inputs[0], inputs[1])]
    if kind in _DIVISIONS:
        if not inputs[1].all():
            raise ZeroDivisionError("division by zero")
        limited(np.broadcast_shapes(inputs[0].shape, inputs[1].shape))
        return [_DIVISIONS[kind](inputs[0], inputs[1])]
    if kind in _UNARY:
        return [_UNARY[kind](inputs[0])]
    if kind in _REDUCTIONS:
        axes = tuple(int(i) for i in inputs[1].ravel())
        made = _REDUCTIONS[kind](inputs[0], axis=axes, keepdims=bool(op.options.get("KeepDims")))
        return [np.asarray(made, inputs[0].dtype)]
    return _make(kind, inputs)


def _make(kind: str, inputs: list[Array]) -> list[Array] | None:
    if kind == "FILL":
        return [np.full(limited(inputs[0].ravel()), inputs[1].ravel()[0], inputs[1].dtype)]
    if kind == "RANGE":
        start, limit, delta = (part.ravel()[0] for part in inputs)
        if not delta or abs((float(limit) - float(start)) / float(delta)) > FOLDED_MAX:
            raise Unfit("its range is too long", "a shorter one")
        return [np.arange(start, limit, delta, inputs[0].dtype)]
    if kind in ("SELECT", "SELECT_V2"):
        limited(np.broadcast_shapes(*(part.shape for part in inputs)))
        return [np.where(inputs[0], inputs[1], inputs[2])]
    if kind == "BROADCAST_ARGS":
        return [shape_constant(np.broadcast_shapes(*(tuple(int(n) for n in part.ravel()) for part in inputs)))]
    return None


def _move(op: RawOperator, inputs: list[Array]) -> list[Array] | None:
    kind, x, options = op.type, inputs[0], op.options
    second = inputs[1].ravel() if len(inputs) > 1 else np.zeros(0, np.int64)
    axis = int(options.get("Axis", 0))  # type: ignore[arg-type]
    if kind == "RESHAPE":
        return [x.reshape(tuple(int(n) for n in (second if len(inputs) > 1 else options["NewShape"])))]  # type: ignore[union-attr]
    if kind == "SQUEEZE":
        axes = tuple(options["SqueezeDims"])  # type: ignore[arg-type]
        return [np.squeeze(x, axes or None)]
    if kind == "EXPAND_DIMS":
        return [np.expand_dims(x, int(second[0]))]
    if kind == "TRANSPOSE":
        return [x.transpose(tuple(int(n) for n in second))]
    if kind == "STRIDED_SLICE":
        return [strided(op, x.shape, *inputs[1:4]).take(x)]
    if kind == "SLICE":
        sizes = [n - b if s == -1 else s for n, b, s in zip(x.shape, second, inputs[2].ravel(), strict=True)]
        return [x[tuple(slice(int(b), int(b + s)) for b, s in zip(second, sizes, strict=True))]]
    if kind in ("PACK", "CONCATENATION"):
        limited((sum(part.size for part in inputs),))
        return [np.stack(inputs, axis) if kind == "PACK" else np.concatenate(inputs, axis)]
    if kind == "UNPACK":
        return [np.take(x, i, axis) for i in range(x.shape[axis])]
    if kind == "GATHER" and not options["BatchDims"]:
        limited((x.size // max(x.shape[axis], 1) * second.size,))
        return [np.take(x, inputs[1].astype(np.int64), axis)]
    if kind == "TILE":
        limited(int(n) * int(m) for n, m in zip(x.shape, second, strict=True))
        return [np.tile(x, tuple(int(n) for n in second))]
    if kind == "BROADCAST_TO":
        return [np.broadcast_to(x, limited(second)).copy()]
    return None


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
    zeros = tensor.zeros if len(tensor.zeros) else np.zeros(1)
    zeros = np.broadcast_to(zeros, len(tensor.scales))
    return (values - zeros.reshape(along)) * tensor.scales.reshape(along)
