"""How the elements of a tensor lie, apart from the shape that the file gives it.

ONNX puts channels first and this project last. A :class:`View` keeps both: the shape in the file, and the order of its
axes in memory. A Transpose changes the first alone, so none is left behind where the two agree again. A Flatten keeps
the parts of its axis, so that the weights of a dense layer can be put in the order in which the map lies.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ..values import Quant, Value

Axes = tuple[int, ...]
Move = Callable[[Value, Sequence[int]], Value]
"""Moves the data of a value to another order of its axes."""


@dataclass(frozen=True)
class View:
    """A tensor of one sample.

    Attributes:
        value: Its data.
        shape: In the file, with a batch axis of 1 if it has one there.
        parts: Factors of the shape, none of them 1, in the file's order: axis by axis, the outermost first.
        order: Parts as they lie in memory, the outermost first: a permutation of their positions.
        quant: Scale and zero point in an integer model.
        pieces: Parts and order of flat maps that were joined as they lie, of which only dense layers read; the parts of
            the whole then are one.
    """

    value: Value
    shape: Axes
    parts: Axes
    order: Axes
    quant: Quant | None = None
    pieces: tuple[tuple[Axes, Axes], ...] = ()

    @property
    def plain(self) -> bool:
        """Whether the elements lie in the file's order."""
        return self.order == tuple(range(len(self.parts)))

    def groups(self) -> list[Axes]:
        """Positions of the parts of each axis."""
        found: list[Axes] = []
        at = 0
        for n in self.shape:
            first, size = at, 1
            while size < n:
                size *= self.parts[at]
                at += 1
            found.append(tuple(range(first, at)))
        return found

    def lying(self, keep: Sequence[int] = ()) -> Axes:
        """Axes of more than one element in the order in which they begin in memory, and those in ``keep`` between them.

        Channels that lie last stay last. If the parts of an axis lie apart, so that data must move anyway, channels
        first become channels last.
        """
        groups = self.groups()
        wide = [axis for axis, n in enumerate(self.shape) if n > 1]
        wide.sort(key=lambda axis: min(self.order.index(part) for part in groups[axis]))
        if self.wanted(wide) != self.order and len(self.shape) in (3, 4):
            wide = channels_last(wide)
        more = [axis for axis in keep if axis not in wide]
        if not more:
            return tuple(wide)
        if wide == sorted(wide):
            return tuple(sorted([*wide, *more]))
        if wide == channels_last(wide):
            return tuple(channels_last([*wide, *more]))
        for axis in reversed(more):
            behind = [other for other in range(axis + 1, len(self.shape)) if other in wide]
            wide.insert(wide.index(behind[0]) if behind else len(wide), axis)
        return tuple(wide)

    @property
    def in_memory(self) -> Axes:
        """The parts as they lie."""
        return tuple(self.parts[part] for part in self.order)

    def constant(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A constant that broadcasts to the file's shape, for the shape ``in_memory``."""
        own = (1,) * (len(self.shape) - array.ndim) + array.shape
        sizes = []
        for n, group in zip(own, self.groups(), strict=True):
            sizes += [self.parts[part] if n > 1 else 1 for part in group]
        return array.reshape(sizes).transpose(self.order)

    @property
    def together(self) -> bool:
        """Whether the parts of each axis lie side by side, so that no data moves for an operator on axes."""
        return self.wanted(self.lying()) == self.order

    def wanted(self, axes: Sequence[int]) -> Axes:
        """Order of the parts when these axes follow each other."""
        groups = self.groups()
        return tuple(part for axis in axes for part in groups[axis])

    def transposed(self, axes: Sequence[int]) -> View:
        """The file's shape with its axes in another order; no data moves."""
        parts = self.wanted(axes)
        return dataclasses.replace(
            self,
            shape=tuple(self.shape[axis] for axis in axes),
            parts=tuple(self.parts[part] for part in parts),
            order=tuple(parts.index(part) for part in self.order),
        )

    def reshaped(self, shape: Axes) -> View | None:
        """Another shape of the file, if the parts can follow it without moving data; None if they cannot."""
        if self.plain:
            parts = tuple(n for n in shape if n > 1)
            return dataclasses.replace(self, shape=shape, parts=parts, order=tuple(range(len(parts))))
        splits = _refine(self.parts, [n for n in shape if n > 1])
        if splits is None:
            return None
        firsts = np.cumsum([0, *(len(split) for split in splits)]).tolist()
        parts = tuple(n for split in splits for n in split)
        order = tuple(firsts[part] + i for part in self.order for i in range(len(splits[part])))
        return dataclasses.replace(self, shape=shape, parts=parts, order=order)

    def as_axes(self, axes: Sequence[int], move: Move) -> Value:
        """The data with these axes of the file, the outermost first; those left out have one element."""
        shape = tuple(self.shape[axis] for axis in axes)
        wanted = self.wanted(axes)
        value = self.value
        if wanted != self.order:
            value = dataclasses.replace(value, shape=tuple(self.parts[part] for part in self.order))
            value = move(value, [self.order.index(part) for part in wanted])
        return dataclasses.replace(value, shape=shape)


def channels_last(axes: Sequence[int]) -> list[int]:
    """The axes in the file's order, but for axis 1, which ONNX has channels on, behind the others."""
    return sorted(axes, key=lambda axis: (axis == 1, axis))


def view_of(value: Value, shape: Sequence[int], axes: Sequence[int], quant: Quant | None = None) -> View:
    """The view of a value whose axes, those of one element aside, are these of the file's shape."""
    shape = tuple(int(n) for n in shape)
    wide = [axis for axis, n in enumerate(shape) if n > 1]
    order = tuple(wide.index(axis) for axis in axes if shape[axis] > 1)
    return View(value, shape, tuple(shape[axis] for axis in wide), order, quant)


def places_of(view: View) -> npt.NDArray[np.int64]:
    """Place in the file, counted row-major, of each element in memory."""
    found, first = [], 0
    for parts, order in view.pieces or ((view.parts, view.order),):
        size = prod(parts)
        found.append(first + np.arange(size, dtype=np.int64).reshape(parts).transpose(order).ravel())
        first += size
    return np.concatenate(found)


def reordered(array: npt.NDArray[Any], view: View, parts: Sequence[int]) -> npt.NDArray[Any]:
    """The last axis of an array, whose length is that of these parts, in the order in which they lie in memory."""
    lying = [part for part in view.order if part in parts]
    lead = array.ndim - 1
    apart = array.reshape(*array.shape[:-1], *(view.parts[part] for part in parts))
    moved = apart.transpose(*range(lead), *(lead + list(parts).index(part) for part in lying))
    return moved.reshape(array.shape)


def _refine(parts: Axes, shape: Sequence[int]) -> list[list[int]] | None:
    """Each part as factors, so that every axis of the shape is made of whole ones; None if there is no such way."""
    splits: list[list[int]] = [[] for _ in parts]
    rest, left = list(parts), list(shape)
    i = 0
    for n in left:
        while n > 1:
            while i < len(rest) and rest[i] == 1:
                i += 1
            if i == len(rest):
                return None
            factor = _common(rest[i], n)
            if factor is None:
                return None
            splits[i].append(factor)
            rest[i] //= factor
            n //= factor  # noqa: PLW2901 - what is left of the axis
    return splits if prod(rest) == 1 else None


def _common(part: int, axis: int) -> int | None:
    """The outer factor that a part and an axis share: the smaller of both, if it divides the other."""
    small, large = sorted((part, axis))
    return small if large % small == 0 else None
