"""Runs a Graph in integers with NumPy: the oracle for every bit that a device computes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
from .policy import Policy, Settled, fixed_choices, logit_bias, parse_policy
from .samples import split_inputs
from .unweighted import layer_codes
from .values import Pair, Window

Codes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
BATCH = 32
"""Samples computed at once: more would leave the processor's caches, and thousands would fill the memory."""


@dataclass(frozen=True, eq=False)
class Result:
    """What a run computed.

    Attributes:
        outputs: Codes of the output tensor, the first of several, uint8 [samples, size].
        choices: Index of the candidate each adaptive layer ran at, int64 [samples, adaptive layers].
        tensors: Codes of every tensor by name, [samples, height, width, channels]; only when asked for.
        logits: The controller's accumulators without the bias, int64 [samples, decided layers, candidates]; None where
            the widths were given.
        output_codes: Codes of every output tensor by name, uint8 [samples, size], in the graph's order.
    """

    outputs: Codes
    choices: npt.NDArray[np.int64]
    tensors: dict[str, Codes] = field(default_factory=dict)
    logits: npt.NDArray[np.int64] | None = None
    output_codes: dict[str, Codes] = field(default_factory=dict)


def run(
    graph: Graph, inputs: Codes | Mapping[str, Codes], policy: Policy = "dynamic", *, keep_tensors: bool = False
) -> Result:
    """Run samples through the graph.

    A graph with states takes the samples as one stream, in order, and starts from the initial states at each call.

    Args:
        graph: The network.
        inputs: Codes, uint8 [samples, height, width, channels]. Of several inputs: such an array for each name, or
            uint8 [samples, bytes], the inputs one behind another.
        policy: See ``graph.policy``; text such as ``4x4``, ``Dynamic``, or a width vector.
        keep_tensors: Return every tensor, not only the output.

    Raises:
        UsageError: The inputs or the policy do not belong to the graph.
    """
    given = split_inputs(graph, inputs)
    settled = parse_policy(policy, graph)
    count = len(given[graph.input])
    step = 1 if graph.states else BATCH
    kept = {s.read: np.full((1, *graph.tensor(s.read).shape), s.initial, np.uint8) for s in graph.states}
    parts = []
    for start in range(0, max(count, 1), step):
        live = {name: codes[start : start + step] for name, codes in given.items()} | kept
        parts.append(_run(graph, live, settled, keep_tensors=keep_tensors))
        kept = {state.read: live[state.write] for state in graph.states}
    if len(parts) == 1:
        return parts[0]
    return Result(
        np.concatenate([part.outputs for part in parts]),
        np.concatenate([part.choices for part in parts]),
        {name: np.concatenate([part.tensors[name] for part in parts]) for name in parts[0].tensors},
        None if parts[0].logits is None else np.concatenate([np.asarray(part.logits) for part in parts]),
        {name: np.concatenate([part.output_codes[name] for part in parts]) for name in graph.outputs},
    )


def _run(graph: Graph, live: dict[str, Codes], policy: Settled, *, keep_tensors: bool) -> Result:
    """Run one batch of samples; ``live`` holds the inputs and states by name and receives what the layers make."""
    n = len(live[graph.input])
    positions = {layer.name: i for i, layer in enumerate(graph.adaptive)}
    choices = np.zeros((n, len(positions)), np.int64)
    bias = None
    if isinstance(policy, tuple):
        choices[:] = fixed_choices(graph, policy)
    else:
        bias = logit_bias(graph, policy)
    controller = graph.controller
    decided = {layer.name for layer in controller.layers} if controller else set()
    logits = None
    for layer in graph.all_layers:
        if layer.name in decided and bias is None:
            continue
        if isinstance(layer, Dense) and layer.requantize is None:
            assert controller is not None
            assert bias is not None
            twice = accumulate(layer, graph, live, layer.candidates[0])
            logits = twice.reshape(n, len(controller.decides), -1)
            choices = (logits + bias).argmax(axis=-1)  # the first of equals
        elif layer.name in positions:
            column = choices[:, positions[layer.name]]
            live[layer.output] = _run_selected(layer, graph, live, column)
        else:
            live[layer.output] = run_layer(layer, graph, live)
    outputs = {name: live[name].reshape(n, -1) for name in graph.outputs}
    return Result(outputs[graph.output], choices, live if keep_tensors else {}, logits, outputs)


def _run_selected(layer: Layer, graph: Graph, live: dict[str, Codes], column: npt.NDArray[np.int64]) -> Codes:
    """Run each sample at its own candidate."""
    assert isinstance(layer, MacLayer)
    out = np.zeros((len(column), *graph.tensor(layer.output).shape), np.uint8)
    for index in np.unique(column):
        chosen = column == index
        part = {name: live[name][chosen] for name in layer.inputs}
        out[chosen] = run_layer(layer, graph, part, layer.candidates[index])
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
    if isinstance(layer, Conv2D) and layer.residual is not None:
        assert layer.residual_multiplier is not None
        zero = graph.tensor(layer.residual).zero_point
        twice += (live[layer.residual].astype(np.int64) - zero) * layer.residual_multiplier
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
