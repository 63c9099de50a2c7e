"""Scratch of the kernels for the DSP extension, and how many weight tiles a convolution decodes at a time."""

from __future__ import annotations

from ..graph import Conv2D, Dense, DepthwiseConv2D, Shape, Tensor, Window
from . import packing

RUN_LEAST = 64
"""Shortest run of K between two folds that a width pair can ask for (DQT_DSP_RUN_LEAST)."""

SEGMENT, SEGMENT_LEAST, SEGMENT_MOST = 512, 4, 32
"""Words of operands, and least and most pairs of pixels, of the rows that an unpadded 1x1 convolution of stride 1 is
cut into (the same names in the kernel)."""

OPERANDS = 8192
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


def plain_codes(layer: DepthwiseConv2D) -> bool:
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


def is_flat(source: Shape, output: Shape, window: Window) -> bool:
    """Whether conv2d_dsp ignores where the rows of an image end: an unpadded 1x1 convolution of stride 1."""
    return (*window.kernel, *window.stride) == (1, 1, 1, 1) and source[:2] == output[:2]


def segment_pairs(channels: int) -> int:
    """Pairs of pixels in a row of our own choice, where rows of the image do not count."""
    return min(max(SEGMENT // channels, SEGMENT_LEAST), SEGMENT_MOST)


def scratch(layer: Conv2D, source: Tensor, output: Tensor, block: int) -> int:
    """Bytes of scratch that the kernel takes with ``block`` tiles of decoded weights."""
    in_channels, out_width = source.shape[2], output.shape[1]
    height, width = layer.window.kernel
    stride_x = layer.window.stride[1]
    row = width * in_channels
    groups = packing.padded(height * row) // packing.TILE
    by_row = in_channels % packing.TILE == 0
    size = block * (packing.TILE * (CHANNEL + 8) + 16 * groups)
    runs = -(-(row if by_row else packing.TILE * groups) // RUN_LEAST)
    size += RUN * ((height if by_row else 1) * runs + 1)
    if not by_row:
        return size + 16 * groups + 8 + packing.TILE * groups + 4
    flat = is_flat(source.shape, output.shape, layer.window)
    pairs = segment_pairs(in_channels) if flat else -(-out_width // 2)
    columns = (pairs - 1) * min(width, 2 * stride_x) + width
    size += height * columns * in_channels * 4 + (height + (height > 1)) * pairs * 8 + columns * 4
    if source.zero_point != 0:
        size += row * 4
    return size


def most_tiles(layer: Conv2D) -> int:
    """Weight tiles beyond which decoding more at a time does not pay."""
    return max(1, OPERANDS // (4 * packing.padded(layer.by_channel.shape[1])))
