"""A network shaped for the digits (8x8x1, ten classes) with every operator and a controller, random but fixed."""

from __future__ import annotations

import numpy as np

from dqt_edge import nested
from dqt_edge.graph import (
    Add,
    AveragePool2D,
    Controller,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Graph,
    MaxPool2D,
    Requantize,
    Tensor,
    Window,
)

CANDIDATES = ((8, 8), (4, 4), (2, 4))


def _scaled(channels: int, multiplier: float) -> Requantize:
    m0, r = nested.quantize_multiplier(multiplier)
    return Requantize(np.full(channels, m0, np.int32), np.full(channels, r, np.uint8))


def digits_graph(seed: int = 7) -> Graph:
    """The network; another seed gives another model of the same shape."""
    rng = np.random.default_rng(seed)

    def weights(*shape: int) -> np.ndarray:
        return np.clip(np.round(rng.normal(0, 45, shape)), -128, 127).astype(np.int8)

    def mac(channels: int, depth: int, gain: float = 1.0) -> dict:
        bias = rng.integers(0, 60 * depth + 1, channels).astype(np.int32)
        return {"bias_twice": bias, "requantize": _scaled(channels, gain / (60 * depth**0.5 * 6))}

    same = Window.same((8, 8), (3, 3), (1, 1))
    half = Window.same((8, 8), (3, 3), (2, 2))
    layers = (
        Conv2D("stem", "input", "t.stem", weights(8, 3, 3, 1), **mac(8, 9), window=same),
        Conv2D("conv1", "t.stem", "t.conv1", weights(8, 3, 3, 8), **mac(8, 72), candidates=CANDIDATES, window=same),
        Conv2D(
            "conv2",
            "t.conv1",
            "t.conv2",
            weights(8, 3, 3, 8),
            **mac(8, 72),
            candidates=CANDIDATES,
            window=same,
            residual="t.stem",
            residual_multiplier=rng.integers(64, 3000, 8).astype(np.int32),
        ),
        Add("add", ("t.conv1", "t.conv2"), "t.add", *_add()),
        MaxPool2D("max", "t.add", "t.max", Window((2, 2), (1, 1), (0, 0, 1, 1))),
        DepthwiseConv2D(
            "depthwise", "t.max", "t.depthwise", weights(8, 3, 3), **mac(8, 9), candidates=CANDIDATES, window=half
        ),
        Conv2D("pointwise", "t.depthwise", "t.pointwise", weights(12, 1, 1, 8), **mac(12, 8), candidates=CANDIDATES),
        AveragePool2D(
            "pool", "t.pointwise", "t.pool", Window((2, 2), (2, 2)), (4,), np.zeros(1, np.int32), _scaled(1, 1 / 8)
        ),
        Dense("classifier", "t.pool", "logits", weights(10, 48), **mac(10, 48)),
    )
    shapes = {
        "input": (8, 8, 1), "t.stem": (8, 8, 8), "t.conv1": (8, 8, 8), "t.conv2": (8, 8, 8), "t.add": (8, 8, 8),
        "t.max": (8, 8, 8), "t.depthwise": (4, 4, 8), "t.pointwise": (4, 4, 12), "t.pool": (2, 2, 12),
        "logits": (1, 1, 10), "c.pool": (1, 1, 8), "c.hidden": (1, 1, 16),
    }  # fmt: skip
    zero_points = {"logits": 128}
    scales = {"input": 1 / 255}
    tensors = tuple(
        Tensor(name, shape, scales.get(name, 0.05), zero_points.get(name, 0)) for name, shape in shapes.items()
    )
    global_window = Window((8, 8))
    controller = Controller(
        "stem",
        (
            AveragePool2D(
                "c.pool", "t.stem", "c.pool", global_window, (64,), np.zeros(1, np.int32), _scaled(1, 1 / 128)
            ),
            Dense("c.hidden", "c.pool", "c.hidden", weights(16, 8), **mac(16, 8, 3.0)),
            Dense("c.logits", "c.hidden", "c.logits", weights(12, 16), np.zeros(12, np.int32), None),
        ),
        ("conv1", "conv2", "depthwise", "pointwise"),
    )
    return Graph(
        "digits", tensors, layers, "input", "logits", tuple(map(str, range(10))), controller, {"made": "test"}
    )


def _add() -> tuple:
    m1, m2, offset, r = nested.add_parameters((0.05, 0.05), (0, 0), 0.05, 0)
    return (m1, m2), offset, r
