"""Kernels for the DSP extension: their weight planes, scratch, units, which layers they take, and proofs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...graph import AveragePool2D, Conv2D, Dense, DepthwiseConv2D, Pair, Shape, Tensor, Window
from ..arena import Overlap
from ..records import Proof
from . import descriptors, packing
from .kernel import Kernel, Limit, Source, Tensors, Way, block_sizes
from .orders import Geometry, by_element, by_pixel, by_row, copied_first, depthwise_by_row, sliding

SEGMENT, SEGMENT_MAX = 512, 32
"""Flat convolutions (1x1, stride 1, no padding) run in segments. Operand words to aim for in a segment, and its limit
in pixel pairs."""

STRIP_MAX, STRIP_MIN = 255, 4
"""Most pairs of pixels in a strip; and least, where a row is cut into strips only to save memory."""

OPERANDS = 9216
"""Bytes of decoded weights beyond which a larger block gains under 1 %: the input rows are expanded once a block."""

ROW_COST = 220
"""Instructions of depthwise_conv2d_dsp for a row, besides those for each word of it."""

DEPTHWISE_CHANNEL = 48
"""Bytes of dqt_dsp_depthwise_channel."""

RUN, CHANNEL = 16, 12
"""Bytes of dqt_dsp_run and dqt_dsp_channel on a 32-bit core."""

PACKED_BITS = 12
"""2 * weight bits + activation bits up to which a convolution takes packed form."""

RUN_MAX = 256
"""Most products between two folds of the field sums into accumulators."""

LIMITS = (
    Limit("DQT_DSP_PACKED_BITS", PACKED_BITS, "2 * (bits of weight) + (bits of activation) of packed form, at most."),
    Limit("DQT_DSP_RUN_MAX", RUN_MAX, "K between two folds, at most; a multiple of DQT_DSP_BLOCK."),
    Limit("DQT_DSP_RUN_SIZE", RUN, "Bytes of dqt_dsp_run, dqt_dsp_channel, dqt_dsp_depthwise_channel."),
    Limit("DQT_DSP_CHANNEL_SIZE", CHANNEL, ""),
    Limit("DQT_DSP_DEPTHWISE_CHANNEL_SIZE", DEPTHWISE_CHANNEL, ""),
)

OFFSETS = {
    "dqt_dsp_job": {
        "low_centre": 0,
        "top_centre": 8,
        "low_power": 16,
        "top_power": 20,
        "first_channel": 24,
        "first_weights": 28,
        "channels": 32,
        "weights": 36,
        "output": 40,
        "channels_end": 48,
        "sums": 52,
        "centring": 56,
        "runs": 60,
        "rest": 64,
        "outputs": 68,
        "again": 72,
        "pairs": 76,
        "output_step": 80,
        "residual": 84,
        "spare": 88,
    },
}
"""Structure -> byte offset of each field, which the assembly addresses by number."""


def takes_depthwise(layer: DepthwiseConv2D) -> bool:
    """Whether depthwise_conv2d_dsp computes the layer: 3x3, stride 1 or 2 in one direction, no offset of weights."""
    return not layer.weight_offset and layer.window.kernel == (3, 3) and min(layer.window.stride) <= 2


def plain_codes(layer: Conv2D | DepthwiseConv2D) -> bool:
    """Whether the micro-kernel can make the output codes itself: every shift is 32, and the clamp is 0 and 255."""
    requantize = layer.requantize
    assert requantize is not None
    return bool((requantize.shift == 32).all()) and (requantize.low, requantize.high) == (0, 255)


def _words(layer: DepthwiseConv2D, output: Tensor, axis: int) -> int:
    """Words of outputs in a row of the kernel. axis: 0 if its rows are columns of the map, else 1."""
    return -(-output.shape[axis] // 2) if layer.window.stride[axis] == 1 else output.shape[axis]


def by_column(layer: DepthwiseConv2D, output: Tensor) -> bool:
    """Whether the kernel should take the map's columns as its rows: whichever costs fewer instructions."""
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
    return packing.TILE * (DEPTHWISE_CHANNEL + 4 * (3 * (words + 1) + raw))


