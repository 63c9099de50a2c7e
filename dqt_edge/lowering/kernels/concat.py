"""Concatenation as its kernel sees it: how many bytes of each input make a row of the output."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ...graph import FLAT, Concat, Tensor
from ..records import Concatenation, Part


def row_sizes(layer: Concat, tensors: Mapping[str, Tensor]) -> tuple[int, list[int]]:
    """Rows of the output, and the bytes of each input in a row."""
    axis = 0 if layer.axis == FLAT else layer.axis
    rows = math.prod(tensors[layer.inputs[0]].shape[:axis])
    return rows, [math.prod(tensors[name].shape[axis:]) for name in layer.inputs]


def record(layer: Concat, tensors: Mapping[str, Tensor], offsets: Mapping[str, int]) -> Concatenation:
    """The layer's record; ``shift`` 0 marks an input that is copied."""
    rows, sizes = row_sizes(layer, tensors)
    rq, parts = layer.requantize, []
    for i, name in enumerate(layer.inputs):
        zero_point = tensors[name].zero_point
        keeps = layer.keeps(i, zero_point)
        parts.append(
            Part(
                input=offsets[name],
                size=sizes[i],
                multiplier=0 if keeps else int(rq.multiplier[i]),
                offset=0 if keeps else int(layer.bias_twice[i]) - 2 * zero_point,
                shift=0 if keeps else int(rq.shift[i]),
                low=rq.low,
                high=rq.high,
            )
        )
    return Concatenation(tuple(parts), len(parts), offsets[layer.output], rows)


def bound(layer: Concat) -> int:
    """Largest magnitude of an accumulator."""
    return 2 * 255 + int(np.abs(layer.bias_twice.astype(np.int64)).max())
