"""Channels that never change are written anew at shift 32: equal codes for any input, and layers keep their kernels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dqt_edge.boards import load_board
from dqt_edge.graph import (
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Graph,
    Requantize,
    Tensor,
    Window,
    interpreter,
    nested,
    pair_text,
)
from dqt_edge.lowering.constant_channels import accumulators, settled
from dqt_edge.lowering.plan import make_plan
from tests.support.kernel_cases import extreme_codes, full_scale

PAIRS = ((8, 8), (4, 4), (2, 8), (3, 5))
CHANNELS = 8


def graph(kind: str, zero: int, offset: int, residual: bool, case: str, by_width: bool = False) -> Graph:
    rng = np.random.default_rng(5)
    source = Tensor("x", (3, 3, CHANNELS) if kind == "dense" else (5, 6, CHANNELS), 0.1, zero)
    pairs = tuple(p for p in PAIRS if not zero or p[1] == 8)
    window = Window((3, 3), (1, 1), (1, 1, 1, 1))
    shape = {"conv": (CHANNELS, 3, 3, CHANNELS), "depthwise": (CHANNELS, 3, 3), "dense": (CHANNELS, source.size)}[kind]
    weights = rng.integers(-128, 128, shape).astype(np.int8)
    bias, requantize, _ = full_scale(weights.astype(np.int16) + offset, zero)
    multiplier, shift = requantize.multiplier // 2, requantize.shift.copy()
    for channel, code in ((1, 0), (2, 77), (5, 255)):
        if case == "zeros":  # no weights, and what only a bias can make of a tiny multiplier
            weights[channel] = min(max(-offset, -128), 127)
            multiplier[channel], shift[channel] = (1 << 30) + 12345, 52
            bias[channel] = (code << 52) // int(multiplier[channel])
        elif case == "tiny":
            multiplier[channel], shift[channel] = (1 << 30) + 1, 59
        else:
            multiplier[channel], shift[channel] = (1 << 30) + 1, 52 + 2 * (code == 77)
            bias[channel] = {0: -(1 << 29), 77: 77 << 24, 255: 1 << 30}[code]
    more = (
        {} if not by_width else {"bias_by_width": np.stack([bias + 3 * i for i in range(len(pairs))]).astype(np.int32)}
    )
    more |= {"weight_offset": offset}
    full = Requantize(multiplier.astype(np.int32), shift)
    if kind == "dense":
        layer, target = Dense("l", "x", "y", weights, bias, full, pairs, **more), (1, 1, CHANNELS)
    elif kind == "depthwise":
        layer, target = DepthwiseConv2D("l", "x", "y", weights, bias, full, pairs, window, **more), source.shape
    else:
        fields = {"residual": "x", "residual_multiplier": np.full(CHANNELS, 900, np.int32)} if residual else {}
        layer = Conv2D("l", "x", "y", weights, bias, full, pairs, window, **fields, **more)
        target = source.shape
    return Graph("g", (source, Tensor("y", target, 0.1, 0)), (layer,), "x", "y")


@pytest.mark.parametrize("case", ["zeros", "tiny", "bias"])
@pytest.mark.parametrize(
    ("kind", "zero", "offset", "residual", "by_width"),
    [
        ("conv", 0, 0, False, False),
        ("conv", 0, 0, True, False),
        ("conv", 131, 0, False, False),
        ("conv", 0, 100, False, True),
        ("conv", 9, -127, True, True),
        ("depthwise", 0, 0, False, False),
        ("depthwise", 200, 0, False, True),
        ("dense", 0, 0, False, False),
        ("dense", 3, 128, False, False),
    ],
)
def test_the_codes_are_the_same(kind: str, zero: int, offset: int, residual: bool, by_width: bool, case: str) -> None:
    made = graph(kind, zero, offset, residual, case, by_width)
    new = settled(made)
    shifts = new.layers[0].requantize.shift
    assert (made.layers[0].requantize.shift != 32).sum() == 3
    assert (shifts == 32).all()
    codes = extreme_codes(3, made.tensors[0].shape, 4)
    for pair in made.layers[0].candidates:
        before = interpreter.run(made, codes, pair_text(pair)).outputs
        np.testing.assert_array_equal(interpreter.run(new, codes, pair_text(pair)).outputs, before)
        flat = before.reshape(-1, CHANNELS)
        assert all(len(np.unique(flat[:, c])) == 1 for c in (1, 2, 5))


def test_what_changes_stays_as_it_is() -> None:
    """A channel with another shift that has two codes is left alone, and so is a layer without such channels."""
    made = graph("conv", 0, 0, False, "tiny")
    layer = made.layers[0]
    requantize = replace(layer.requantize, shift=np.where(np.arange(CHANNELS) == 2, 45, 32).astype(np.uint8))
    bias = layer.bias_twice.copy()
    bias[2] = (1 << 44) // int(requantize.multiplier[2]) - (1 << 31) // int(requantize.multiplier[2])
    changing = replace(made, layers=(replace(layer, requantize=requantize, bias_twice=bias),))
    assert settled(changing) is changing
    fast = replace(layer, requantize=replace(layer.requantize, shift=np.full(CHANNELS, 32, np.uint8)))
    same = replace(made, layers=(fast,))
    assert settled(same) is same


@pytest.mark.parametrize(("kind", "kernel"), [("conv", "conv2d_winograd_dsp"), ("depthwise", "depthwise_conv2d_dsp")])
def test_the_layer_keeps_the_fast_kernel(kind: str, kernel: str) -> None:
    (layer,) = make_plan(graph(kind, 0, 0, False, "zeros"), load_board("qemu-m4")).layers
    assert layer.kernel == kernel


def test_a_code_is_proved_at_both_ends() -> None:
    """The ends of the accumulators are reached: inputs that take every weight its own way."""
    made = graph("dense", 0, 0, False, "zeros")
    layer = made.layers[0]
    twice = nested.weight_twice(layer.weights, 8)
    worst = np.where(twice[0] > 0, 255, 0).astype(np.uint8).reshape(1, *made.tensors[0].shape)
    reached = int((twice[0] * worst.ravel()).sum() + layer.bias_twice[0])
    _, most = accumulators(layer, {t.name: t for t in made.tensors})
    assert most[0, 0] == reached


def test_a_channel_without_room_for_its_bias_is_left_alone() -> None:
    """Weights that cancel an offset still count in the bound of the accumulators, of 9,000 of them too much."""
    weights = np.zeros((1, 9000), np.int8)
    one = Requantize(np.array([1 << 30], np.int32), np.array([52], np.uint8))
    for offset, kept in ((0, False), (128, True)):
        bias = np.array([200 << 22], np.int32)
        layer = Dense("l", "x", "y", weights - np.int8(min(offset, 127)), bias, one, ((8, 8),), weight_offset=offset)
        made = Graph("g", (Tensor("x", (1, 1, 9000), 0.1), Tensor("y", (1, 1, 1), 0.1)), (layer,), "x", "y")
        assert (settled(made) is made) == kept
