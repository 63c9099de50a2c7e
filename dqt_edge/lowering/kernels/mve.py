"""Kernels for MVE (Helium): their scratch, units, and the layers they take; ``mve_planes`` has the weights."""

from __future__ import annotations

import numpy as np

from ...graph import DepthwiseConv2D, Tensor, Window
from ..arena import Overlap
from . import descriptors, mve_conv, mve_dense, mve_depthwise, mve_unweighted, packing
from .kernel import Kernel, Limit, Source, Way
from .mve_planes import LANES
from .orders import NEVER, Geometry, distance, sliding

OFFSET_MAX = 65535
"""Largest entry, an offset plus 1, in a table of depthwise_conv2d_mve."""

COLUMN, TABLE_COLUMNS = 64, 5
"""Bytes of a column of a depthwise patch: sixteen channels, four rows; and columns of a table of weights."""

LIMITS = (
    Limit("DQT_MVE_LANES", LANES, "K of a block; and bytes of its decoded weights, sixteen K of four channels."),
    Limit("DQT_MVE_BLOCK", LANES * packing.TILE, ""),
    Limit("DQT_MVE_COLUMN", COLUMN, "Bytes of a column of a depthwise patch: sixteen channels, four rows;"),
    Limit("DQT_MVE_TABLE", TABLE_COLUMNS * COLUMN, "and of a table of weights."),
    *mve_conv.LIMITS,
    Limit("DQT_MVE_MAP_END", OFFSET_MAX, "The greatest entry of a table of lanes."),
    *mve_depthwise.LIMITS,
)


def takes_depthwise(layer: DepthwiseConv2D, source: Tensor, output: Tensor) -> bool:
    """Whether depthwise_conv2d_mve computes the layer.

    Up to 3x3, horizontal stride 1 or 2, weights without an offset, one shift of 32 for all, and the offsets into a
    strip of the fewest rows fit 16 bits.
    """
    if layer.weight_offset:
        return False
    window, requantize = layer.window, layer.requantize
    plain = requantize is not None and bool((requantize.shift == 32).all())
    rows = min(output.shape[0], strip_rows(window))
    span = (rows + (window.kernel[0] - 1) // window.stride[0]) * window.stride[0] * source.shape[1] * source.shape[2]
    fits = max(span, rows * output.shape[1] * output.shape[2]) <= OFFSET_MAX
    return plain and fits and max(window.kernel) <= 3 and window.stride[1] <= 2


def strip_rows(window: Window) -> int:
    """A strip of depthwise_conv2d_mve has this many output rows, or a multiple."""
    return 2 if window.stride == (1, 1) else 1


def depthwise_scratch(layer: DepthwiseConv2D, output: Tensor) -> int:
    """Bytes of scratch of depthwise_conv2d_mve: two tables of weights, a vector of padding, and the patch."""
    width = output.shape[1]
    columns = -(-width // 2) * 2 + 2 if layer.window.stride[1] == 1 else -(-width // 4) * 8 + 2
    return COLUMN * (2 * TABLE_COLUMNS + columns) + LANES


def _depthwise_order(g: Geometry) -> Overlap:
    """A turn is a strip: reads all its input rows, those again that the strip before it read, and writes its rows."""
    height, width, channels = g.target
    rows = strip_rows(g.window)
    first = np.where(g.top < g.source[0], g.top.clip(0) * g.row, NEVER)[::rows]
    ends = np.minimum(np.arange(rows, height + rows, rows), height) * width * channels
    return Overlap(distance(first, ends), channels)


def _unit(name: str, *needs: Source) -> Source:
    return Source("mve", name, needs=needs)


_MAPS = _unit("mve_depthwise_maps", _unit("mve_map"), _unit("mve_map_tables"))
_WINDOWS = _unit("mve_depthwise_windows", _unit("mve_depthwise"))

KERNELS = (
    *mve_conv.KERNELS,
    Kernel(
        Source("mve", "depthwise_conv2d_mve", needs=(_MAPS, _WINDOWS)),
        (DepthwiseConv2D,),
        descriptors.mac,
        serves=lambda layer, tensors: takes_depthwise(layer, tensors[layer.input], tensors[layer.output]),
        ways=lambda layer, tensors: [Way(depthwise_scratch(layer, tensors[layer.output]))],
        order=sliding(_depthwise_order),
    ),
    *mve_depthwise.KERNELS,
    *mve_unweighted.KERNELS,
    *mve_dense.KERNELS,
)
