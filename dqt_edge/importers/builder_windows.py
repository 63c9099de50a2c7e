"""Operators over windows and axes: poolings, reductions, concatenation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from ..graph import CONCAT_MAX, FLAT, WINDOW_MAX, Window
from .builder_elementwise import Elementwise
from .network import Activation
from .problems import Unfit
from .values import Logical, Operand, Quant, Reals, Value, covering, layout

Reduction = Literal["mean", "sum", "max", "min"]


class Windows(Elementwise):
    """Operators over windows and axes."""

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
        extra = 0 if before > 1 and count <= WINDOW_MAX else _missing(count)
        if extra:  # nothing to a sum, and what is there already to a largest
            x = self.reshape(x, (before, count, after))
            x = self.pad(
                f"{name}_filled", x, [(0, 0), (0, extra), (0, 0)], mode="symmetric" if kind == "max" else "constant"
            )
            reduced = (count + extra,)
        over = self._window(name, x, before, reduced, after)
        common: dict[str, Any] = {"quant": quant, "source": source}
        common["factor"] = float(count + extra) if kind == "sum" else (count + extra) / count
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
                "fewer elements, in two steps for example",
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
        """Tensors side by side along an axis, constants among them."""
        like = next((v for v in values if isinstance(v, Value)), None)
        if like is None:
            raise Unfit("all that it joins is constant", "a tensor that is computed")
        parts = [
            v if isinstance(v, Value) else self.constant(f"{name}_constant_{i}", like, v) for i, v in enumerate(values)
        ]
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

    def constant(self, name: str, like: Value, values: Reals) -> Value:
        """The same numbers for every input; ``like`` is a tensor that the layer reads, as each reads one."""
        rank = len(like.shape)
        first = (
            like if math.prod(like.shape) == 1 else self.slice(f"{name}_in", like, [0] * rank, [1] * rank, [1] * rank)
        )
        x = self.broadcast(f"{name}_shape", self.reshape(first, (1,) * values.ndim), values.shape)
        quant = None if self.quant_of(like) is None else covering(float(values.min()), float(values.max()))
        return self.affine(name, x, np.zeros(values.shape), values, quant=quant)

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


def _missing(count: int) -> int:
    """Elements without which a number of them fills no window; 0 where it does, or where all windows are too small."""
    for more in range(count, WINDOW_MAX * WINDOW_MAX + 1):
        if any(more % n == 0 and more // n <= WINDOW_MAX for n in range(1, WINDOW_MAX + 1)):
            return more - count
    return 0
