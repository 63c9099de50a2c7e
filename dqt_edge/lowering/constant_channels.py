"""Channels whose code never changes: one channel with a shift of its own must not put a whole layer on a slow kernel.

A channel is dead if its weights, or its multiplier, are so small beside its bias that every input gives the same code.
It may need a shift far from 32, and kernels are fast only if every shift is 32. Such a channel is written anew: weights
of zero, and a bias that gives its code at shift 32. The codes are the same for any input at any candidate, which is
proved here of each channel before it is taken: a requantisation never falls when its accumulator rises, so it is
constant if it gives one code at both ends of what the accumulator can be.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from ..graph import Conv2D, Dense, DepthwiseConv2D, Graph, Layer, MacLayer, Requantize, Tensor, bounds, nested

FAST_SHIFT = 32
"""Shift at which kernels requantise by one instruction."""

MULTIPLIERS = (1 << 10, 1 << 9, 1 << 12, 1 << 15)
"""Multipliers to try at that shift. With a smaller one, an accumulator may change by more within a code; with a greater
one, the bias is smaller."""

BIAS_MAX = 1 << 30
"""Of a rewritten channel: greatest magnitude, which leaves room for all that is added."""

Mac = Conv2D | DepthwiseConv2D | Dense
Range = npt.NDArray[np.int64]


def settled(graph: Graph) -> Graph:
    """The graph with channels written anew that never change and whose shift is not 32; its codes are the same."""
    tensors = {tensor.name: tensor for tensor in graph.tensors}
    layers = tuple(_settled(layer, tensors) for layer in graph.layers)
    controller = graph.controller
    if controller is not None:
        deciding = cast("tuple[Dense, ...]", tuple(_settled(layer, tensors) for layer in controller.layers))
        if deciding != controller.layers:
            controller = replace(controller, layers=deciding)
    points = tuple(replace(p, layers=tuple(_settled(layer, tensors) for layer in p.layers)) for p in graph.points)
    if layers == graph.layers and controller is graph.controller and points == graph.points:
        return graph
    return replace(graph, layers=layers, controller=controller, points=points)


def _settled(layer: Layer, tensors: dict[str, Tensor]) -> Layer:
    if not isinstance(layer, MacLayer):
        return layer
    requantize = layer.requantize
    if layer.skip_bias is not None:  # what never changes may change when the layer is skipped
        return layer
    if requantize is None or layer.input not in tensors or (requantize.shift == FAST_SHIFT).all():
        return layer
    codes = _constant_codes(layer, requantize, tensors)
    slow = [int(c) for c in np.flatnonzero(requantize.shift != FAST_SHIFT) if codes[c] >= 0]
    for multiplier in MULTIPLIERS:
        trial = _rewritten(layer, requantize, slow, codes, multiplier, tensors)
        made = trial.requantize
        assert made is not None
        again = _constant_codes(trial, made, tensors)
        proved = [c for c in slow if again[c] == codes[c] and _bounded(trial, c, tensors)]
        if proved:
            layer = _rewritten(layer, requantize, proved, codes, multiplier, tensors)
            assert layer.requantize is not None
            requantize = layer.requantize
            slow = [c for c in slow if c not in proved]
    return layer


def _bounded(layer: Mac, channel: int, tensors: dict[str, Tensor]) -> bool:
    """Whether no intermediate of a channel leaves int32, as a Graph asks of it."""
    at = slice(channel, channel + 1)
    rows = bounds.bias_rows(layer, tensors[layer.input])[:, at]
    residual = layer.residual_multiplier if isinstance(layer, Conv2D) else None
    mine = None if residual is None else residual[at]
    bound = nested.accumulator_bound(layer.weights[at], rows, layer.candidates, mine, layer.weight_offset)
    return bound <= nested.INT32_MAX


def _constant_codes(layer: Mac, requantize: Requantize, tensors: dict[str, Tensor]) -> npt.NDArray[np.int64]:
    """For each channel the code that it has for any input at any candidate; -1: it has several, or leaves int32."""
    rows = accumulators(layer, tensors)
    least, most = rows[0].min(axis=0), rows[1].max(axis=0)
    to_code = (requantize.multiplier, requantize.shift, requantize.low, requantize.high)
    low, high = (nested.requantize(end, *to_code).astype(np.int64) for end in (least, most))
    fits = (least >= -nested.INT32_MAX) & (most <= nested.INT32_MAX)
    return np.where((low == high) & fits, low, -1)


def _rewritten(
    layer: Mac, requantize: Requantize, channels: list[int], codes: Range, multiplier: int, tensors: dict[str, Tensor]
) -> Mac:
    """The layer with weights of zero in some channels, and the bias that gives each its code, if it can be had."""
    weights = layer.weights.copy()
    weights[channels] = min(max(-layer.weight_offset, -128), 127)
    changes: dict[str, Any] = {"weights": weights}
    if isinstance(layer, Conv2D) and layer.residual_multiplier is not None:
        residual = layer.residual_multiplier.copy()
        residual[channels] = 0
        changes["residual_multiplier"] = residual
    multipliers, shifts = requantize.multiplier.copy(), requantize.shift.copy()
    multipliers[channels], shifts[channels] = multiplier, FAST_SHIFT
    changes["requantize"] = replace(requantize, multiplier=multipliers, shift=shifts)
    blank = layer.bias_twice.copy()
    blank[channels] = 0
    by_width = layer.bias_by_width if layer.bias_by_width is None else layer.bias_by_width.copy()
    if by_width is not None:
        by_width[:, channels] = 0
    least, most = accumulators(replace(layer, **changes, bias_twice=blank, bias_by_width=by_width), tensors)
    middle = (least.min(axis=0) + most.max(axis=0)) // 2
    target = (codes << FAST_SHIFT) // multiplier - middle
    bias = target.clip(-BIAS_MAX, BIAS_MAX).astype(np.int32)
    blank[channels] = bias[channels]
    if by_width is not None:
        by_width[:, channels] = bias[channels]
    return replace(layer, **changes, bias_twice=blank, bias_by_width=by_width)


def accumulators(layer: Mac, tensors: dict[str, Tensor]) -> tuple[Range, Range]:
    """Least and greatest accumulator of each candidate and channel over all inputs, int64 [candidates, channels]."""
    source = tensors[layer.input]
    rows = np.broadcast_to(bounds.bias_rows(layer, source).astype(np.int64), (len(layer.candidates), layer.channels))
    least, most = [], []
    for (weight_bits, activation_bits), bias in zip(layer.candidates, rows, strict=True):
        factors = nested.weight_twice(layer.by_channel, weight_bits) + 2 * layer.weight_offset
        shift = nested.shift_of(activation_bits)
        top = ((1 << activation_bits) - 1) << shift
        least.append(bias + top * factors.clip(None, 0).sum(axis=1))
        most.append(bias + top * factors.clip(0).sum(axis=1))
    low, high = np.array(least), np.array(most)
    if isinstance(layer, Conv2D) and layer.residual is not None:
        assert layer.residual_multiplier is not None
        zero = tensors[layer.residual].zero_point
        ends = layer.residual_multiplier.astype(np.int64) * np.array([[-zero], [nested.CODE_MAX - zero]])
        low, high = low + ends.min(axis=0), high + ends.max(axis=0)
    return low, high
