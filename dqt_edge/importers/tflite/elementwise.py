"""Operators on each element: functions, sums and products, changes of scale."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any, Literal

import numpy as np

from ..builder import Quant
from ..functions import Function
from ..problems import Unfit
from .chains import Chain, Reals, rounded, start
from .conditions import one_variable, quotient
from .file import RawOperator
from .operands import FLOATING, INTEGERS, Known, Operands
from .operators import fused, reads

Binary = Literal["add", "subtract", "multiply", "divide", "maximum", "minimum"]
FUNCTIONS = {
    "RELU": "relu",
    "RELU6": "relu6",
    "RELU_N1_TO_1": "relu_n1_to_1",
    "LOGISTIC": "sigmoid",
    "TANH": "tanh",
    "HARD_SWISH": "hard_swish",
    "ELU": "elu",
    "EXP": "exp",
    "LOG": "log",
    "ABS": "abs",
    "NEG": "negative",
    "SQUARE": "square",
    "SQRT": "sqrt",
    "RSQRT": "rsqrt",
    "SIN": "sin",
    "COS": "cos",
}
BINARY: dict[str, Binary] = {
    "ADD": "add",
    "SUB": "subtract",
    "MUL": "multiply",
    "MAXIMUM": "maximum",
    "MINIMUM": "minimum",
    "DIV": "divide",
}
_CORNERS = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "maximum": np.maximum,
    "minimum": np.minimum,
}


# --- One operand ------------------------------------------------------------------------------------------------


@reads(*(name for name in FUNCTIONS if not name.startswith("RELU")), supported="yes")
@reads("RELU", "RELU6", "RELU_N1_TO_1", supported="fused or alone")
def function(r: Operands, op: RawOperator) -> None:
    """A function without parameters."""
    _unary(r, op, FUNCTIONS[op.type])


@reads("LEAKY_RELU", "GELU", supported="yes")
def with_option(r: Operands, op: RawOperator) -> None:
    """A function with a parameter."""
    if op.type == "GELU":
        _unary(r, op, "gelu_tanh" if op.number("Approximate") else "gelu")
    else:
        _unary(r, op, "leaky_relu", alpha=op.real("Alpha"))


@reads("POW", supported="with a constant exponent")
def power(r: Operands, op: RawOperator) -> None:
    """One exponent for all."""
    exponent = r.real(op, 1, "its exponent")
    if exponent.size != 1:
        raise Unfit(f"its exponents have shape {exponent.shape}", "one exponent")
    _unary(r, op, "power", exponent=float(exponent.ravel()[0]))


@reads("PRELU", supported="one slope, or one for each channel")
def prelu(r: Operands, op: RawOperator) -> None:
    """Slopes are constant."""
    alpha = r.real(op, 1, "its slopes")
    channels = r.source(op).shape[-1]
    if alpha.size not in (1, channels) or alpha.size != (alpha.shape or (1,))[-1]:
        raise Unfit(f"its slopes have shape {alpha.shape}", "one slope for each channel: shared_axes=[1, 2]")
    _unary(r, op, "prelu", alpha=np.broadcast_to(alpha.ravel(), channels).copy())


def _unary(r: Operands, op: RawOperator, name: str, **parameters: Any) -> None:  # noqa: ANN401
    known, chain = r.source(op), None
    made_of = Function(name, parameters)
    if made_of.channels == 1:
        before = start(known, r.grid)
        values = made_of(before.values)
        quant = r.quant(op.outputs[0], partial(_span, values))
        chain = replace(before, values=rounded(values, quant))
    else:
        quant = r.quant(op.outputs[0], partial(_reach, known, made_of))
    made = r.builder.unary(r.name(op, name), r.sample(known), name, quant=quant, source=op.outputs[0], **parameters)
    r.put(op, known.shape, made, quant, chain=chain)


def _span(values: Reals) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def _reach(known: Known, made: Function) -> tuple[float, float]:
    """Least and largest value of a function of what a tensor may hold."""
    if known.quant is None:
        raise FLOATING
    values = made(known.quant.scale * (np.arange(256.0) - known.quant.zero_point)[:, None])
    return float(values.min()), float(values.max())


@reads("SOFTMAX", supported="over the last axis; at the end of a classifier it is dropped, the logits stay")
def softmax(r: Operands, op: RawOperator) -> None:
    """A factor before it is another scale."""
    known = r.source(op)
    x, quant = r.sample(known), known.quant
    beta = op.real("Beta")
    if beta <= 0:
        raise Unfit(f"its factor is {beta}", "a positive factor")
    if beta != 1:
        scaled = None if quant is None else Quant(quant.scale * beta, quant.zero_point)
        x = r.builder.binary(r.name(op, "beta"), "multiply", x, np.array(beta), quant=scaled)
    made = r.quant(op.outputs[0], lambda: (0.0, 255 / 256))
    value = r.builder.softmax(r.name(op, "softmax"), x, quant=made, source=op.outputs[0])
    r.put(op, known.shape, value, made)


@reads("LOG_SOFTMAX", "ARG_MAX", supported="at the end of a classifier; it is dropped, the logits stay")
def end(r: Operands, op: RawOperator) -> None:
    """The order of the outputs stays, and that is all that a classifier's answer is."""
    known = r.source(op)
    if op.outputs[0] not in r.graph.outputs or r.readers[op.outputs[0]]:
        raise Unfit("it is not at the end of the model", f"{op.type} as the last layer")
    if op.type == "ARG_MAX":
        (axis,) = r.integers(op, 1, "its axis")[:1] or [-1]
        if axis not in (-1, len(known.shape) - 1):
            raise Unfit(f"it searches along axis {axis}", "the last axis: the classes")
    r.known[op.outputs[0]] = known
    r.dropped.append(op.type)


