"""Kernels for the DSP extension: their weight planes, scratch, units, and which layers they take."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...graph import AveragePool2D, Dense, DepthwiseConv2D, Tensor
from ..arena import Overlap
from . import descriptors, dsp_conv, packing
from .dsp_conv import plain_codes
from .kernel import Kernel, Limit, Source, Tensors, Way
from .orders import Geometry, by_element, copied_first, depthwise_by_row, sliding

ROW_COST = 220
"""Instructions of depthwise_conv2d_dsp for a row, besides those for each word of it."""

DEPTHWISE_CHANNEL = 48
"""Bytes of dqt_dsp_depthwise_channel."""

LIMITS = (
    *dsp_conv.LIMITS,
    Limit("DQT_DSP_DEPTHWISE_CHANNEL_SIZE", DEPTHWISE_CHANNEL, "Bytes of dqt_dsp_depthwise_channel."),
)


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


_DEPTHWISE = (_unit("dsp_depthwise"), _unit("dsp_depthwise_rows", _unit("dsp_depthwise_spread")))
_NIBBLES = _unit("dsp_dense_nibbles")
_PLANES = _unit("dsp_dense_planes", _unit("dsp_dense_planes_wide"))

KERNELS = (
    *dsp_conv.KERNELS,
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
