"""Functions of one number, and sums, products and extremes of two tensors."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..problems import Unfit
from ..values import Operand, Quant, Reals, Value
from .chains import JOINED, joined
from .context import CHANNEL_AXIS, Context
from .file import RawNode
from .layers import require_quantised
from .operators import Operator
from .view import Axes, View, view_of

UNIT = Quant(1 / 256, 0)
BOTH_SIDES = Quant(1 / 128, 128)
FUNCTIONS: dict[str, tuple[str, dict[str, tuple[str, float]]]] = {
    "Relu": ("relu", {}),
    "LeakyRelu": ("leaky_relu", {"alpha": ("alpha", 0.01)}),
    "Elu": ("elu", {"alpha": ("alpha", 1.0)}),
    "Celu": ("celu", {"alpha": ("alpha", 1.0)}),
    "Selu": ("selu", {}),
    "ThresholdedRelu": ("threshold", {"alpha": ("threshold", 1.0)}),
    "Sigmoid": ("sigmoid", {}),
    "HardSigmoid": ("hard_sigmoid", {"alpha": ("alpha", 0.2), "beta": ("beta", 0.5)}),
    "HardSwish": ("hard_swish", {}),
    "Tanh": ("tanh", {}),
    "Softplus": ("softplus", {}),
    "Softsign": ("softsign", {}),
    "Mish": ("mish", {}),
    "Swish": ("swish", {"alpha": ("beta", 1.0)}),
    "QuickGelu": ("swish", {"alpha": ("beta", 1.702)}),
    "FastGelu": ("gelu_tanh", {}),
    "Exp": ("exp", {}),
    "Log": ("log", {}),
    "Abs": ("abs", {}),
    "Neg": ("negative", {}),
    "Sqrt": ("sqrt", {}),
    "Reciprocal": ("reciprocal", {}),
    "Sign": ("sign", {}),
    "Floor": ("floor", {}),
    "Ceil": ("ceil", {}),
    "Round": ("round", {}),
    "Sin": ("sin", {}),
    "Cos": ("cos", {}),
}
"""Operator: the function's name, and its attributes with the function's names for them and their defaults."""
POWERS = {2.0: "square", 1.0: "identity", 0.5: "sqrt", -1.0: "reciprocal", -0.5: "rsqrt"}
SELU = {"alpha": 1.6732632, "gamma": 1.0507010}
PAIRS = {"Add": "add", "Sub": "subtract", "Mul": "multiply", "Div": "divide", "Max": "maximum", "Min": "minimum"}
PAIRS |= {"Sum": "add"}
RANGES = {"sigmoid": UNIT, "hard_sigmoid": UNIT, "tanh": BOTH_SIDES, "softsign": BOTH_SIDES}
"""Scale of a function's result at the end of an integer model that does not quantise it."""


def unary(context: Context, node: RawNode) -> None:
    """A function with the operator's own parameters."""
    function, attributes = FUNCTIONS[node.type]
    given = {ours: float(node.attributes.get(name, default)) for name, (ours, default) in attributes.items()}
    if node.type == "Selu" and any(abs(float(node.attributes.get(k, v)) - v) > 1e-5 for k, v in SELU.items()):
        raise Unfit("its alpha and gamma are not those of SELU", "Elu")
    if node.type == "FastGelu" and node.input(1):
        raise Unfit("it adds a bias", "Gelu behind the layer with the bias")
    function_of(context, node, function, **given)


def function_of(context: Context, node: RawNode, function: str, **parameters: Any) -> None:  # noqa: ANN401 - numbers
    """A function of each element, wherever it lies."""
    view = context.view(node)
    require_quantised(context, view)
    kept = view.quant if function in ("relu", "clip", "relu6", "identity") else None
    target = context.target(node, kept=kept, bounded=RANGES.get(function))
    name, quant, source = context.name(node), target.quant, target.source
    value = context.builder.unary(name, view.value, function, quant=quant, source=source, **parameters)
    context.put(target.name, dataclasses.replace(view, value=value, quant=target.quant), target.source)


def gelu(context: Context, node: RawNode) -> None:
    """Gelu, exact or by its tanh formula."""
    function_of(context, node, "gelu_tanh" if node.attributes.get("approximate") == "tanh" else "gelu")


def clip(context: Context, node: RawNode) -> None:
    """Clip between constants."""
    low, high = context.clip_limits(node)
    known = {(0.0, np.inf): "relu", (0.0, 6.0): "relu6", (-1.0, 1.0): "relu_n1_to_1"}.get((low, high))
    if known is not None:
        function_of(context, node, known)
    elif low > high:
        raise Unfit(f"its limits are {low:g} and {high:g}", "a lower limit below the upper one")
    else:
        function_of(context, node, "clip", low=low, high=high)


def prelu(context: Context, node: RawNode) -> None:
    """PRelu with one slope, or one for each channel."""
    view = context.view(node)
    slope = context.reals(node, 1, "its slopes")
    if slope.size == 1:
        function_of(context, node, "leaky_relu", alpha=float(slope.ravel()[0]))
        return
    rank = len(view.shape)
    shape = (1,) * (rank - slope.ndim) + slope.shape
    axes = [axis for axis in view.lying() if axis != CHANNEL_AXIS] + [CHANNEL_AXIS]
    wide = [axis for axis, n in enumerate(shape) if n > 1]
    if wide != [CHANNEL_AXIS] or slope.size != view.shape[CHANNEL_AXIS]:
        raise Unfit(f"its slopes have shape {slope.shape}", "one slope, or one for each channel")
    require_quantised(context, view)
    target = context.target(node)
    x = context.as_axes(view, axes, context.name(node))
    name, quant, source = context.name(node), target.quant, target.source
    value = context.builder.unary(name, x, "prelu", alpha=slope.ravel(), quant=quant, source=source)
    context.result(target, value, view.shape, axes)


