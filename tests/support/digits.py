"""The trained digits model that the tests share; tests/data/README.md says how it was made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dqt_edge import checkpoint
from dqt_edge.graph import Graph

DIGITS = Path(__file__).parents[1] / "data" / "digits.safetensors"


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
