"""Depthwise convolution for the DSP extension: which layers each kernel takes, scratch, and order."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import gcd

from ...graph import DepthwiseConv2D, Tensor
from ..arena import Overlap
from . import descriptors, packing
from .dsp_conv import plain_codes
from .kernel import Kernel, Limit, Source, Tensors, Way
from .orders import Geometry, depthwise_by_row, sliding
from .taps import SCRATCH, Taps, order

ROW_COST = 220
"""Instructions of depthwise_conv2d_dsp for a row, besides those for each word of it."""

DEPTHWISE_CHANNEL = 48
"""Bytes of dqt_dsp_depthwise_channel."""

TAPS_OUTPUTS = 6
"""Outputs that the micro-kernel of depthwise_conv2d_taps_dsp makes at a time."""

PAIRS_ALONG = 2
"""Bit of ``block``: the two taps of a pair are neighbours along a row."""

TAPS_SPAN = 28
"""Bytes of dqt_dsp_taps_span."""

LIMITS = (
    Limit("DQT_DSP_DEPTHWISE_CHANNEL_SIZE", DEPTHWISE_CHANNEL, "Bytes of dqt_dsp_depthwise_channel."),
    Limit("DQT_DSP_TAPS_SPAN_SIZE", TAPS_SPAN, "Bytes of dqt_dsp_taps_span."),
    Limit("DQT_DSP_TAPS_OUTPUTS", TAPS_OUTPUTS, "Outputs that dqt_dsp_taps_multiply makes at a time, or half of them."),
)


def takes_depthwise(layer: DepthwiseConv2D) -> bool:
    """Whether depthwise_conv2d_dsp computes the layer: 3x3, stride 1 or 2 in one direction, no offset of weights."""
    return not layer.weight_offset and layer.window.kernel == (3, 3) and min(layer.window.stride) <= 2


def _words(layer: DepthwiseConv2D, output: Tensor, axis: int) -> int:
    """Words of outputs in a row of the kernel. axis: 0 if its rows are columns of the map, else 1."""
    return -(-output.shape[axis] // 2) if layer.window.stride[axis] == 1 else output.shape[axis]


def by_column(layer: DepthwiseConv2D, output: Tensor) -> bool:
    """Whether the kernel should take the map's columns as its rows: whichever costs fewer instructions."""
    costs = []
    for axis in (0, 1):
        word = 26 if layer.window.stride[axis] == 1 else 15
        row = ROW_COST + packing.TILE * word * _words(layer, output, axis)
        costs.append(output.shape[1 - axis] * row if layer.window.stride[axis] <= 2 else float("inf"))
    return costs[0] < costs[1]


def depthwise_scratch(layer: DepthwiseConv2D, output: Tensor) -> int:
    """Bytes of scratch of depthwise_conv2d_dsp: a tile's channels, three rows of its planes, a row of accumulators."""
    axis = 0 if by_column(layer, output) else 1
    words = _words(layer, output, axis)
    raw = 0 if plain_codes(layer) else (2 if layer.window.stride[axis] == 1 else 1) * words
    return packing.TILE * (DEPTHWISE_CHANNEL + 4 * (3 * (words + 1) + raw))


def _depthwise_ways(layer: DepthwiseConv2D, tensors: Tensors) -> list[Way]:
    output = tensors[layer.output]
    return [Way(depthwise_scratch(layer, output), int(by_column(layer, output)))]


def _depthwise_order(g: Geometry) -> Overlap | None:
    """As the C goes: rows in a ring; or, with ``block`` 1, whole columns.

    A column is read whole before it is written, and never again. So it may overwrite any column of its own place, if
    both maps are equally wide: at any distance that is a multiple of an input row.
    """
    if g.block == 0:
        return depthwise_by_row(g)
    return Overlap(-g.source[0] * g.row, g.row) if g.target[1] == g.source[1] and g.window.stride[1] == 1 else None


