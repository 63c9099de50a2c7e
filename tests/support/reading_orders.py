"""The kernels' order of reading and writing, byte by byte, written down from their C."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from dqt_edge.graph import (
    FLAT,
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
    Softmax,
    Tensor,
)
from dqt_edge.lowering.kernels import dsp_conv, mve_conv, scalar
from dqt_edge.lowering.kernels.kernel import Choice

Turn = tuple[dict[str, np.ndarray], np.ndarray]
"""Bytes of each tensor that are read, then bytes of the output that are written."""

NONE = np.zeros(0, np.int64)


class Reader:
    """Input and output of a layer with a window as arrays of byte numbers."""

    def __init__(self, layer, source: Tensor, target: Tensor, block: int, strip: int) -> None:
        self.block, self.layer, self.source, self.target = block, layer, source.shape, target.shape
        self.strip = strip
        self.bytes = np.arange(source.size).reshape(source.shape)
        self.out = np.arange(target.size).reshape(target.shape)

    def rows(self, y: int, count: int | None = None) -> list[int]:
        """Input rows of the windows of output row ``y``; ``count``: so many instead of the kernel's."""
        window = self.layer.window
        top = y * window.stride[0] - window.padding[0]
        taps = range(top, top + (count or window.extent[0]), window.dilation[0])
        return [row for row in taps if 0 <= row < self.source[0]]

    def window(self, y: int, x: int) -> np.ndarray:
        """Byte numbers [rows, columns, channels] under a window."""
        window = self.layer.window
        left = x * window.stride[1] - window.padding[1]
        columns = [c for c in range(left, left + window.extent[1], window.dilation[1]) if 0 <= c < self.source[1]]
        return self.bytes[np.ix_(self.rows(y), columns)]

    def pixels(self) -> list[tuple[int, int]]:
        return [(y, x) for y in range(self.target[0]) for x in range(self.target[1])]

    def groups(self, group: list[tuple[int, int]]) -> tuple[np.ndarray, list[np.ndarray]]:
        """All windows of some pixels, and the outputs of each."""
        read = [self.window(y, x).ravel() for y, x in group]
        return np.concatenate(read) if read else NONE, [self.out[y, x] for y, x in group]


