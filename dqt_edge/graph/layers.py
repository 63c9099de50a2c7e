"""The layers of a Graph: with weights, and poolings; the others are in ``layers_elementwise`` and ``layers_data``.

Each checks its own fields where it is made; ``checks.py`` holds what is between them.

Layout: activations are NHWC codes (uint8), always of shape (height, width, channels); a flat tensor is
(1, 1, channels). Weights are int8 masters.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Union

import numpy as np
import numpy.typing as npt

from . import nested
from .layers_data import Concat, Pad, Rearrange, Resize
from .layers_elementwise import Add, Lookup, Maximum, Minimum, Multiply, Softmax
from .values import (
    FULL,
    SKIP,
    Pair,
    Requantize,
    Value,
    Window,
    refuse,
    vector_text,
)

WEIGHTS_MAX = 1 << 24
WEIGHT_OFFSETS = range(-127, 129)


@dataclass(frozen=True, eq=False)
class _Mac(Value):
    """What convolution, depthwise convolution and dense share.

    Attributes:
        weights: int8 masters.
        bias_twice: Twice the bias with the output zero point folded in, int32 [channels]. An input zero point is
            NOT folded in: its term depends on the width and is made by the reader.
        requantize: To codes; None leaves int32 accumulators (last layer of a controller).
        candidates: Width pairs the layer can run at; a layer with one is fixed.
        bias_by_width: A row instead of ``bias_twice`` for each candidate, int32 [candidates, channels]; None: one bias
            serves all.
        weight_offset: What every weight is more than its master, -127..128: the zero point of an imported uint8
            model's weights, less 128, the other way round. It counts the sum of the activations.
        skip_bias: Twice the bias, int32 [channels], with which the layer may be skipped: there are no products, and the
            accumulators hold it and the residual alone. None: the layer is never skipped.
    """

    name: str
    input: str
    output: str
    weights: npt.NDArray[np.int8]
    bias_twice: npt.NDArray[np.int32]
    requantize: Requantize | None
    candidates: tuple[Pair, ...] = (FULL,)
    bias_by_width: npt.NDArray[np.int32] | None = field(default=None, kw_only=True)
    weight_offset: int = field(default=0, kw_only=True)
    skip_bias: npt.NDArray[np.int32] | None = field(default=None, kw_only=True)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors that the layer reads."""
        return (self.input,)

    def _check(self) -> None:
        if self.weights.dtype != np.int8 or not 0 < self.weights.size <= WEIGHTS_MAX:
            refuse(self.name, f"weights must be int8 and number 1..{WEIGHTS_MAX}")
        if self.bias_twice.dtype != np.int32 or self.bias_twice.shape != (self.channels,):
            refuse(self.name, f"bias must be int32 of shape ({self.channels},)")
        if self.requantize is not None and self.requantize.multiplier.shape != (self.channels,):
            refuse(self.name, f"requantise must have {self.channels} channels")
        if not 1 <= len(self.candidates) <= 16 or len(set(self.candidates)) != len(self.candidates):
            refuse(self.name, "needs 1 to 16 different candidate width pairs")
        if not all(w in nested.WIDTHS and a in nested.WIDTHS for w, a in self.candidates):
            refuse(self.name, f"candidates {vector_text(self.candidates)} must be within 2..8 bits")
        if not isinstance(self.weight_offset, int) or self.weight_offset not in WEIGHT_OFFSETS:
            refuse(self.name, f"weight offset {self.weight_offset} is not within -127..128")
        rows = self.bias_by_width
        if rows is not None and (rows.dtype != np.int32 or rows.shape != (len(self.candidates), self.channels)):
            refuse(self.name, f"biases by width must be int32 of shape ({len(self.candidates)}, {self.channels})")
        skip = self.skip_bias
        if skip is not None and (skip.dtype != np.int32 or skip.shape != (self.channels,) or self.requantize is None):
            refuse(
                self.name, f"the bias of a skip must be int32 of shape ({self.channels},), of a layer that requantises"
            )

    @property
    def options(self) -> tuple[Pair, ...]:
        """What a choice may be: the candidates, then 0x0 if the layer may be skipped."""
        return self.candidates if self.skip_bias is None else (*self.candidates, SKIP)

    @property
    def channels(self) -> int:
        """Output channels."""
        return int(self.weights.shape[0])

    def bias_of(self, pair: Pair) -> npt.NDArray[np.int32]:
        """Twice the bias at an option, int32 [channels]."""
        if pair == SKIP and self.skip_bias is not None:
            return self.skip_bias
        return self.bias_twice if self.bias_by_width is None else self.bias_by_width[self.candidates.index(pair)]

    @property
    def by_channel(self) -> npt.NDArray[np.int8]:
        """Weights of shape [channels, K]."""
        return self.weights.reshape(self.channels, -1)


