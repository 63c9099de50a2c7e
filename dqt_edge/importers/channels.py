"""Integers of a layer with weights: masters, biases, multipliers and shifts, channel by channel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..graph import Pair, Requantize, Tensor, nested
from .network import LIMITS, Activation, Node
from .problems import Unfit

CONSTANT_MULTIPLIER = 1 << 10
"""Multiplier, at the fast kernels' shift, of a channel whose weights do not matter: its bias fits int32."""
FAST_SHIFT = 32
"""A layer is fast only if all its channels have this shift."""
COARSE_ERROR = 2.0**-8
"""Codes by which a multiplier for shift 32 may move an output, where the bias makes up for the constant part."""
COARSE_BIAS_MAX = 1 << 30
"""Such a bias stays below this, so that narrow weights, which have a mean, find room when they become candidates."""
RESIDUAL_ROOM = 255 << 20
"""Part of an accumulator kept for a fused residual, whose multiplier is then at most 2^20."""

BIAS_STEPS = 2.0**26
"""Largest bias in steps of its channel; a channel with tiny weights gets a coarser scale."""
MULTIPLIER_MIN = 2.0**-20
"""Least multiplier of a channel, for the same reason."""


def code_limits(tensor: Tensor, activation: Activation) -> tuple[int, int]:
    """Least and largest code that an activation leaves."""
    low, high = LIMITS[activation]
    codes = [
        extreme if math.isinf(real) else min(max(math.floor(real / tensor.scale + 0.5) + tensor.zero_point, 0), 255)
        for real, extreme in ((low, 0), (high, 255))
    ]
    return codes[0], codes[1]


