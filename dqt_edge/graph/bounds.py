"""Exact accumulator bounds, and the per-width constants that an input zero point makes.

A Graph whose accumulators could leave int32 cannot be made (checks.py), so nothing is refused here.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from . import nested
from .layers import Conv2D, Dense, DepthwiseConv2D
from .values import Tensor


def bias_rows(layer: Conv2D | DepthwiseConv2D | Dense, source: Tensor) -> npt.NDArray[np.int32]:
    """Twice the bias as the kernel adds it, int32 [rows, channels].

    One row serves every width when the input's zero point is 0 and the layer has no biases by width. Otherwise each
    candidate has its row, because ``z * sum(2*w_hat)`` depends on the width of the weights.
    """
    if source.zero_point == 0 and layer.bias_by_width is None:
        return layer.bias_twice[None]
    rows = []
    for pair in layer.candidates:
        term = nested.zero_point_twice(layer.weights, pair[0], source.zero_point, layer.weight_offset)
        rows.append(layer.bias_of(pair).astype(np.int64) - term)
    return np.stack(rows).astype(np.int32)


def accumulator_bound(layer: Conv2D | DepthwiseConv2D | Dense, rows: npt.NDArray[np.int32]) -> int:
    """Largest magnitude any intermediate of the layer reaches on any input, for the report."""
    residual = layer.residual_multiplier if isinstance(layer, Conv2D) else None
    return nested.accumulator_bound(layer.weights, rows, layer.candidates, residual, layer.weight_offset)