@dataclass(frozen=True, eq=False)
class Conv2D(_Mac):
    """2-D convolution. Weights [out, kernel height, kernel width, in].

    ``residual`` names a tensor of the output's shape that enters the accumulator as
    ``(x - z_x) * residual_multiplier[channel]`` before the one requantisation.
    """

    window: Window = field(default_factory=lambda: Window((1, 1)))
    residual: str | None = None
    residual_multiplier: npt.NDArray[np.int32] | None = None

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors that the layer reads."""
        return (self.input,) if self.residual is None else (self.input, self.residual)

    def _check(self) -> None:
        super()._check()
        if self.weights.ndim != 4 or self.weights.shape[1:3] != self.window.kernel:
            refuse(self.name, "weights must be [out, kernel height, kernel width, in]")
        if (self.residual is None) != (self.residual_multiplier is None):
            refuse(self.name, "a residual needs its multiplier, and the other way round")
        if self.residual_multiplier is not None and (
            self.residual_multiplier.dtype != np.int32 or self.residual_multiplier.shape != (self.channels,)
        ):
            refuse(self.name, "residual multiplier must be int32, one for each channel")
        if self.requantize is None:
            refuse(self.name, "a convolution must requantise its output")


@dataclass(frozen=True, eq=False)
class DepthwiseConv2D(_Mac):
    """Depthwise convolution, one filter for each channel. Weights [channels, kernel height, kernel width]."""

    window: Window = field(default_factory=lambda: Window((1, 1)))

    def _check(self) -> None:
        super()._check()
        if self.weights.ndim != 3 or self.weights.shape[1:] != self.window.kernel:
            refuse(self.name, "weights must be [channels, kernel height, kernel width]")
        if self.requantize is None:
            refuse(self.name, "a depthwise convolution must requantise its output")


@dataclass(frozen=True, eq=False)
class Dense(_Mac):
    """Fully connected. Weights [out, in]; the input is flattened in (height, width, channel) order."""

    def _check(self) -> None:
        super()._check()
        if self.weights.ndim != 2:
            refuse(self.name, "weights must be [out, in]")


@dataclass(frozen=True)
class MaxPool2D:
    """Maximum of the codes under the window; padding never wins. Scale and zero point pass through."""

    name: str
    input: str
    output: str
    window: Window

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors that the layer reads."""
        return (self.input,)


@dataclass(frozen=True, eq=False)
class AveragePool2D(Value):
    """Mean of the codes under the window; padding is not counted. Global pooling is a window as large as the input.

    ``A2 = 2*sum(x - z_x) + bias_twice[i]``, then ``requantize`` with index ``i``, where ``counts[i]`` is the number of
    elements under the window at that place (fewer at a padded edge).
    """

    name: str
    input: str
    output: str
    window: Window
    counts: tuple[int, ...]
    bias_twice: npt.NDArray[np.int32]
    requantize: Requantize

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors that the layer reads."""
        return (self.input,)

    def _check(self) -> None:
        n = (len(self.counts),)
        if not self.counts or self.bias_twice.shape != n or self.requantize.multiplier.shape != n:
            refuse(self.name, "needs one multiplier and one bias for every window count")
        if self.bias_twice.dtype != np.int32:
            refuse(self.name, "bias must be int32")
        if int(np.abs(self.bias_twice.astype(np.int64)).max()) + 2 * 255 * max(self.counts) > nested.INT32_MAX:
            refuse(self.name, "the accumulator does not fit int32")


Layer = Union[  # noqa: UP007 - used at run time on 3.10
    Conv2D,
    DepthwiseConv2D,
    Dense,
    Add,
    MaxPool2D,
    AveragePool2D,
    Concat,
    Lookup,
    Multiply,
    Maximum,
    Minimum,
    Softmax,
    Rearrange,
    Pad,
    Resize,
]
MacLayer = (Conv2D, DepthwiseConv2D, Dense)
LAYER_NAMES: dict[type, str] = {
    Conv2D: "Conv2D",
    DepthwiseConv2D: "DepthwiseConv2D",
    Dense: "Dense",
    Add: "Add",
    MaxPool2D: "MaxPool2D",
    AveragePool2D: "AveragePool2D",
    Concat: "Concat",
    Lookup: "Lookup",
    Multiply: "Multiply",
    Maximum: "Maximum",
    Minimum: "Minimum",
    Softmax: "Softmax",
    Rearrange: "Rearrange",
    Pad: "Pad",
    Resize: "Resize",
}
"""Layers by their names in files, which stay what they are whatever Python calls the classes."""
LATER_LAYERS = (Lookup, Multiply, Maximum, Minimum, Softmax, Rearrange, Pad, Resize)
"""Layers that readers of checkpoint formats 1 and 2 do not know."""


def window_counts(window: Window, height: int, width: int) -> npt.NDArray[np.int64]:
    """Elements of the input under the window at each output place, shape [out height, out width]."""
    out_h, out_w = window.output_size(height, width)

    def along(out: int, n: int, kernel: int, stride: int, before: int) -> npt.NDArray[np.int64]:
        start = np.arange(out) * stride - before
        return np.minimum(start + kernel, n) - np.maximum(start, 0)

    rows = along(out_h, height, window.kernel[0], window.stride[0], window.padding[0])
    columns = along(out_w, width, window.kernel[1], window.stride[1], window.padding[1])
    return np.outer(rows, columns)
