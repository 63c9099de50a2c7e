"""Depthwise convolution for the DSP extension: which layers each kernel takes, scratch, and order."""

from __future__ import annotations

from ...graph import DepthwiseConv2D, Tensor
from ..arena import Overlap
from . import descriptors, packing
from .dsp_conv import plain_codes
from .kernel import Kernel, Limit, Source, Tensors, Way
from .orders import Geometry, depthwise_by_row, sliding

ROW_COST = 220
"""Instructions of depthwise_conv2d_dsp for a row, besides those for each word of it."""

DEPTHWISE_CHANNEL = 48
"""Bytes of dqt_dsp_depthwise_channel."""

LIMITS = (Limit("DQT_DSP_DEPTHWISE_CHANNEL_SIZE", DEPTHWISE_CHANNEL, "Bytes of dqt_dsp_depthwise_channel."),)


def takes_depthwise(layer: DepthwiseConv2D) -> bool:
    """Whether depthwise_conv2d_dsp computes the layer: 3x3, stride 1 or 2 in one direction, no offset of weights."""
    return not layer.weight_offset and layer.window.kernel == (3, 3) and min(layer.window.stride) <= 2


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


def _unit(name: str, *needs: Source) -> Source:
    return Source("dsp", name, needs=needs)


_DEPTHWISE = (_unit("dsp_depthwise"), _unit("dsp_depthwise_rows", _unit("dsp_depthwise_spread")))

KERNELS = (
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
)
