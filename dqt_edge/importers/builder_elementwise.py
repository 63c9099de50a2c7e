"""Operators on elements: functions, softmax, sums and products of tensors and constants."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from ..graph import Window
from .builder_moves import Moves
from .functions import Function
from .network import Activation, Kind
from .problems import Unfit
from .values import Constant, Logical, Operand, Quant, Reals, Value, groups_of, layout

FULL_WEIGHT = 127
SOFTMAX = Quant(1 / 256, 0)
"""Scale of what a softmax makes, TFLite's too."""
Binary = Literal["add", "subtract", "multiply", "divide", "maximum", "minimum"]


class Elementwise(Moves):
    """Operators on elements."""

    # --- One tensor -----------------------------------------------------------------------------------------

    def unary(
        self,
        name: str,
        x: Value,
        function: str,
        *,
        quant: Quant | None = None,
        source: int | str = "",
        **parameters: Any,  # noqa: ANN401 - numbers, or arrays that broadcast against x
    ) -> Value:
        """A function of each element, by name; an array among its parameters broadcasts against ``x``."""
        shared = function == "composed"
        arrays = {k: np.asarray(v, np.float64) for k, v in parameters.items() if np.asarray(v).size > 1 and not shared}
        edge = x.edge
        if arrays:
            shape = np.broadcast_shapes(*(a.shape for a in arrays.values()))
            axis = _first_axis(shape, x.shape)
            edge = self.view(x, (1, math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))
            trailing = x.shape[axis:]
            parameters |= {k: np.broadcast_to(_trimmed(a, len(trailing)), trailing).ravel() for k, a in arrays.items()}
        made = Function(function, parameters)
        if made.name == "identity" and quant in (None, self.quant_of(x)):
            return x
        output = self.node(name, "lookup", (edge,), self.edges[edge].shape, quant, source, function=made)
        return Value(output, x.shape, x.refused)

    def rescaled(self, name: str, x: Value, quant: Quant) -> Value:
        """The same real numbers in another scale; no layer where it is that already."""
        return self.unary(name, x, "identity", quant=quant)

    def activated(self, name: str, x: Value, activation: Activation) -> Value:
        """An activation as a layer of its own, in the scale of its input."""
        return x if activation == "none" else self.unary(f"{name}_{activation}", x, activation)

    def softmax(
        self, name: str, x: Value, *, axis: int = -1, quant: Quant | None = None, source: int | str = ""
    ) -> Value:
        """Softmax along an axis."""
        rank = len(x.shape)
        axis %= max(rank, 1)
        if axis != rank - 1:
            order = [*(i for i in range(rank) if i != axis), axis]
            turned = self.softmax(name, self.transpose(f"{name}_turned", x, order), quant=quant, source=source)
            return self.transpose(f"{name}_back", turned, [order.index(i) for i in range(rank)])
        integer = self.quant_of(x) is not None
        own = SOFTMAX if integer else None
        exact = quant in (None, SOFTMAX)
        edge = self.view(x)
        output = self.node(name, "softmax", (edge,), self.edges[edge].shape, own, source if exact else "")
        made = Value(output, x.shape, x.refused)
        return (
            made
            if quant is None or exact
            else self.unary(f"{name}_scaled", made, "identity", quant=quant, source=source)
        )

    def affine(
        self,
        name: str,
        x: Value,
        factor: Reals,
        summand: Reals,
        *,
        activation: Activation = "none",
        quant: Quant | None = None,
        source: int | str = "",
    ) -> Value:
        """``x * factor + summand``, both broadcastable against ``x``: a depthwise layer with a kernel of 1x1.

        Integers are exact: one weight of 127 a channel, whose scale is the factor's.
        """
        factor, summand = np.broadcast_arrays(np.asarray(factor, np.float64), np.asarray(summand, np.float64))
        if not (np.isfinite(factor).all() and np.isfinite(summand).all()):
            raise Unfit("its constant is not finite", "finite values")
        axis = _first_axis(factor.shape, x.shape)
        trailing = x.shape[axis:]
        by_channel = [np.broadcast_to(_trimmed(v, len(trailing)), trailing).ravel() for v in (factor, summand)]
        shape = self._map(x, axis)
        edge = self.view(x, shape)
        scale = self.edges[edge].scale
        if scale is None:
            fields: dict[str, Any] = {"weights": by_channel[0][:, None, None], "bias": by_channel[1]}
        else:
            scales = np.where(by_channel[0] == 0, 1.0, np.abs(by_channel[0])) / FULL_WEIGHT
            fields = {
                "weights": (FULL_WEIGHT * np.sign(by_channel[0])).astype(np.int64)[:, None, None],
                "weight_scales": scales,
                "bias": by_channel[1] / (scale * scales),
            }
        fields |= {"window": Window((1, 1)), "activation": activation, "affine": True}
        output = self.node(name, "depthwise", (edge,), shape, quant, source, **fields)
        return Value(output, x.shape, x.refused)

    def _map(self, x: Value, axis: int) -> tuple[int, int, int]:
        """Shape in which the axes from ``axis`` on are the channels: the edge's own where that will do."""
        channels = math.prod(x.shape[axis:])
        own = self.edges[x.edge].shape
        return own if own[2] == channels else (1, math.prod(x.shape[:axis]), channels)

    # --- Two tensors ----------------------------------------------------------------------------------------

    def binary(
        self,
        name: str,
        op: Binary,
        a: Operand,
        b: Operand,
        *,
        activation: Activation = "none",
        quant: Quant | None = None,
        source: int | str = "",
    ) -> Value:
        """Two tensors, or a tensor and a constant, element by element; shapes broadcast as in NumPy."""
        if not isinstance(a, Value):
            if not isinstance(b, Value):
                raise Unfit("both its operands are constant", "an operator that reads a tensor")
            return self._constant(name, op, b, np.asarray(a, np.float64), True, activation, quant, source)
        if not isinstance(b, Value):
            return self._constant(name, op, a, np.asarray(b, np.float64), False, activation, quant, source)
        if op == "divide":
            raise Unfit("it divides by a tensor", "a division by a constant")
        refused = a.refused or b.refused
        shape = _broadcast(a.shape, b.shape)
        first, second, made = self._operands(name, a, b, shape)
        kind: Kind = "add" if op == "subtract" else op
        fields: dict[str, Any] = {"signs": (1, -1)} if op == "subtract" else {}
        if kind in ("add", "multiply"):
            output = self.node(name, kind, (first, second), made, quant, source, activation=activation, **fields)
            return Value(output, shape, refused)
        output = self.node(name, kind, (first, second), made, quant, source if activation == "none" else "")
        return self.activated(name, Value(output, shape, refused), activation)

    def _operands(self, name: str, a: Value, b: Value, shape: Logical) -> tuple[str, str, tuple[int, int, int]]:
        """Edges of both operands, and the shape of the result, so that each axis is equal or 1."""
        if a.shape == b.shape:
            wanted = self.edges[a.edge].shape
            return a.edge, self.view(b, wanted), wanted
        groups = groups_of(a.shape, b.shape)
        if groups is None:
            a, b = (v if v.shape == shape else self.broadcast(f"{name}_repeated", v, shape) for v in (a, b))
            wanted = self.edges[a.edge].shape
            return a.edge, self.view(b, wanted), wanted
        own = [self.edges[v.edge].shape for v in (a, b)]
        natural = [layout(v.shape) for v in (a, b)]
        if own == natural and max(len(a.shape), len(b.shape)) <= 3:
            groups = own[0], own[1]
        made = tuple(max(n, m) for n, m in zip(*groups, strict=True))
        return self.view(a, groups[0]), self.view(b, groups[1]), made  # type: ignore[return-value]

    def _constant(
        self,
        name: str,
        op: Binary,
        x: Value,
        constant: Constant,
        first: bool,
        activation: Activation,
        quant: Quant | None,
        source: int | str,
    ) -> Value:
        """A tensor and a constant; ``first``: the constant is the first operand."""
        shape = _broadcast(x.shape, constant.shape)
        if shape != x.shape:
            x = self.broadcast(f"{name}_repeated", x, shape)
        common: dict[str, Any] = {"quant": quant, "source": source}
        if op in ("maximum", "minimum"):
            function = "at_least" if op == "maximum" else "at_most"
            made = self.unary(
                name, x, function, other=constant if constant.size > 1 else float(constant.ravel()[0]), **common
            )
            return self.activated(name, made, activation)
        if op == "divide" and first:
            inverse = self.unary(f"{name}_inverse", x, "reciprocal")
            return self._constant(name, "multiply", inverse, constant, False, activation, quant, source)
        if op == "divide" and (constant == 0).any():
            raise Unfit("it divides by zero", "a division by other numbers")
        one, none = np.ones_like(constant), np.zeros_like(constant)
        factor, summand = {
            "add": (one, constant),
            "subtract": (-one, constant) if first else (one, -constant),
            "multiply": (constant, none),
            "divide": (1 / np.where(constant == 0, 1, constant), none),
        }[op]
        if (factor == factor.flat[0]).all() and (summand == summand.flat[0]).all():
            numbers: dict[str, Any] = {"factor": float(factor.flat[0]), "summand": float(summand.flat[0])}
            plain = activation == "none"
            common = {"quant": quant, "source": source if plain else ""}
            return self.activated(name, self.unary(name, x, "linear", **numbers, **common), activation)
        return self.affine(name, x, factor, summand, activation=activation, **common)


def _broadcast(first: Logical, second: Logical) -> Logical:
    try:
        return tuple(int(n) for n in np.broadcast_shapes(first, second))
    except ValueError as error:
        raise Unfit(f"its operands have shapes {first} and {second}", "shapes that broadcast") from error


def _trimmed(array: Reals, rank: int) -> Reals:
    """The array without leading axes of one element, down to a rank."""
    while array.ndim > rank and array.shape[0] == 1:
        array = array[0]
    return array


def _first_axis(constant: Logical, shape: Logical) -> int:
    """First axis of ``shape`` along which a constant that broadcasts to it is not repeated."""
    if _broadcast(constant, shape) != shape:
        raise Unfit(f"a constant of shape {constant} does not fit a tensor of shape {shape}", "one that broadcasts")
    own = (1,) * (len(shape) - len(constant)) + constant
    own = own[len(own) - len(shape) :]
    varying = [axis for axis, n in enumerate(own) if n > 1]
    # One constant for all is still one for each channel, which is the last axis.
    return min(varying[0] if varying else len(shape), max(len(shape) - 1, 0))
