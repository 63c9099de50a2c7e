"""Exact accumulator bounds, and the per-width constants that an input zero point makes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .. import nested
from ..errors import DoesNotFitError
from ..graph import Conv2D, Dense, DepthwiseConv2D, Tensor


def bias_rows(layer: Conv2D | DepthwiseConv2D | Dense, source: Tensor) -> npt.NDArray[np.int32]:
    """Twice the bias as the kernel adds it, int32 [rows, channels].

    One row serves every width when the input's zero point is 0. Otherwise each candidate has its row, because
    ``z * sum(2*w_hat)`` depends on the width of the weights.
    """
    bias = layer.bias_twice.astype(np.int64)
    if source.zero_point == 0:
        rows = bias[None]
    else:
        terms = [nested.zero_point_twice(layer.weights, w, source.zero_point) for w, _ in layer.candidates]
        rows = np.stack([bias - term for term in terms])
    if np.abs(rows).max() > nested.INT32_MAX:
        raise DoesNotFitError(
            f"layer {layer.name!r}: a bias with its zero-point term exceeds int32",
            where=f"layer {layer.name!r}",
            next_step="choose a larger weight scale for the layer, or split it",
        )
    return rows.astype(np.int32)


def accumulator_bound(layer: Conv2D | DepthwiseConv2D | Dense, rows: npt.NDArray[np.int32]) -> int:
    """Largest magnitude any intermediate of the layer reaches on any input.

    Raises:
        DoesNotFitError: It exceeds int32; names the layer.
    """
    residual = layer.residual_multiplier if isinstance(layer, Conv2D) else None
    bound = nested.accumulator_bound(layer.weights, rows, layer.candidates, residual)
    if bound > nested.INT32_MAX:
        raise DoesNotFitError(
            f"layer {layer.name!r}: its accumulator can reach {bound}, more than int32 holds",
            where=f"layer {layer.name!r}",
            next_step="choose a larger weight scale for the layer, or split it",
        )
    return bound
