"""Integers of one layer: from trained weights and scales to a Graph layer's fields. Imports without TensorFlow."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import UnsupportedError
from ..graph import AveragePool2D, Requantize, Tensor, Window, nested, window_counts

if TYPE_CHECKING:
    from .layers import MacLayer


def refusal(layer: str, reason: str) -> UnsupportedError:
    """The error that names a layer whose trained numbers the integer arithmetic cannot hold."""
    return UnsupportedError(
        f"layer {layer!r}: {reason}",
        where="export of the trained network",
        next_step="train again with a lower learning rate or more data, so that no scale runs away",
    )


def mac_fields(
    part: MacLayer, source: float, result: float | None, zero_point: int, bias: npt.NDArray[np.float32] | None = None
) -> dict[str, Any]:
    """Weights, biases, multipliers and candidates of a layer.

    Args:
        part: The trained layer.
        source: Scale of its input.
        result: Scale of its output; None leaves accumulators.
        zero_point: Of its output.
        bias: Instead of the trained one.
    """
    weights, scales, biases = part.folded(source, zero_point * (result or 0.0), bias)
    master = np.clip(nested.round_half_up(weights / scales), -128, 127).astype(np.int8)
    units = scales * source
    multipliers = units if result is None else units / result
    try:
        twice = [
            nested.bias_twice(float(b), float(u), zero_point, float(m))
            for b, u, m in zip(biases, units, multipliers, strict=True)
        ]
        pairs = None if result is None else [nested.quantize_multiplier(float(m)) for m in multipliers]
    except (ValueError, OverflowError) as error:
        raise refusal(part.node.name, str(error)) from error
    if max(map(abs, twice)) > nested.INT32_MAX:
        raise refusal(part.node.name, f"its bias reaches {max(map(abs, twice))}, more than int32 holds")
    return {
        "weights": np.ascontiguousarray(np.moveaxis(master, -1, 0)),
        "bias_twice": np.array(twice, np.int32),
        "requantize": None if pairs is None else _requantize(pairs),
        "candidates": part.candidates,
    }


def _requantize(pairs: list[tuple[int, int]]) -> Requantize:
    multipliers, shifts = zip(*pairs, strict=True)
    return Requantize(np.array(multipliers, np.int32), np.array(shifts, np.uint8))


def average_pool(name: str, source: Tensor, result: Tensor, window: Window) -> AveragePool2D:
    """Average pooling with one multiplier for every number of elements that a window can hold."""
    counts = tuple(int(n) for n in np.unique(window_counts(window, *source.shape[:2])))
    twice, requantize = scaled(name, [source.scale / (count * result.scale) for count in counts], result.zero_point)
    return AveragePool2D(name, source.name, result.name, window, counts, twice, requantize)


def scaled(name: str, ratios: list[float], zero_point: int) -> tuple[npt.NDArray[np.int32], Requantize]:
    """Twice the biases and the requantisation of accumulators that count halves of ``ratio`` codes."""
    try:
        pairs = [nested.quantize_multiplier(ratio) for ratio in ratios]
    except ValueError as error:
        raise refusal(name, str(error)) from error
    twice = [math.floor(2 * zero_point / ratio + 0.5) for ratio in ratios]
    if max(twice) + 2 * 255 * 255 > nested.INT32_MAX:
        raise refusal(name, "its scales are too far apart")
    return np.array(twice, np.int32), _requantize(pairs)