def turns(layer, choice: Choice, tensors: dict[str, Tensor]) -> Iterator[Turn]:
    """Every turn of a layer; what has been read in one turn is not read again unless a later turn says so."""
    if isinstance(layer, Dense):
        # Accumulators are 4 bytes; the arena test only asks for those of codes.
        yield {layer.input: np.arange(tensors[layer.input].size)}, np.arange(tensors[layer.output].size)
        return
    if isinstance(layer, Add | Multiply | Maximum | Minimum | Lookup | Softmax | Rearrange | Pad | Resize):
        yield from unweighted(layer, tensors)
        return
    if isinstance(layer, Concat):
        sizes = [int(np.prod(tensors[name].shape[layer.axis % FLAT :])) for name in layer.inputs]
        written = 0
        for row in range(tensors[layer.output].size // sum(sizes)):
            for name, size in zip(layer.inputs, sizes, strict=True):
                for i in range(size):
                    yield {name: np.array([row * size + i])}, np.array([written])
                    written += 1
        return
    reader = Reader(layer, tensors[layer.input], tensors[layer.output], choice.way.block, choice.way.strip)
    order = ORDERS[choice.kernel.name]
    passes = [slice(None)]
    if isinstance(layer, Conv2D):
        wide = 4 * max(1, choice.way.block)
        passes = [slice(first, first + wide) for first in range(0, layer.channels, wide)]
    for channels in passes:
        for read, written in order(reader):
            if isinstance(layer, Conv2D):
                places = np.concatenate([w[channels] for w in written]) if written else NONE
                if layer.residual is None:
                    yield {layer.input: read}, places
                    continue
                yield {layer.input: read}, NONE
                for place in places:
                    yield {layer.residual: np.array([place])}, np.array([place])
            else:
                yield {layer.input: read}, np.concatenate(written)


def unweighted(layer, tensors: dict[str, Tensor]) -> Iterator[Turn]:
    """Element by element of the output."""
    shape = tensors[layer.output].shape
    sources = {name: np.arange(tensors[name].size).reshape(tensors[name].shape) for name in layer.inputs}
    for i, (y, x, c) in enumerate(np.ndindex(shape)):
        if isinstance(layer, Softmax) and c == 0:  # the largest, and the sum
            yield {layer.input: sources[layer.input][y, x]}, NONE
        if isinstance(layer, Rearrange):
            steps = np.unravel_index(i, layer.sizes)
            read = {layer.input: np.array([layer.start + np.dot(steps, layer.strides)])}
        elif isinstance(layer, Pad):
            back = [(n - b) / s for n, b, s in zip((y, x, c), layer.before, (*layer.step, 1), strict=True)]
            source = sources[layer.input]
            inside = all(n == int(n) and 0 <= n < size for n, size in zip(back, source.shape, strict=True))
            read = {layer.input: source[tuple(map(int, back))].reshape(1)} if inside else {}
        elif isinstance(layer, Resize):
            rows, columns = ([n, min(n + 1, size - 1)] for n, size in zip(
                (layer.rows[y, 0], layer.columns[x, 0]), sources[layer.input].shape, strict=False))  # fmt: skip
            read = {layer.input: sources[layer.input][np.ix_(rows, columns, [c])].ravel()}
        else:
            read = {name: np.broadcast_to(at, shape)[y, x, c].reshape(1) for name, at in sources.items()}
        yield read, np.array([i])


def by_pixel(r: Reader):
    for pixel in r.pixels():
        yield r.groups([pixel])


def by_element(r: Reader, at_a_time: int = 1):
    for y, x in r.pixels():
        for c in range(0, r.target[2], at_a_time):
            yield r.window(y, x)[..., c : c + at_a_time].ravel(), [r.out[y, x, c : c + at_a_time]]


def conv2d_mve(r: Reader):
    """Pixels follow each other in the output, whatever their rows; those of a strip are read for every four channels,
    gathered ones are read once."""
    gathered = r.strip >= mve_conv.GATHERED
    pairs = mve_conv.column_pairs(r.layer, r.strip % mve_conv.GATHERED) if gathered else r.strip
    for read, written in by_segment(r, 2 * pairs):
        yield read, written
        if not gathered:
            yield read, []


def by_segment(r: Reader, count: int):
    pixels = r.pixels()
    for i in range(0, len(pixels), count):
        yield r.groups(pixels[i : i + count])


def by_row(r: Reader):
    known = 0
    for y in range(r.target[0]):
        new = [row for row in r.rows(y) if row >= known]
        known = max([known, *(row + 1 for row in new)])
        yield r.bytes[new].ravel(), list(r.out[y])


def by_rows(r: Reader):
    """All rows under a row of windows, those again that the row before had."""
    for y in range(r.target[0]):
        yield r.bytes[r.rows(y)].ravel(), list(r.out[y])


def conv2d_scalar(r: Reader):
    flat = scalar.is_flat(r.source, r.target, r.layer.window)
    return by_segment(r, 2 * scalar.segment_pairs(r.source[2])) if flat else by_row(r)


def conv2d_dsp(r: Reader):
    """Not by row: the kernel may take more pixels at a time, and then reads earlier than this."""
    rows = r.source[2] % 4 == 0 and not dsp_conv.is_flat(r.source, r.target, r.layer.window)
    return by_row(r) if rows else by_pixel(r)


def depthwise_ring(r: Reader):
    """Four channels at a time: rows in a ring, or of the DSP kernels with a block of 1 columns."""
    axis = 1 if r.block else 0
    size, stride, pad = r.source[axis], r.layer.window.stride[axis], r.layer.window.padding[axis]
    for first in range(0, r.target[2], 4):
        known = 0
        for i in range(r.target[axis]):
            new = list(range(max(i * stride - pad, known, 0), min(i * stride - pad + 3, size)))
            known = max([known, *(k + 1 for k in new)])
            read = r.bytes[..., first : first + 4].take(new, axis=axis)
            yield read.ravel(), [r.out[..., first : first + 4].take(i, axis=axis).ravel()]


TAPS = {
    "depthwise_conv2d_taps_dsp": (6, 4),
    "depthwise_conv2d_taps_mve": (2, 16),
    "depthwise_conv2d_taps_scalar": (4, 1),
}
"""Depthwise kernels of any window: outputs of a turn, and channels at a time."""


def depthwise_taps(r: Reader, outputs: int, channels: int):
    """Parts of rows, or of columns; of each, a few channels at a time, row by row, as if no row were kept in a ring."""
    axis = r.block & 1
    rows, row = r.target[axis], r.target[1 - axis]
    for start in range(0, row, outputs * r.strip):
        part = range(start, min(start + outputs * r.strip, row))
        for first in range(0, r.target[2], channels):
            for i in range(rows):
                pixels = [(i, k) if axis == 0 else (k, i) for k in part]
                read = [r.window(y, x)[..., first : first + channels].ravel() for y, x in pixels]
                yield np.concatenate(read), [r.out[y, x, first : first + channels] for y, x in pixels]


def depthwise_mve(r: Reader):
    rows = 2 if r.layer.window.stride == (1, 1) else 1
    for first in range(0, r.target[2], 16):
        for y in range(0, r.target[0], rows):
            read = r.bytes[r.rows(y, 4)][..., first : first + 16]
            yield read.ravel(), [r.out[y : y + rows, :, first : first + 16].ravel()]


ORDERS = {
    "conv2d": by_pixel,
    "conv2d_residual": by_pixel,
    "conv2d_scalar": conv2d_scalar,
    "conv2d_dsp": conv2d_dsp,
    "conv2d_winograd_dsp": by_row,
    "conv2d_mve": conv2d_mve,
    "conv2d_bytes_mve": conv2d_mve,
    "conv2d_two_bits_mve": conv2d_mve,
    "dilated_conv2d_mve": conv2d_mve,
    "dilated_conv2d_bytes_mve": conv2d_mve,
    "dilated_conv2d": by_pixel,
    "dilated_conv2d_residual": by_pixel,
    "depthwise_conv2d": by_element,
    "dilated_depthwise_conv2d": by_element,
    "depthwise_conv2d_scalar": depthwise_ring,
    "depthwise_conv2d_dsp": depthwise_ring,
    "depthwise_conv2d_raw_dsp": depthwise_ring,
    **{name: partial(depthwise_taps, outputs=n, channels=c) for name, (n, c) in TAPS.items()},
    "depthwise_conv2d_mve": depthwise_mve,
    "max_pool2d": by_element,
    "average_pool2d": by_element,
    "max_pool2d_words": by_rows,
    "average_pool2d_words": lambda r: by_element(r, 4 if r.target[2] >= 4 else 1),
    "average_pool2d_mve": lambda r: by_element(r, 8),
}
