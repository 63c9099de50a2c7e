"""Convolution by Winograd's F(2,3), for the DSP extension: which layers it takes, its ways and scratch."""

from __future__ import annotations

from ...graph import Conv2D, Tensor
from . import descriptors, packing
from .dsp_conv import CHANNEL, CONV2D, RUN, conv2d_ways, plain_codes, proof, strips, window_order
from .kernel import Kernel, Source, Tensors, Way, block_sizes
from .orders import by_row, sliding

PIXELS, COLUMNS, POSITIONS = 4, 6, 4
"""Pixels that the micro-kernel computes at a time, input columns under them, and products of two pixels."""

OPERANDS = 18432
"""Bytes of transformed weights beyond which a larger block gains under 3 %: input rows are transformed once a block."""

_FIELDS = (
    "operands",
    "position",
    "group",
    "groups",
    "runs",
    "runs_end",
    "weights",
    "first",
    "end",
    "output",
    "pixel",
    "output_step",
    "residual",
    "outputs",
)

OFFSETS = {"dqt_dsp_winograd_job": {name: 4 * i for i, name in enumerate(_FIELDS)}}
"""Structure -> byte offset of each field, which the assembly addresses by number."""


def serves(layer: Conv2D, tensors: Tensors) -> bool:
    """Whether conv2d_winograd_dsp computes the layer, at 8x8 by F(2,3).

    Windows of three columns at a horizontal stride of 1; whole groups of four channels on both sides; a padding of
    zero; codes that the micro-kernel can make itself; and two pixels in a row, since it computes four at a time.
    """
    source, output = tensors[layer.input], tensors[layer.output]
    return (
        (8, 8) in layer.candidates
        and (layer.window.kernel[1], layer.window.stride[1]) == (3, 1)
        and source.shape[2] % packing.TILE == 0
        and layer.channels % packing.TILE == 0
        and source.zero_point == 0
        and output.shape[1] > 2
        and plain_codes(layer)
    )


def tile_bytes(layer: Conv2D) -> int:
    """Bytes of the transformed weights of a tile: four positions, int16."""
    return POSITIONS * packing.TILE * 2 * layer.window.kernel[0] * int(layer.weights.shape[-1])


def scratch(layer: Conv2D, source: Tensor, block: int, strip: int) -> int:
    """Bytes of scratch at 8x8, with ``block`` tiles of transformed weights and ``strip`` pairs of pixels."""
    channels, row = block * packing.TILE, 4 * source.shape[2]
    groups = -(-2 * strip // PIXELS)
    ring = POSITIONS * groups * layer.window.kernel[0] * row
    beside = COLUMNS * source.shape[2] + 2 * PIXELS * channels
    return 2 * RUN + channels * CHANNEL + block * tile_bytes(layer) + ring + beside


def _ways(layer: Conv2D, tensors: Tensors) -> list[Way]:
    """The fastest way first. Narrower strips come next, because they cost little; then smaller blocks."""
    source, output = tensors[layer.input], tensors[layer.output]
    blocks = block_sizes(layer.channels // packing.TILE, max(1, OPERANDS // tile_bytes(layer)))
    whole, *parts = strips(layer, source, output)
    widths = [whole, *sorted({strip + strip % 2 for strip in parts if strip + strip % 2 < whole}, reverse=True)]
    if 2 * whole < output.shape[1]:
        widths[0] -= whole % 2
    found = [(blocks[0], strip) for strip in widths] + [(block, widths[-1]) for block in blocks[1:]]
    ways = []
    for i, (block, strip) in enumerate(found):
        needed = scratch(layer, source, block, strip)
        # Of the other pairs, the fastest way that needs no more memory; if there is none, the leanest one.
        able = [way for way in conv2d_ways(layer, tensors) if way.block >= block]
        direct = next((way for way in able if way.scratch <= needed), min(able, key=lambda way: way.scratch))
        ways.append(
            Way(
                max(needed, direct.scratch),
                block,
                strip,
                (direct.block, direct.strip),
                rereads=2 * strip < output.shape[1] or direct.rereads,
                cheap=i > 0 and block == blocks[0],
            )
        )
    return ways


_MICRO = tuple(Source("dsp", name) for name in ("dsp_winograd", "dsp_winograd_codes", "dsp_winograd_operands"))

KERNELS = (
    Kernel(
        Source("dsp", "conv2d_winograd_dsp", needs=(*_MICRO, CONV2D)),
        (Conv2D,),
        descriptors.winograd,
        serves=serves,
        ways=_ways,
        order=sliding(by_row),
        pack=lambda layer: packing.pack(window_order(layer)),
        proof=proof,
    ),
)
