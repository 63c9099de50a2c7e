"""Kernels for cores without DSP = interpreter: every window, width pair, channel count, at the extremes of the data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dqt_edge.graph import Dense, Requantize
from dqt_edge.lowering.kernels import scalar
from tests.support.device_kernels import assert_cases_agree
from tests.support.random_graphs import ALL_PAIRS

pytestmark = pytest.mark.usefixtures("catalogue_order")

KERNELS = {"conv": "conv2d_scalar", "depthwise": "depthwise_conv2d_scalar", "dense": "dense_scalar"}
SHAPES = [
    ("conv", (5, 7, 4), 60, 0),
    ("conv", (9, 6, 3), 60, 0),
    ("conv", (4, 5, 16), 50, 0),
    ("conv", (6, 9, 1), 60, 0),
    ("conv", (3, 3, 68), 30, 0),
    ("conv", (2, 3, 33), 40, 0),
    ("conv", (1, 9, 12), 50, 0),
    ("conv", (7, 5, 8), 50, 131),
    ("conv", (6, 5, 5), 50, 255),
    ("conv", (1, 1, 256), 20, 0),
    ("conv", (1, 1, 257), 20, 0),
    ("conv", (1, 2, 258), 20, 0),
    ("conv", (1, 1, 259), 20, 0),
    ("conv", (1, 1, 520), 12, 0),
    ("dense", (1, 1, 33), 100, 0),
    ("dense", (1, 1, 3), 60, 0),
    ("dense", (1, 1, 257), 30, 0),
    ("dense", (1, 1, 650), 30, 0),
    ("dense", (1, 1, 70), 50, 201),
    ("depthwise", (5, 7, 4), 60, 0),
    ("depthwise", (6, 5, 7), 60, 0),
    ("depthwise", (3, 13, 9), 40, 0),
    ("depthwise", (1, 1, 5), 40, 0),
    ("depthwise", (4, 6, 6), 50, 77),
]


@pytest.mark.qemu
@pytest.mark.parametrize(("kind", "shape", "count", "zero"), SHAPES)
def test_kernels_agree_with_the_interpreter(kind: str, shape, count: int, zero: int, tmp_path: Path) -> None:
    assert_cases_agree("qemu-m3", KERNELS[kind], kind, shape, count, zero, tmp_path / "p")


@pytest.mark.parametrize(
    ("channels", "depth", "taken"),
    [(1, 4000, True), (2, 4000, True), (3, 4000, False), (16, 256, True), (16, 257, False), (17, 9, False)],
)
def test_few_outputs_and_small_layers_take_channels_two_by_two(channels: int, depth: int, taken: bool) -> None:
    """A row of signed bytes for each channel, whole words of them and an even number, in zeros."""
    weights = np.random.default_rng(channels).integers(-128, 128, (channels, depth)).astype(np.int8)
    one = Requantize(np.full(channels, 1 << 20, np.int32), np.full(channels, 32, np.uint8))
    layer = Dense("d", "input", "y", weights, np.zeros(channels, np.int32), one, ((8, 8),))
    assert scalar.takes_pairs(layer) == taken
    assert not scalar.takes_pairs(replace(layer, candidates=((8, 8), (4, 4))))
    rows = scalar.pack_rows(layer).a.view(np.int8).reshape(channels + channels % 2, -1)
    assert rows.shape[1] == -(-depth // 4) * 4
    np.testing.assert_array_equal(rows[:channels, :depth], weights)
    assert not rows[channels:].any()
    assert not rows[:, depth:].any()


@pytest.mark.parametrize("seed", range(6))
def test_unpacking_restores_the_masters(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.integers(-128, 128, (int(rng.integers(1, 30)), int(rng.integers(1, 70)))).astype(np.int8)
    np.testing.assert_array_equal(scalar.unpack(scalar.pack(weights), *weights.shape), weights)


def told_apart(packed: bool, products: list[int], depth: int) -> list[int]:
    """Sums of ``depth`` equal products of each of four channels, by way of words of 32 bits, as the kernels do it."""
    p0, p1, p2, p3 = (depth * product for product in products)
    if packed:
        words = [(p0 + (p2 << 16)) % 2**32, (p1 + (p3 << 16)) % 2**32]
        return [words[0] & 0xFFFF, words[1] & 0xFFFF, words[0] >> 16, words[1] >> 16]
    first, second, third = ((low + (high << 8)) % 2**32 for low, high in ((p0, p1), (p1, p2), (p2, p3)))
    p0 = (first - (second << 8) + (third << 16)) % 2**24
    p1 = (first - p0) % 2**32 >> 8
    p2 = (second - p1) % 2**32 >> 8
    return [p0, p1, p2, (third - p2) % 2**32 >> 8]


@pytest.mark.parametrize("pair", ALL_PAIRS)
def test_limits_hold_for_the_largest_products_and_one_past_the_bound_does_not(pair) -> None:
    packed = scalar.is_packed(pair)
    drop = (0, 0) if packed else (8 - pair[0], 8 - pair[1])
    largest = ((2 ** pair[0] - 1) << drop[0]) * ((2 ** pair[1] - 1) << drop[1])
    bound = (2 ** (16 if packed else 24) - 1) // largest
    assert 16 <= scalar.run_limit(pair) <= bound
    for products in ([largest] * 4, [0, largest, 0, largest], [largest, 0, largest, 0], [0, 0, 0, largest]):
        assert told_apart(packed, products, bound) == [bound * product for product in products]
    assert told_apart(packed, [largest] * 4, bound + 1) != [(bound + 1) * largest] * 4
