"""Operators that move data and compute nothing: reshape, transpose, slice, pad, repeat, resize."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..graph import Shape
from .builder_base import BuilderBase
from .network import Grid, Padding
from .order import Order
from .problems import Unfit
from .values import Logical, Quant, Value, layout

PadMode = Literal["constant", "reflect", "symmetric", "edge"]
FRACTION = 1024
"""Steps of a weight between two neighbours, as in TFLite's integer resize."""


class Moves(BuilderBase):
    """Operators that move data."""

    def reshape(self, x: Value, shape: Logical) -> Value:
        """The same data in another shape: no layer."""
        shape = tuple(int(n) for n in shape)
        if math.prod(shape) != math.prod(x.shape) or any(n < 1 for n in shape):
            raise Unfit(f"it reshapes {x.shape} to {shape}", "a reshape of one sample that keeps its size")
        return Value(x.edge, shape, x.refused)

    def move(self, name: str, x: Value, shape: Logical, start: int, axes: Sequence[tuple[int, int]]) -> Value:
        """Elements of ``x`` in another order, as a result of some shape.

        ``start`` is the first element, counted row-major; ``axes`` has the size of each loop and its stride in
        elements, the outermost first.
        """
        sizes, strides = zip(*axes, strict=True) if axes else ((1,), (1,))
        order = Order.of_axes(start, sizes, strides)
        if order.keeps(math.prod(x.shape)):
            return Value(x.edge, shape, x.refused)
        edge = self.node(name, "rearrange", (x.edge,), layout(shape), None, order=order)
        return Value(edge, shape, x.refused)

    def transpose(self, name: str, x: Value, order: Sequence[int]) -> Value:
        """Axes in another order; a permutation of 0..rank-1."""
        if sorted(order) != list(range(len(x.shape))):
            raise Unfit(f"it orders {len(x.shape)} axes by {list(order)}", "a permutation of the axes of one sample")
        strides = strides_of(x.shape)
        shape = tuple(x.shape[axis] for axis in order)
        return self.move(name, x, shape, 0, [(x.shape[axis], strides[axis]) for axis in order])

    def slice(self, name: str, x: Value, begin: Sequence[int], end: Sequence[int], step: Sequence[int]) -> Value:
        """``x[begin:end:step]`` by axis, resolved: begin within 0..n-1, end within -1..n."""
        strides = strides_of(x.shape)
        shape, start, axes = [], 0, []
        for n, first, last, by, stride in zip(x.shape, begin, end, step, strides, strict=True):
            count = len(range(first, last, by)) if by else 0
            if count < 1 or not 0 <= first < n:
                raise Unfit(f"it takes {first}:{last}:{by} of {n} elements, which is nothing", "a slice with elements")
            shape.append(count)
            start += first * stride
            axes.append((count, by * stride))
        return self.move(name, x, tuple(shape), start, axes)

    def cut(self, name: str, x: Value, axis: int, first: int, count: int) -> Value:
        """``count`` elements of one axis, from ``first`` on."""
        begin, end = [0] * len(x.shape), list(x.shape)
        begin[axis], end[axis] = first, first + count
        return self.slice(name, x, begin, end, [1] * len(x.shape))

    def repeat(self, name: str, x: Value, axis: int, times: int) -> Value:
        """Each element of an axis ``times`` times, one behind the other."""
        strides, shape, axes = strides_of(x.shape), list(x.shape), []
        for i, (n, stride) in enumerate(zip(x.shape, strides, strict=True)):
            axes.append((n, stride))
            if i == axis:
                axes.append((times, 0))
                shape[i] *= times
        return self.move(name, x, tuple(shape), 0, axes)

    def tile(self, name: str, x: Value, times: Sequence[int]) -> Value:
        """The whole of each axis ``times`` times."""
        axes = []
        for n, count, stride in zip(x.shape, times, strides_of(x.shape), strict=True):
            axes += [(int(count), 0), (n, stride)]
        return self.move(name, x, tuple(n * int(t) for n, t in zip(x.shape, times, strict=True)), 0, axes)

    def broadcast(self, name: str, x: Value, shape: Logical) -> Value:
        """Axes of one element, and missing ones in front, repeated."""
        own = (1,) * (len(shape) - len(x.shape)) + x.shape
        if len(own) > len(shape) or any(n not in (1, wanted) for n, wanted in zip(own, shape, strict=True)):
            raise Unfit(f"it repeats {x.shape} to {shape}", "axes of one element")
        axes = [(wanted, 0 if n == 1 else s) for n, wanted, s in zip(own, shape, strides_of(own), strict=True)]
        return self.move(name, x, tuple(shape), 0, axes)

    # --- Padding --------------------------------------------------------------------------------------------

    def pad(
        self, name: str, x: Value, pads: Sequence[tuple[int, int]], value: float = 0.0, mode: PadMode = "constant"
    ) -> Value:
        """Elements before and after each axis; negative numbers cut off."""
        if len(pads) != len(x.shape):
            raise Unfit(f"it pads {len(pads)} axes of {len(x.shape)}", "a padding of each axis of one sample")
        for axis, (before, after) in enumerate(pads):
            if min(before, after) < 0:
                first, last = max(-before, 0), x.shape[axis] - max(-after, 0)
                if first >= last:
                    raise Unfit(f"it cuts {x.shape[axis]} elements down to nothing", "a cropping that leaves some")
                x = self.cut(f"{name}_cut", x, axis, first, last - first)
        wanted = [(max(before, 0), max(after, 0)) for before, after in pads]
        if mode != "constant":
            for axis, sides in enumerate(wanted):
                x = self._mirrored(name, x, axis, sides, mode)
            return x
        if not any(map(any, wanted)):
            return x
        if len(x.shape) <= 3:
            return self._filled(name, x, x.shape, wanted, value)
        for axis, sides in enumerate(wanted):
            if any(sides):
                flat = math.prod(x.shape[:axis]), x.shape[axis], math.prod(x.shape[axis + 1 :])
                shape = (*x.shape[:axis], x.shape[axis] + sum(sides), *x.shape[axis + 1 :])
                made = self._filled(name, self.reshape(x, flat), flat, [(0, 0), sides, (0, 0)], value)
                x = self.reshape(made, shape)
        return x

    def _filled(self, name: str, x: Value, own: Logical, pads: Sequence[tuple[int, int]], value: float) -> Value:
        shape = tuple(n + sum(sides) for n, sides in zip(own, pads, strict=True))
        front = (0,) * (3 - len(own)) + tuple(before for before, _ in pads)
        padding = Padding((front[0], front[1], front[2]), value=value)
        edge = self.node(name, "pad", (self.view(x, layout(own)),), layout(shape), None, padding=padding)
        return Value(edge, shape, x.refused)

    def _mirrored(self, name: str, x: Value, axis: int, sides: tuple[int, int], mode: PadMode) -> Value:
        n, skip = x.shape[axis], int(mode == "reflect")
        parts = [x]
        for side, count in zip(("before", "after"), sides, strict=True):
            if not count:
                continue
            before = side == "before"
            if mode == "edge":
                part = self.cut(f"{name}_{side}", x, axis, 0 if before else n - 1, 1)
                part = self.repeat(f"{name}_{side}s", part, axis, count)
            else:
                if count > n - skip:
                    raise Unfit(f"it mirrors {count} of {n} elements", f"at most {n - skip}")
                begin, end, step = [0] * len(x.shape), list(x.shape), [1] * len(x.shape)
                begin[axis] = count - 1 + skip if before else n - 1 - skip
                end[axis] = begin[axis] - count
                step[axis] = -1
                part = self.slice(f"{name}_{side}", x, begin, end, step)
            parts = [part, *parts] if before else [*parts, part]
        return parts[0] if len(parts) == 1 else self.concat(name, parts, axis)

    def concat(self, name: str, values: Sequence[Value], axis: int) -> Value:
        """See :class:`Builder`."""
        raise NotImplementedError

    def spread(
        self, name: str, x: Value, before: tuple[int, int], step: tuple[int, int], size: tuple[int, int]
    ) -> Value:
        """Elements of (H, W, C) ``step`` apart in a map of zeros of (height, width) ``size``."""
        shape: Shape = (*size, x.shape[2])
        padding = Padding((*before, 0), step)
        edge = self.node(name, "pad", (self.view(x),), shape, None, padding=padding)
        return Value(edge, shape, x.refused)

    # --- Resizing -------------------------------------------------------------------------------------------

    def resize(
        self,
        name: str,
        x: Value,
        size: tuple[int, int],
        *,
        method: Literal["nearest", "bilinear"],
        half_pixel: bool,
        align_corners: bool,
        rounding: Literal["floor", "ceil", "half_up", "half_down"] | None = None,
        quant: Quant | None = None,
    ) -> Value:
        """A map (H, W, C) in another (height, width).

        ``half_pixel`` compares centres of pixels instead of their corners; ``align_corners`` keeps the first and the
        last elements in place. ``rounding`` is of nearest neighbours; None: as TensorFlow does, which is half up with
        ``align_corners``, else the floor (of centres plus a half).
        """
        if len(x.shape) != 3:
            raise Unfit(f"it resizes a tensor of shape {x.shape}", "a map of height, width and channels")
        height, width, channels = x.shape
        whole = size[0] % height == 0 and size[1] % width == 0
        if method == "nearest" and whole and not align_corners and rounding in (None, "floor"):
            down, right = size[0] // height, size[1] // width
            axes = [(height, width * channels), (down, 0), (width, channels), (right, 0), (channels, 1)]
            if rounding is None or not half_pixel:
                return self.move(name, x, (*size, channels), 0, axes)
        tables = [
            _grid(n, m, method, half_pixel, align_corners, rounding) for n, m in zip((height, width), size, strict=True)
        ]
        shape = (*size, channels)
        edge = self.node(name, "resize", (self.view(x),), shape, None, grid=Grid(*tables))
        made = Value(edge, shape, x.refused)
        return made if quant is None else self.rescaled(name, made, quant)

    def rescaled(self, name: str, x: Value, quant: Quant) -> Value:
        """See :class:`Builder`."""
        raise NotImplementedError


def strides_of(shape: Logical) -> list[int]:
    """Elements between neighbours along each axis, row-major."""
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


def _grid(
    n: int, m: int, method: str, half_pixel: bool, align_corners: bool, rounding: str | None
) -> npt.NDArray[np.int32]:
    """(index, weight of the next) of each of m places along n elements."""
    place = np.arange(m, dtype=np.float64)
    if align_corners:
        at = place * (n - 1) / max(m - 1, 1)
    else:
        at = (place + 0.5) * n / m - 0.5 if half_pixel else place * n / m
    if method == "nearest":
        if rounding is None:
            found = np.floor(at + 0.5) if align_corners or half_pixel else np.floor(at)
        elif rounding == "floor":
            found = np.floor(at)
        elif rounding == "ceil":
            found = np.ceil(at)
        else:
            found = np.floor(at + 0.5) if rounding == "half_up" else np.ceil(at - 0.5)
        index = np.clip(found, 0, n - 1)
        weight = np.zeros(m)
    else:
        at = np.clip(at, 0, n - 1)
        index = np.floor(at)
        weight = np.floor((at - index) * FRACTION + 0.5)
    return np.stack([index, weight], axis=1).astype(np.int32)
