"""Convolution for MVE: how its weights lie, which windows it reads where they lie, scratch, and the layers it takes.

Windows without padding are read where they lie, if each of their rows begins at a whole block of sixteen K: then a
row is padded to sixteen K with zero bytes, which are weights of no effect. Else all windows are gathered, and K lie
without a gap. ``by_rows`` compares what both cost.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...graph import Conv2D, Requantize
from ..arena import Overlap
from . import descriptors, mve_planes, packing
from .kernel import BLOCK_MAX, Kernel, Limit, Source, Tensors, Way, block_sizes
from .mve_planes import LANES, Form, form, padded
from .orders import Geometry, distance, sliding

DECODED = 16384
"""Bytes of decoded weights beyond which a larger block gains under 3 %: windows are gathered once for each block."""

STRIPS = (16, 8, 4, 2)
"""Pairs of pixels that are computed at a time, the fastest first."""

CHEAP, ALIKE = 1.03, 1.15
"""What leaner ways may cost where the RAM suffices for faster ones; and where the output may lie just on the input."""

GATHERED = 128
"""Added to the pairs in a descriptor: all windows are gathered."""

COLUMNS = 512
"""Bytes of columns that windows are gathered into, if at least two pairs of pixels fit."""

PAIR = 24
"""Bytes of scratch for such a pair."""

LIMITS = (
    Limit("DQT_MVE_GATHERED", GATHERED, "Added to the pairs of pixels of a convolution: all its windows are gathered."),
    Limit("DQT_MVE_COLUMNS", COLUMNS, "Bytes of columns that windows are gathered into, if two pairs of pixels fit."),
)

SHORT = 1024
"""Multipliers from here on may have any shift: below, saturation might change an output."""


def _rows(layer: Conv2D) -> tuple[int, int]:
    """Rows of a window, and K of each."""
    height, width = layer.window.kernel
    return height, width * layer.weights.shape[3]


def by_rows(layer: Conv2D) -> bool:
    """Whether rows of a window begin at whole blocks: where pairs of pixels take fewer cycles so.

    A turn of the micro-kernel is a block, 16 cycles; the rest was counted on Cortex-M55 (llvm-mca 19).
    """
    if layer.window.dilated or all(bits < 8 for _, bits in layer.candidates):
        return False  # all windows are gathered; views are not what lies in memory
    rows, run = _rows(layer)
    tiles = packing.padded(layer.channels) // packing.TILE
    blocks = padded(run) // LANES
    placed = 2 * (12 + rows * (4 + 3 * blocks))
    gathered = 70 + 2 * (60 + rows * (14 + 6 * blocks))
    in_place = tiles * (16 * rows * blocks + 8 * (rows - 1)) + placed
    return in_place <= tiles * (padded(rows * run) + 25) + gathered


def depth(layer: Conv2D) -> int:
    """K of a channel with what pads them."""
    rows, run = _rows(layer)
    return rows * padded(run) if by_rows(layer) else padded(rows * run)


def pack(layer: Conv2D) -> packing.Planes:
    """Planes of the weights, each row of a window padded with weights of -128 where it begins at a whole block."""
    weights: npt.NDArray[np.int8] = layer.by_channel
    if by_rows(layer):
        rows, run = _rows(layer)
        full = np.full((layer.channels, rows, padded(run)), -128, np.int8)
        full[:, :, :run] = weights.reshape(layer.channels, rows, run)
        weights = full.reshape(layer.channels, -1)
    kind = stored(layer)
    return mve_planes.pack(weights, kind, ahead=kind == "bytes")


def column_pairs(layer: Conv2D, pairs: int) -> int:
    """Pairs of pixels that windows are gathered for at a time, where ``pairs`` are computed at a time."""
    most = COLUMNS // (2 * depth(layer))
    return 1 if most < 2 else min(most, pairs)


def scratch(layer: Conv2D, block: int, strip: int) -> int:
    """Bytes of scratch: ``block`` tiles of decoded weights, columns, and pixels; ``strip`` as in a descriptor."""
    decoded = 0 if form(layer) == "bytes" else packing.TILE * block * depth(layer)
    gathered = column_pairs(layer, strip % GATHERED)
    placed = strip if strip < GATHERED else 0
    return decoded + 2 * gathered * depth(layer) + PAIR * (gathered + placed)


def most_tiles(layer: Conv2D) -> int:
    """Largest block in tiles; a larger one would gain too little."""
    return max(1, DECODED // (packing.TILE * depth(layer)))


def any_shift(requantize: Requantize) -> bool:
    """Whether saturation of what is shifted left cannot change an output."""
    return bool((requantize.multiplier[requantize.shift <= 32] >= SHORT).all())


def stored(layer: Conv2D) -> Form:
    """How a layer stores its weights; with taps apart two bits are nibbles, for they have no kernel of their own."""
    found = form(layer)
    return "nibbles" if layer.window.dilated and found == "two_bits" else found


def _strip_cycles(layer: Conv2D, strip: int) -> float:
    """Cycles of a pair of pixels at 8 bits, without padding, in strips of some pairs; ``strip`` as in a descriptor."""
    rows, run = _rows(layer)
    blocks = padded(run) // LANES
    tiles = packing.padded(layer.channels) // packing.TILE
    turns = rows * padded(run) + 8 * rows
    pairs, each = strip, 2 * (12 + rows * (4 + 3 * blocks))
    if strip >= GATHERED:
        turns = padded(rows * run) + 2
        pairs, each = column_pairs(layer, strip % GATHERED), 2 * (60 + rows * (14 + 6 * blocks))
        if layer.window.kernel == layer.window.stride == (1, 1):
            each = 2 * (16 + 9 * blocks)
    return (tiles * (30 + pairs * (turns + 28)) + 150) / pairs + each


def _strips(layer: Conv2D, tensors: Tensors) -> list[int]:
    """Pairs at a time as in a descriptor, the fastest first.

    Where rows of a window need no padding, all windows may be gathered: then the output may take over more of the
    input's memory. Where it may lie just where the input does, that comes first if it is cheap.
    """
    height, width, _ = tensors[layer.output].shape
    pairs = sorted({min(strip, -(-height * width // 2)) for strip in STRIPS}, reverse=True)
    gathered = GATHERED + pairs[0]
    rows, run = _rows(layer)
    if not by_rows(layer):
        return [gathered]
    if rows > 1 and run != padded(run):
        return pairs
    ways = sorted([*pairs, gathered], key=lambda strip: _strip_cycles(layer, strip))
    single = layer.window.kernel == layer.window.stride == (1, 1)
    alike = single and tensors[layer.input].size == tensors[layer.output].size
    if alike and _strip_cycles(layer, gathered) <= ALIKE * _strip_cycles(layer, ways[0]):
        return [gathered]
    return ways


def _ways(layer: Conv2D, tensors: Tensors) -> list[Way]:
    tiles = packing.padded(layer.channels) // packing.TILE
    blocks = [min(tiles, BLOCK_MAX)] if form(layer) == "bytes" else block_sizes(tiles, most_tiles(layer))
    strips = _strips(layer, tensors)
    limit = CHEAP * _strip_cycles(layer, strips[0])
    ways = [
        Way(scratch(layer, blocks[0], strip), blocks[0], strip, cheap=_strip_cycles(layer, strip) <= limit)
        for strip in strips
    ]
    ways += [Way(scratch(layer, block, strips[-1]), block, strips[-1]) for block in blocks[1:]]
    return [way for i, way in enumerate(ways) if all(way.scratch < other.scratch for other in ways[:i])]


def _by_strip(g: Geometry, pixels: int, *, again: bool) -> Overlap:
    """A turn is some pixels across the ends of rows; again: it reads their windows again after it has written some."""
    count = g.target[0] * g.target[1]
    starts = np.arange(0, count, pixels, dtype=np.int64)
    first = np.minimum.reduceat(g.first(), starts)
    ends = np.minimum(starts + pixels, count) * g.target[2]
    if again:
        first, ends = np.append(first[:1], first), np.append(ends, ends[-1])
    return Overlap(distance(first, ends))


def _order(layer: Conv2D, way: Way, tensors: Tensors) -> dict[str, Overlap]:
    if way.strip < GATHERED:
        return sliding(lambda g: _by_strip(g, 2 * way.strip, again=True))(layer, way, tensors)
    pixels = 2 * column_pairs(layer, way.strip - GATHERED)
    return sliding(lambda g: _by_strip(g, pixels, again=False))(layer, way, tensors)


def _unit(name: str) -> Source:
    return Source("mve", name)


_PIXELS = Source("mve", "mve_conv_pixels", needs=(_unit("mve_multiply"), _unit("mve_place"), _unit("mve_windows")))


def _kernel(name: str, kind: Form, *needs: Source, apart: bool = False) -> Kernel:
    return Kernel(
        Source("mve", name, "conv2d_mve", f"{kind} apart" if apart else kind, needs=(_PIXELS, *needs)),
        (Conv2D,),
        descriptors.dilated if apart else descriptors.mac,
        serves=lambda layer, _: stored(layer) == kind and any_shift(layer.requantize),
        ways=_ways,
        order=_order,
        pack=pack,
        dilated=apart,
    )


_DECODE, _APART = _unit("mve_decode_nibbles"), _unit("mve_windows_apart")

KERNELS = (
    _kernel("conv2d_mve", "nibbles", _DECODE),
    _kernel("conv2d_bytes_mve", "bytes"),
    _kernel("conv2d_two_bits_mve", "two_bits", _unit("mve_decode_two_bits")),
    _kernel("dilated_conv2d_mve", "nibbles", _DECODE, _APART, apart=True),
    _kernel("dilated_conv2d_bytes_mve", "bytes", _APART, apart=True),
)
