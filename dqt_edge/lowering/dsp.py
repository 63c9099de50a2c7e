"""Scratch of the kernels for the DSP extension, and how many weight tiles a convolution decodes at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..graph import Conv2D, Dense, DepthwiseConv2D, Pair, Shape, Tensor, Window
from . import packing

SEGMENT, SEGMENT_MOST = 512, 32
"""Words of operands, and most pairs of pixels, of the rows that pixels are cut into where a row of operands need not be
a row of outputs."""

STRIP_MOST, STRIP_LEAST = 255, 4
"""Most pairs of pixels of a strip of rows, and fewest of one that is cut for the sake of memory."""

OPERANDS = 9216
"""Bytes of decoded weights beyond which a larger block gains under 1 %: the input rows are expanded once a block."""

ROW_COST = 220
"""Instructions of depthwise_conv2d_dsp for a row, whatever its length, beside those for each word."""

DEPTHWISE_CHANNEL = 12
"""Words of dqt_dsp_depthwise_channel."""

RUN, CHANNEL = 16, 12
"""Bytes of dqt_dsp_run and dqt_dsp_channel on a 32-bit core."""


def takes_depthwise(layer: DepthwiseConv2D) -> bool:
    """Whether depthwise_conv2d_dsp computes the layer: 3x3, stride 1 or 2 in one direction at least."""
    return layer.window.kernel == (3, 3) and min(layer.window.stride) <= 2


def plain_codes(layer: Conv2D | DepthwiseConv2D) -> bool:
    """Whether outputs are codes of the simplest kind: a shift of 32 for all channels, and no limits but 0 and 255."""
    requantize = layer.requantize
    assert requantize is not None
    return bool((requantize.shift == 32).all()) and (requantize.low, requantize.high) == (0, 255)


def _words(layer: DepthwiseConv2D, output: Tensor, axis: int) -> int:
    """Words of a row of outputs along an axis: 0 for columns, 1 for rows."""
    return -(-output.shape[axis] // 2) if layer.window.stride[axis] == 1 else output.shape[axis]


def by_column(layer: DepthwiseConv2D, output: Tensor) -> bool:
    """Whether the kernel's rows are better the map's columns: by the words to compute, and what each row takes."""
    costs = []
    for axis in (0, 1):
        word = 26 if layer.window.stride[axis] == 1 else 15
        row = ROW_COST + packing.TILE * word * _words(layer, output, axis)
        costs.append(output.shape[1 - axis] * row if layer.window.stride[axis] <= 2 else float("inf"))
    return costs[0] < costs[1]


def depthwise_scratch(layer: DepthwiseConv2D, output: Tensor) -> int:
    """Bytes of scratch of depthwise_conv2d_dsp: a tile's channels, three rows of its planes, a row of accumulators."""
    axis = 0 if by_column(layer, output) else 1
    words = _words(layer, output, axis)
    raw = 0 if plain_codes(layer) else (2 if layer.window.stride[axis] == 1 else 1) * words
    return 4 * packing.TILE * (DEPTHWISE_CHANNEL + 3 * (words + 1) + raw)


def dense_kind(layer: Dense) -> str:
    """Kernel of a dense layer, without the rest of its name: ``wide``, ``nibbles`` or ``planes``.

    Planes A, B and L are for layers whose candidates together take fewer instructions on them than on nibbles.
    """
    if layer.candidates == ((8, 8),):
        return "wide"
    cost = {kind: sum(dense_cost(kind, *pair) for pair in layer.candidates) for kind in ("nibbles", "planes")}
    return min(cost, key=lambda kind: cost[kind])


def dense_cost(kind: str, weight_bits: int, activation_bits: int) -> float:
    """Instructions of a micro-kernel of a dense layer for a group of sixteen products."""
    product = (2**weight_bits - 1) * (2**activation_bits - 1)
    if kind == "nibbles":
        if weight_bits <= 4 and product <= 255:
            return 10 if product <= 63 else 12.5
        return 36 if weight_bits < 8 else 26
    if weight_bits == 2:
        return 11 if 1024 * product < 2**16 else 15
    if weight_bits == 4 and activation_bits <= 4:
        return 24
    return 70 if weight_bits < 8 else 34


def dense_scratch(layer: Dense) -> int:
    """Bytes of scratch of dense_dsp: the activations' operands."""
    return 2 * packing.padded(layer.by_channel.shape[1])