def dense_kind(layer: Dense) -> str:
    """Which of the dense kernels serves a layer: ``wide``, ``nibbles`` or ``planes``.

    ``wide`` if 8x8 is its only candidate; else the one that takes fewer instructions over all its candidates together.
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

    If the input channels are a multiple of 4, that is the natural order. Else it is the whole groups of four K of every
    row of the window, then the rest of every row.
    """
    weights = layer.by_channel
    row = layer.window.kernel[1] * layer.weights.shape[-1]
    if layer.weights.shape[-1] % packing.TILE == 0:
        return weights
    columns = np.arange(weights.shape[1]).reshape(-1, row)
    whole = row // packing.TILE * packing.TILE
    return weights[:, np.concatenate([columns[:, :whole].ravel(), columns[:, whole:].ravel()])]


def is_packed(pair: Pair) -> bool:
    """Whether a convolution takes packed form at a width pair."""
    return pair[0] <= 4 and 2 * pair[0] + pair[1] <= PACKED_BITS


def proof(layer: Conv2D, pair: Pair) -> Proof:
    """What holds for the weights at a width, for every channel and any activations.

    TOP: over the whole window, the sum of a top field fits its bits: 24 in wide form, 16 in packed form. BOTH: packed
    form, and the sum of a low field fits its 16 bits too. docs/kernels.md derives the fields.
    """
    bits, activation_bits = pair
    view = layer.by_channel.astype(np.int64) >> (8 - bits)
    codes = 2**activation_bits - 1
    packed = is_packed(pair)
    scale, limit = (1, 2**15) if packed else (2 ** (16 - bits - activation_bits), 2**23)
    most = view.clip(0).sum(axis=1).max() * codes * scale
    least = -view.clip(max=0).sum(axis=1).min() * codes * scale
    if most >= limit or least > limit:
        return Proof.NONE
    if packed and (view + 2 ** (bits - 1)).sum(axis=1).max() * codes * 2**bits < 2**16:
        return Proof.BOTH
    return Proof.TOP


def is_flat(source: Shape, output: Shape, window: Window) -> bool:
    """Whether a convolution is flat: 1x1, stride 1, no padding. Then it ignores where rows of the map end."""
    return (*window.kernel, *window.stride) == (1, 1, 1, 1) and source[:2] == output[:2]


