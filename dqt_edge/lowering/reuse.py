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

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..graph import Add, Concat, Conv2D, Dense, Layer, Shape, Tensor, Window
from . import dsp, mve, packing, scalar
from .arena import Overlap
from .choose import Choice
from .concat import row_sizes

_Ints = npt.NDArray[np.int64]
_NEVER = np.int64(1) << 40
"""A byte that no turn reads."""


@dataclass(frozen=True)
class Geometry:
    """A sliding window over a tensor, its output, and the ``block`` of :class:`Choice`."""

    source: Shape
    target: Shape
    window: Window
    block: int = 0

    @property
    def row(self) -> int:
        """Bytes of an input row."""
        return self.source[1] * self.source[2]

    @property
    def top(self) -> _Ints:
        """First input row under each row of windows; below 0 or behind the end in the padding."""
        return np.arange(self.target[0], dtype=np.int64) * self.window.stride[0] - self.window.padding[0]

    def first(self) -> _Ints:
        """Lowest input byte under each window, row by row."""
        left = np.arange(self.target[1], dtype=np.int64) * self.window.stride[1] - self.window.padding[1]
        inside = [
            (begin < size) & (begin + kernel > 0)
            for begin, size, kernel in zip((self.top, left), self.source, self.window.kernel, strict=False)
        ]
        lowest = self.top.clip(0)[:, None] * self.row + left.clip(0) * self.source[2]
        return np.where(inside[0][:, None] & inside[1], lowest, _NEVER).ravel()


def _distance(first: _Ints, end: _Ints) -> int:
    """Least safe distance of turns with these lowest reads and these ends of what is written."""
    later = np.minimum.accumulate(np.append(first[1:], _NEVER)[::-1])[::-1]
    read = later < _NEVER
    return int((end - later)[read].max(initial=-_NEVER))


def _ends(count: int, size: int) -> _Ints:
    return size * np.arange(1, count + 1, dtype=np.int64)


def _by_pixel(g: Geometry) -> Overlap:
    """A window, then all its outputs."""
    first = g.first()
    return Overlap(_distance(first, _ends(len(first), g.target[2])))


def _by_element(g: Geometry, at_a_time: int = 1) -> Overlap:
    """Pixel by pixel, and of each channel, or of some at a time, the window, then the output."""
    first, channels = g.first(), g.target[2]
    found = _by_pixel(g).distance
    if channels > at_a_time:  # a channel is written before the next reads the same window
        found = max(found, _distance(np.append(0, first), _ends(len(first) + 1, channels) - channels))
    return Overlap(found)


def _new_rows(g: Geometry) -> _Ints:
    """Lowest byte of the input rows that each output row is the first to need."""
    last = np.minimum(g.top + g.window.kernel[0], g.source[0])  # behind it
    known = np.append(0, np.maximum.accumulate(last)[:-1]).clip(0)
    begin = np.maximum(g.top, known).clip(0)
    return np.where(begin < last, begin * g.row, _NEVER)


def _by_segment(g: Geometry, pixels: int) -> Overlap:
    """So many windows, whatever their rows; then all their outputs."""
    starts = np.arange(0, g.target[0] * g.target[1], pixels, dtype=np.int64)
    first = np.minimum.reduceat(g.first(), starts)
    return Overlap(_distance(first, np.minimum(starts + pixels, g.target[0] * g.target[1]) * g.target[2]))


def _by_row(g: Geometry) -> Overlap:
    """Input rows are taken to a ring as they are first needed; then a row of outputs."""
    return Overlap(_distance(_new_rows(g), _ends(g.target[0], g.target[1] * g.target[2])))


def _conv2d_scalar(g: Geometry) -> Overlap:
    if scalar.is_flat(g.source, g.target, g.window):
        return _by_segment(g, 2 * scalar.segment_pairs(g.source[2]))
    return _by_row(g)


