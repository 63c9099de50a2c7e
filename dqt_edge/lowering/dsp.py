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

RUN, CHANNEL = 16, 12
"""Bytes of dqt_dsp_run and dqt_dsp_channel on a 32-bit core."""


def takes_depthwise(layer: DepthwiseConv2D) -> bool:
    """Whether depthwise_conv2d_dsp computes the layer: 3x3, horizontal stride 1 or 2."""
    return layer.window.kernel == (3, 3) and layer.window.stride[1] <= 2


def depthwise_scratch(layer: DepthwiseConv2D, output: Tensor) -> int:
    """Bytes of scratch of depthwise_conv2d_dsp: a tile's channels, three rows of its planes, a row of accumulators."""
    outputs = 2 if layer.window.stride[1] == 1 else 1
    words = -(-output.shape[1] // outputs) + 1
    return 4 * packing.TILE * (8 + 3 * words + outputs * (words - 1))


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
