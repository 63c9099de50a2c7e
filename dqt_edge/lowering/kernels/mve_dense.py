"""Kernels for MVE of dense layers, which use every weight once: how their weights are stored follows from that.

A block is four channels by sixteen K, as in ``mve``, and all channels are offset-binary. *Nibbles*: a plane of high and
one of low nibbles, 32 bytes a block each: byte k holds channel 1 (high nibble) and 0 (low), byte 16 + k channel 3 and
2. A shift that inserts makes whole bytes of both. *Bytes*: the weights themselves, sixteen of each channel, for layers
all of whose candidates have eight bits. Layers of two bits only have plane A of ``mve``.

The micro-kernels load ahead: behind the last block of a plane lie sixteen bytes more, which are read and not used.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...graph import Dense
from . import descriptors, packing
from .kernel import Kernel, Source, Tensors, Way
from .mve_planes import blocks, pack, padded
from .orders import copied_first

AHEAD = np.zeros(4, np.uint32)
"""What lies behind a plane that is read ahead."""
_NOTHING = np.zeros(0, np.uint32)


def _words(values: npt.NDArray[np.uint8]) -> packing.Words:
    return np.append(np.ascontiguousarray(values).ravel().view("<u4"), AHEAD)


def pack_nibbles(weights: npt.NDArray[np.int8]) -> packing.Planes:
    """High and low nibbles of weights [channels, K], padded as ``mve_planes`` pads them."""
    full = blocks(weights)
    high, low = full >> 4, full & 15
    pairs = (np.stack([plane[1] << 4 | plane[0], plane[3] << 4 | plane[2]], axis=2) for plane in (high, low))
    first, second = (_words(pair) for pair in pairs)
    return packing.Planes(first, _NOTHING, second)


def pack_bytes(weights: npt.NDArray[np.int8]) -> packing.Planes:
    """Whole bytes of weights [channels, K], [tile][block][channel][lane]."""
    return packing.Planes(_words(blocks(weights).transpose(1, 2, 0, 3)), _NOTHING, _NOTHING)


def unpack_nibbles(stored: packing.Planes, channels: int, depth: int) -> npt.NDArray[np.int64]:
    """Masters [channels, K]: the inverse of :func:`pack_nibbles`."""
    tiles, count = packing.padded(channels) // packing.TILE, padded(depth) // 16
    high, low = (
        plane[: -len(AHEAD)].view(np.uint8).reshape(tiles, count, 2, 16).astype(np.int64)
        for plane in (stored.a, stored.low)
    )
    rows = [(high[:, :, c // 2] >> 4 * (c % 2) & 15) << 4 | low[:, :, c // 2] >> 4 * (c % 2) & 15 for c in range(4)]
    return np.stack(rows, axis=1).reshape(packing.TILE * tiles, 16 * count)[:channels, :depth] - 128


def kind(layer: Dense) -> str:
    """How the weights are stored: as bytes where no candidate is narrower, in plane A where none is wider."""
    widths = {bits for bits, _ in layer.candidates}
    if layer.requantize is None:
        return "nibbles"
    return "bytes" if widths == {8} else "planes" if max(widths) <= 2 else "nibbles"


def scratch(layer: Dense) -> int:
    """Bytes of scratch of every dense kernel for MVE."""
    return padded(layer.by_channel.shape[1])


def _ways(layer: Dense, _tensors: Tensors) -> list[Way]:
    return [Way(scratch(layer))]


_PACKING = {"nibbles": pack_nibbles, "bytes": pack_bytes, "planes": pack}


def _kernel(name: str, variant: str, *needs: Source) -> Kernel:
    stored = "nibbles" if variant == "accumulate" else variant
    return Kernel(
        Source("mve", name, "dense_mve", variant, needs=needs),
        (Dense,),
        descriptors.mac,
        serves=lambda layer, _: kind(layer) == stored and (layer.requantize is None) == (variant == "accumulate"),
        ways=_ways,
        order=copied_first,
        pack=lambda layer: _PACKING[stored](layer.by_channel),
    )


_FINISH = Source("mve", "mve_finish")
_NIBBLES = Source("mve", "mve_dense_nibbles")

KERNELS = (
    _kernel("dense_mve", "nibbles", _NIBBLES, _FINISH),
    _kernel("dense_bytes_mve", "bytes", Source("mve", "mve_dense_bytes"), _FINISH),
    _kernel("dense_planes_mve", "planes", Source("mve", "mve_dense_planes"), _FINISH),
    _kernel("dense_accumulate_mve", "accumulate", _NIBBLES),
)
