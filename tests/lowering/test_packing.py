"""Planes: lossless, 8 bits a weight, and a width reads only its own planes."""

from __future__ import annotations

import numpy as np
import pytest

from dqt_edge.graph import nested
from dqt_edge.lowering.kernels import dsp_dense, packing
from dqt_edge.lowering.kernels.packing import Planes


@pytest.mark.parametrize("bits", nested.WIDTHS)
@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (3, 7), (5, 16), (9, 33), (8, 31)])
def test_unpacking_gives_the_weight_view(shape, bits: int) -> None:
    rng = np.random.default_rng(shape)
    weights = rng.integers(-128, 128, shape).astype(np.int8)
    planes = packing.pack(weights)
    np.testing.assert_array_equal(packing.unpack(planes, *shape, bits), nested.weight_view(weights, bits))


def test_every_value_in_every_place() -> None:
    for value in range(-128, 128):
        weights = np.full((4, 4), value, np.int8)
        np.testing.assert_array_equal(packing.unpack(packing.pack(weights), 4, 4, 8), weights)


def test_a_weight_takes_exactly_eight_bits() -> None:
    planes = packing.pack(np.zeros((8, 12), np.int8))
    assert planes.a.nbytes + planes.b.nbytes + planes.low.nbytes == 8 * 12


@pytest.mark.parametrize(("bits", "b_used", "low_used"), [(2, 0, 0), (3, 1, 0), (4, 1, 0), (5, 1, 1), (8, 1, 1)])
def test_narrow_widths_do_not_read_wider_planes(bits: int, b_used: int, low_used: int) -> None:
    rng = np.random.default_rng(1)
    weights = rng.integers(-128, 128, (8, 8)).astype(np.int8)
    planes = packing.pack(weights)
    garbage = Planes(planes.a, planes.b if b_used else ~planes.b, planes.low if low_used else ~planes.low)
    np.testing.assert_array_equal(packing.unpack(garbage, 8, 8, bits), nested.weight_view(weights, bits))


def test_one_mask_and_rotate_yields_four_two_bit_weights_of_two_channels() -> None:
    """The property that the field order exists for: AND 0xC003C003 with ROR #4r."""
    rng = np.random.default_rng(2)
    weights = rng.integers(-128, 128, (4, 4)).astype(np.int8)
    word = int(packing.pack(weights).a[0])
    seen = set()
    for r in range(4):
        rotated = ((word >> (4 * r)) | (word << (32 - 4 * r))) & 0xC003C003
        for half in (0, 1):
            part = (rotated >> (16 * half)) & 0xFFFF
            even, odd = part & 3, part >> 14
            places = [
                (c, k)
                for c in range(4)
                for k in range(4)
                if packing.FIELDS[c, k] * 2 == (16 * half + 14 * (c % 2) + 4 * r) % 32
            ]
            assert len(places) == 2
            for c, k in places:
                field = (int(weights[c, k]) + 128) >> 6 if c % 2 == 0 else (int(weights[c, k]) >> 6) & 3
                assert field == (odd if c % 2 else even)
                seen.add((c, k))
    assert len(seen) == 16


@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (3, 7), (9, 33), (6, 10)])
def test_bytes_in_pairs_hold_every_weight(shape) -> None:
    """A half is channel 0 over 2, or 1 over 3; halves of a word are two K apart; padding is zero weights.

    One or two channels that are left over are one over the other.
    """
    channels, depth = shape
    weights = np.random.default_rng(shape).integers(-128, 128, shape).astype(np.int8)
    planes = dsp_dense.pack_bytes(weights)
    assert planes.b.size == planes.low.size == 0
    groups, last = packing.padded(depth) // 4, channels % 4
    half = channels // 4 if last in (1, 2) else -1
    assert planes.a.size == groups * (4 * -(-channels // 4) - 2 * (half >= 0))

    def byte_of(tile: int, top: bool, pair: int, k: int) -> int:
        words = 2 if tile == half else 4
        at = 4 * groups * tile + words * (k // 4) + words // 2 * (k % 2) + pair
        return int(planes.a[at]) >> (16 * (k % 4 // 2) + 8 * top) & 0xFF

    for c in range(packing.padded(channels) if half < 0 else 4 * half + 2):
        tile, within = divmod(c, 4)
        top, pair = (within == 0, 0) if tile == half else (within < 2, within % 2)
        for k in range(4 * groups):
            weight = int(weights[c, k]) if c < channels and k < depth else 0
            assert byte_of(tile, top, pair, k) == (weight & 0xFF if top else weight + 128)


@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (3, 7), (9, 33)])
def test_planes_of_nibbles_hold_every_stored_byte(shape) -> None:
    """Each weight from its two places, offset-binary in even channels; padding is zero weights."""
    weights = np.random.default_rng(shape).integers(-128, 128, shape).astype(np.int8)
    planes = dsp_dense.pack_nibbles(weights)
    assert planes.a.nbytes + planes.low.nbytes == packing.padded(shape[0]) * packing.padded(shape[1])
    assert planes.b.size == 0
    groups = packing.padded(shape[1]) // 4
    for c in range(packing.padded(shape[0])):
        for k in range(packing.padded(shape[1])):
            word, high, low = dsp_dense.nibble_place(c % 4, k % 4)
            at = 2 * (c // 4 * groups + k // 4) + word
            byte = (int(planes.a[at]) >> high & 15) << 4 | (int(planes.low[at]) >> low & 15)
            weight = int(weights[c, k]) if c < shape[0] and k < shape[1] else 0
            assert byte == (weight + 128 if c % 2 == 0 else weight & 0xFF)


def test_one_mask_of_a_word_of_nibbles_yields_two_channels_in_each_half() -> None:
    """AND 0xF00FF00F, as it is or rotated by eight: channels 1 over 0, and 3 over 2, at the same K."""
    for k in range(4):
        for r, (odd, even) in ((0, (1, 0)), (8, (3, 2))):
            places = [(dsp_dense.nibble_place(c, k)[1] - r) % 32 for c in (odd, even)]
            assert places[0] // 16 == places[1] // 16
            assert (places[0] % 16, places[1] % 16) == (12, 0)
