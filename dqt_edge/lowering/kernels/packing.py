"""Weights as three planes of bits: 8 bits a weight in all, and a narrow width reads only the planes of its bits.

Plane A holds the top two bits of every weight, plane B the next two, plane L the low four. A tile is four output
channels; a group is a tile by four consecutive K, and takes one word of A, one of B and two of L. Width 2 reads A,
widths 3 and 4 read A and B, widths 5 to 8 read all three. See ``docs/layout.md``.

Even channels are stored offset-binary (``w + 128``), odd ones in two's complement; truncation commutes with both.
The 2-bit fields lie so that one instruction, ``AND Rd, mask, Rw, ROR #4r`` with the mask 0xC003C003 and r = 0..3, takes
four weights out of a word: each 16-bit half of the result has an even channel's field in its lowest bits and an odd
channel's in its highest. No sign extension is needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

TILE = 4
"""Output channels of a tile, and K of a group."""

Words = npt.NDArray[np.uint32]

_PAIR = (0, 1, 1, 0)
_K_FIRST = (0, 1, 0, 1)
_SWAPPED = (False, False, True, False)


def _field_table() -> npt.NDArray[np.int64]:
    """Table [channel, k]: which 2-bit field of a word of A or B belongs to the weight. Field i begins at bit 2 * i."""
    table = np.zeros((TILE, TILE), np.int64)
    for r in range(4):
        for half in (0, 1):
            for odd in (0, 1):
                bit = (16 * half + 14 * odd + 4 * r) % 32
                k_half = half ^ _SWAPPED[r]
                table[2 * _PAIR[r] + odd, _K_FIRST[r] + 2 * k_half] = bit // 2
    return table


FIELDS = _field_table()


@dataclass(frozen=True, eq=False)
class Planes:
    """Packed weights, each plane flat: A and B are words [tiles, groups], L is words [tiles, groups, 2]."""

    a: Words
    b: Words
    low: Words


def padded(n: int) -> int:
    """``n`` rounded up to a multiple of TILE."""
    return -(-n // TILE) * TILE


def stored(weights: npt.NDArray[np.int8]) -> npt.NDArray[np.int64]:
    """Stored bytes [tile, group, channel in tile, k in group] of weights [channels, K], padded with zero weights."""
    channels, depth = weights.shape
    full = np.zeros((padded(channels), padded(depth)), np.int64)
    full[:channels, :depth] = weights
    stored = full & 0xFF
    stored[0::2] ^= 0x80
    return stored.reshape(-1, TILE, full.shape[1] // TILE, TILE).transpose(0, 2, 1, 3)


def pack(weights: npt.NDArray[np.int8]) -> Planes:
    """Planes of weights [channels, K]; both are padded to multiples of four with zero weights."""
    tiles = stored(weights)
    a = np.zeros(tiles.shape[:2], np.int64)
    b = np.zeros(tiles.shape[:2], np.int64)
    low = np.zeros((*tiles.shape[:2], 2), np.int64)
    for channel in range(TILE):
        for k in range(TILE):
            index = int(FIELDS[channel, k])
            byte = tiles[:, :, channel, k]
            a |= (byte >> 6) << (2 * index)
            b |= ((byte >> 4) & 3) << (2 * index)
            # Odd fields have their nibble in word 0, even ones in word 1: the order in which two delta swaps need them.
            low[:, :, 1 - index % 2] |= (byte & 15) << (4 * (index // 2))
    return Planes(a.ravel().astype(np.uint32), b.ravel().astype(np.uint32), low.ravel().astype(np.uint32))


def unpack(planes: Planes, channels: int, depth: int, bits: int) -> npt.NDArray[np.int64]:
    """Weight view [channels, K] at a width; reads only the planes that the width needs."""
    shape = (padded(channels) // TILE, padded(depth) // TILE)
    a = planes.a.astype(np.int64).reshape(shape)
    b = planes.b.astype(np.int64).reshape(shape) if bits > 2 else np.zeros(shape, np.int64)
    low = planes.low.astype(np.int64).reshape(*shape, 2) if bits > 4 else np.zeros((*shape, 2), np.int64)
    out = np.zeros((shape[0], TILE, shape[1], TILE), np.int64)
    for channel in range(TILE):
        for k in range(TILE):
            index = int(FIELDS[channel, k])
            top = ((a >> (2 * index)) & 3) << 6
            middle = ((b >> (2 * index)) & 3) << 4
            nibble = (low[:, :, 1 - index % 2] >> (4 * (index // 2))) & 15
            byte = top | middle | nibble
            signed = byte - 128 if channel % 2 == 0 else np.where(byte > 127, byte - 256, byte)
            out[:, channel, :, k] = signed >> (8 - bits)
    return out.reshape(shape[0] * TILE, shape[1] * TILE)[:channels, :depth]
