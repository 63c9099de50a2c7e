"""Weights for MVE: how convolutions and dense layers store them.

A block is four channels by sixteen K, so that a vector register holds sixteen K of a channel. All channels are
offset-binary, and what pads a block is zero bytes, which are weights of no effect. A layer stores its weights as its
candidates together want it:

- *bytes*, where none is narrower than 8 bits: sixteen of each channel;
- *two bits*, where none is wider: byte k of 16 has the top two bits of channel c in bits 2c+1 and 2c;
- *nibbles* else: a plane of high and one of low nibbles, 32 bytes a block each: byte k holds channel 1 (high nibble)
  and 0 (low), byte 16 + k channel 3 and 2. A shift that inserts makes whole bytes of both.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from ...graph import Conv2D, Dense
from . import packing

LANES = 16
"""K of a block: bytes of a vector register."""

AHEAD = 16
"""Bytes behind a plane that micro-kernels read ahead and do not use."""

Form = Literal["bytes", "nibbles", "two_bits"]
Bytes = npt.NDArray[np.uint8]
_NOTHING = np.zeros(0, np.uint32)


def padded(n: int) -> int:
    """``n`` rounded up to a multiple of LANES."""
    return -(-n // LANES) * LANES


def form(layer: Conv2D | Dense) -> Form:
    """How a layer stores its weights."""
    widths = {bits for bits, _ in layer.candidates}
    return "bytes" if widths == {8} else "two_bits" if widths == {2} else "nibbles"


def blocks(weights: npt.NDArray[np.int8]) -> Bytes:
    """Offset-binary bytes [channel in tile, tile, block, lane] of weights [channels, K], padded with zero bytes."""
    channels, depth = weights.shape
    full = np.zeros((packing.padded(channels), padded(depth)), np.uint8)
    full[:channels, :depth] = (weights.astype(np.int16) + 128).astype(np.uint8)
    return full.reshape(-1, packing.TILE, full.shape[1] // LANES, LANES).transpose(1, 0, 2, 3)


def _words(values: Bytes, ahead: bool) -> packing.Words:
    more = np.zeros(AHEAD if ahead else 0, np.uint8)
    return np.append(np.ascontiguousarray(values).ravel(), more).view("<u4")


def pack(weights: npt.NDArray[np.int8], stored: Form, *, ahead: bool = False) -> packing.Planes:
    """Weights [channels, K] in a form; ``ahead``: with the bytes behind a plane that are read ahead."""
    full = blocks(weights)
    if stored == "bytes":
        return packing.Planes(_words(full.transpose(1, 2, 0, 3), ahead), _NOTHING, _NOTHING)
    if stored == "two_bits":
        fields = [(full[c] >> 6) << (2 * c) for c in range(packing.TILE)]
        return packing.Planes(_words(np.bitwise_or.reduce(fields), ahead), _NOTHING, _NOTHING)
    pairs = [np.stack([part[1] << 4 | part[0], part[3] << 4 | part[2]], axis=2) for part in (full >> 4, full & 15)]
    return packing.Planes(_words(pairs[0], ahead), _NOTHING, _words(pairs[1], ahead))


def unpack(planes: packing.Planes, stored: Form, channels: int, depth: int) -> npt.NDArray[np.int64]:
    """Masters [channels, K], of two bits the masters' top ones: the inverse of :func:`pack`."""
    tiles, count = packing.padded(channels) // packing.TILE, padded(depth) // LANES
    words = {"bytes": 4, "two_bits": 1, "nibbles": 2}[stored] * LANES // 4 * tiles * count

    def plane(values: packing.Words) -> npt.NDArray[np.int64]:
        return values[:words].view(np.uint8).reshape(tiles, count, -1, LANES).astype(np.int64)

    a = plane(planes.a)
    if stored == "bytes":
        rows = [a[:, :, c] for c in range(packing.TILE)]
    elif stored == "two_bits":
        rows = [(a[:, :, 0] >> (2 * c) & 3) << 6 for c in range(packing.TILE)]
    else:
        low = plane(planes.low)
        halves = [[(part[:, :, c // 2] >> (4 * (c % 2))) & 15 for part in (a, low)] for c in range(packing.TILE)]
        rows = [high << 4 | below for high, below in halves]
    full = np.stack(rows, axis=1).reshape(packing.TILE * tiles, LANES * count)
    return full[:channels, :depth] - 128
