"""Depthwise convolution of any window for MVE: its ways and scratch."""

from __future__ import annotations

from dataclasses import dataclass

from ...graph import DepthwiseConv2D, Tensor
from . import descriptors
from .kernel import Kernel, Limit, Source
from .taps import SCRATCH, Taps, order

SIXTEEN = 16
"""Channels whose rows lie in scratch at a time, and bytes of a pixel."""

CHANNELS, OUTPUTS = 8, 2
"""Channels, and outputs of each, that the micro-kernel makes at a time."""

RECORD = 64
"""Bytes of dqt_mve_taps_channels."""

LIMITS = (
    Limit(
        "DQT_MVE_TAPS_CHANNELS", CHANNELS, "Channels, and outputs of each, that dqt_mve_taps_multiply makes at a time;"
    ),
    Limit("DQT_MVE_TAPS_OUTPUTS", OUTPUTS, ""),
    Limit("DQT_MVE_TAPS_CHANNELS_SIZE", RECORD, "and bytes of dqt_mve_taps_channels."),
)


@dataclass(frozen=True)
class Pixels(Taps):
    """How depthwise_conv2d_taps_mve lays out a layer: dqt_mve_taps.h in numbers."""

    at_a_time = OUTPUTS

    @property
    def columns_of_row(self) -> int:
        """Pixels of a padded row."""
        filled = -(-self.part // OUTPUTS) * OUTPUTS
        stride, apart = self.axis(self.layer.window.stride)[0], self.axis(self.layer.window.dilation)[0]
        return (filled - 1) * stride + (self.taps[0] - 1) * apart + 1

    @property
    def scratch(self) -> int:
        """Bytes of scratch: records and weights of sixteen channels, the rings and what they have, accumulators."""
        halves = min(2, -(-self.layer.channels // CHANNELS))
        width, height = self.taps
        sums = 0 if self.plain_shifts else 4 * CHANNELS * -(-self.part // OUTPUTS) * OUTPUTS
        rings = self.places * (4 + SIXTEEN * self.columns_of_row)
        return halves * (RECORD + 2 * CHANNELS * width * height) + 4 * height + rings + sums

    @property
    def cost(self) -> int:
        """Instructions for sixteen channels, about."""
        width, height = self.taps
        turn = height * (12 * width + 6) + 35
        rows = self.rows * (2 * (-(-self.row // OUTPUTS) * turn + 60) + 25 * height)
        return rows + self.expanded * (5 * self.columns_of_row + 60)


def ways(layer: DepthwiseConv2D, output: Tensor) -> list[Pixels]:
    """The ways of depthwise_conv2d_taps_mve, the fastest first."""
    return min((Pixels(layer, output, columns) for columns in (False, True)), key=lambda pixels: pixels.cost).ways()


def _unit(name: str) -> Source:
    return Source("mve", name)


KERNELS = (
    Kernel(
        Source("mve", "depthwise_conv2d_taps_mve", needs=(_unit("mve_taps"), _unit("mve_taps_rows"))),
        (DepthwiseConv2D,),
        descriptors.dilated,
        serves=lambda layer, tensors: ways(layer, tensors[layer.output])[-1].scratch <= SCRATCH,
        ways=lambda layer, tensors: [found.way for found in ways(layer, tensors[layer.output])],
        order=order(OUTPUTS),
        dilated=None,
    ),
)
