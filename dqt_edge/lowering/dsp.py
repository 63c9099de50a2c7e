"""Scratch of the kernels for the DSP extension, and how many weight tiles a convolution decodes at a time."""

from __future__ import annotations

from ..boards import Board
from ..graph import Conv2D, Dense, DepthwiseConv2D, Tensor
from . import packing

RUN_LEAST = 64
"""Shortest run of K between two folds that a width pair can ask for (DQT_DSP_RUN_LEAST)."""

SEGMENT, SEGMENT_LEAST, SEGMENT_MOST = 512, 4, 32
"""Words of operands, and least and most pairs of pixels, of the rows that an unpadded 1x1 convolution of stride 1 is
cut into (the same names in the kernel)."""

OPERANDS = 8192
"""Bytes of decoded weights beyond which a larger block gains under 1 %: the input rows are expanded once a block."""

RESERVE = 8192
"""Bytes of RAM kept free for stack, protocol buffers and variables when a block is chosen."""

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


def dense_scratch(layer: Dense) -> int:
    """Bytes of scratch of dense_dsp: the activations' operands."""
    return 2 * packing.padded(layer.by_channel.shape[1])


def scratch(layer: Conv2D, source: Tensor, output: Tensor, block: int) -> int:
    """Bytes of scratch that the kernel takes with ``block`` tiles of decoded weights."""
    in_height, in_width, in_channels = source.shape
    out_height, out_width, _ = output.shape
    height, width = layer.window.kernel
    stride_y, stride_x = layer.window.stride
    row = width * in_channels
    groups = packing.padded(height * row) // packing.TILE
    by_row = in_channels % packing.TILE == 0
    size = block * (packing.TILE * (CHANNEL + 8) + 16 * groups)
    runs = -(-(row if by_row else packing.TILE * groups) // RUN_LEAST)
    size += RUN * ((height if by_row else 1) * runs + 1)
    if not by_row:
        return size + 16 * groups + 8 + packing.TILE * groups + 4
    flat = (height, width, stride_y, stride_x) == (1, 1, 1, 1) and (out_height, out_width) == (in_height, in_width)
    pairs = min(max(SEGMENT // in_channels, SEGMENT_LEAST), SEGMENT_MOST) if flat else -(-out_width // 2)
    columns = (pairs - 1) * min(width, 2 * stride_x) + width
    size += height * columns * in_channels * 4 + (height + (height > 1)) * pairs * 8 + columns * 4
    if source.zero_point != 0:
        size += row * 4
    return size


def choose_block(layer: Conv2D, source: Tensor, output: Tensor, board: Board, arena: int) -> int:
    """Weight tiles to decode at a time: as many as pay and as the board's RAM holds; 0 if not even one fits."""
    tiles = packing.padded(layer.channels) // packing.TILE
    operands = 4 * packing.padded(layer.by_channel.shape[1])
    room = max((region.size for region in board.regions("ram")), default=0) - arena - RESERVE
    most = min(tiles, 255, max(1, OPERANDS // operands))
    while most > 0 and scratch(layer, source, output, most) > room:
        most -= 1
    if most == 0:
        return 0
    return -(-tiles // -(-tiles // most))
