"""Runs a floating-point Network in NumPy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..graph import FLAT, Window, window_counts
from .network import LIMITS, Network, Node
from .order import Order

Floats = npt.NDArray[np.floating[Any]]


def run(
    network: Network, inputs: Floats | Mapping[str, Floats], states: dict[str, Floats] | None = None
) -> Iterator[tuple[str, Floats]]:
    """Name and values of each edge, [samples, height, width, channels], in the order of execution.

    Args:
        network: In floating point. With variables, the samples are one stream, in order.
        inputs: Of a network with one input, or by name.
        states: What variables hold, by the edge that is read: used and changed. None: their initial values.
    """
    live: dict[str, Floats] = dict(inputs) if isinstance(inputs, Mapping) else {network.input: inputs}
    if not network.variables:
        yield from _run(network, live)
        return
    states = {} if states is None else states
    found: dict[str, list[Floats]] = {}
    for i in range(len(live[network.input])):
        for variable in network.variables:
            shape = (1, *network.edges[variable.read].shape)
            states.setdefault(variable.read, np.full(shape, variable.initial, np.float32))
        made = dict(_run(network, {name: values[i : i + 1] for name, values in live.items()} | states))
        states.update({variable.read: made[variable.write] for variable in network.variables})
        for name, values in made.items():
            found.setdefault(name, []).append(values)
    for name, rows in found.items():
        yield name, np.concatenate(rows)


def _run(network: Network, live: dict[str, Floats]) -> Iterator[tuple[str, Floats]]:
    """One batch of independent samples; ``live`` holds what no node makes."""
    last = {name: i for i, node in enumerate(network.nodes) for name in node.reads}
    yield from list(live.items())
    for i, node in enumerate(network.nodes):
        result = node_values(node, [live[name] for name in node.inputs], network)
        live[node.output] = result
        yield node.output, result
        for name in node.reads:
            if last[name] == i:
                live.pop(name, None)


def outputs_of(network: Network, inputs: Floats | Mapping[str, Floats]) -> list[Floats]:
    """Values of each output, [samples, height, width, channels]."""
    wanted: dict[str, Floats] = {}
    for name, values in run(network, inputs):
        if name in network.outputs:
            wanted[name] = values
    return [wanted[name] for name in network.outputs]


def node_values(node: Node, sources: list[Floats], network: Network) -> Floats:
    """What a node makes of its inputs, in their precision: float32, or float64 to judge others by."""
    with np.errstate(over="ignore", invalid="ignore"):
        values = _node(node, sources, network)
    kind = sources[0].dtype
    low, high = LIMITS[node.activation]
    limited = values if node.activation == "none" else np.clip(values, kind.type(low), kind.type(high))
    return np.asarray(limited, kind)


def _node(node: Node, sources: list[Floats], network: Network) -> Any:  # noqa: ANN401, PLR0911 - an array; one line a kind
    x, shape = sources[0], network.edges[node.output].shape
    match node.kind:
        case "add":
            return node.signs[0] * x + node.signs[1] * sources[1]
        case "multiply":
            return x * sources[1]
        case "maximum":
            return np.maximum(x, sources[1])
        case "minimum":
            return np.minimum(x, sources[1])
        case "concat":
            flat = node.axis == FLAT
            parts = [part.reshape(len(part), 1, 1, -1) for part in sources] if flat else sources
            return np.concatenate(parts, axis=3 if flat else 1 + node.axis)
        case "lookup":
            assert node.function is not None
            return node.function(x)
        case "softmax":
            raised = np.exp(x - x.max(axis=-1, keepdims=True))
            return raised / raised.sum(axis=-1, keepdims=True)
        case "rearrange":
            assert node.order is not None
            return moved(x, node.order).reshape(len(x), *shape)
        case "pad":
            return padded(x, node, shape)
        case "resize":
            assert node.grid is not None
            return _between(_between(x, node.grid.rows, 1), node.grid.columns, 2)
        case "max_pool" | "average_pool":
            return _pool(node, x)
        case _:
            return _mac(node, x)


def moved(x: npt.NDArray[Any], order: Order) -> npt.NDArray[Any]:
    """Samples with their elements in another order, flat."""
    rows = x.reshape(len(x), -1)
    return rows if order.keeps(rows.shape[1]) else rows[:, order.indices()]


def padded(x: Floats, node: Node, shape: tuple[int, int, int]) -> Floats:
    """Samples spread over an output filled with a value."""
    assert node.padding is not None
    (top, left, front), (down, right) = node.padding.before, node.padding.step
    height, width, channels = x.shape[1:]
    made = np.full((len(x), *shape), node.padding.value, x.dtype)
    rows = slice(top, top + (height - 1) * down + 1, down)
    columns = slice(left, left + (width - 1) * right + 1, right)
    made[:, rows, columns, front : front + channels] = x
    return made


def _between(x: Floats, grid: npt.NDArray[np.int32], axis: int) -> Floats:
    """Values between neighbours along an axis."""
    index, weight = grid[:, 0], grid[:, 1] / 1024
    following = np.minimum(index + 1, x.shape[axis] - 1)
    along = weight.reshape(-1, *[1] * (x.ndim - 1 - axis)).astype(x.dtype)
    return np.asarray(x.take(index, axis) * (1 - along) + x.take(following, axis) * along, x.dtype)


def _pool(node: Node, x: Floats) -> Floats:
    assert node.window is not None
    if node.kind == "max_pool":
        return np.asarray(_windows(x, node.window, -np.inf).max(axis=(3, 4)), x.dtype)
    counts = window_counts(node.window, *x.shape[1:3])[None, :, :, None]
    sums = _windows(x, node.window, 0.0).sum(axis=(3, 4), dtype=np.float64)
    return np.asarray(sums * node.factor / counts, x.dtype)


def _mac(node: Node, x: Floats) -> Floats:
    assert node.weights is not None
    assert node.bias is not None
    weights, bias = node.weights.astype(x.dtype), node.bias.astype(x.dtype)
    if node.kind == "dense":
        return (x.reshape(len(x), -1) @ weights.T + bias)[:, None, None, :]
    assert node.window is not None
    windows = _windows(x, node.window, 0.0)
    if node.kind == "depthwise":
        return np.asarray(np.einsum("nhwijc,cij->nhwc", windows, weights) + bias, x.dtype)
    columns = windows.reshape(*windows.shape[:3], -1)
    return columns @ weights.reshape(len(weights), -1).T + bias


def _windows(x: Floats, window: Window, fill: float) -> Floats:
    """View [n, out h, out w, kernel h, kernel w, channels] over the padded input."""
    top, left, bottom, right = window.padding
    spread = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
    down, across = window.dilation
    reach = (window.kernel[0] - 1) * down + 1, (window.kernel[1] - 1) * across + 1
    view = np.lib.stride_tricks.sliding_window_view(spread, reach, axis=(1, 2))
    view = view[:, :: window.stride[0], :: window.stride[1], :, ::down, ::across]
    return view.transpose(0, 1, 2, 4, 5, 3)
