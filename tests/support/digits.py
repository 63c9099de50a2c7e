"""The trained digits model that the tests share; tests/files/README.md says how it was made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dqt_edge.data.load import codes, load_data
from dqt_edge.graph import DialPoint, Graph, checkpoint, interpreter
from dqt_edge.graph.bitops import bitops
from dqt_edge.graph.dial import Dynamic

DIGITS = Path(__file__).parents[1] / "files" / "digits.safetensors"


def digits_graph() -> Graph:
    """Stem, residual block, depthwise and 1x1 convolution, pooling, classifier and controller, trained on digits."""
    return checkpoint.load(DIGITS)


def other_graph() -> Graph:
    """The same shape with different weights in layer conv2: another model."""
    graph = digits_graph()
    layer = next(m for m in graph.layers if m.name == "conv2")
    weights = layer.weights.copy()
    weights[:, 1, 1, :] = 127
    changed = replace(layer, weights=weights)
    return replace(graph, layers=tuple(changed if m.name == "conv2" else m for m in graph.layers))


def dial_graph() -> Graph:
    """The digits model with a dial: biases that lean to wide or to narrow candidates, and what they cost on validation
    images."""
    graph = digits_graph()
    data = load_data("digits")
    inputs = codes(data.x_val, graph)
    points = []
    for lean in (-80_000, 0, 50_000, 65_000, 100_000):
        bias = (lean, 0, -lean)
        choices = interpreter.run(graph, inputs, Dynamic(bias)).choices
        points.append(DialPoint(float(bitops(graph, choices).mean()), bias))
    assert graph.controller is not None
    return replace(graph, controller=replace(graph.controller, dial=tuple(points)))
