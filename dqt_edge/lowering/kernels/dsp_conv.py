"""Convolution for the DSP extension: which layers it takes, its forms, proofs, ways and scratch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...graph import Conv2D, DepthwiseConv2D, Pair, Shape, Tensor, Window
from ..arena import Overlap
from ..records import Proof
from . import descriptors, packing
from .kernel import Kernel, Limit, Source, Tensors, Way, block_sizes
from .orders import Geometry, by_pixel, by_row, sliding

SEGMENT, SEGMENT_MAX = 512, 32
"""Flat convolutions (1x1, stride 1, no padding) run in segments. Operand words to aim for in a segment, and its limit
in pixel pairs."""

STRIP_MAX, STRIP_MIN = 255, 4
"""Most pairs of pixels in a strip; and least, where a row is cut into strips only to save memory."""

OPERANDS = 9216
"""Bytes of decoded weights beyond which a larger block gains under 1 %: the input rows are expanded once a block."""

RUN, CHANNEL = 16, 12
"""Bytes of dqt_dsp_run and dqt_dsp_channel on a 32-bit core."""

PACKED_BITS = 12
"""2 * weight bits + activation bits up to which a convolution takes packed form."""

BAND = 3
"""Windows' codes that are copied at once where windows reach into the padding, so that a short row is copied whole."""

RUN_MAX = 256
"""Most products between two folds of the field sums into accumulators."""

LIMITS = (
    Limit("DQT_DSP_PACKED_BITS", PACKED_BITS, "2 * (bits of weight) + (bits of activation) of packed form, at most."),
    Limit("DQT_DSP_RUN_MAX", RUN_MAX, "K between two folds, at most; a multiple of DQT_DSP_BLOCK."),
    Limit("DQT_DSP_RUN_SIZE", RUN, "Bytes of dqt_dsp_run, dqt_dsp_channel."),
    Limit("DQT_DSP_CHANNEL_SIZE", CHANNEL, ""),
    Limit("DQT_DSP_BAND", BAND, "Codes of a copied band of windows, as multiple of K, padded."),
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
        "tile": 72,
        "again": 76,
        "pairs": 80,
        "output_step": 84,
        "residual": 88,
        "spare": 92,
    },
}
"""Structure -> byte offset of each field, which the assembly addresses by number."""


def plain_codes(layer: Conv2D | DepthwiseConv2D) -> bool:
    """Whether the micro-kernel can make the output codes itself: every shift is 32, and the clamp is 0 and 255."""
    requantize = layer.requantize
    assert requantize is not None
    return bool((requantize.shift == 32).all()) and (requantize.low, requantize.high) == (0, 255)


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
        return size + (BAND * total if in_channels % packing.TILE else 0)
    columns = (strip - 1) * min(width, 2 * layer.window.stride[1]) + width
    size += RUN * (height + 3) + height * columns * in_channels * 4 + (height + (height > 1)) * strip * 8 + columns * 8
    return size + (row * 4 if source.zero_point != 0 else 0)


def most_tiles(layer: Conv2D) -> int:
    """Largest block in tiles; a larger one would gain too little."""
    return max(2, OPERANDS // (4 * packing.padded(layer.by_channel.shape[1])))


def conv2d_ways(layer: Conv2D, tensors: Tensors) -> list[Way]:
    """Ways of conv2d_dsp, the fastest first. Narrower strips come next: they cost little; then smaller blocks."""
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


def _unit(name: str, *needs: Source) -> Source:
    return Source("dsp", name, needs=needs)


_MULTIPLY = _unit("dsp_multiply")
_OPERANDS = _unit("dsp_operands", _unit("dsp_decode"))
_EXPAND = _unit("dsp_expand")
_PIXELS = _unit("dsp_conv_pixels", _MULTIPLY)
_ROWS = _unit("dsp_conv_rows", _EXPAND)
_WINDOWS = _unit("dsp_conv_windows", _EXPAND, _unit("dsp_expand_rest"), _unit("dsp_expand_rgb"))

CONV2D = _unit("conv2d_dsp", _EXPAND, _MULTIPLY, _OPERANDS, _PIXELS, _ROWS, _WINDOWS)

KERNELS = (
    Kernel(
        CONV2D,
        (Conv2D,),
        descriptors.mac,
        ways=conv2d_ways,
        order=sliding(_conv2d_order),
        pack=lambda layer: packing.pack(window_order(layer)),
        proof=proof,
        fallback=True,
    ),
)
