"""Integers of the layers without weights and windows, with NumPy: what ``interpreter`` runs them by."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from . import nested
from .graph import Graph
from .layers_data import FLAT, Concat, Pad, Rearrange, Resize
from .layers_elementwise import Add, Lookup, Maximum, Minimum, Multiply, Softmax
from .values import Shape

Codes = npt.NDArray[np.uint8]
Unweighted = Add | Multiply | Maximum | Minimum | Lookup | Softmax | Concat | Rearrange | Pad | Resize


def layer_codes(layer: Unweighted, graph: Graph, live: Mapping[str, Codes]) -> Codes:
    """Output codes of one layer, uint8 [n, height, width, channels], given its inputs by name."""
    if isinstance(layer, Concat):
        return _concat(layer, graph, live)
    if isinstance(layer, Add | Multiply | Maximum | Minimum):
        return _of_two(layer, graph, live)
    return _of_one(layer, live[layer.input], graph.tensor(layer.output).shape)


def _of_one(layer: Lookup | Softmax | Rearrange | Pad | Resize, x: Codes, shape: Shape) -> Codes:
    if isinstance(layer, Lookup):
        return layer.table[0][x] if len(layer.table) == 1 else layer.table[np.arange(x.shape[-1]), x]
    if isinstance(layer, Softmax):
        return nested.softmax(x, layer.exponentials)
    if isinstance(layer, Resize):
        return nested.resize(x, layer.rows, layer.columns)
    if isinstance(layer, Rearrange):
        return x.reshape(len(x), -1)[:, _elements(layer)].reshape(len(x), *shape)
    out = np.full((len(x), *shape), layer.value, np.uint8)
    places = (
        slice(before, before + step * size, step)
        for before, step, size in zip(layer.before, (*layer.step, 1), x.shape[1:], strict=True)
    )
    out[(slice(None), *places)] = x
    return out


def _of_two(layer: Add | Multiply | Maximum | Minimum, graph: Graph, live: Mapping[str, Codes]) -> Codes:
    x1, x2 = (live[name] for name in layer.inputs)
    if isinstance(layer, Add):
        return nested.add(x1, x2, *layer.multipliers, layer.offset, layer.shift, layer.low, layer.high)
    if isinstance(layer, Multiply):
        z1, z2 = (graph.tensor(name).zero_point for name in layer.inputs)
        twice = nested.multiply_twice(x1, z1, x2, z2, int(layer.bias_twice[0]))
        rq = layer.requantize
        return nested.requantize(twice, rq.multiplier, rq.shift, rq.low, rq.high)
    return np.maximum(x1, x2) if isinstance(layer, Maximum) else np.minimum(x1, x2)


def _concat(layer: Concat, graph: Graph, live: Mapping[str, Codes]) -> Codes:
    parts = []
    for i, name in enumerate(layer.inputs):
        twice = 2 * (live[name].astype(np.int64) - graph.tensor(name).zero_point) + int(layer.bias_twice[i])
        rq = layer.requantize
        part = nested.requantize(twice, rq.multiplier[i : i + 1], rq.shift[i : i + 1], rq.low, rq.high)
        parts.append(part.reshape(len(part), 1, 1, -1) if layer.axis == FLAT else part)
    if layer.axis == FLAT:
        return np.concatenate(parts, axis=3)
    return np.concatenate(parts, axis=1 + layer.axis)


def _elements(layer: Rearrange) -> npt.NDArray[np.int64]:
    """Input element of each output element, row by row."""
    found = np.array([layer.start], np.int64)
    for size, stride in layer.loops():
        found = np.add.outer(found, stride * np.arange(size, dtype=np.int64)).ravel()
    return found