def window_order(layer: Conv2D) -> npt.NDArray[np.int8]:
    """Weights [channels, K] in the order in which conv2d_dsp gathers windows.

    Where the input channels are no multiple of 4: of each row of the window the whole groups of four K, then what is
    left of each row. Else the natural order, whose rows are whole groups.
    """
    weights = layer.by_channel
    row = layer.window.kernel[1] * layer.weights.shape[-1]
    if layer.weights.shape[-1] % packing.TILE == 0:
        return weights
    columns = np.arange(weights.shape[1]).reshape(-1, row)
    whole = row // packing.TILE * packing.TILE
    return weights[:, np.concatenate([columns[:, :whole].ravel(), columns[:, whole:].ravel()])]


def proof(layer: Conv2D, pair: Pair) -> int:
    """What holds for the weights at a width, for every channel and any activations: 2, 1 or 0.

    1: the sum of a top (packed: odd) field over the whole window fits its 24 (packed: 16) bits. 2: so does that of an
    even field, which packed has in 16 bits. docs/kernels.md derives the fields.
    """
    bits, activation_bits = pair
    view = layer.by_channel.astype(np.int64) >> (8 - bits)
    codes = 2**activation_bits - 1
    packed = bits <= 4 and 2 * bits + activation_bits <= 12
    scale, limit = (1, 2**15) if packed else (2 ** (16 - bits - activation_bits), 2**23)
    most = view.clip(0).sum(axis=1).max() * codes * scale
    least = -view.clip(max=0).sum(axis=1).min() * codes * scale
    if most >= limit or least > limit:
        return 0
    if packed and (view + 2 ** (bits - 1)).sum(axis=1).max() * codes * 2**bits < 2**16:
        return 2
    return 1


def is_flat(source: Shape, output: Shape, window: Window) -> bool:
    """Whether conv2d_dsp ignores where the rows of an image end: an unpadded 1x1 convolution of stride 1."""
    return (*window.kernel, *window.stride) == (1, 1, 1, 1) and source[:2] == output[:2]


def segment_pairs(depth: int) -> int:
    """Pairs of pixels in a row of our own choice, where rows of the image do not count. depth: K, padded."""
    return min(SEGMENT // depth + 1, SEGMENT_MOST)


def takes_rows(layer: Conv2D, source: Shape, output: Shape) -> bool:
    """Whether conv2d_dsp takes the image row by row: whole groups of channels, and rows that count."""
    return source[2] % packing.TILE == 0 and not is_flat(source, output, layer.window)


def strips(layer: Conv2D, source: Tensor, output: Tensor) -> list[int]:
    """Pairs of pixels whose operands may lie in scratch at a time, the fastest first: whole rows, or segments."""
    if takes_rows(layer, source.shape, output.shape):
        pairs = -(-output.shape[1] // 2)
        parts = [-(-pairs // STRIP_MOST)]
        parts += [n for n in (2, 3) if n > parts[0] and pairs >= n * STRIP_LEAST]
        return [-(-pairs // n) for n in parts]
    depth = packing.padded(layer.by_channel.shape[1])
    pairs = min(segment_pairs(depth), -(-output.shape[0] * output.shape[1] // 2))
    return sorted({pairs, -(-pairs // 2)}, reverse=True)


def _takes_raw(layer: Conv2D, total: int) -> bool:
    """Whether some outputs of some candidate leave the micro-kernel as accumulators. total: K of a window, padded."""
    if layer.channels % packing.TILE or not plain_codes(layer):
        return True
    for bits, activation_bits in layer.candidates:
        packed = bits <= 4 and 2 * bits + activation_bits <= 12
        most = (2**15 - 1) // (2 ** (bits - 1) * (2**activation_bits - 1)) if packed else 256
        if total > most // 4 * 4 and proof(layer, (bits, activation_bits)) == 0:
            return True
    return False


def scratch(layer: Conv2D, source: Tensor, output: Tensor, block: int, strip: int) -> int:
    """Bytes of scratch that the kernel takes with ``block`` tiles of decoded weights and ``strip`` pairs of pixels."""
    in_channels = source.shape[2]
    height, width = layer.window.kernel
    row = width * in_channels
    total = packing.padded(height * row)
    size = block * packing.TILE * (CHANNEL + 8 * _takes_raw(layer, total)) + -(-block // 2) * 2 * total * 4
    if not takes_rows(layer, source.shape, output.shape):
        size += RUN * 4 + strip * (total * 4 + 8)
        return size + (total if in_channels % packing.TILE else 0)
    columns = (strip - 1) * min(width, 2 * layer.window.stride[1]) + width
    size += RUN * (height + 3) + height * columns * in_channels * 4 + (height + (height > 1)) * strip * 8 + columns * 8
    return size + (row * 4 if source.zero_point != 0 else 0)


def most_tiles(layer: Conv2D) -> int:
    """Weight tiles beyond which decoding more at a time does not pay."""
    return max(2, OPERANDS // (4 * packing.padded(layer.by_channel.shape[1])))
