"""Dense layers for the DSP extension: their weight planes, scratch, units, and which kernel takes a layer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ...graph import Dense, Pair
from ..arena import Overlap
from ..records import Proof
from . import descriptors, packing
from .kernel import Kernel, Source, Tensors, Way
from .orders import copied_first

_Pack = Callable[[npt.NDArray[np.int8]], packing.Planes]

PAIRS, PAIRS_WEIGHTS = 16, 4096
"""Most outputs and weights of a layer that dense_pairs_dsp takes though it has more than two outputs."""

OFFSETS = {
    "dqt_dsp_dense_job": {
        "planes": 0,
        "activations": 12,
        "groups": 16,
        "run": 20,
        "mask": 24,
        "period": 28,
        "sums": 32,
        "top_centre": 48,
        "low_centre": 52,
        "top_shift": 56,
        "low_shift": 60,
        "tiles": 64,
        "bias": 68,
        "multiplier": 72,
        "output": 76,
        "sum": 80,
        "weights": 84,
        "bytes": 88,
        "centring": 92,
    },
}
"""Structure -> byte offset of each field, which the assembly addresses by number."""


def dense_kind(layer: Dense) -> str:
    """How a layer's weights lie: ``bytes``, ``nibbles`` or ``planes``.

    ``bytes`` if all its candidates have weights of 8 bits; else the one that takes fewer cycles over all its candidates
    together.
    """
    if all(weight_bits == 8 for weight_bits, _ in layer.candidates):
        return "bytes"
    cost = {kind: sum(dense_cost(kind, pair) for pair in layer.candidates) for kind in ("nibbles", "planes")}
    return min(cost, key=lambda kind: cost[kind])


def takes_pairs(layer: Dense) -> bool:
    """Whether a layer is so small, or has so few outputs, that expanding its activations would not pay."""
    weights: int = layer.by_channel.size
    return layer.channels <= 2 or (layer.channels <= PAIRS and weights <= PAIRS_WEIGHTS)


def is_packed(kind: str, pair: Pair) -> bool:
    """Whether a dense kernel takes packed form at a width pair."""
    bits, activation_bits = pair
    if kind == "nibbles":
        return bits <= 4 and (2**bits - 1) * (2**activation_bits - 1) <= 255
    return kind == "planes" and (bits == 2 or (bits == 4 and activation_bits <= 4))


def takes_masked(layer: Dense) -> bool:
    """Whether a layer on nibbles has candidates that are neither whole planes nor packed form."""
    return any(pair[0] < 8 and not is_packed("nibbles", pair) for pair in layer.candidates)


def dense_cost(kind: str, pair: Pair) -> float:
    """Cycles of Cortex-M4 that a micro-kernel of a dense layer takes for a group of sixteen products."""
    product = (2 ** pair[0] - 1) * (2 ** pair[1] - 1)
    if kind == "nibbles":
        if is_packed(kind, pair):
            return 14 if product <= 63 else 15
        return 42 if pair[0] < 8 else 31
    if is_packed(kind, pair):
        if pair[0] == 4:
            return 30
        return 15 if 1024 * product < 2**16 else 19
    return 85 if pair[0] < 8 else 41


def proof(layer: Dense, pair: Pair) -> Proof:
    """TOP if the sum of a top field over all inputs fits its bits, for every channel and any activations.

    These are 24 bits in wide form, where views have the scale of the masters, and 16 in packed form.
    """
    bits, activation_bits = pair
    view = layer.by_channel.astype(np.int64) >> (8 - bits)
    packed = is_packed(dense_kind(layer), pair)
    codes, limit = 2**activation_bits - 1, 2**15
    if not packed:
        codes, limit = codes << (16 - bits - activation_bits), 2**23
    most = int(view.clip(0).sum(axis=1).max()) * codes
    least = -int(view.clip(max=0).sum(axis=1).min()) * codes
    return Proof.TOP if most < limit and least <= limit else Proof.NONE


def dense_scratch(layer: Dense, pairs: bool = False) -> int:
    """Bytes of scratch of dense_dsp: the activations' operands; of dense_pairs_dsp the views, if they are no codes."""
    depth = layer.by_channel.shape[1]
    if pairs:
        as_they_are = depth % packing.TILE == 0 and all(bits == 8 for _, bits in layer.candidates)
        return 0 if as_they_are else packing.padded(depth)
    return 2 * packing.padded(depth)


