"""What a Graph refuses: each message names the layer and the reason."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dqt_edge.errors import UnsupportedError
from dqt_edge.graph import Concat, Conv2D, Graph, Requantize, Tensor, Window
from dqt_edge.graph.layers import LAYER_NAMES
from tests.support.random_graphs import random_graph


def requantize(n: int) -> Requantize:
    return Requantize(np.full(n, 2**20, np.int32), np.full(n, 32, np.uint8))


def conv(**changes) -> Conv2D:
    fields = {
        "name": "conv",
        "input": "x",
        "output": "y",
        "weights": np.ones((2, 3, 3, 1), np.int8),
        "bias_twice": np.zeros(2, np.int32),
        "requantize": requantize(2),
        "window": Window.same((4, 4), (3, 3), (1, 1)),
    }
    return Conv2D(**(fields | changes))


def graph(layer: Conv2D, **changes) -> Graph:
    fields = {
        "name": "g",
        "tensors": (Tensor("x", (4, 4, 1), 1.0), Tensor("y", (4, 4, 2), 1.0)),
        "layers": (layer,),
        "input": "x",
        "output": "y",
    }
    return Graph(**(fields | changes))


def test_a_good_graph_is_accepted() -> None:
    assert graph(conv()).macs(conv()) == 4 * 4 * 2 * 9


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: graph(conv(weights=np.ones((2, 3, 3, 1), np.int16))), "weights must be int8"),
        (lambda: graph(conv(bias_twice=np.zeros(3, np.int32))), "bias must be int32 of shape"),
        (lambda: graph(conv(weights=np.ones((2, 3, 3, 4), np.int8))), "weights expect 4 input channels"),
        (lambda: graph(conv(candidates=((8, 8), (9, 8)))), "within 2..8 bits"),
        (lambda: graph(conv(candidates=((8, 8), (8, 8)))), "different candidate"),
        (lambda: graph(conv(requantize=None)), "must requantise"),
        (lambda: graph(conv(residual="x", residual_multiplier=np.ones(2, np.int32))), "residual has shape"),
        (lambda: graph(conv(residual="x")), "a residual needs its multiplier"),
        (lambda: graph(conv(input="nothing")), "is not made by an earlier layer"),
        (lambda: graph(conv(output="nothing")), "undefined, or made twice"),
        (lambda: graph(conv(window=Window((3, 3)))), "makes shape (2, 2, 2)"),
        (lambda: graph(conv(), output="nothing"), "the output tensor 'nothing' is not defined"),
        (lambda: graph(conv(), name="7 dwarfs"), "is not a letter"),
        (lambda: graph(conv(), classes=("a", "b")), "2 class names for 32 outputs"),
        (lambda: Window((3, 3), padding=(3, 0, 0, 0)), "padding of the window is 3, must be less than the kernel's 3"),
        (lambda: Tensor("t", (0, 1, 1), 1.0), "is not (height, width, channels)"),
        (lambda: Tensor("t", (1, 1, 1), float("nan")), "not positive and finite"),
        (lambda: Tensor("t", (1, 1, 1), 1.0, 256), "outside 0..255"),
        (
            lambda: Requantize(np.zeros(1, np.int32), np.full(1, 32, np.uint8)),
            "multiplier of channel 0 is 0, must be 1..2^31-1",
        ),
        (
            lambda: graph(
                conv(candidates=((8, 8), (4, 4))),
                tensors=(Tensor("x", (4, 4, 1), 1.0, 9), Tensor("y", (4, 4, 2), 1.0)),
            ),
            "read at 8 bits only",
        ),
        (lambda: graph(conv(bias_twice=np.full(2, 2**31 - 1, np.int32))), "more than int32 holds"),
    ],
)
def test_what_cannot_be_lowered_is_refused_by_name(make, reason: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        make()
    assert reason in str(caught.value)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("size", [(1, 1), (7, 4), (8, 8), (9, 5)])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (2, 5)])
@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (3, 1)])
def test_same_padding_gives_ceil_of_size_over_stride(size, kernel, stride) -> None:
    window = Window.same(size, kernel, stride)
    assert window.output_size(*size) == tuple(-(-n // s) for n, s in zip(size, stride, strict=True))


def test_values_compare_by_content_and_are_frozen() -> None:
    a, b = random_graph(4), random_graph(4)
    assert a == b
    assert a != random_graph(5)
    layer = a.layers[0]
    with pytest.raises(ValueError, match="read-only"):
        layer.weights[0] = 0
    changed = layer.weights.copy()
    changed.flat[0] ^= 1
    assert replace(layer, weights=changed) != layer


def joined(**changes) -> Graph:
    fields = {
        "name": "join",
        "inputs": ("x", "x"),
        "output": "y",
        "axis": 2,
        "bias_twice": np.zeros(2, np.int32),
        "requantize": requantize(2),
    }
    return graph(Concat(**(fields | changes)))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: joined(axis=4), "an axis within 0..3"),
        (lambda: joined(inputs=("x",)), "needs 2 to 64 inputs"),
        (lambda: joined(bias_twice=np.zeros(3, np.int32)), "one multiplier and one bias for every input"),
        (lambda: joined(bias_twice=np.zeros(2, np.int64)), "bias must be int32"),
        (lambda: joined(bias_twice=np.full(2, 2**31 - 500, np.int32)), "does not fit int32"),
        (lambda: joined(axis=0), "makes shape (8, 4, 1)"),
        (lambda: joined(axis=3), "makes shape (1, 1, 32)"),
        (lambda: joined(inputs=("x", "nothing")), "is not made by an earlier layer"),
        (lambda: graph(conv(bias_by_width=np.zeros((2, 2), np.int32))), "biases by width must be int32"),
        (lambda: graph(conv(bias_by_width=np.zeros((1, 2), np.int64))), "biases by width must be int32"),
        (lambda: graph(conv(bias_by_width=np.full((1, 2), 2**31 - 1, np.int32))), "more than int32 holds"),
    ],
)
def test_joints_and_biases_by_width_are_refused_with_their_reason(make, reason: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        make()
    assert reason in str(caught.value)


def test_a_joint_of_fitting_shapes_is_accepted() -> None:
    assert joined().layers[0].keeps(0, 0) is False


def test_random_networks_cover_every_operator() -> None:
    """The generator that the other tests rely on reaches every layer kind and the controller."""
    seen, controllers, fused, zero_points, by_width = set(), 0, 0, 0, 0
    for seed in range(40):
        made = random_graph(seed)
        seen |= {type(layer).__name__ for layer in made.all_layers}
        controllers += made.controller is not None
        fused += any(getattr(layer, "residual", None) for layer in made.layers)
        zero_points += any(t.zero_point for t in made.tensors)
        by_width += any(getattr(layer, "bias_by_width", None) is not None for layer in made.layers)
    assert seen == {"Conv2D", "DepthwiseConv2D", "Dense", "Add", "MaxPool2D", "AveragePool2D", "Concat"}
    assert min(controllers, fused, zero_points, by_width) >= 5


def test_random_networks_of_every_layer_cover_every_layer() -> None:
    seen, apart, controllers = set(), 0, 0
    for seed in range(60):
        made = random_graph(seed, every=True)
        seen |= {type(layer).__name__ for layer in made.all_layers}
        apart += any(layer.window.dilated for layer in made.layers if hasattr(layer, "window"))
        controllers += made.controller is not None
    assert seen == set(LAYER_NAMES.values())
    assert min(apart, controllers) >= 10
