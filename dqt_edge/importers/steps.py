"""Outputs of a finer scale than the steps that a layer counts in: the steps first, a table makes the codes of them.

A zero point is folded into the accumulator as ``round(2 z / M)`` (docs/arithmetic.md), which moves all codes by up to
``M / 4``: nothing where a step is less than a code, but a file of TFLite may hold a scale of 1e-8 behind a tensor that
calibration saw constant, and there it is thousands of codes. Of such a layer only a few sums do not saturate. It
counts them one by one, and a table gives each its code, rounded once.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..graph import Tensor, nested
from .functions import Function
from .network import Node

Reals = npt.NDArray[np.float64]
FINE = 2.0
"""Codes of a step from which the zero point's rounding costs more than half a code."""


def counted(node: Node, source: Tensor, result: Tensor) -> tuple[Node, Tensor, Function] | None:
    """A layer with weights that counts steps, the tensor of these, and the function that makes its reals of them.

    Channels have steps of their own: the tensor's scale is the largest one. None where no channel needs it. A fused
    residual has a scale of its own, and stays as it is.
    """
    assert node.weight_scales is not None
    assert node.bias is not None
    codes = source.scale * node.weight_scales / result.scale
    if codes.max() <= FINE or node.residual is not None:
        return None
    steps = np.maximum(codes, 1.0)
    scale = float(steps.max()) * result.scale
    # One step is one code of the new tensor, or as many as it was where a step is less than a code.
    scales = np.minimum(codes, 1.0) * scale / source.scale
    bias, rest, zero = _whole(node.bias, codes, result.zero_point)
    made = dataclasses.replace(node, weight_scales=scales, bias=bias, activation="none")
    function = Function("linear", {"factor": steps / steps.max(), "summand": rest * steps * result.scale})
    return made, dataclasses.replace(_between(node, result, scale), zero_point=zero), function


def _whole(bias: npt.NDArray[Any], codes: Reals, zero: int) -> tuple[Reals, Reals, int]:
    """Biases in whole steps, what is left of each for the table to add, and the zero point of the steps.

    A constant of the file need not be a whole number of steps. The least and the largest count of steps must still
    saturate: where the zero point is the least code itself, or the largest, one more step finds room if all channels
    have steps; if not, the rest is rounded away.
    """
    near = np.where(codes > 1, np.floor(bias + 0.5), bias)
    rest = np.asarray(bias - near, np.float64)
    if zero in (0, nested.CODE_MAX) and rest.any():
        if codes.min() < FINE:
            return near, np.zeros_like(rest), zero
        zero = min(max(zero, 1), nested.CODE_MAX - 1)
    return near, rest, zero


def summed(node: Node, scale: float, counts: Sequence[int], result: Tensor) -> Tensor | None:
    """What an average pooling's sums, or products, are counted in; None where its own codes do.

    Args:
        node: The layer.
        scale: Of what is summed.
        counts: Elements under its windows.
        result: Its output.
    """
    step = scale / math.lcm(*counts)
    if scale / min(counts) <= FINE * result.scale or step < result.scale:
        return None
    return _between(node, result, step)


def _between(node: Node, result: Tensor, scale: float) -> Tensor:
    return Tensor(f"{node.name}_steps", result.shape, scale, result.zero_point)