def masters_of(
    weights: npt.NDArray[Any], bias: npt.NDArray[Any], source: float, result: float
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Masters, weight scales and biases of real weights, channel by channel.

    Args:
        weights: float64 [channels, ...].
        bias: float64 [channels].
        source: Scale of the input.
        result: Scale of the output.
    """
    flat = np.abs(weights.reshape(len(weights), -1)).max(axis=1)
    scales = np.maximum(flat / 127, np.abs(bias) / (source * BIAS_STEPS))
    scales = np.maximum(scales, MULTIPLIER_MIN * result / source)
    along = scales.reshape(-1, *[1] * (weights.ndim - 1))
    masters = np.clip(nested.round_half_up(weights / along), -128, 127).astype(np.int8)
    return masters, scales, nested.round_half_up(bias / (source * scales)).astype(np.int64)


def mac_fields(node: Node, source: Tensor, result: Tensor, candidates: tuple[Pair, ...]) -> dict[str, Any]:
    """Weights, biases, requantisation and candidates of a layer."""
    assert node.weights is not None
    assert node.weight_scales is not None
    assert node.bias is not None
    offset = weight_offset(node.weights)
    weights = (node.weights.astype(np.int64) - offset).astype(np.int8)
    multipliers, shifts, biases = [], [], []
    for i in range(len(weights)):
        multiplier = source.scale * float(node.weight_scales[i]) / result.scale
        row, twice, pair = _Channel(weights[i], offset, float(node.bias[i]), multiplier).integers(
            source, result, candidates
        )
        weights[i] = row
        biases.append(twice)
        multipliers.append(pair[0])
        shifts.append(pair[1])
    requantize = Requantize(
        np.array(multipliers, np.int32), np.array(shifts, np.uint8), *code_limits(result, node.activation)
    )
    return {
        "weights": weights,
        "bias_twice": np.array(biases, np.int32),
        "requantize": requantize,
        "candidates": candidates,
        "weight_offset": offset,
    }


def weight_offset(weights: npt.NDArray[Any]) -> int:
    """The least offset without which all weights are int8; 0 for most models.

    Raises:
        Unfit: They span more than 256 values.
    """
    low, high = int(weights.min()), int(weights.max())
    if high - low > nested.CODE_MAX:
        raise Unfit(f"its weights are integers within {low}..{high}", "weights of 8 bits")
    return low + 128 if low < -128 else max(high - 127, 0)


@dataclass(frozen=True, eq=False)
class _Channel:
    """One output channel: masters, what every weight is more, bias in steps of weight and input, and multiplier."""

    weights: npt.NDArray[np.int8]
    offset: int
    bias: float
    multiplier: float

    def integers(
        self, source: Tensor, result: Tensor, candidates: tuple[Pair, ...]
    ) -> tuple[npt.NDArray[np.int8], int, tuple[int, int]]:
        """Masters, twice the bias, and multiplier with shift."""
        bias, multiplier = self.bias, self.multiplier
        row = self.weights.reshape(1, -1)
        real = row.astype(np.int64) + self.offset
        if multiplier <= 0:
            if real.any():
                raise Unfit("a channel's multiplier is zero", "weight scales above 1e-38")
            return self.constant(float(result.zero_point))
        terms = [abs(int(nested.zero_point_twice(row, w, source.zero_point, self.offset)[0])) for w, _ in candidates]
        none = np.zeros((1, 1), np.int64)
        reach = max(terms) + nested.accumulator_bound(row, none, candidates, weight_offset=self.offset)
        room = nested.INT32_MAX - RESIDUAL_ROOM - reach
        coarse = _coarse_multiplier(multiplier, reach)
        if coarse:
            twice = math.floor((result.zero_point + bias * multiplier) * 2**FAST_SHIFT / coarse + 0.5)
            if abs(twice) < min(room, COARSE_BIAS_MAX):
                return self.weights, twice, (coarse, FAST_SHIFT)
        shift = 2 * result.zero_point / multiplier
        if shift + abs(2 * bias) < room:
            try:
                whole = math.floor(2 * bias)
                return self.weights, whole + math.floor(2 * bias - whole + shift + 0.5), _pair(multiplier)
            except ValueError as error:
                raise Unfit(str(error), "scales that are closer to each other") from error
        # A dead channel: BatchNorm made its weights so small, or its bias so large, that only the bias is left.
        span = int(np.abs(real).sum()) * 255 * multiplier
        constant = result.zero_point + bias * multiplier
        if span >= 0.5 and constant + span > -1 and constant - span < 256:
            raise Unfit(
                f"a channel's bias of {bias:.0f} does not fit its accumulator", "biases below 2^29 weight steps"
            )
        return self.constant(constant)

    def constant(self, code: float) -> tuple[npt.NDArray[np.int8], int, tuple[int, int]]:
        """The same code everywhere, at the shift of the channels beside it."""
        twice = math.floor(min(max(code, -1.0), 256.0) * 2**FAST_SHIFT / CONSTANT_MULTIPLIER + 0.5)
        none = np.full_like(self.weights, min(max(-self.offset, -128), 127))
        return none, twice, (CONSTANT_MULTIPLIER, FAST_SHIFT)


def _coarse_multiplier(multiplier: float, reach: int) -> int:
    """Multiplier for shift 32 of a channel whose weights hardly matter; 0 if they do, or if it needs none.

    A layer is fast only if all its channels have shift 32. reach: greatest accumulator without bias, in halves.
    """
    m0 = math.floor(multiplier * 2**31 + 0.5)
    if not 1 <= m0 < 2**15:
        return 0
    return m0 if reach / 2 * abs(m0 / 2**31 - multiplier) <= COARSE_ERROR else 0


def _pair(multiplier: float) -> tuple[int, int]:
    """Multiplier and shift; what needs a shift above 62 is so small that fewer bits of it do."""
    least = 2.0 ** (1 - nested.SHIFT_MAX)
    if multiplier < least * 2**30:
        return max(1, math.floor(multiplier / least + 0.5)), nested.SHIFT_MAX
    return nested.quantize_multiplier(multiplier)