def power(context: Context, node: RawNode) -> None:
    """Pow with a constant exponent."""
    exponent = context.reals(node, 1, "its exponent")
    if exponent.size != 1:
        raise Unfit(f"it has {exponent.size} exponents", "one exponent")
    number = float(exponent.ravel()[0])
    if number in POWERS:
        function_of(context, node, POWERS[number])
    else:
        function_of(context, node, "power", exponent=number)


def pair(context: Context, node: RawNode) -> None:
    """Two operands or more, from the left."""
    names = list(node.inputs)
    if len(names) == 1:
        context.put(node.outputs[0], context.view(node))
        return
    operation = PAIRS[node.type]
    if node.type == "Div" and not context.is_constant(names[1]):
        context.view(node, 1)
        if context.integer or not context.is_constant(names[0]):
            raise Unfit("it divides by a tensor", "a division by a constant, or a product with Reciprocal")
    if len(names) > 2 and context.integer:
        raise Unfit(f"it has {len(names)} operands, and nothing between them is quantised", "two operands each")
    target = context.target(node, fuse=True)
    operands = [_operand(context, node, i) for i in range(len(names))]
    made = operands[0]
    for i, other in enumerate(operands[1:]):
        last = i == len(operands) - 2
        made = _pair(context, node, operation, made, other, target if last else None)
    assert isinstance(made, View)
    context.put(target.name, made, target.source)


def _operand(context: Context, node: RawNode, position: int) -> View | Reals:
    if context.is_constant(node.inputs[position]):
        return context.reals(node, position, "its constant")
    view = context.view(node, position)
    require_quantised(context, view)
    return view


def _pair(
    context: Context,
    node: RawNode,
    operation: Any,  # noqa: ANN401 - one of the builder's
    first: View | Reals,
    second: View | Reals,
    target: Any,  # noqa: ANN401 - a Target or None
) -> View:
    try:
        shape = tuple(int(n) for n in np.broadcast_shapes(first.shape, second.shape))
    except ValueError as error:
        raise Unfit(f"its operands have shapes {first.shape} and {second.shape}", "shapes that broadcast") from error
    known = {} if target is None else {"activation": target.activation, "quant": target.quant, "source": target.source}
    views = [part for part in (first, second) if isinstance(part, View)]
    if all(view.shape == shape and (view.parts, view.order) == (views[0].parts, views[0].order) for view in views):
        lying = [_as_it_lies(context, views[0], part) for part in (first, second)]
        value = context.builder.binary(context.name(node), operation, lying[0], lying[1], **known)
        return dataclasses.replace(views[0], value=value, quant=None if target is None else target.quant)
    widest = max(views, key=lambda v: (int(np.prod(v.shape)), v.together))
    axes = broadcast_axes(_aligned(widest, len(shape)), shape)
    operands: list[Operand] = [_along(context, node, part, axes, len(shape)) for part in (first, second)]
    value = context.builder.binary(context.name(node), operation, operands[0], operands[1], **known)
    return view_of(value, shape, axes, None if target is None else target.quant)


def _as_it_lies(context: Context, like: View, part: View | Reals) -> Operand:
    """An operand where no other order of axes is needed than the one in which the tensor lies."""
    if isinstance(part, View):
        return context.builder.reshape(part.value, like.in_memory)
    return np.asarray(like.constant(part), np.float64)


def _aligned(view: View, rank: int) -> View:
    """The view with axes of one element in front, up to a rank."""
    found = view.reshaped((1,) * (rank - len(view.shape)) + view.shape)
    assert found is not None  # nothing but axes of one element was added
    return found


def broadcast_axes(view: View, shape: Axes) -> list[int]:
    """Axes of a broadcast result in the order in which they lie: as the view's, with channels behind them."""
    more = [axis for axis, n in enumerate(shape) if n > 1]
    lying = view.lying()
    if CHANNEL_AXIS in more and CHANNEL_AXIS not in lying and len(shape) > 2:
        more.remove(CHANNEL_AXIS)
        return [*view.lying(keep=more), CHANNEL_AXIS]
    return list(view.lying(keep=more))


def _along(context: Context, node: RawNode, part: View | Reals, axes: Sequence[int], rank: int) -> Operand:
    if isinstance(part, View):
        view = _aligned(part, rank)
        value: Value = context.as_axes(view, axes, context.name(node))
        return value
    array = part.reshape((1,) * (rank - part.ndim) + part.shape)
    rest = [axis for axis in range(rank) if axis not in axes]
    moved = array.transpose(*rest, *axes)
    return np.asarray(moved.reshape(moved.shape[len(rest) :]), np.float64)


ELEMENTWISE = {
    **dict.fromkeys(FUNCTIONS, Operator(unary)),
    **dict.fromkeys(PAIRS, Operator(pair, "of tensors and constants; shapes are broadcast")),
    "Div": Operator(pair, "by a constant, or of a constant by a tensor"),
    "Gelu": Operator(gelu),
    "Clip": Operator(clip, "constant limits"),
    "PRelu": Operator(prelu, "one slope, or one for each channel"),
    "Pow": Operator(power, "a constant exponent"),
    JOINED: Operator(joined),
}
