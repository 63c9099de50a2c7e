"""A factor and a summand for each channel, as a depthwise layer with a kernel of 1x1: one weight, which is exact."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..graph import Window
from .network import Edge
from .problems import Unfit
from .tflite_file import RawTensor

FULL_WEIGHT = 127
Floats = npt.NDArray[np.float64]


def by_channel(tensor: RawTensor, channels: int) -> Floats:
    """Real values of a constant tensor, one for each channel; raises Unfit for any other shape."""
    if tensor.data is None or tensor.data.size not in (1, channels) or tensor.data.size != (tensor.shape or (1,))[-1]:
        raise Unfit(f"it reads a constant of shape {tensor.shape}", "one number, or one for each channel")
    values = tensor.data.astype(np.float64).ravel()
    if len(tensor.scales):
        zeros = tensor.zeros if len(tensor.zeros) else np.zeros(1)
        values = (values - zeros) * tensor.scales
    if not np.isfinite(values).all():
        raise Unfit("its constant is not finite", "finite values")
    return np.broadcast_to(values, channels).astype(np.float64)


def fields(edge: Edge, factor: Floats, summand: Floats) -> dict[str, Any]:
    """Fields of the Node that computes ``x * factor + summand``; in integers where the edge has a scale."""
    if edge.scale is None:
        return {"weights": factor[:, None, None], "bias": summand, "window": Window((1, 1))}
    scales = np.where(factor == 0, 1.0, np.abs(factor)) / FULL_WEIGHT
    return {
        "weights": (FULL_WEIGHT * np.sign(factor)).astype(np.int8)[:, None, None],
        "weight_scales": scales,
        "bias": np.floor(summand / (edge.scale * scales) + 0.5).astype(np.int64),
        "window": Window((1, 1)),
    }
