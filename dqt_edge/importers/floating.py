"""Runs a floating-point Network in NumPy, and simplifies it before it gets integers."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ..graph import FLAT, Window, window_counts
from .network import LIMITS, Network, Node

Floats = npt.NDArray[np.float32]


def run(network: Network, inputs: Floats) -> Iterator[tuple[str, Floats]]:
    """Name and values of each edge, [samples, height, width, channels], in the order of execution."""
    live = {network.input: inputs}
    last = {name: i for i, node in enumerate(network.nodes) for name in node.inputs}
    yield network.input, inputs
    for i, node in enumerate(network.nodes):
        result = _limited(_node(node, [live[name] for name in node.inputs]), node)
        live[node.output] = result
        yield node.output, result
        for name in node.inputs:
            if last[name] == i:
                live.pop(name, None)


def _limited(values: Floats, node: Node) -> Floats:
    low, high = LIMITS[node.activation]
    return values if node.activation == "none" else np.clip(values, np.float32(low), np.float32(high))


def _node(node: Node, sources: list[Floats]) -> Floats:
    x = sources[0]
    if node.kind == "add":
        return x + sources[1]
    if node.kind == "concat":
        flat = node.axis == FLAT
        parts = [part.reshape(len(part), 1, 1, -1) for part in sources] if flat else sources
        return np.concatenate(parts, axis=3 if flat else 1 + node.axis)
    if node.kind == "rescale":
        return x
    return _pool(node.kind, node.window, x) if node.kind in ("max_pool", "average_pool") else _mac(node, x)


def _pool(kind: str, window: Window | None, x: Floats) -> Floats:
    assert window is not None
    if kind == "max_pool":
        return np.asarray(_windows(x, window, -np.inf).max(axis=(3, 4)), np.float32)
    counts = window_counts(window, *x.shape[1:3])[None, :, :, None]
    return np.asarray(_windows(x, window, 0.0).sum(axis=(3, 4)) / counts, np.float32)


def _mac(node: Node, x: Floats) -> Floats:
    assert node.weights is not None
    assert node.bias is not None
    weights, bias = node.weights.astype(np.float32), node.bias.astype(np.float32)
    if node.kind == "dense":
        return (x.reshape(len(x), -1) @ weights.T + bias)[:, None, None, :]
    assert node.window is not None
    windows = _windows(x, node.window, 0.0)
    if node.kind == "depthwise":
        return np.asarray(np.einsum("nhwijc,cij->nhwc", windows, weights) + bias, np.float32)
    columns = windows.reshape(*windows.shape[:3], -1)
    return columns @ weights.reshape(len(weights), -1).T + bias


def _windows(x: Floats, window: Window, fill: float) -> Floats:
    """View [n, out h, out w, kernel h, kernel w, channels] over the padded input."""
    top, left, bottom, right = window.padding
    padded = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
    view = np.lib.stride_tricks.sliding_window_view(padded, window.kernel, axis=(1, 2))
    return view[:, :: window.stride[0], :: window.stride[1]].transpose(0, 1, 2, 4, 5, 3)


def fold_activations(network: Network) -> Network:
    """Put each lone activation into the layer before it, if nothing else reads that layer."""
    readers = Counter(name for node in network.nodes for name in node.inputs)
    nodes: list[Node] = []
    for node in network.nodes:
        before = next((i for i, n in enumerate(nodes) if n.output == node.inputs[0]), None)
        if node.kind == "rescale" and before is not None and readers[node.inputs[0]] == 1:
            maker = nodes[before]
            if maker.activation == "none" or node.activation in ("none", maker.activation):
                kept = maker.activation if node.activation == "none" else node.activation
                nodes[before] = dataclasses.replace(maker, output=node.output, activation=kept)
                continue
        nodes.append(node)
    used = {network.input, *(node.output for node in nodes)}
    edges = {name: edge for name, edge in network.edges.items() if name in used}
    return dataclasses.replace(network, nodes=tuple(nodes), edges=edges)
