"""What the planner proves of weights at a width, at the bound of each field and one past it."""

from __future__ import annotations

import numpy as np
import pytest

from dqt_edge.graph import Conv2D, Requantize, Window
from dqt_edge.lowering.kernels import dsp_conv


def conv(weights: np.ndarray) -> Conv2D:
    channels = len(weights)
    requantize = Requantize(np.full(channels, 1 << 20, np.int32), np.full(channels, 32, np.uint8))
    window = Window(weights.shape[1:3])
    return Conv2D("c", "x", "y", weights, np.zeros(channels, np.int32), requantize, ((8, 8),), window)


@pytest.mark.parametrize(
    ("pair", "weight", "most", "proved"),
    [
        ((8, 8), -128, 257, 1),
        ((8, 8), 127, 259, 1),
        ((4, 4), -128, 273, 1),
        ((4, 4), 127, 18, 2),
        ((4, 4), 127, 312, 1),
        ((2, 4), 127, 364, 2),
        ((2, 8), 127, 21, 2),
    ],
)
def test_proofs_end_at_the_bound(pair, weight: int, most: int, proved: int) -> None:
    at, past = (dsp_conv.proof(conv(np.full((1, 1, 1, k), weight, np.int8)), pair) for k in (most, most + 1))
    assert at >= proved > past


def test_gathered_windows_have_the_whole_groups_of_each_row_first() -> None:
    order = dsp_conv.window_order(conv(np.arange(27, dtype=np.int8).reshape(1, 3, 3, 3)))
    assert order.tolist() == [[*range(8), *range(9, 17), *range(18, 26), 8, 17, 26]]
