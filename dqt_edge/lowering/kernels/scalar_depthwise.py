"""Depthwise convolution of any window on cores without the DSP extension: its ways and scratch."""

from __future__ import annotations

from dataclasses import dataclass

from ...graph import DepthwiseConv2D, Tensor
from . import descriptors
from .kernel import Kernel, Limit, Source
from .taps import SCRATCH, Taps, order

OUTPUTS = 4
"""Outputs that are made at a time; a power of two."""

LIMITS = (Limit("DQT_SCALAR_TAPS_OUTPUTS", OUTPUTS, "The same of a depthwise convolution of any window."),)


@dataclass(frozen=True)
class Bytes(Taps):
    """How depthwise_conv2d_taps_scalar lays out a layer."""

    at_a_time = OUTPUTS

    @property
    def places(self) -> int:
        """Rows of all rings."""
        return self.taps[1] * (self.unit if self.keeps else 1)

    @property
    def columns_of_row(self) -> int:
        """Bytes of a padded row."""
        filled = -(-self.part // OUTPUTS) * OUTPUTS
        stride, apart = self.axis(self.layer.window.stride)[0], self.axis(self.layer.window.dilation)[0]
        return (filled - 1) * stride + (self.taps[0] - 1) * apart + 1

    @property
    def scratch(self) -> int:
        """Bytes of scratch: weights and offsets of a channel, the rings and what they have."""
        width, height = self.taps
        words = (2 * height - 1) * width + height * width + self.places
        return 4 * words + self.places * self.columns_of_row

    @property
    def cost(self) -> int:
        """Instructions for a channel, about."""
        width, height = self.taps
        turn = 14 * width * height + 90
        return self.rows * (-(-self.row // OUTPUTS) * turn + 60 + 12 * height) + self.expanded * (
            5 * self.columns_of_row + 40
        )


def ways(layer: DepthwiseConv2D, output: Tensor) -> list[Bytes]:
    """The ways of depthwise_conv2d_taps_scalar, the fastest first."""
    return min((Bytes(layer, output, columns) for columns in (False, True)), key=lambda found: found.cost).ways()


KERNELS = (
    Kernel(
        Source("scalar", "depthwise_conv2d_taps_scalar"),
        (DepthwiseConv2D,),
        descriptors.dilated,
        serves=lambda layer, tensors: ways(layer, tensors[layer.output])[-1].scratch <= SCRATCH,
        ways=lambda layer, tensors: [found.way for found in ways(layer, tensors[layer.output])],
        order=order(OUTPUTS),
        dilated=None,
    ),
)