def pack_bytes(weights: npt.NDArray[np.int8]) -> packing.Planes:
    """Bytes in pairs, all of them plane ``a``: a group takes four words.

    The halves of the first word are channel 0 over channel 2 at k = 0 and k = 2, those of the second channel 1 over 3;
    the third and fourth are the same at k = 1 and 3. Channels 0 and 1 are two's complement, 2 and 3 offset-binary.
    Where one or two channels are left over, they are as :func:`pack_pairs` has them.
    """
    whole = len(weights) // packing.TILE * packing.TILE
    if len(weights) - whole == packing.TILE - 1:
        whole += packing.TILE
    tiles = [_pair_words(weights, [(c, c + 2), (c + 1, c + 3)]) for c in range(0, whole, packing.TILE)]
    return _only_a([*tiles, pack_pairs(weights[whole:]).a])


def pack_pairs(weights: npt.NDArray[np.int8]) -> packing.Planes:
    """Bytes in pairs, all of them plane ``a``: two words a group for each two channels, one over the next."""
    return _only_a([_pair_words(weights, [(c, c + 1)]) for c in range(0, len(weights), 2)])


def _pair_words(weights: npt.NDArray[np.int8], pairs: list[tuple[int, int]]) -> npt.NDArray[np.uint32]:
    """For each group of four K: the words of each pair (top, low) at k = 0 and 2, then those at 1 and 3."""
    depth = weights.shape[1]
    full = np.zeros((2 * len(pairs), packing.padded(depth)), np.int64)
    for row, channel in enumerate(c for pair in pairs for c in pair):
        if channel < len(weights):
            full[row, :depth] = weights[channel]
    full[1::2] += 128
    # [pair, field, group, k's half, k] -> a byte, the lowest first
    words = full.reshape(len(pairs), 2, -1, 2, 2).transpose(2, 4, 0, 3, 1)[..., ::-1]
    return (words & 0xFF).astype(np.uint8).ravel().view("<u4").astype(np.uint32)


def _only_a(parts: list[npt.NDArray[np.uint32]]) -> packing.Planes:
    nothing = np.zeros(0, np.uint32)
    return packing.Planes(np.concatenate([nothing, *parts]), nothing, nothing)


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


def _unit(name: str, *needs: Source) -> Source:
    return Source("dsp", name, needs=needs)


_LAYER = _unit("dsp_dense_layer")
_TILES = (_LAYER, _unit("dsp_dense_tiles"))
_PAIRS = (_LAYER, _unit("dsp_dense_pairs"), _unit("dsp_dense_two"))
_BYTES = (*_TILES, *_PAIRS, _unit("dsp_dense_bytes"))
_NIBBLES = (*_TILES, _unit("dsp_dense_nibbles"))
_MASKED = (*_NIBBLES, _unit("dsp_dense_nibbles_masked"))
_PLANES = (*_TILES, _unit("dsp_dense_planes", _unit("dsp_dense_planes_wide")))


def _read_again(_layer: Dense, _way: Way, _tensors: Tensors) -> dict[str, Overlap]:
    """Every two channels read the whole input: it must stay."""
    return {}


def _kernel(variant: str, needs: tuple[Source, ...], serves: Callable[[Dense], bool], pack: _Pack) -> Kernel:
    """dense_pairs_dsp writes outputs while it still reads inputs; the others read them all before."""
    return Kernel(
        Source("dsp", f"dense_{variant}_dsp", "dense_dsp", variant, needs=needs),
        (Dense,),
        descriptors.mac,
        serves=lambda layer, _: serves(layer),
        ways=lambda layer, _: [Way(dense_scratch(layer, variant == "pairs"))],
        order=_read_again if variant == "pairs" else copied_first,
        pack=lambda layer: pack(layer.by_channel),
        proof=None if variant == "planes" else proof,
    )


def _on_bytes(pairs: bool) -> Callable[[Dense], bool]:
    return lambda layer: dense_kind(layer) == "bytes" and takes_pairs(layer) == pairs


def _on_nibbles(masked: bool) -> Callable[[Dense], bool]:
    return lambda layer: dense_kind(layer) == "nibbles" and takes_masked(layer) == masked


KERNELS = (
    _kernel("pairs", _PAIRS, _on_bytes(pairs=True), pack_pairs),
    _kernel("bytes", _BYTES, _on_bytes(pairs=False), pack_bytes),
    _kernel("nibbles", _NIBBLES, _on_nibbles(masked=False), pack_nibbles),
    _kernel("masked", _MASKED, _on_nibbles(masked=True), pack_nibbles),
    _kernel("planes", _PLANES, lambda layer: dense_kind(layer) == "planes", packing.pack),
)
