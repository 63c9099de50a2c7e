"""Kernels for Cortex-M cores without the DSP extension: their weight planes, scratch, units, and the layers they take.

The planes are those of ``packing``: A the top two bits of each weight, B the next two, L the low four; a group is four
channels by four K. Only the order differs: two rounds of delta swaps turn a group into one word for each K, with
channel c in byte c. All channels are offset-binary.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...graph import Conv2D, Dense, DepthwiseConv2D, Pair, Shape, Tensor, Window
from ..arena import Overlap
from . import descriptors, packing, scalar_depthwise
from .kernel import Kernel, Limit, Source, Tensors, Way, block_sizes
from .orders import Geometry, by_row, by_segment, copied_first, depthwise_by_row, sliding

PIXELS = 2
"""Pixels that a micro-kernel computes at a time."""

SEGMENT, SEGMENT_MIN, SEGMENT_MAX = 1024, 4, 32
"""Flat convolutions (1x1, stride 1, no padding) run in segments. Operand words to aim for in a segment, and its limits
in pixel pairs."""

OPERANDS = 24576
"""Bytes of decoded weights beyond which a larger block gains little: the input rows are expanded once a block."""

RUN, JOB_CHANNEL = 16, 12
"""Bytes of dqt_scalar_run and dqt_scalar_channel on a 32-bit core."""

TABLE = 256
"""Bytes of the table of activation views."""

PACKED_BITS = 12
"""Weight bits + activation bits up to which two channels share a word (packed form)."""

WIDE_RUN = 256
"""Products after which a field of the wide form could overflow."""

OUTPUTS = 6
"""Outputs that depthwise_conv2d_scalar makes at a time."""

CHANNEL = 44
"""Bytes of a channel of depthwise_conv2d_scalar: weights, bias, multiplier."""

PAIRS, PAIRS_WEIGHTS = 16, 4096
"""Most outputs and weights of a layer that dense_pairs_scalar takes though it has more than two outputs."""

LIMITS = (
    Limit("DQT_SCALAR_PIXELS", PIXELS, "Pixels that a micro-kernel of a convolution computes at a time."),
    Limit("DQT_SCALAR_SEGMENT", SEGMENT, "Operand words to aim for in a segment of a flat convolution;"),
    Limit("DQT_SCALAR_SEGMENT_MIN", SEGMENT_MIN, "and its limits in pairs of pixels."),
    Limit("DQT_SCALAR_SEGMENT_MAX", SEGMENT_MAX, ""),
    Limit("DQT_SCALAR_PACKED_BITS", PACKED_BITS, "Bits of a width pair up to which two channels fit into one word."),
    Limit("DQT_SCALAR_WIDE_RUN", WIDE_RUN, "K until a field of the wide form could overflow."),
    Limit("DQT_SCALAR_RUN_SIZE", RUN, "Bytes of dqt_scalar_run, dqt_scalar_channel, dqt_scalar_depthwise_channel."),
    Limit("DQT_SCALAR_CHANNEL_SIZE", JOB_CHANNEL, ""),
    Limit("DQT_SCALAR_DEPTHWISE_CHANNEL_SIZE", CHANNEL, ""),
    Limit("DQT_SCALAR_TABLE", TABLE, "Bytes of the table of activation views."),
    Limit("DQT_SCALAR_OUTPUTS", OUTPUTS, "Outputs of a depthwise convolution that are made at a time."),
    *scalar_depthwise.LIMITS,
)


def pack(weights: npt.NDArray[np.int8]) -> packing.Planes:
    """Planes of weights [channels, K]; both are padded to multiples of four with zero weights."""
    channels, depth = weights.shape
    full = np.full((packing.padded(channels), packing.padded(depth)), 128, np.int64)
    full[:channels, :depth] = weights.astype(np.int64) + 128
    # [tile, group, k, channel in tile] -> a word for each K
    tiles = full.reshape(-1, packing.TILE, full.shape[1] // packing.TILE, packing.TILE).transpose(0, 2, 3, 1)
    x = (tiles << (8 * np.arange(packing.TILE))).sum(axis=3)
    low = [(x[..., i] & 0x0F0F0F0F) << 4 | (x[..., i + 1] & 0x0F0F0F0F) for i in (0, 2)]
    h0, h1 = ((x[..., i] & 0xF0F0F0F0) | (x[..., i + 1] >> 4 & 0x0F0F0F0F) for i in (0, 2))
    a = (h0 & 0xCCCCCCCC) | (h1 >> 2 & 0x33333333)
    b = (h0 & 0x33333333) << 2 | (h1 & 0x33333333)
    return packing.Planes(*(plane.ravel().astype(np.uint32) for plane in (a, b, np.stack(low, axis=2))))


def unpack(planes: packing.Planes, channels: int, depth: int) -> npt.NDArray[np.int64]:
    """Masters [channels, K]: the inverse of :func:`pack`."""
    shape = (packing.padded(channels) // packing.TILE, packing.padded(depth) // packing.TILE)
    a, b = (plane.astype(np.int64).reshape(shape) for plane in (planes.a, planes.b))
    low = planes.low.astype(np.int64).reshape(*shape, 2)
    h0 = (a & 0xCCCCCCCC) | (b >> 2 & 0x33333333)
    h1 = (a & 0x33333333) << 2 | (b & 0x33333333)
    words = []
    for high, nibbles in ((h0, low[..., 0]), (h1, low[..., 1])):
        words.append((high & 0xF0F0F0F0) | (nibbles >> 4 & 0x0F0F0F0F))
        words.append((high & 0x0F0F0F0F) << 4 | (nibbles & 0x0F0F0F0F))
    x = np.stack(words, axis=2)
    full = np.stack([x >> (8 * c) & 0xFF for c in range(packing.TILE)], axis=1)
    return full.reshape(packing.TILE * shape[0], packing.TILE * shape[1])[:channels, :depth] - 128


def is_packed(pair: Pair) -> bool:
    """Whether two channels share a word at a width pair: a field of 16 bits then holds 16 products or more."""
    return sum(pair) <= PACKED_BITS


def run_limit(pair: Pair) -> int:
    """Products after which a field could overflow: it has 16 bits in packed form, 24 in wide form.

    In wide form views keep the place that their bits have in the master.
    """
    return 1 << (16 - sum(pair)) if is_packed(pair) else WIDE_RUN


def is_flat(source: Shape, output: Shape, window: Window) -> bool:
    """Whether a convolution is flat: 1x1, stride 1, no padding. Then it ignores where rows of the map end."""
    return (*window.kernel, *window.stride) == (1, 1, 1, 1) and source[:2] == output[:2]


def segment_pairs(channels: int) -> int:
    """Pairs of pixels in a segment of a flat convolution."""
    return min(max(SEGMENT // (2 * channels), SEGMENT_MIN), SEGMENT_MAX)


def scratch(layer: Conv2D, source: Tensor, output: Tensor, block: int) -> int:
    """Bytes of scratch of conv2d_scalar with ``block`` tiles of decoded weights."""
    in_channels, out_width = source.shape[2], output.shape[1]
    height, width = layer.window.kernel
    stride_x = layer.window.stride[1]
    row = -(-width * in_channels // 2) * 2
    cuts = max(-(-row // run_limit(pair)) for pair in layer.candidates)
    flat = is_flat(source.shape, output.shape, layer.window)
    pairs = segment_pairs(in_channels) if flat else -(-out_width // 2)
    columns = (pairs - 1) * min(width, PIXELS * stride_x) + width
    size = RUN * (2 * height * cuts + 1)
    size += block * (packing.TILE * (JOB_CHANNEL + 8) + height * row * operand_bytes(layer))
    size += height * columns * in_channels * 8 + (height + (height > 1)) * pairs * 8 + (columns + stride_x) * 4
    if source.zero_point != 0:
        return size + row * 8
    return size + (TABLE if any(pair[1] < 8 for pair in layer.candidates) else 0)


def takes_depthwise(layer: DepthwiseConv2D) -> bool:
    """Whether depthwise_conv2d_scalar computes the layer: 3x3, horizontal stride 1 or 2, weights without an offset."""
    return not layer.weight_offset and layer.window.kernel == (3, 3) and layer.window.stride[1] <= 2


def depthwise_scratch(layer: DepthwiseConv2D, output: Tensor) -> int:
    """Bytes of scratch of depthwise_conv2d_scalar: a tile's channels and three rows of its planes."""
    stride = layer.window.stride[1]
    columns = 3 - stride + stride * OUTPUTS * -(-output.shape[1] // OUTPUTS)
    return packing.TILE * (CHANNEL + 3 * columns)


def dense_scratch(layer: Dense) -> int:
    """Bytes of scratch of dense_scalar and dense_accumulate_scalar: a word for each K."""
    return 4 * packing.padded(layer.by_channel.shape[1])


def takes_pairs(layer: Dense) -> bool:
    """Whether dense_pairs_scalar computes a layer: 8x8 only, and so few outputs that tiles of four would not pay."""
    weights: int = layer.by_channel.size
    few = layer.channels <= 2 or (layer.channels <= PAIRS and weights <= PAIRS_WEIGHTS)
    return few and layer.candidates == ((8, 8),)


def pack_rows(layer: Dense) -> packing.Planes:
    """Signed bytes, all of them plane ``a``: a row of padded K for each channel, an even number of rows."""
    channels, depth = layer.by_channel.shape
    rows = np.zeros((channels + channels % 2, packing.padded(depth)), np.int8)
    rows[:channels, :depth] = layer.by_channel
    nothing = np.zeros(0, np.uint32)
    return packing.Planes(rows.ravel().view("<u4").astype(np.uint32), nothing, nothing)


def _read_again(_layer: Dense, _way: Way, _tensors: Tensors) -> dict[str, Overlap]:
    """Every two channels read the whole input: it must stay."""
    return {}


def operand_bytes(layer: Conv2D) -> int:
    """Bytes of the operands of four channels at one K: two words where every candidate is packed, else three."""
    return 8 if all(is_packed(pair) for pair in layer.candidates) else 12


def most_tiles(layer: Conv2D) -> int:
    """Largest block in tiles; a larger one would gain little."""
    tile: int = operand_bytes(layer) * layer.by_channel.shape[1]
    return max(1, OPERANDS // tile)


def _conv2d_ways(layer: Conv2D, tensors: Tensors) -> list[Way]:
    source, output = tensors[layer.input], tensors[layer.output]
    blocks = block_sizes(packing.padded(layer.channels) // packing.TILE, most_tiles(layer))
    return [Way(scratch(layer, source, output, block), block) for block in blocks]


def _conv2d_order(g: Geometry) -> Overlap:
    if is_flat(g.source, g.target, g.window):
        return by_segment(g, PIXELS * segment_pairs(g.source[2]))
    return by_row(g)


def _depthwise_ways(layer: DepthwiseConv2D, tensors: Tensors) -> list[Way]:
    return [Way(depthwise_scratch(layer, tensors[layer.output]))]


def _dense_ways(layer: Dense, _tensors: Tensors) -> list[Way]:
    return [Way(dense_scratch(layer))]


def _pack(layer: Conv2D | Dense) -> packing.Planes:
    return pack(layer.by_channel)


def _unit(name: str, *needs: Source, thumb1: tuple[Source, ...] = ()) -> Source:
    return Source("scalar", name, needs=needs, thumb1=thumb1)


_OPERANDS = _unit("scalar_operands")
_ROWS = _unit("scalar_rows", _OPERANDS)
_FINISH_THUMB1 = _unit("scalar_finish_thumb1")
_MULTIPLY = _unit(
    "scalar_multiply", thumb1=(_unit("scalar_multiply_thumb1", _FINISH_THUMB1, _unit("scalar_sums_thumb1")),)
)
_BYTES = _unit("scalar_dense_bytes", thumb1=(_unit("scalar_dense_bytes_thumb1"),))
_HALVES = _unit("scalar_dense_halves", thumb1=(_unit("scalar_dense_halves_thumb1"),))
_DENSE = _unit("scalar_dense", _BYTES, _HALVES)
_DEPTHWISE = _unit(
    "scalar_depthwise", thumb1=(_unit("scalar_depthwise_thumb1", _unit("scalar_depthwise_store_thumb1")),)
)
_DEPTHWISE_ROWS = _unit("scalar_depthwise_rows")

KERNELS = (
    Kernel(
        Source("scalar", "conv2d_scalar", needs=(_MULTIPLY, _OPERANDS, _ROWS)),
        (Conv2D,),
        descriptors.mac,
        ways=_conv2d_ways,
        order=sliding(_conv2d_order),
        pack=_pack,
    ),
    Kernel(
        Source("scalar", "depthwise_conv2d_scalar", needs=(_DEPTHWISE, _DEPTHWISE_ROWS)),
        (DepthwiseConv2D,),
        descriptors.mac,
        serves=lambda layer, _: takes_depthwise(layer),
        ways=_depthwise_ways,
        order=sliding(depthwise_by_row),
    ),
    *scalar_depthwise.KERNELS,
    Kernel(
        Source("scalar", "dense_pairs_scalar"),
        (Dense,),
        descriptors.mac,
        serves=lambda layer, _: takes_pairs(layer),
        order=_read_again,
        pack=pack_rows,
    ),
    Kernel(
        Source("scalar", "dense_scalar", needs=(_DENSE,)),
        (Dense,),
        descriptors.mac,
        serves=lambda layer, _: layer.requantize is not None and not takes_pairs(layer),
        ways=_dense_ways,
        order=copied_first,
        pack=_pack,
    ),
    Kernel(
        Source("scalar", "dense_accumulate_scalar", "dense_scalar", "accumulate", needs=(_DENSE,)),
        (Dense,),
        descriptors.mac,
        serves=lambda layer, _: layer.requantize is None and not takes_pairs(layer),
        ways=_dense_ways,
        order=copied_first,
        pack=_pack,
    ),
)
