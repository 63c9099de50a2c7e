"""How far an output may take over the memory of its layer's input: the order in which each kernel reads and writes.

A kernel works in *turns*. A turn first reads what it needs of the input and has not kept in scratch, then writes the
next bytes of the output. Two numbers describe it: the lowest input byte that it reads, and the end of what it has
written. Whatever lies below all that later turns read is dead and may be overwritten. With the input at offset
``distance`` of the output, output byte n overwrites input byte n - distance; so the least safe distance is the
largest, over all turns, of the end of what is written less the lowest byte that later turns read.

Two more cases. A kernel that decodes its weights in several blocks reads the whole input for each: nothing of it is
dead before the last block, and there is no overlap. A depthwise kernel that goes through the whole image for some
channels, then for the next, may overlap if every byte falls upon one of the same channel: where the distance is a
multiple of the channels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...graph import Add, Concat, Conv2D, Dense, Shape, Window
from ..arena import Overlap
from .concat import row_sizes
from .kernel import Order, Tensors, Way, Windowed
from .packing import TILE

Ints = npt.NDArray[np.int64]
NEVER = np.int64(1) << 40
"""A byte that no turn reads."""


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
        """First input row under each row of windows; below 0 or behind the end in the padding."""
        return np.arange(self.target[0], dtype=np.int64) * self.window.stride[0] - self.window.padding[0]

    def first(self) -> Ints:
        """Lowest input byte under each window, row by row."""
        left = np.arange(self.target[1], dtype=np.int64) * self.window.stride[1] - self.window.padding[1]
        inside = [
            (begin < size) & (begin + kernel > 0)
            for begin, size, kernel in zip((self.top, left), self.source, self.window.kernel, strict=False)
        ]
        lowest = self.top.clip(0)[:, None] * self.row + left.clip(0) * self.source[2]
        return np.where(inside[0][:, None] & inside[1], lowest, NEVER).ravel()


def distance(first: Ints, end: Ints) -> int:
    """Least safe distance of turns with these lowest reads and these ends of what is written."""
    later = np.minimum.accumulate(np.append(first[1:], NEVER)[::-1])[::-1]
    read = later < NEVER
    return int((end - later)[read].max(initial=-NEVER))


def ends(count: int, size: int) -> Ints:
    """Ends of what turns write that write the same number of bytes each."""
    return size * np.arange(1, count + 1, dtype=np.int64)


def by_pixel(g: Geometry) -> Overlap:
    """A window, then all its outputs."""
    first = g.first()
    return Overlap(distance(first, ends(len(first), g.target[2])))


def by_element(g: Geometry, at_a_time: int = 1) -> Overlap:
    """Pixel by pixel, and of each channel, or of some at a time, the window, then the output."""
    first, channels = g.first(), g.target[2]
    found = by_pixel(g).distance
    if channels > at_a_time:  # a channel is written before the next reads the same window
        found = max(found, distance(np.append(0, first), ends(len(first) + 1, channels) - channels))
    return Overlap(found)


def new_rows(g: Geometry) -> Ints:
    """Lowest byte of the input rows that each output row is the first to need."""
    last = np.minimum(g.top + g.window.kernel[0], g.source[0])  # behind it
    known = np.append(0, np.maximum.accumulate(last)[:-1]).clip(0)
    begin = np.maximum(g.top, known).clip(0)
    return np.where(begin < last, begin * g.row, NEVER)


def by_segment(g: Geometry, pixels: int) -> Overlap:
    """So many windows, whatever their rows; then all their outputs."""
    starts = np.arange(0, g.target[0] * g.target[1], pixels, dtype=np.int64)
    first = np.minimum.reduceat(g.first(), starts)
    return Overlap(distance(first, np.minimum(starts + pixels, g.target[0] * g.target[1]) * g.target[2]))


def by_row(g: Geometry) -> Overlap:
    """Input rows are taken to a ring as they are first needed; then a row of outputs."""
    return Overlap(distance(new_rows(g), ends(g.target[0], g.target[1] * g.target[2])))


def depthwise_by_row(g: Geometry) -> Overlap:
    """Four channels at a time, rows in a ring."""
    return Overlap(distance(new_rows(g), ends(g.target[0], g.target[1] * g.target[2])), g.target[2])


WindowOrder = Callable[[Geometry], Overlap | None]
"""Order of reading and writing of a kernel with a sliding window; None: no overlap is safe."""


def sliding(order: WindowOrder) -> Order:
    """The order of a kernel with a window, where it reads its input in one pass; and that of a fused residual."""

    def overlaps(layer: Windowed, way: Way, tensors: Tensors) -> dict[str, Overlap]:
        found = {}
        target = tensors[layer.output].shape
        one_pass = not isinstance(layer, Conv2D) or target[2] <= TILE * max(1, way.block)
        if one_pass and not way.rereads:
            own = order(Geometry(tensors[layer.input].shape, target, layer.window, way.block))
            if own is not None:
                found[layer.input] = own
        if isinstance(layer, Conv2D) and layer.residual is not None:
            # Each residual is read just before its place is written, channel by channel.
            beside = Overlap(0, target[2])
            if layer.residual != layer.input:
                found[layer.residual] = beside
            elif layer.input in found:
                found[layer.input] = found[layer.input].joined(beside)
        return found

    return overlaps


def copied_first(layer: Dense, _way: Way, tensors: Tensors) -> dict[str, Overlap]:
    """The whole input is taken to scratch before anything is written."""
    return {layer.input: Overlap(-tensors[layer.input].size)}


def side_by_side(layer: Add, _way: Way, _tensors: Tensors) -> dict[str, Overlap]:
    """Element by element of both inputs."""
    return dict.fromkeys(layer.inputs, Overlap(0))


def concatenated(layer: Concat, _way: Way, tensors: Tensors) -> dict[str, Overlap]:
    """Element by element, in the order of the output: each input falls behind by what the others write."""
    rows, parts = row_sizes(layer, tensors)
    found: dict[str, Overlap] = {}
    for i, name in enumerate(layer.inputs):
        own = Overlap((rows - 1) * (sum(parts) - parts[i]) + sum(parts[:i]))
        found[name] = found[name].joined(own) if name in found else own
    return found
