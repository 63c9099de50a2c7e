"""Operators on elements: functions, sums and products of tensors and constants, reductions, softmax, concatenation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from ..graph import CONCAT_MAX, FLAT, WINDOW_MAX, Window
from .builder_moves import Moves
from .functions import Function
from .network import Activation, Kind
from .problems import Unfit
from .values import Constant, Logical, Operand, Quant, Reals, Value, groups_of, layout

FULL_WEIGHT = 127
SOFTMAX = Quant(1 / 256, 0)
"""Scale of what a softmax makes, TFLite's too."""
Binary = Literal["add", "subtract", "multiply", "divide", "maximum", "minimum"]
Reduction = Literal["mean", "sum", "max", "min"]


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
                "bias": np.floor(by_channel[1] / (scale * scales) + 0.5).astype(np.int64),
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

    # --- Windows over whole axes ----------------------------------------------------------------------------

    def pool(
        self,
        name: str,
        kind: Literal["max", "average"],
        x: Value,
        *,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        padding: tuple[int, int, int, int] | Literal["same", "valid"] = "valid",
        counts_padding: bool = False,
        activation: Activation = "none",
        quant: Quant | None = None,
        source: int | str = "",
        factor: float = 1.0,
    ) -> Value:
        """A pooling over a map (H, W, C); padding (top, left, bottom, right) never wins, and counts only if told so."""
        if len(x.shape) != 3:
            raise Unfit(f"it pools a tensor of shape {x.shape}", "a map of height, width and channels")
        if max(*kernel, *stride) > WINDOW_MAX:
            raise Unfit(f"its window is {kernel}, stride {stride}", f"windows and strides up to {WINDOW_MAX}")
        size = x.shape[0], x.shape[1]
        if padding == "same":
            padding = Window.same(size, kernel, stride).padding
        pads = (0, 0, 0, 0) if padding == "valid" else padding
        if counts_padding and kind == "average" and any(pads):
            top, left, bottom, right = pads
            x = self.pad(f"{name}_pad", x, [(top, bottom), (left, right), (0, 0)])
            pads = (0, 0, 0, 0)
        window = Window(kernel, stride, pads)
        height, width = window.output_size(x.shape[0], x.shape[1])
        if min(height, width) < 1:
            raise Unfit(f"its window {kernel} is larger than its {x.shape[0]}x{x.shape[1]} input", "a smaller window")
        shape = (height, width, x.shape[2])
        fields: dict[str, Any] = {"window": window, "activation": activation}
        if kind == "average":
            fields["factor"] = factor
        output = self.node(name, f"{kind}_pool", (self.view(x),), shape, quant, source, **fields)  # type: ignore[arg-type]
        return Value(output, shape, x.refused)

    def reduce(
        self,
        name: str,
        kind: Reduction,
        x: Value,
        axes: Sequence[int],
        keep: bool,
        *,
        quant: Quant | None = None,
        source: int | str = "",
    ) -> Value:
        """Mean, sum, largest or least over axes, which stay with one element if ``keep``."""
        rank = len(x.shape)
        gone = sorted({axis % max(rank, 1) for axis in axes})
        shape = tuple(1 if i in gone else n for i, n in enumerate(x.shape) if keep or i not in gone)
        if kind == "min":
            return self._least(name, x, gone, keep, quant, source)
        gone = [axis for axis in gone if x.shape[axis] > 1]
        if not gone:
            return self.reshape(
                x if quant is None else self.unary(name, x, "identity", quant=quant, source=source), shape
            )
        kept = [i for i in range(rank) if i not in gone]
        first, last = gone[0], gone[-1]
        order = [*(i for i in kept if i < first), *gone, *(i for i in kept if i > first)]
        if last - first + 1 != len(gone):
            x = self.transpose(f"{name}_turned", x, order)
            first = len([i for i in kept if i < first])
            last = first + len(gone) - 1
        reduced = x.shape[first : last + 1]
        before, count, after = math.prod(x.shape[:first]), math.prod(reduced), math.prod(x.shape[last + 1 :])
        over = self._window(name, x, before, reduced, after)
        common: dict[str, Any] = {"quant": quant, "source": source}
        common["factor"] = float(count) if kind == "sum" else 1.0
        way: Literal["max", "average"] = "max" if kind == "max" else "average"
        made = self.pool(name, way, over[0], kernel=over[1], stride=over[1], **common)
        return Value(made.edge, shape, x.refused)

    def _window(self, name: str, x: Value, before: int, reduced: Logical, after: int) -> tuple[Value, tuple[int, int]]:
        """A map whose windows are what is reduced: one window a row, or one window for all."""
        count = math.prod(reduced)
        if before == 1:
            sides = [(math.prod(reduced[:i]), math.prod(reduced[i:])) for i in range(len(reduced) - 1, 0, -1)]
            sides += [(n, count // n) for n in range(1, WINDOW_MAX + 1) if count % n == 0]
            for rows, columns in sides:
                if max(rows, columns) <= WINDOW_MAX:
                    return self.reshape(x, (rows, columns, after)), (rows, columns)
            raise Unfit(
                f"it reduces {count} elements, which no window of up to {WINDOW_MAX}x{WINDOW_MAX} holds",
                "a number of elements with such factors",
            )
        if count <= WINDOW_MAX:
            return self.reshape(x, (before, count, after)), (1, count)
        turned = self.transpose(f"{name}_rows", self.reshape(x, (before, count, after)), (1, 0, 2))
        found, kernel = self._window(name, turned, 1, (count,), before * after)
        return found, kernel

    def _least(
        self, name: str, x: Value, axes: Sequence[int], keep: bool, quant: Quant | None, source: int | str
    ) -> Value:
        """The least is the largest of the negatives, whose codes run the other way."""
        own = self.quant_of(x)
        turned = None if own is None else Quant(own.scale, 255 - own.zero_point)
        negative = self.unary(f"{name}_negative", x, "negative", quant=turned)
        largest = self.reduce(f"{name}_largest", "max", negative, axes, keep)
        return self.unary(name, largest, "negative", quant=quant or own, source=source)

    # --- Concatenation --------------------------------------------------------------------------------------

    def concat(
        self,
        name: str,
        values: Sequence[Operand],
        axis: int,
        *,
        activation: Activation = "none",
        quant: Quant | None = None,
        source: int | str = "",
    ) -> Value:
        """Tensors side by side along an axis."""
        parts = [v for v in values if isinstance(v, Value)]
        if len(parts) != len(values):
            raise Unfit("a constant is among what it joins", "tensors that are computed")
        rank = len(parts[0].shape)
        axis %= max(rank, 1)
        others = {v.shape[:axis] + v.shape[axis + 1 :] for v in parts}
        if len(others) != 1 or any(len(v.shape) != rank for v in parts):
            raise Unfit(f"it joins shapes {[v.shape for v in parts]} along axis {axis}", "shapes that differ along it")
        if len(parts) == 1:
            return parts[0] if quant is None else self.unary(name, parts[0], "identity", quant=quant, source=source)
        while len(parts) > CONCAT_MAX:
            groups = [parts[i : i + CONCAT_MAX] for i in range(0, len(parts), CONCAT_MAX)]
            parts = [self.concat(f"{name}_part", g, axis, quant=quant) if len(g) > 1 else g[0] for g in groups]
        shape = (*parts[0].shape[:axis], sum(v.shape[axis] for v in parts), *parts[0].shape[axis + 1 :])
        refused = any(v.refused for v in parts)
        edges, along = self._side_by_side(parts, axis)
        made = layout(shape)
        if along == 1 and axis < rank - 2:
            made = (math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :]))
        fields: dict[str, Any] = {"axis": along, "activation": activation}
        output = self.node(name, "concat", edges, made, quant or self.quant_of(parts[0]), source, **fields)
        return Value(output, shape, refused)

    def _side_by_side(self, parts: Sequence[Value], axis: int) -> tuple[tuple[str, ...], int]:
        """Edges of the parts and the axis of a Graph's concatenation, in views that cost nothing if possible."""
        rank = len(parts[0].shape)
        before = math.prod(parts[0].shape[:axis])
        if before == 1 and axis == rank - 1:
            return tuple(v.edge for v in parts), FLAT
        if axis >= rank - 2 or (rank == 3 and axis == 0):
            return tuple(self.view(v) for v in parts), 3 - rank + axis
        if before == 1:
            return tuple(self.view(v) for v in parts), 0
        flat = [(before, v.shape[axis], math.prod(v.shape[axis + 1 :])) for v in parts]
        return tuple(self.view(v, shape) for v, shape in zip(parts, flat, strict=True)), 1


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