def segment_pairs(depth: int) -> int:
    """Pairs of pixels in a segment of a flat convolution; ``depth`` is K, padded."""
    return min(SEGMENT // depth + 1, SEGMENT_MAX)


def takes_rows(layer: Conv2D, source: Shape, output: Shape) -> bool:
    """Whether conv2d_dsp goes row by row: the input channels are a multiple of 4, and the convolution is not flat."""
    return source[2] % packing.TILE == 0 and not is_flat(source, output, layer.window)


def strips(layer: Conv2D, source: Tensor, output: Tensor) -> list[int]:
    """Sizes of a strip in pairs of pixels, the fastest first: whole rows and parts of them, or segments."""
    if takes_rows(layer, source.shape, output.shape):
        pairs = -(-output.shape[1] // 2)
        parts = [-(-pairs // STRIP_MAX)]
        parts += [n for n in (2, 3) if n > parts[0] and pairs >= n * STRIP_MIN]
        return [-(-pairs // n) for n in parts]
    depth = packing.padded(layer.by_channel.shape[1])
    pairs = min(segment_pairs(depth), -(-output.shape[0] * output.shape[1] // 2))
    return sorted({pairs, -(-pairs // 2)}, reverse=True)


def _takes_raw(layer: Conv2D, total: int) -> bool:
    """Whether the micro-kernel leaves accumulators, at some candidate, for plain C to finish; ``total``: padded K."""
    if layer.channels % packing.TILE or not plain_codes(layer):
        return True
    for bits, activation_bits in layer.candidates:
        packed = is_packed((bits, activation_bits))
        most = (2**15 - 1) // (2 ** (bits - 1) * (2**activation_bits - 1)) if packed else RUN_MAX
        if total > most // 4 * 4 and proof(layer, (bits, activation_bits)) is Proof.NONE:
            return True
    return False


def scratch(layer: Conv2D, source: Tensor, output: Tensor, block: int, strip: int) -> int:
    """Bytes of scratch of conv2d_dsp with ``block`` tiles of decoded weights and ``strip`` pairs of pixels."""
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
    """Largest block in tiles; a larger one would gain too little."""
    return max(2, OPERANDS // (4 * packing.padded(layer.by_channel.shape[1])))


def pack_nibbles(weights: npt.NDArray[np.int8]) -> packing.Planes:
    """Planes of nibbles, for dense layers on cores with the DSP extension: ``a`` the high ones, ``low`` the low ones.

    A group takes two words of each plane; ``b`` is empty. Sign and padding are those of :func:`packing.pack`.
    """
    tiles = packing.stored(weights)
    high = np.zeros((*tiles.shape[:2], 2), np.int64)
    low = np.zeros((*tiles.shape[:2], 2), np.int64)
    for channel in range(packing.TILE):
        for k in range(packing.TILE):
            word, high_bit, low_bit = nibble_place(channel, k)
            high[:, :, word] |= (tiles[:, :, channel, k] >> 4) << high_bit
            low[:, :, word] |= (tiles[:, :, channel, k] & 15) << low_bit
    return packing.Planes(high.ravel().astype(np.uint32), np.zeros(0, np.uint32), low.ravel().astype(np.uint32))


def nibble_place(channel: int, k: int) -> tuple[int, int, int]:
    """Where weight (channel, k) lies: word of its group, first bit in the high plane, first bit in the low plane.

    Two readers explain the order. ``AND`` with 0xF00FF00F takes two channels out of each half of a word, and after a
    rotation by eight bits the other two. A delta swap between the planes makes two words of whole bytes, one with
    channels 1 and 3, one with channels 0 and 2; for the latter, a nibble of the low plane lies one byte further on than
    its partner in the high plane.
    """
    byte = 2 * (k // 2) + (channel < 2)
    if channel % 2 == 1:
        return k % 2, 8 * byte + 4, 8 * ((byte + 1) % 4) + 4
    return k % 2, 8 * ((byte - 1) % 4), 8 * byte


def _conv2d_ways(layer: Conv2D, tensors: Tensors) -> list[Way]:
    """The fastest way first. Narrower strips come next, because they cost little; then smaller blocks."""
    source, output = tensors[layer.input], tensors[layer.output]
    tiles = packing.padded(layer.channels) // packing.TILE
    # Some width pairs compute two tiles at a time, and a single one costs as much: so even sizes, or 1.
    found = block_sizes(tiles, most_tiles(layer))
    blocks = sorted({min(n + n % 2, tiles) if n > 1 else n for n in found}, reverse=True)
    widths = strips(layer, source, output)
    rows = takes_rows(layer, source.shape, output.shape)
    ways = [(blocks[0], strip) for strip in widths] + [(block, widths[-1]) for block in blocks[1:]]
    return [
        Way(
            scratch(layer, source, output, block, strip),
            block,
            strip,
            rereads=rows and 2 * strip < output.shape[1],
            cheap=i > 0 and block == blocks[0],
        )
        for i, (block, strip) in enumerate(ways)
    ]


def _conv2d_order(g: Geometry) -> Overlap:
    """By row, or several pixels at a time: for those the distance of single pixels is safe."""
    if g.source[2] % packing.TILE or is_flat(g.source, g.target, g.window):
        return by_pixel(g)
    return by_row(g)


def _depthwise_ways(layer: DepthwiseConv2D, tensors: Tensors) -> list[Way]:
    output = tensors[layer.output]
    return [Way(depthwise_scratch(layer, output), int(by_column(layer, output)))]


def _depthwise_order(g: Geometry) -> Overlap | None:
    """As the C goes: rows in a ring; or, with ``block`` 1, whole columns.

    A column is read whole before it is written, and never again. So it may overwrite any column of its own place, if
    both maps are equally wide: at any distance that is a multiple of an input row.
    """
    if g.block == 0:
        return depthwise_by_row(g)
    return Overlap(-g.source[0] * g.row, g.row) if g.target[1] == g.source[1] and g.window.stride[1] == 1 else None


def _dense_ways(layer: Dense, _tensors: Tensors) -> list[Way]:
    return [Way(dense_scratch(layer))]


def _pack_nibbles(layer: Dense) -> packing.Planes:
    return pack_nibbles(layer.by_channel)


def _unit(name: str, *needs: Source) -> Source:
    return Source("dsp", name, needs=needs)


_MULTIPLY = _unit("dsp_multiply")
_OPERANDS = _unit("dsp_operands")
_EXPAND = _unit("dsp_expand")
_PIXELS = _unit("dsp_conv_pixels", _MULTIPLY)
_ROWS = _unit("dsp_conv_rows", _EXPAND)
_WINDOWS = _unit("dsp_conv_windows", _EXPAND, _unit("dsp_expand_rest"))
_DEPTHWISE = (_unit("dsp_depthwise"), _unit("dsp_depthwise_rows", _unit("dsp_depthwise_spread")))
_NIBBLES = _unit("dsp_dense_nibbles")
_PLANES = _unit("dsp_dense_planes", _unit("dsp_dense_planes_wide"))

KERNELS = (
    Kernel(
        Source("dsp", "conv2d_dsp", needs=(_EXPAND, _MULTIPLY, _OPERANDS, _PIXELS, _ROWS, _WINDOWS)),
        (Conv2D,),
        descriptors.mac,
        ways=_conv2d_ways,
        order=sliding(_conv2d_order),
        pack=lambda layer: packing.pack(window_order(layer)),
        proof=proof,
    ),
    Kernel(
        Source("dsp", "depthwise_conv2d_dsp", needs=_DEPTHWISE),
        (DepthwiseConv2D,),
        descriptors.mac,
        serves=lambda layer, _: takes_depthwise(layer) and plain_codes(layer),
        ways=_depthwise_ways,
        order=sliding(_depthwise_order),
    ),
    Kernel(
        Source("dsp", "depthwise_conv2d_raw_dsp", "depthwise_conv2d_dsp", "raw", needs=_DEPTHWISE),
        (DepthwiseConv2D,),
        descriptors.mac,
        serves=lambda layer, _: takes_depthwise(layer) and not plain_codes(layer),
        ways=_depthwise_ways,
        order=sliding(_depthwise_order),
    ),
    Kernel(
        Source("dsp", "dense_wide_dsp", "dense_dsp", "wide", needs=(_NIBBLES,)),
        (Dense,),
        descriptors.mac,
        serves=lambda layer, _: dense_kind(layer) == "wide",
        ways=_dense_ways,
        order=copied_first,
        pack=_pack_nibbles,
    ),
    Kernel(
        Source("dsp", "dense_nibbles_dsp", "dense_dsp", "nibbles", needs=(_NIBBLES,)),
        (Dense,),
        descriptors.mac,
        serves=lambda layer, _: dense_kind(layer) == "nibbles",
        ways=_dense_ways,
        order=copied_first,
        pack=_pack_nibbles,
    ),
    Kernel(
        Source("dsp", "dense_planes_dsp", "dense_dsp", "planes", needs=(_PLANES,)),
        (Dense,),
        descriptors.mac,
        serves=lambda layer, _: dense_kind(layer) == "planes",
        ways=_dense_ways,
        order=copied_first,
        pack=lambda layer: packing.pack(layer.by_channel),
    ),
    Kernel(
        Source("dsp", "average_pool2d_dsp"),
        (AveragePool2D,),
        descriptors.pool,
        serves=lambda layer, tensors: tensors[layer.output].shape[2] >= packing.TILE,
        order=sliding(lambda g: by_element(g, packing.TILE)),
    ),
)