@dataclass(frozen=True)
class Pairs(Taps):
    """How depthwise_conv2d_taps_dsp lays out a layer: dqt_dsp_depthwise_taps.h in numbers.

    Attributes:
        along: The two taps of a pair are neighbours along its rows, not across.
    """

    at_a_time = TAPS_OUTPUTS
    along: bool = False

    @property
    def taps(self) -> tuple[int, int]:
        """Pairs of a row, and rows of pairs."""
        along, across = super().taps
        return (-(-along // 2), across) if self.along else (along, -(-across // 2))

    @property
    def unit(self) -> int:
        """Rows from a pair to the next."""
        return super().unit * (1 if self.along else 2)

    @property
    def _stride(self) -> int:
        return self.axis(self.layer.window.stride)[0]

    @property
    def _apart(self) -> int:
        """Columns from a pair to the next."""
        return self.axis(self.layer.window.dilation)[0] * (2 if self.along else 1)

    @property
    def sorts(self) -> int:
        """Remainders of columns after division by the stride that windows have."""
        return min(self.taps[0], self._stride // gcd(self._apart, self._stride))

    @property
    def plane(self) -> int:
        """Words of a row of a channel."""
        return self.sorts * (self._filled + (self.taps[0] - 1) * self._apart // self._stride)

    @property
    def _filled(self) -> int:
        """Outputs of a part of a row, with those that fill up the last turn of the micro-kernel."""
        half = TAPS_OUTPUTS // 2
        return -(-self.part // half) * half

    @property
    def block(self) -> int:
        """The layer's ``block``."""
        return super().block | PAIRS_ALONG * self.along

    @property
    def scratch(self) -> int:
        """Bytes of scratch: four channels' records, offsets, spans, the rings and what they have, accumulators."""
        row, rows = self.taps
        records = packing.TILE * (2 + (2 * rows - 1) * row)
        sums = 0 if self.plain_shifts else packing.TILE * self._filled
        places = self.places * (1 + packing.TILE * self.plane)
        return 4 * (records + row * rows + 1 + places + sums) + TAPS_SPAN * self.sorts

    @property
    def cost(self) -> int:
        """Instructions for four channels, about."""
        row, rows = self.taps
        sixes, rest = divmod(self.row, TAPS_OUTPUTS)
        turns = (sixes + (rest > 3)) * (13 * row * rows + 45) + (0 < rest <= 3) * (9 * row * rows + 32)
        return self.expanded * (17 * self.plane + 140) + self.rows * (packing.TILE * (turns + 28) + 90 + 25 * rows)


def taps_ways(layer: DepthwiseConv2D, output: Tensor) -> list[Pairs]:
    """The ways of depthwise_conv2d_taps_dsp, the fastest first."""
    both = (False, True)
    found = (Pairs(layer, output, columns, along=along) for columns, along in product(both, repeat=2))
    return min(found, key=lambda pairs: pairs.cost).ways()


def _unit(name: str, *needs: Source) -> Source:
    return Source("dsp", name, needs=needs)


_DEPTHWISE = (_unit("dsp_depthwise"), _unit("dsp_depthwise_rows", _unit("dsp_depthwise_spread")))

KERNELS = (
    Kernel(
        Source("dsp", "depthwise_conv2d_dsp", needs=_DEPTHWISE),
        (DepthwiseConv2D,),
        descriptors.mac,
        serves=lambda layer, _: takes_depthwise(layer) and plain_codes(layer),
        ways=_depthwise_ways,
        order=sliding(_depthwise_order),
    ),
    Kernel(
        Source("dsp", "depthwise_conv2d_raw_dsp", "depthwise_conv2d_dsp", "raw", needs=_DEPTHWISE),
        (DepthwiseConv2D,),
        descriptors.mac,
        serves=lambda layer, _: takes_depthwise(layer) and not plain_codes(layer),
        ways=_depthwise_ways,
        order=sliding(_depthwise_order),
    ),
    Kernel(
        Source(
            "dsp", "depthwise_conv2d_taps_dsp", needs=(_unit("dsp_depthwise_taps"), _unit("dsp_depthwise_taps_rows"))
        ),
        (DepthwiseConv2D,),
        descriptors.dilated,
        serves=lambda layer, tensors: taps_ways(layer, tensors[layer.output])[-1].scratch <= SCRATCH,
        ways=lambda layer, tensors: [found.way for found in taps_ways(layer, tensors[layer.output])],
        order=order(TAPS_OUTPUTS),
        dilated=None,
    ),
)
