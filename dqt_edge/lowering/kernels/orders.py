"""How far an output may take over the memory of its layer's input: the order in which each kernel reads and writes.

A kernel works in *turns*. A turn reads input, then writes the next bytes of the output. Two numbers describe it: the
lowest input byte that it reads, and the end of the output written so far. Input below everything that later turns read
is dead: it may be overwritten. If the output begins ``distance`` bytes before the input, output byte n overwrites input
byte n - distance. So the least safe distance is

    max over all turns of (end of the output written so far - lowest input byte that later turns read)

A kernel that decodes its weights in several blocks reads the whole input for each block. Nothing is dead before the
last block, so it allows no overlap.

A depthwise kernel goes through the whole map for a few channels, then for the next few. It allows an overlap whose
distance is a multiple of the channels: then a byte is overwritten by one of its own channel, which was read before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...graph import (
    Add,
    Concat,
    Conv2D,
    Dense,
    Lookup,
    Maximum,
    Minimum,
    Multiply,
    Pad,
    Rearrange,
    Resize,
    Shape,
    Softmax,
    Window,
)
from ..arena import Overlap
from .concat import row_sizes
from .kernel import Order, Tensors, Way, Windowed
from .packing import TILE

Ints = npt.NDArray[np.int64]
Beside = Add | Multiply | Maximum | Minimum | Lookup | Softmax
NEVER = np.int64(1) << 40
"""Stands for "reads nothing": above every byte of a tensor."""


@dataclass(frozen=True)
class Geometry:
    """A sliding window over a tensor, its output, and the ``block`` of :class:`Way`."""

    source: Shape
    target: Shape
    window: Window
    block: int = 0

    @property
    def row(self) -> int:
        """Bytes of an input row."""
        return self.source[1] * self.source[2]

    @property
    def top(self) -> Ints:
        """First input row of each row of windows; in the padding below 0, or the input's height or more."""
        return np.arange(self.target[0], dtype=np.int64) * self.window.stride[0] - self.window.padding[0]

    def first(self) -> Ints:
        """Lowest input byte under each window, in the order of the output; NEVER for a window in the padding."""
        left = np.arange(self.target[1], dtype=np.int64) * self.window.stride[1] - self.window.padding[1]
        lowest, inside = [], []
        for begin, size, kernel, apart in zip(
            (self.top, left), self.source, self.window.kernel, self.window.dilation, strict=False
        ):
            tap = -(begin.clip(None, 0) // apart)  # the first one that is not before the input
            lowest.append(begin + tap * apart)
            inside.append((lowest[-1] < size) & (tap < kernel))
        places = lowest[0][:, None] * self.row + lowest[1] * self.source[2]
        return np.where(inside[0][:, None] & inside[1], places, NEVER).ravel()


def distance(first: Ints, end: Ints) -> int:
    """Least safe distance: for each turn, its lowest input byte and the end of the output behind it."""
    later = np.minimum.accumulate(np.append(first[1:], NEVER)[::-1])[::-1]
    read = later < NEVER
    return int((end - later)[read].max(initial=-NEVER))


def ends(count: int, size: int) -> Ints:
    """End of the output behind each of ``count`` turns that write ``size`` bytes each."""
    return size * np.arange(1, count + 1, dtype=np.int64)


def by_pixel(g: Geometry) -> Overlap:
    """A turn is a pixel: reads its window, writes all its channels."""
    first = g.first()
    return Overlap(distance(first, ends(len(first), g.target[2])))


def by_element(g: Geometry, at_a_time: int = 1) -> Overlap:
    """A turn is ``at_a_time`` channels of a pixel: reads its window, writes these channels."""
    first, channels = g.first(), g.target[2]
    found = by_pixel(g).distance
    if channels > at_a_time:  # the next channels of a pixel read its window again, when some are written
        found = max(found, distance(np.append(0, first), ends(len(first) + 1, channels) - channels))
    return Overlap(found)


def new_rows(g: Geometry) -> Ints:
    """For each output row, the lowest byte of the input rows that are new to it; NEVER if none is."""
    last = np.minimum(g.top + g.window.kernel[0], g.source[0])  # first row behind the window
    known = np.append(0, np.maximum.accumulate(last)[:-1]).clip(0)
    begin = np.maximum(g.top, known).clip(0)
    return np.where(begin < last, begin * g.row, NEVER)


def by_rows(g: Geometry) -> Overlap:
    """A turn is an output row: reads all input rows under its windows, then writes the row."""
    return Overlap(distance(g.top.clip(0) * g.row, ends(g.target[0], g.target[1] * g.target[2])))


def by_segment(g: Geometry, pixels: int) -> Overlap:
    """A turn is a segment of ``pixels``, across the ends of rows: reads their windows, writes all their channels."""
    starts = np.arange(0, g.target[0] * g.target[1], pixels, dtype=np.int64)
    first = np.minimum.reduceat(g.first(), starts)
    return Overlap(distance(first, np.minimum(starts + pixels, g.target[0] * g.target[1]) * g.target[2]))


def by_row(g: Geometry) -> Overlap:
    """A turn is an output row: reads the input rows that are new to it into a ring in scratch, writes the row."""
    return Overlap(distance(new_rows(g), ends(g.target[0], g.target[1] * g.target[2])))


def depthwise_by_row(g: Geometry) -> Overlap:
    """As by_row, for four channels at a time: the distance must be a multiple of the channels."""
    return Overlap(distance(new_rows(g), ends(g.target[0], g.target[1] * g.target[2])), g.target[2])


def windows_by_row(g: Geometry) -> Overlap:
    """A turn is an output row of some channels: reads all rows from the first under its windows on, writes the row."""
    first = np.where(g.top < g.source[0], g.top.clip(0) * g.row, NEVER)
    return Overlap(distance(first, ends(g.target[0], g.target[1] * g.target[2])), g.target[2])


WindowOrder = Callable[[Geometry], Overlap | None]
"""Order of reading and writing of a kernel with a sliding window; None: no overlap is safe."""


def sliding(order: WindowOrder) -> Order:
    """Overlaps of a kernel with a window: with its input if it reads that in one pass, and with a fused residual."""

    def overlaps(layer: Windowed, way: Way, tensors: Tensors) -> dict[str, Overlap]:
        found = {}
        target = tensors[layer.output].shape
        one_pass = not isinstance(layer, Conv2D) or target[2] <= TILE * max(1, way.block)
        if one_pass and not way.rereads:
            own = order(Geometry(tensors[layer.input].shape, target, layer.window, way.block))
            if own is not None:
                found[layer.input] = own
        if isinstance(layer, Conv2D) and layer.residual is not None:
            # The kernel reads each element of the residual just before it writes the output at the same place.
            beside = Overlap(0, target[2])
            if layer.residual != layer.input:
                found[layer.residual] = beside
            elif layer.input in found:
                found[layer.input] = found[layer.input].joined(beside)
        return found

    return overlaps


def copied_first(layer: Dense, _way: Way, tensors: Tensors) -> dict[str, Overlap]:
    """One turn: the whole input goes to scratch before anything is written."""
    return {layer.input: Overlap(-tensors[layer.input].size)}


def same_shapes(layer: Add, tensors: Tensors) -> bool:
    """Whether nothing broadcasts: both inputs have the output's shape."""
    return all(tensors[name].shape == tensors[layer.output].shape for name in layer.inputs)


def side_by_side(layer: Beside, _way: Way, tensors: Tensors) -> dict[str, Overlap]:
    """A turn is an element of each input. One that broadcasts is read again, and must stay whole."""
    whole = tensors[layer.output].shape
    return {name: Overlap(0) for name in layer.inputs if tensors[name].shape == whole}


def moved(places: Callable[[Any, Tensors], Ints]) -> Order:
    """A turn is an element of the output; ``places``: the lowest input byte that each one reads, or NEVER."""

    def overlaps(layer: Rearrange | Pad | Resize, _way: Way, tensors: Tensors) -> dict[str, Overlap]:
        first = places(layer, tensors)
        return {layer.input: Overlap(distance(first, ends(len(first), 1)))}

    return overlaps


def rearranged(layer: Rearrange, _tensors: Tensors) -> Ints:
    """The input byte of each output element."""
    found = np.array([layer.start], np.int64)
    for size, stride in layer.loops():
        found = np.add.outer(found, stride * np.arange(size, dtype=np.int64)).ravel()
    return found


def padded(layer: Pad, tensors: Tensors) -> Ints:
    """The input byte of each output element; NEVER where there is padding."""
    source = tensors[layer.input]
    found = np.full(tensors[layer.output].shape, NEVER)
    within = tuple(
        slice(before, before + step * (size - 1) + 1, step)
        for before, step, size in zip(layer.before, (*layer.step, 1), source.shape, strict=True)
    )
    found[within] = np.arange(source.size, dtype=np.int64).reshape(source.shape)
    return found.ravel()


def resized(layer: Resize, tensors: Tensors) -> Ints:
    """The lowest of the input bytes that each output element is made of: that of its first row and column."""
    _, width, channels = tensors[layer.input].shape
    rows, columns = (table[:, 0].astype(np.int64) for table in (layer.rows, layer.columns))
    pixels = rows[:, None] * width + columns
    return (pixels[..., None] * channels + np.arange(channels, dtype=np.int64)).ravel()


def concatenated(layer: Concat, _way: Way, tensors: Tensors) -> dict[str, Overlap]:
    """A turn is an element of the output: each input falls behind the output by what the other inputs contribute."""
    rows, parts = row_sizes(layer, tensors)
    found: dict[str, Overlap] = {}
    for i, name in enumerate(layer.inputs):
        own = Overlap((rows - 1) * (sum(parts) - parts[i]) + sum(parts[:i]))
        found[name] = found[name].joined(own) if name in found else own
    return found
