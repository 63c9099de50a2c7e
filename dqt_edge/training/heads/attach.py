"""Graphs without and with decision points. Imports without TensorFlow."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...errors import UnsupportedError
from ...graph import DecisionPoint, Graph, Tensor
from ...tasks.kinds import Classifier


def require_fit(graph: Graph) -> None:
    """Refuse a network that can have no decision point; raises UnsupportedError."""
    reasons = {
        f"its task is {graph.task}": graph.task != Classifier.name,
        f"it has {len(graph.outputs)} outputs": len(graph.outputs) > 1,
        f"it has {len(graph.inputs)} inputs": len(graph.inputs) > 1,
        "it keeps states between inferences": bool(graph.states),
    }
    reason = next((text for text, holds in reasons.items() if holds), None)
    if reason is not None:
        raise UnsupportedError(
            f"the network can have no heads: {reason}",
            where=f"graph {graph.name!r}",
            next_step="give a classifier with one input, one output and no state",
        )


def without_points(graph: Graph) -> Graph:
    """The network alone, with its controller if it has one; what was tuned for the points goes with them."""
    gone = {layer.output for point in graph.points for layer in point.layers}
    kept = tuple(tensor for tensor in graph.tensors if tensor.name not in gone)
    provenance = {key: value for key, value in graph.provenance.items() if key not in ("heads", "tuned")}
    return replace(graph, tensors=kept, points=(), tuned=(), second_pass=False, provenance=provenance)


def point_names(graph: Graph, count: int) -> tuple[str, ...]:
    """``point1``, ``point2`` ..., or with another word in front where the network has such names itself."""
    taken = {graph.name, *(t.name for t in graph.tensors), *(layer.name for layer in graph.all_layers)}
    word = "point"
    while any(re.match(rf"{word}[0-9]", name) for name in taken):
        word = f"decision_{word}"
    return tuple(f"{word}{i}" for i in range(1, count + 1))


def with_points(
    graph: Graph, points: Sequence[DecisionPoint], tensors: Sequence[Tensor], provenance: Mapping[str, Any]
) -> Graph:
    """The network with decision points, and with ``heads`` in its provenance; its own layers stay what they are."""
    return replace(
        graph,
        tensors=(*graph.tensors, *tensors),
        points=tuple(points),
        provenance={**graph.provenance, "heads": dict(provenance)},
    )
