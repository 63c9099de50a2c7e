"""Activations that exporters write as several operators, found by their values.

GELU, hard swish, mish and others reach a file in many spellings. A chain of operators on elements that reads one tensor
and constants of one element is a function of one number; it is computed over a range of numbers, and compared with the
functions that a lookup layer knows by name.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..functions import Function
from ..problems import Unfit
from ..values import Quant
from .context import Context
from .file import BOOL, FLOATS, RawNode
from .view import View

Reals = npt.NDArray[np.float64]
JOINED = "joined"
"""Type of the node that stands for such a chain; attributes ``function`` and ``axes``, the transpose within it."""
CHAIN_MAX = 16
GRID_MAX = 12
GRID = np.concatenate([np.linspace(-GRID_MAX, GRID_MAX, 1201), np.linspace(-1, 1, 41), [-60.0, -30.0, 30.0, 60.0]])
CLOSE = 2e-5
"""Absolute and relative difference of two spellings of one function; float32 constants and tanh leave 1e-6."""

_erf = np.vectorize(math.erf, otypes=[np.float64])
_erfc = np.vectorize(math.erfc, otypes=[np.float64])

_STEPS: dict[str, Callable[..., Any]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Pow": np.power,
    "Max": np.maximum,
    "Min": np.minimum,
    "Neg": np.negative,
    "Abs": np.abs,
    "Exp": np.exp,
    "Log": np.log,
    "Sqrt": np.sqrt,
    "Reciprocal": np.reciprocal,
    "Tanh": np.tanh,
    "Erf": _erf,
    "Erfc": _erfc,
    "Relu": Function("relu"),
    "Sigmoid": Function("sigmoid"),
    "Softplus": Function("softplus"),
    "Softsign": Function("softsign"),
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Not": lambda x: x == 0,
    "Identity": lambda x: x,
    "Transpose": lambda x: x,
    "Cast": lambda x: x,
}
PLAIN = ("Cast", "Identity", "Transpose")
"""Operators that alone are no function."""

_KNOWN = (
    *(Function(name) for name in ("gelu", "gelu_tanh", "swish", "hard_swish", "mish", "softplus", "hard_sigmoid")),
    *(
        Function(name)
        for name in ("sigmoid", "tanh", "softsign", "relu6", "relu", "abs", "square", "rsqrt", "elu", "selu")
    ),
    *(Function(name) for name in ("log_sigmoid", "tanh_shrink", "squareplus")),
    Function("hard_sigmoid", {"alpha": 0.2, "beta": 0.5}),
    Function("swish", {"beta": 1.702}),
)
_VALUES = [known(GRID) for known in _KNOWN]


@dataclass(frozen=True, eq=False)
class _Chain:
    source: str
    nodes: tuple[RawNode, ...]


def join_functions(context: Context, nodes: Sequence[RawNode]) -> list[RawNode]:
    """The operators with each chain that is a known function as one node, in the place of its last operator."""
    makers = {name: node for node in nodes for name in node.outputs}
    taken: set[int] = set()
    joined: dict[int, RawNode] = {}
    for node in reversed(nodes):
        if node.index in taken or node.type in PLAIN:
            continue
        for chain in sorted(_chains(context, node, makers), key=lambda c: -len(c.nodes)):
            if any(part.index in taken for part in chain.nodes) or not _readable(context, chain, makers):
                continue
            found = _recognised(context, chain)
            if found is not None:
                function, axes = found
                values = {"function": function, "axes": axes, "operator": node.type, "chain": chain}
                joined[node.index] = dataclasses.replace(node, type=JOINED, inputs=(chain.source,), attributes=values)
                taken |= {part.index for part in chain.nodes}
                break
    return [joined.get(node.index, node) for node in nodes if node.index in joined or node.index not in taken]


def _readable(context: Context, chain: _Chain, makers: dict[str, RawNode]) -> bool:
    """Whether the chain reads codes, in an integer model; else its first operators may belong to the layer before."""
    maker = makers.get(chain.source)
    quantised = maker is None or maker.type == "DequantizeLinear" or context.ahead(chain.source)[1] != ""
    return quantised or not context.integer


def _chains(context: Context, last: RawNode, makers: dict[str, RawNode]) -> Iterator[_Chain]:
    """Ever longer chains that end in an operator and read one computed tensor."""
    nodes = [last]
    front = _computed(context, last)
    while front and len(nodes) <= CHAIN_MAX:
        if len(front) == 1 and sum(node.type not in PLAIN for node in nodes) > 1:
            yield _Chain(next(iter(front)), tuple(sorted(nodes, key=lambda n: n.index)))
        name = max(front, key=lambda t: makers[t].index if t in makers else -1)
        maker = makers.get(name)
        if maker is None or name in context.raw.outputs:
            return
        known = {node.index for node in nodes}
        wanted = _computed(context, maker)
        if wanted is None or any(reader.index not in known for reader in context.readers[name]):
            return
        nodes.append(maker)
        front = (front - {name}) | wanted


def _computed(context: Context, node: RawNode) -> set[str] | None:
    """Computed tensors that an operator on real elements reads; None if it is none, or if its constants are several."""
    if node.type not in (*_STEPS, "Clip", "HardSigmoid", "LeakyRelu", "Where"):
        return None
    if node.type == "Cast" and int(node.attributes.get("to", 1)) not in (*FLOATS, BOOL):
        return None
    found = set()
    for name in node.inputs:
        if context.is_constant(name):
            known = context.quantised.get(name)
            values = context.constants[name] if known is None else known.values
            whole = known is None and values.dtype.kind != "f" and node.type != "Pow"
            if values.size != 1 or whole:  # whole numbers are parts of shapes
                return None
        elif name:
            found.add(name)
    return found


def _recognised(context: Context, chain: _Chain) -> tuple[Function | None, tuple[int, ...] | None] | None:
    """The function that a chain computes, and how it orders the axes; None if it is none, or none that is known.

    In an integer model any function will do, if its result is quantised: a table of 256 numbers is made of it. Then the
    function is None.
    """
    found = _computed_over(context, chain, GRID)
    if found is None:
        return None
    values, axes = found
    known = next((k for k, v in zip(_KNOWN, _VALUES, strict=True) if _same(k, values, v)), None)
    known = known or _limits(values) or _line(values) or _broken(values, _numbers(context, chain))
    if known is None and (not context.integer or context.ahead(chain.nodes[-1].outputs[0])[0] is None):
        return None
    return known, axes


def _computed_over(context: Context, chain: _Chain, grid: Reals) -> tuple[Reals, tuple[int, ...] | None] | None:
    """Values of a chain at given numbers, and its order of axes; None if it joins several such orders."""
    values: dict[str, Reals] = {chain.source: grid}
    axes: dict[str, tuple[int, ...] | None] = {chain.source: None}
    for node in chain.nodes:
        operands = [_operand(context, values, name) for name in node.inputs if name]
        orders = {axes[name] for name in node.inputs if name in axes}
        if len(orders) != 1:
            return None
        order = orders.pop()
        if node.type == "Transpose":
            given = node.attributes.get("perm")
            if given is None:
                return None
            order = tuple(given) if order is None else tuple(order[i] for i in given)
        with np.errstate(all="ignore"):
            values[node.outputs[0]] = _step(context, node, operands)
        axes[node.outputs[0]] = None if order == tuple(range(len(order or ()))) else order
    last = chain.nodes[-1].outputs[0]
    return values[last], axes[last]


def _operand(context: Context, values: dict[str, Reals], name: str) -> Reals:
    if name in values:
        return values[name]
    known = context.quantised.get(name)
    return np.asarray(context.constants[name] if known is None else known.real, np.float64).reshape(())


def _step(context: Context, node: RawNode, operands: list[Reals]) -> Reals:
    x = operands[0]
    if node.type == "Clip":
        return np.asarray(np.clip(x, *context.clip_limits(node)), np.float64)
    if node.type == "HardSigmoid":
        alpha, beta = node.attributes.get("alpha", 0.2), node.attributes.get("beta", 0.5)
        return np.asarray(np.clip(alpha * x + beta, 0, 1), np.float64)
    if node.type == "LeakyRelu":
        return np.asarray(np.where(x >= 0, x, node.attributes.get("alpha", 0.01) * x), np.float64)
    if node.type == "Where":
        return np.asarray(np.where(x != 0, operands[1], operands[2]), np.float64)
    made = operands[0]
    if len(operands) == 1:
        return np.asarray(_STEPS[node.type](made), np.float64)
    for other in operands[1:]:
        made = _STEPS[node.type](made, other)
    return np.asarray(made, np.float64)


def _same(known: Function, found: Reals, values: Reals) -> bool:
    """Whether two functions agree, where the chain has a value: exp overflows far out."""
    at = np.isfinite(found) & (np.abs(GRID) <= 30)
    if known.name in ("rsqrt", "log_sigmoid"):
        at &= GRID > 0 if known.name == "rsqrt" else GRID > -20
    enough = at.sum() > len(GRID) // 3
    return bool(enough and np.allclose(found[at], values[at], rtol=CLOSE, atol=CLOSE))


def _limits(found: Reals) -> Function | None:
    """A limit on both sides, as Maximum and Minimum make one, or a leaky ReLU."""
    if not np.isfinite(found).all():
        return None
    low, high = float(found[GRID <= -12].max()), float(found[GRID >= 12].min())
    for function in (Function("clip", {"low": low, "high": high}), Function("leaky_relu", {"alpha": -low / 12})):
        if np.allclose(found, function(GRID), rtol=CLOSE, atol=CLOSE):
            return function
    return None


def _line(found: Reals) -> Function | None:
    """A factor and a summand, as a rescaling of inputs has them."""
    if not np.isfinite(found).all():
        return None
    middle = int(np.flatnonzero(GRID == 0)[0])
    summand = float(found[middle])
    line = Function("linear", {"factor": float(found[-1] - summand) / float(GRID[-1]), "summand": summand})
    return line if np.allclose(found, line(GRID), rtol=CLOSE, atol=CLOSE) else None


def _numbers(context: Context, chain: _Chain) -> list[float]:
    """Constants of a chain, small ones, and their negatives."""
    found = {0.0}
    for name in {name for node in chain.nodes for name in node.inputs if context.is_constant(name)}:
        number = float(_operand(context, {}, name))
        found |= {number, -number} if abs(number) < GRID_MAX else set()
    return sorted(found)


def _broken(found: Reals, numbers: list[float]) -> Function | None:
    """A function in pieces, which breaks at one of these numbers: ReLU with a slope and a threshold, and its like."""
    if not np.isfinite(found).all():
        return None
    far, end = int(np.argmin(np.abs(GRID + GRID_MAX))), float(found[-1])
    for at in numbers:
        slope = float(found[far]) / (float(GRID[far]) - at)
        most = end if end < GRID[-1] else np.inf
        candidates = [
            Function("relu", {"slope": slope, "threshold": at, "most": most}),
            Function("threshold", {"threshold": at, "value": float(found[0])}),
            Function("hard_shrink", {"threshold": abs(at)}),
            Function("soft_shrink", {"threshold": abs(at)}),
        ]
        beside = np.minimum(np.abs(GRID - at), np.abs(GRID + at)) > CLOSE
        for function in candidates:
            if np.allclose(found[beside], function(GRID[beside]), rtol=CLOSE, atol=CLOSE):
                return function
    return None


def joined(context: Context, node: RawNode) -> None:
    """The node of such a chain."""
    view = context.view(node)
    function, axes = node.attributes["function"], node.attributes["axes"]
    target = context.target(node)
    if context.integer and view.quant is None and not view.value.refused:
        raise Unfit("it reads a tensor that is not quantised", "QuantizeLinear and DequantizeLinear before it")
    if function is None:
        function = _table(context, node.attributes["chain"], view)
    value = context.builder.unary(
        context.name(node),
        view.value,
        function.name,
        quant=target.quant,
        source=target.source,
        **function.parameters,
    )
    made = dataclasses.replace(view, value=value, quant=target.quant)
    context.put(target.name, made if axes is None else made.transposed(axes), target.source)


def _table(context: Context, chain: _Chain, view: View) -> Function:
    """Values of a chain at the numbers that its codes stand for."""
    quant = view.quant or Quant(1.0, 0)  # of a refused layer, of which nothing is made
    at = quant.scale * (np.arange(256.0) - quant.zero_point)
    found = _computed_over(context, chain, at)
    assert found is not None  # it was found before
    return Function("composed", {"at": at, "values": np.nan_to_num(found[0])})
