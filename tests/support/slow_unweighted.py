"""The layers without weights and windows, element by element in Python integers, as docs/arithmetic.md defines them."""

from __future__ import annotations

from itertools import product

import numpy as np

from dqt_edge.graph import (
    FLAT,
    Add,
    Concat,
    Graph,
    Lookup,
    Maximum,
    Minimum,
    Multiply,
    Pad,
    Rearrange,
    Resize,
    Softmax,
)


def slow_requantize(twice: int, rq, c: int) -> int:
    code = (twice * int(rq.multiplier[c]) + (1 << (int(rq.shift[c]) - 1))) >> int(rq.shift[c])
    return min(max(code, rq.low), rq.high)


def slow_unweighted(layer, graph: Graph, live: dict) -> np.ndarray | None:
    """Output of one sample, from its inputs [height, width, channels] by name; None for other layers."""
    if isinstance(layer, Concat):
        return _concat(layer, graph, live)
    shape = graph.tensor(layer.output).shape
    if isinstance(layer, Add | Multiply | Maximum | Minimum):
        (first, z1), (second, z2) = ((live[name], graph.tensor(name).zero_point) for name in layer.inputs)
        return _each(shape, lambda place: _of_two(layer, _at(first, place), z1, _at(second, place), z2))
    if not isinstance(layer, Lookup | Softmax | Rearrange | Pad | Resize):
        return None
    x = live[layer.input].tolist()
    if isinstance(layer, Lookup):
        return _each(shape, lambda p: layer.table[p[2] if len(layer.table) > 1 else 0, x[p[0]][p[1]][p[2]]])
    if isinstance(layer, Softmax):
        return _each(shape, lambda p: _softmax(x[p[0]][p[1]], layer.exponentials.tolist())[p[2]])
    if isinstance(layer, Rearrange):
        flat = live[layer.input].ravel().tolist()
        steps = product(*(range(n) for n in layer.sizes))
        order = [flat[layer.start + sum(i * s for i, s in zip(loop, layer.strides, strict=True))] for loop in steps]
        return np.array(order).reshape(shape)
    if isinstance(layer, Pad):
        out = np.full(shape, layer.value)
        for i, j, c in np.ndindex(live[layer.input].shape):
            out[layer.before[0] + i * layer.step[0], layer.before[1] + j * layer.step[1], layer.before[2] + c] = x[i][
                j
            ][c]
        return out
    return _each(shape, lambda p: _resize(layer, x, *p))


def _each(shape, code) -> np.ndarray:
    return np.array([int(code(place)) for place in np.ndindex(shape)]).reshape(shape)


def _at(values: np.ndarray, place) -> int:
    return int(values[tuple(0 if n == 1 else i for n, i in zip(values.shape, place, strict=True))])


def _of_two(layer, x1: int, z1: int, x2: int, z2: int) -> int:
    if isinstance(layer, Multiply):
        return slow_requantize(2 * (x1 - z1) * (x2 - z2) + int(layer.bias_twice[0]), layer.requantize, 0)
    if isinstance(layer, Add):
        total = x1 * layer.multipliers[0] + x2 * layer.multipliers[1] + layer.offset
        return min(max((total + (1 << (layer.shift - 1))) >> layer.shift, layer.low), layer.high)
    return max(x1, x2) if isinstance(layer, Maximum) else min(x1, x2)


def _softmax(row: list[int], table: list[int]) -> list[int]:
    found = [table[max(row) - x] for x in row]
    return [min(255, (512 * e + sum(found)) // (2 * sum(found))) for e in found]


def _resize(layer: Resize, x: list, i: int, j: int, c: int) -> int:
    (row, down), (column, right) = layer.rows[i].tolist(), layer.columns[j].tolist()
    below, beside = min(row + 1, len(x) - 1), min(column + 1, len(x[0]) - 1)
    top = x[row][column][c] * (1024 - right) + x[row][beside][c] * right
    bottom = x[below][column][c] * (1024 - right) + x[below][beside][c] * right
    return (top * (1024 - down) + bottom * down + 2**19) >> 20


def _concat(layer: Concat, graph: Graph, live: dict) -> np.ndarray:
    parts = []
    for i, name in enumerate(layer.inputs):
        zero, bias = graph.tensor(name).zero_point, int(layer.bias_twice[i])
        codes = [slow_requantize(2 * (v - zero) + bias, layer.requantize, i) for v in live[name].ravel().tolist()]
        parts.append(np.array(codes).reshape((1, 1, -1) if layer.axis == FLAT else live[name].shape))
    return np.concatenate(parts, axis=min(layer.axis, 2))
