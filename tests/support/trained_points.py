"""The trained digits model with decision points: heads fitted by least squares to what the layers make."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from dqt_edge.data.load import codes, load_data
from dqt_edge.graph import (
    AveragePool2D,
    DecisionPoint,
    Dense,
    Graph,
    Layer,
    Requantize,
    Tensor,
    Window,
    interpreter,
    nested,
    window_counts,
)
from dqt_edge.graph.points import widest_choices
from dqt_edge.precision.candidates import without_controller

from .digits import digits_graph

AFTER = ("stem", "conv2")
RIDGE = 1e-3


@cache
def pointed_digits(*, controller: bool = False) -> Graph:
    """The digits model with a head behind its first convolution and one behind its residual block."""
    graph = digits_graph() if controller else without_controller(digits_graph())
    data = load_data("digits")
    inputs = codes(data.x_train[:600], graph)
    widest = [layer.candidates[k] for layer, k in zip(graph.adaptive, widest_choices(graph), strict=True)]
    made = interpreter.run(graph, inputs, widest, keep_tensors=True).tensors
    tensors, points = list(graph.tensors), []
    for number, after in enumerate(AFTER):
        source = graph.tensor(graph.layer(after).output)
        pooled, pool = _pool(f"head{number}", source)
        x = interpreter.run_layer(pool, replace(graph, tensors=(*tensors, pooled)), made).reshape(len(inputs), -1)
        tensors.append(pooled)
        points.append(
            DecisionPoint(f"point{number}", after, (pool, _logits(f"head{number}", pooled, x, data.y_train[:600])))
        )
    return replace(graph, tensors=tuple(tensors), points=tuple(points))


def _pool(name: str, source: Tensor) -> tuple[Tensor, Layer]:
    height, width, channels = source.shape
    window = Window.same((height, width), (height // 2, width // 2), (height // 2, width // 2))
    pooled = Tensor(f"{name}.pooled", (*window.output_size(height, width), channels), source.scale)
    counts = tuple(sorted({int(c) for c in window_counts(window, height, width).ravel()}))
    steps = [nested.quantize_multiplier(0.5 / count) for count in counts]
    requantize = Requantize(np.array([m for m, _ in steps], np.int32), np.array([s for _, s in steps], np.uint8))
    bias = np.zeros(len(counts), np.int32)
    return pooled, AveragePool2D(f"{name}.pool", source.name, pooled.name, window, counts, bias, requantize)


def _logits(name: str, pooled: Tensor, x: np.ndarray, y: np.ndarray) -> Dense:
    """The dense layer whose logits come nearest to one for the right class and none for the others."""
    features = np.column_stack([x.astype(np.float64), np.full(len(x), 255.0)])
    square = features.T @ features
    weights = np.linalg.solve(
        square + RIDGE * np.trace(square) / len(square) * np.eye(len(square)), features.T @ np.eye(10)[y]
    )
    scale = np.abs(weights[:-1]).max() / 127
    bias = np.round(2 * 255 * weights[-1] / scale).astype(np.int32)
    return Dense(
        f"{name}.logits",
        pooled.name,
        f"{name}.accumulators",
        np.round(weights[:-1] / scale).astype(np.int8).T,
        bias,
        None,
    )
