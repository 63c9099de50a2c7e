"""Networks in which every operator with weights can run at each of the 49 width pairs."""

from __future__ import annotations

import numpy as np

from dqt_edge.graph import Conv2D, Dense, DepthwiseConv2D, Graph, Tensor, Window
from tests.support.random_graphs import ALL_PAIRS, random_requantize, random_weights

PARTS = tuple(ALL_PAIRS[i::4] for i in range(4))
"""The pairs in four parts: a layer has at most 16 candidates."""


def pair_graph(part: int) -> Graph:
    """Convolution, convolution with a fused residual, depthwise convolution and dense, all at the part's candidates."""
    rng = np.random.default_rng((part, 6))
    pairs = PARTS[part]

    def fields(channels: int, depth: int) -> dict:
        return {
            "bias_twice": rng.integers(-depth * 3000, depth * 3000, channels).astype(np.int32),
            "requantize": random_requantize(rng, channels, 1 / (60 * depth**0.5 * 64)),
            "candidates": pairs,
        }

    same = Window.same((5, 7), (3, 3), (1, 1))
    half = Window.same((5, 7), (3, 3), (2, 2))
    layers = (
        Conv2D("conv", "x", "a", random_weights(rng, (6, 3, 3, 6)), **fields(6, 54), window=same),
        Conv2D(
            "fused",
            "a",
            "b",
            random_weights(rng, (6, 3, 3, 6)),
            **fields(6, 54),
            window=same,
            residual="x",
            residual_multiplier=rng.integers(64, 5000, 6).astype(np.int32),
        ),
        DepthwiseConv2D("depthwise", "b", "c", random_weights(rng, (6, 3, 3)), **fields(6, 9), window=half),
        Conv2D("pointwise", "c", "d", random_weights(rng, (9, 1, 1, 6)), **fields(9, 6), window=Window((1, 1))),
        Dense("dense", "d", "y", random_weights(rng, (11, 108)), **fields(11, 108)),
    )
    shapes = {"x": (5, 7, 6), "a": (5, 7, 6), "b": (5, 7, 6), "c": (3, 4, 6), "d": (3, 4, 9), "y": (1, 1, 11)}
    return Graph(f"pairs{part}", tuple(Tensor(n, s, 0.05) for n, s in shapes.items()), layers, "x", "y")