def _conv2d_dsp(g: Geometry) -> Overlap:
    """By row; or some pixels at a time. The distance for single pixels is safe however many the kernel takes."""
    if g.source[2] % packing.TILE or dsp.is_flat(g.source, g.target, g.window):
        return _by_pixel(g)
    return _by_row(g)


def _depthwise_by_row(g: Geometry) -> Overlap:
    """Four channels at a time, rows in a ring."""
    return Overlap(_distance(_new_rows(g), _ends(g.target[0], g.target[1] * g.target[2])), g.target[2])


def _depthwise_dsp(g: Geometry) -> Overlap | None:
    """Four channels at a time, rows in a ring, or columns.

    After a column of all rows nothing of it is needed: it may be overwritten by one that begins any rows away.
    """
    if g.block == 0:
        return _depthwise_by_row(g)
    return Overlap(-g.source[0] * g.row, g.row) if g.target[1] == g.source[1] and g.window.stride[1] == 1 else None


def _depthwise_mve(g: Geometry) -> Overlap:
    """In strips of two output rows (with a stride, of one), or a multiple, that read their rows anew."""
    height, width, channels = g.target
    rows = mve.strip_rows(g.window)
    first = np.where(g.top < g.source[0], g.top.clip(0) * g.row, _NEVER)[::rows]
    ends = np.minimum(np.arange(rows, height + rows, rows), height) * width * channels
    return Overlap(_distance(first, ends), channels)


_ORDERS: Mapping[str, Callable[[Geometry], Overlap | None]] = {
    "conv2d": _by_pixel,
    "conv2d_residual": _by_pixel,
    "conv2d_scalar": _conv2d_scalar,
    "conv2d_dsp": _conv2d_dsp,
    "conv2d_mve": lambda g: _by_segment(g, 2),
    "depthwise_conv2d": _by_element,
    "depthwise_conv2d_scalar": _depthwise_by_row,
    "depthwise_conv2d_dsp": _depthwise_dsp,
    "depthwise_conv2d_raw_dsp": _depthwise_dsp,
    "depthwise_conv2d_mve": _depthwise_mve,
    "max_pool2d": _by_element,
    "average_pool2d": _by_element,
    "average_pool2d_dsp": lambda g: _by_element(g, packing.TILE),
}
"""Kernel -> its order of reading and writing. A kernel that is not here never overlaps its input."""

_COPIES_FIRST = frozenset(
    [f"dense{kind}{core}" for kind in ("", "_accumulate") for core in ("", "_scalar", "_mve")]
    + [f"dense_{kind}_dsp" for kind in ("wide", "nibbles", "planes")]
)
"""Kernels that take the whole input to scratch before they write anything."""


def _concat(layer: Concat, tensors: Mapping[str, Tensor]) -> dict[str, Overlap]:
    """Element by element, in the order of the output: each input falls behind by what the others write."""
    rows, parts = row_sizes(layer, tensors)
    found: dict[str, Overlap] = {}
    for i, name in enumerate(layer.inputs):
        own = Overlap((rows - 1) * (sum(parts) - parts[i]) + sum(parts[:i]))
        found[name] = found[name].joined(own) if name in found else own
    return found


def overlaps(layer: Layer, choice: Choice, tensors: Mapping[str, Tensor]) -> dict[str, Overlap]:
    """Tensors that the layer reads and whose memory its output may take over, if nothing else needs them."""
    if isinstance(layer, Add):
        return dict.fromkeys(layer.inputs, Overlap(0))  # element by element
    if isinstance(layer, Concat):
        return _concat(layer, tensors)
    if isinstance(layer, Dense):
        return {layer.input: Overlap(-tensors[layer.input].size)} if choice.kernel in _COPIES_FIRST else {}
    if choice.kernel not in _ORDERS:
        return {}
    found = {}
    target = tensors[layer.output].shape
    one_pass = not isinstance(layer, Conv2D) or target[2] <= packing.TILE * max(1, choice.block)
    if one_pass and not choice.rereads:
        geometry = Geometry(tensors[layer.input].shape, target, layer.window, choice.block)
        own = _ORDERS[choice.kernel](geometry)
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
