"""Concatenation as its kernel sees it: how many bytes of each input make a row of the output."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..graph import FLAT, Concat, Tensor


def row_sizes(layer: Concat, tensors: Mapping[str, Tensor]) -> tuple[int, list[int]]:
    """Rows of the output, and the bytes of each input in a row."""
    axis = 0 if layer.axis == FLAT else layer.axis
    rows = math.prod(tensors[layer.inputs[0]].shape[:axis])
    return rows, [math.prod(tensors[name].shape[axis:]) for name in layer.inputs]


def parameters(layer: Concat, tensors: Mapping[str, Tensor], offsets: Mapping[str, int]) -> dict[str, Any]:
    """Fields of the ``dqt_concat`` record; ``shift`` 0 marks an input that is copied."""
    rows, sizes = row_sizes(layer, tensors)
    parts = []
    for i, name in enumerate(layer.inputs):
        source = tensors[name]
        keeps = layer.keeps(i, source.zero_point)
        rq = layer.requantize
        parts.append(
            {
                "input": offsets[name],
                "size": sizes[i],
                "multiplier": 0 if keeps else int(rq.multiplier[i]),
                "offset": 0 if keeps else int(layer.bias_twice[i]) - 2 * source.zero_point,
                "shift": 0 if keeps else int(rq.shift[i]),
                "low": rq.low,
                "high": rq.high,
            }
        )
    return {"parts": tuple(parts), "output": offsets[layer.output], "rows": rows}


def bound(layer: Concat) -> int:
    """Largest magnitude of an accumulator."""
    return 2 * 255 + int(np.abs(layer.bias_twice.astype(np.int64)).max())
