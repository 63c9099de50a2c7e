"""Weights for MVE: blocks of four channels by sixteen K, and the planes of convolutions.

The planes are those of ``packing``: A the top two bits of each weight, B the next two, L the low four. Only the order
differs, so that vector registers decode sixteen K of a channel at a time. Byte k of a block's 16 bytes of A (and B) has
the field of channel c in bits 2c+1 and 2c. L has 32 bytes for a block: byte k holds channel 3 (high nibble) and 1
(low), byte 16 + k channel 2 and 0. All channels are offset-binary, and what pads a block is zero bytes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from . import packing

LANES = 16
"""K of a block: bytes of a vector register."""


def padded(n: int) -> int:
    """``n`` rounded up to a multiple of LANES."""
    return -(-n // LANES) * LANES


def blocks(weights: npt.NDArray[np.int8]) -> npt.NDArray[np.uint8]:
    """Offset-binary bytes [channel in tile, tile, block, lane] of weights [channels, K], padded with zero bytes."""
    channels, depth = weights.shape
    full = np.zeros((packing.padded(channels), padded(depth)), np.uint8)
    full[:channels, :depth] = (weights.astype(np.int16) + 128).astype(np.uint8)
    return full.reshape(-1, packing.TILE, full.shape[1] // LANES, LANES).transpose(1, 0, 2, 3)


def pack(weights: npt.NDArray[np.int8]) -> packing.Planes:
    """Planes of weights [channels, K]; K is padded to multiples of sixteen, channels to four."""
    found = blocks(weights)
    a, b = (
        np.bitwise_or.reduce([((found[c] >> shift) & 3) << (2 * c) for c in range(packing.TILE)], axis=0)
        for shift in (6, 4)
    )
    nibbles = found & 15
    low = np.stack([nibbles[3] << 4 | nibbles[1], nibbles[2] << 4 | nibbles[0]], axis=2)
    return packing.Planes(*(np.ascontiguousarray(plane, np.uint8).ravel().view("<u4") for plane in (a, b, low)))


def unpack(planes: packing.Planes, channels: int, depth: int) -> npt.NDArray[np.int64]:
    """Masters [channels, K]: the inverse of :func:`pack`."""
    shape = (packing.padded(channels) // packing.TILE, padded(depth) // LANES)
    a = planes.a.view(np.uint8).reshape(*shape, LANES).astype(np.int64)
    b = planes.b.view(np.uint8).reshape(*shape, LANES).astype(np.int64)
    low = planes.low.view(np.uint8).reshape(*shape, 2, LANES).astype(np.int64)
    rows = []
    for c in range(packing.TILE):
        nibble = (low[:, :, 1 - c % 2] >> (4 * (c // 2))) & 15
        rows.append(((a >> (2 * c)) & 3) << 6 | ((b >> (2 * c)) & 3) << 4 | nibble)
    full = np.stack(rows, axis=1).reshape(packing.TILE * shape[0], LANES * shape[1])
    return full[:channels, :depth] - 128