# --- Two operands -----------------------------------------------------------------------------------------------


@reads("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM", supported="of two tensors, or with a constant; shapes are broadcast")
@reads("DIV", supported="by a constant, or of two functions of one tensor")
def binary(r: Operands, op: RawOperator) -> None:
    """Sizes are equal, or one of them is 1."""
    kind = BINARY[op.type]
    if kind == "divide" and r.operand(op, 1).data is None:
        quotient(r, op)
        return
    (first, second), shape = r.joined(op)
    activation = fused(op)
    quant = r.quant(op.outputs[0], partial(_corners, r, op, kind))
    value = r.builder.binary(
        r.name(op, kind), kind, first, second, activation=activation, quant=quant, source=op.outputs[0]
    )
    r.put(op, shape, value, quant, chain=_chain(r, op, kind, shape, quant))


def _chain(r: Operands, op: RawOperator, kind: Binary, shape: tuple[int, ...], quant: Quant | None) -> Chain | None:
    """The result as a function of one tensor, if it is one."""
    try:
        found, operands = one_variable(r, op, 2)
    except Unfit:
        return None
    if found.root.shape != shape:
        return None
    with np.errstate(all="ignore"):
        values = np.divide(*operands) if kind == "divide" else _CORNERS[kind](*operands)
    return replace(found, values=rounded(np.asarray(values), quant, fused(op)))


@reads("SQUARED_DIFFERENCE", supported="of two tensors, or with a constant; the difference is rounded to 8 bits")
def squared_difference(r: Operands, op: RawOperator) -> None:
    """A difference of 8 bits, as far as its square can be told, squared."""
    (first, second), shape = r.joined(op)
    covers = partial(_corners, r, op, "subtract")
    quant = r.quant(op.outputs[0], lambda: (0.0, max(abs(n) for n in covers()) ** 2))
    between = None
    name = r.name(op, "square")
    if quant is not None:
        most = float(np.sqrt(quant.scale * (255 - quant.zero_point)))
        low, high = covers()
        between = r.quant_covering(max(low, -most), min(high, most))
        r.notes[name] = "its difference has 8 bits, TFLite's has more"
    value = r.builder.binary(r.name(op, "difference"), "subtract", first, second, quant=between)
    value = r.builder.unary(name, value, "square", quant=quant, source=op.outputs[0])
    r.put(op, shape, value, quant)


def _corners(r: Operands, op: RawOperator, kind: str) -> tuple[float, float]:
    """Least and largest result of a sum or product, given what its operands may hold."""
    ranges = [r.range_of(op, i) for i in (0, 1)]
    if kind == "divide":
        if r.operand(op, 1).data is None:
            raise FLOATING
        reciprocals = 1 / r.real(op, 1, "its divisor")
        ranges[1], kind = (float(reciprocals.min()), float(reciprocals.max())), "multiply"
    ends = [float(_CORNERS[kind](a, b)) for a, b in product(*ranges)]
    return min(ends), max(ends)


# --- Scales -----------------------------------------------------------------------------------------------------


@reads("QUANTIZE", "DEQUANTIZE", supported="at inputs and outputs, between two scales, and of constants")
def scale(r: Operands, op: RawOperator) -> None:
    """Codes stay codes; only another scale is a layer."""
    known = r.source(op)
    r.move(op, known.shape, r.sample(known), known)


@reads("CAST", supported="of inputs to FLOAT32, and of shapes")
def cast(r: Operands, op: RawOperator) -> None:
    """Numbers that are not quantised stay what they are."""
    known = r.source(op)
    kinds = {r.tensor(op, 0).type, r.graph.tensors[op.outputs[0]].type}
    if len(r.tensor(op, 0).scales) or not kinds <= {"FLOAT32", *INTEGERS} or "FLOAT32" not in kinds:
        raise Unfit(f"it changes {' to '.join(sorted(kinds))}", "inputs of FLOAT32")
    r.known[op.outputs[0]] = Known(known.shape, known.value, known.quant)
