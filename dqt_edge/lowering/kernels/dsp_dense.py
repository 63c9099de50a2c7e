"""Dense layers for the DSP extension: their weight planes, scratch, units, and which kernel takes a layer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...graph import Dense
from . import descriptors, packing
from .kernel import Kernel, Source, Tensors, Way
from .orders import copied_first


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


def _dense_ways(layer: Dense, _tensors: Tensors) -> list[Way]:
    return [Way(dense_scratch(layer))]


def _pack_nibbles(layer: Dense) -> packing.Planes:
    return pack_nibbles(layer.by_channel)


def _unit(name: str, *needs: Source) -> Source:
    return Source("dsp", name, needs=needs)


_NIBBLES = _unit("dsp_dense_nibbles")
_PLANES = _unit("dsp_dense_planes", _unit("dsp_dense_planes_wide"))

KERNELS = (
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
)
