"""One layer of a Graph in integers with NumPy, at one width pair or at each sample's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from . import nested
from .graph import Graph
from .layers import (
    AveragePool2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Layer,
    MacLayer,
    MaxPool2D,
    window_counts,
)
from .unweighted import layer_codes
from .values import SKIP, Pair, Window

Codes = npt.NDArray[np.uint8]


def is_skipped(graph: Graph, position: int, choices: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Of each sample, whether the adaptive layer at a position is skipped; choices [samples, adaptive layers]."""
    return np.asarray(choices[:, position] == len(graph.adaptive[position].candidates))


def run_selected(layer: Layer, graph: Graph, live: dict[str, Codes], column: npt.NDArray[np.int64]) -> Codes:
    """Run each sample at its own option."""
    assert isinstance(layer, MacLayer)
    out = np.zeros((len(column), *graph.tensor(layer.output).shape), np.uint8)
    for index in np.unique(column):
        chosen = column == index
        part = {name: live[name][chosen] for name in layer.inputs}
        out[chosen] = run_layer(layer, graph, part, layer.options[index])
    return out


def run_layer(layer: Layer, graph: Graph, live: dict[str, Codes], pair: Pair | None = None) -> Codes:
    """Output codes of one layer, given its inputs by name; ``pair`` defaults to the first candidate."""
    if isinstance(layer, MacLayer):
        twice = accumulate(layer, graph, live, pair or layer.candidates[0])
        rq = layer.requantize
        assert rq is not None
        return nested.requantize(twice, rq.multiplier, rq.shift, rq.low, rq.high)
    if isinstance(layer, MaxPool2D):
        # Padding must never win: code 0 is the least code, and every window holds at least one real element.
        return np.asarray(_windows(live[layer.input], layer.window, 0).max(axis=(3, 4)), dtype=np.uint8)
    if isinstance(layer, AveragePool2D):
        return _average_pool(layer, graph, live[layer.input])
    return layer_codes(layer, graph, live)


def _windows(x: npt.NDArray[np.generic], window: Window, fill: int) -> npt.NDArray[np.uint8]:
    """View of shape [n, out h, out w, kernel h, kernel w, channels] over the padded input."""
    (top, left, bottom, right), (down, along) = window.padding, window.dilation
    padded = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
    view = np.lib.stride_tricks.sliding_window_view(padded, window.extent, axis=(1, 2))
    strided = view[:, :: window.stride[0], :: window.stride[1], :, ::down, ::along]
    return strided.transpose(0, 1, 2, 4, 5, 3)


def _average_pool(layer: AveragePool2D, graph: Graph, x: Codes) -> Codes:
    height, width, _ = graph.tensor(layer.input).shape
    zero = graph.tensor(layer.input).zero_point
    sums = _windows(x.astype(np.int64) - zero, layer.window, 0).sum(axis=(3, 4), dtype=np.int64)
    counts = window_counts(layer.window, height, width)
    index = np.searchsorted(layer.counts, counts) if layer.counts == tuple(sorted(layer.counts)) else None
    if index is None:
        index = np.array([[layer.counts.index(int(c)) for c in row] for row in counts])
    rq = layer.requantize
    twice = 2 * sums + layer.bias_twice[index][None, :, :, None]
    multiplier, shift = rq.multiplier[index][None, :, :, None], rq.shift[index][None, :, :, None]
    return nested.requantize(twice, multiplier, shift, rq.low, rq.high)


def accumulate(
    layer: Conv2D | DepthwiseConv2D | Dense, graph: Graph, live: dict[str, Codes], pair: Pair
) -> npt.NDArray[np.int64]:
    """Accumulator halves of a layer with weights, given its inputs by name: int64 [n, height, width, channels]."""
    if pair == SKIP:
        shape = (len(live[layer.input]), *graph.tensor(layer.output).shape)
        return _with_residual(layer, graph, live, np.broadcast_to(layer.bias_of(pair).astype(np.int64), shape))
    weight_bits, activation_bits = pair
    source = graph.tensor(layer.input)
    view = nested.activation_view(live[layer.input], activation_bits).astype(np.uint8)
    bias = layer.bias_of(pair).astype(np.int64)
    if source.zero_point:
        bias = bias - nested.zero_point_twice(layer.weights, weight_bits, source.zero_point, layer.weight_offset)
    weights = nested.weight_view(layer.weights, weight_bits)
    if isinstance(layer, DepthwiseConv2D):
        products, sums = _depthwise(view, weights, layer.window, source.zero_point)
    else:
        products, sums = _matrix_products(layer, view, weights, source.zero_point)
    twice = nested.accumulator_twice(products, sums, weight_bits, activation_bits, bias, layer.weight_offset)
    return _with_residual(layer, graph, live, twice)


def _with_residual(
    layer: Conv2D | DepthwiseConv2D | Dense, graph: Graph, live: dict[str, Codes], twice: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """The accumulators with the residual operand, if the layer has one."""
    if isinstance(layer, Conv2D) and layer.residual is not None:
        assert layer.residual_multiplier is not None
        zero = graph.tensor(layer.residual).zero_point
        return twice + (live[layer.residual].astype(np.int64) - zero) * layer.residual_multiplier
    return twice


FLOAT32_EXACT = 1 << 24
"""Integers up to this magnitude are exact in float32."""


def _matrix_products(
    layer: Conv2D | Dense, view: Codes, weights: npt.NDArray[np.int64], fill: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Sums of products, and of activations, int64 [n, h, w, channels] and [n, h, w, 1].

    Matrix products of BLAS, in whatever order it adds, are exact integers: no partial sum leaves what the type holds.
    float64 always holds it (2^53), float32 if the largest sum of magnitudes does.
    """
    flat = weights.reshape(layer.channels, -1)
    most = max(int(np.abs(flat).sum(axis=1).max()), flat.shape[1]) * nested.CODE_MAX
    real: Any = np.float32 if most <= FLOAT32_EXACT else np.float64
    if isinstance(layer, Dense):
        columns = view.reshape(len(view), 1, 1, -1).astype(real)
    else:
        windows = _windows(view.astype(real), layer.window, fill)
        columns = windows.reshape(*windows.shape[:3], -1)
    with_ones = np.concatenate([flat, np.ones_like(flat[:1])]).astype(real)
    found = (columns @ with_ones.T).astype(np.int64)
    return found[..., :-1], found[..., -1:]


def _depthwise(
    view: Codes, weights: npt.NDArray[np.int64], window: Window, fill: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Sums of products, and of activations, int64 [n, h, w, channels] each; tap by tap."""
    windows = _windows(view.astype(np.int32), window, fill)
    shape = (*windows.shape[:3], windows.shape[-1])
    products, sums = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    small = weights.astype(np.int32)  # products of up to 65,025 taps of 15 bits fit 31
    for i, j in np.ndindex(window.kernel):
        tap = windows[:, :, :, i, j]
        products += tap * small[:, i, j]
        sums += tap
    return products.astype(np.int64), sums.astype(np.int64)
