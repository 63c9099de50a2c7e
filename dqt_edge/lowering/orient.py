"""Turns networks whose tensors are all one element wide, as those on signals, so that their long side is a row.

Tensors [samples, 1, channels] and [1, samples, channels] have the same bytes, and so have the weights. Kernels compute
several outputs of a row at a time, which pays on long rows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..graph import Concat, Graph, Layer, Pad, Resize
from ..graph.values import Shape, Window


def along_rows(graph: Graph) -> Graph:
    """The graph with height and width exchanged where all its tensors are one element wide; else the graph itself."""
    windows = [layer.window for layer in graph.all_layers if hasattr(layer, "window")]
    wide = any(t.shape[1] != 1 for t in graph.tensors) or any(w.kernel[1] != 1 for w in windows)
    if wide or all(t.shape[0] == 1 for t in graph.tensors):
        return graph
    controller = graph.controller
    if controller is not None:
        controller = replace(controller, layers=tuple(_turned(layer) for layer in controller.layers))
    return replace(
        graph,
        tensors=tuple(replace(t, shape=_exchanged(t.shape)) for t in graph.tensors),
        layers=tuple(_turned(layer) for layer in graph.layers),
        controller=controller,
        points=tuple(replace(point, layers=tuple(map(_turned, point.layers))) for point in graph.points),
    )


def _exchanged(shape: Shape) -> Shape:
    return shape[1], shape[0], shape[2]


def _turned(layer: Layer) -> Layer:
    changes: dict[str, Any] = {}
    if isinstance(layer, Concat) and layer.axis < 2:
        changes["axis"] = 1 - layer.axis
    if isinstance(layer, Pad):
        changes |= {"before": _exchanged(layer.before), "step": layer.step[::-1]}
    if isinstance(layer, Resize):
        changes |= {"rows": layer.columns, "columns": layer.rows}
    window = getattr(layer, "window", None)
    if window is not None:
        (height, width), (down, right), (top, left, bottom, far) = window.kernel, window.stride, window.padding
        apart = (window.dilation[1], window.dilation[0])
        changes["window"] = Window((width, height), (right, down), (left, top, far, bottom), apart)
    weights = getattr(layer, "weights", None)
    if weights is not None and window is not None:
        changes["weights"] = weights.swapaxes(1, 2)
    return replace(layer, **changes)
