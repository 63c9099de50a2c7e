"""Operators between tensors and functions of ``keras.ops`` as calls of the Builder, by the class that Keras makes."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from ..builder import Operand, Value, Weights
from ..builder_elementwise import Binary
from ..builder_windows import Reduction
from ..problems import Unfit
from .activations import activation, rectified
from .call import Call, Reads, Translation, constant, operand, pair, reads, values
from .convolutions import image
from .movement import MOVEMENTS
from .refusals import REFUSED_OPERATIONS

# --- Arithmetic -----------------------------------------------------------------------------------------------


def _binary(name: Binary) -> Translation:
    def translate(call: Call) -> Value:
        first, second = _operands(call)
        return call.builder.binary(call.name, name, first, second, source=call.source)

    return translate


def _divide(call: Call) -> Value:
    first, second = _operands(call)
    if isinstance(first, Value) or not isinstance(second, Value):
        return call.builder.binary(call.name, "divide", first, second, source=call.source)
    inverse = call.builder.unary(f"{call.name}_reciprocal", second, "reciprocal")
    return call.builder.binary(call.name, "multiply", inverse, first, source=call.source)


def _power(call: Call) -> Value:
    base, exponent = call.argument(0, "x1"), call.argument(1, "x2")
    names = {2.0: "square", 0.5: "sqrt", -0.5: "rsqrt", -1.0: "reciprocal"}
    if not isinstance(base, Value) or isinstance(exponent, Value) or float(exponent) not in (1.0, *names):
        raise Unfit("it is a power other than 2, 0.5, -0.5 or -1 of a tensor", "one of these powers")
    if float(exponent) == 1:
        return base
    return call.builder.unary(call.name, base, names[float(exponent)], source=call.source)


def _matmul(call: Call) -> Value:
    x, matrix = call.argument(0, "x1"), call.argument(1, "x2")
    if not isinstance(x, Value) or isinstance(matrix, Value) or np.ndim(matrix) != 2:
        raise Unfit(*REFUSED_OPERATIONS["Matmul"])
    return call.builder.dense(call.name, x, Weights(constant(matrix, 2).T, None, None), source=call.source)


def _operands(call: Call) -> tuple[Operand, Operand]:
    pair = call.argument(0, "x1"), call.argument(1, "x2")
    ranks = {len(value.shape) for value in values(pair)}
    if len(ranks) != 1:  # NumPy would lay the batch of one beside a dimension of the other
        raise Unfit(f"its tensors have {' and '.join(map(str, sorted(ranks)))} dimensions", "keras.ops.expand_dims")
    rank = ranks.pop()
    return operand(pair[0], rank), operand(pair[1], rank)


def _unary(function: str, *parameters: tuple[str, str]) -> Translation:
    """A function of each number; ``parameters`` are its names in the Builder and in Keras."""

    def translate(call: Call) -> Value:
        found = {name: float(getattr(call.layer, attribute)) for name, attribute in parameters}
        return activation(call, call.name, call.x, function, **found)

    return translate


def _log_softmax(call: Call) -> Value:
    if call.axis(int(call.layer.axis)) != len(call.x.shape) - 1:
        raise Unfit(f"it is over axis {call.layer.axis}", "axis -1")
    return activation(call, call.name, call.x, "log_softmax")


def _pool(kind: Literal["max", "average"]) -> Translation:
    def translate(call: Call) -> Value:
        layer = call.layer
        made = call.builder.pool(
            call.name,
            kind,
            image(call),
            kernel=pair(layer.pool_size, len(call.x.shape)),
            stride=pair(layer.pool_size if layer.strides is None else layer.strides, len(call.x.shape)),
            padding=layer.padding,
            source=call.source,
        )
        return call.builder.reshape(made, call.shape)

    return translate


def _gelu(call: Call) -> Value:
    return activation(call, call.name, call.x, "gelu_tanh" if call.layer.approximate else "gelu")


def _clip(call: Call) -> Value:
    low = call.argument(1, "x_min", getattr(call.layer, "x_min", None))
    high = call.argument(2, "x_max", getattr(call.layer, "x_max", None))
    limits = (-math.inf if low is None else float(low)), (math.inf if high is None else float(high))
    return call.builder.unary(call.name, call.x, "clip", low=limits[0], high=limits[1], source=call.source)


def _relu(call: Call) -> Value:
    layer = call.layer
    return rectified(call, float(layer.negative_slope or 0), layer.max_value, float(layer.threshold or 0))


def _softmax(call: Call) -> Value:
    axis = call.layer.axis
    if not isinstance(axis, int):
        raise Unfit(f"it is over axes {axis}", "one axis")
    return call.builder.softmax(call.name, call.x, axis=call.axis(axis), source=call.source)


def _reduce(kind: Reduction) -> Translation:
    def translate(call: Call) -> Value:
        axis = call.layer.axis
        if axis is None:
            raise Unfit("it works across the samples of a batch", "axes of one sample")
        axes = tuple(sorted(call.axis(int(a)) for a in np.ravel(axis)))
        return call.builder.reduce(call.name, kind, call.x, axes, bool(call.layer.keepdims), source=call.source)

    return translate


_PAIR = "of two tensors, or with a constant; shapes are broadcast"
_OVER = "over any axes of a sample"

_ARITHMETIC: dict[str, Reads] = {
    **reads(_binary("add"), "Add", supported=_PAIR),
    **reads(_binary("subtract"), "Subtract", supported=_PAIR),
    **reads(_binary("multiply"), "Multiply", supported=_PAIR),
    **reads(_binary("maximum"), "Maximum", supported=_PAIR),
    **reads(_binary("minimum"), "Minimum", supported=_PAIR),
    **reads(_divide, "Divide", "TrueDivide", supported="by a constant, and a constant by a tensor"),
    **reads(_power, "Power", supported="to 2, 0.5, -0.5 or -1"),
    **reads(_clip, "Clip"),
    **reads(_matmul, "Matmul", supported="with a constant matrix"),
    **reads(_unary("abs"), "Abs", "Absolute"),
    **{
        name: entry
        for function in (
            *("negative", "square", "sqrt", "rsqrt", "reciprocal", "exp", "expm1", "log", "tanh"),
            *("sign", "floor", "ceil", "round", "sin", "cos"),
        )
        for name, entry in reads(_unary(function), function.title()).items()
    },
    **reads(_unary("log1p"), "Log1p"),
    **reads(_reduce("mean"), "Mean", supported=_OVER),
    **reads(_reduce("sum"), "Sum", supported=_OVER),
    **reads(_reduce("max"), "Max", "Amax", supported=_OVER),
    **reads(_reduce("min"), "Min", "Amin", supported=_OVER),
}

_FUNCTIONS: dict[str, Reads] = {
    **{
        name: entry
        for function in ("relu", "relu6", "sigmoid", "silu", "softplus", "softsign", "selu")
        for name, entry in reads(_unary(function), function.title()).items()
    },
    **reads(_relu, "ReLU"),
    **reads(_unary("hard_sigmoid"), "HardSigmoid"),
    **reads(_unary("hard_silu"), "HardSilu"),
    **reads(_unary("hard_tanh"), "HardTanh"),
    **reads(_unary("log_sigmoid"), "LogSigmoid"),
    **reads(_unary("tanh_shrink"), "TanhShrink"),
    **reads(_unary("hard_shrink", ("threshold", "threshold")), "HardShrink"),
    **reads(_unary("soft_shrink", ("threshold", "threshold")), "SoftShrink"),
    **reads(_unary("squareplus", ("b", "b")), "Squareplus"),
    **reads(_unary("elu", ("alpha", "alpha")), "Elu"),
    **reads(_unary("celu", ("alpha", "alpha")), "Celu"),
    **reads(_unary("leaky_relu", ("alpha", "negative_slope")), "LeakyRelu"),
    **reads(_gelu, "Gelu"),
    **reads(_softmax, "Softmax", supported="over one axis"),
    **reads(_log_softmax, "LogSoftmax", supported="at the end of a classifier"),
    **reads(_unary("threshold", ("threshold", "threshold"), ("value", "default_value")), "Threshold"),
    **reads(_pool("max"), "MaxPool", supported="1-D and 2-D; any window, stride and padding"),
    **reads(_pool("average"), "AveragePool", supported="1-D and 2-D; any window, stride and padding"),
}

OPERATIONS: dict[str, Reads] = {**_ARITHMETIC, **_FUNCTIONS, **MOVEMENTS}
"""How each operation of Keras is imported, by the name of its class."""
