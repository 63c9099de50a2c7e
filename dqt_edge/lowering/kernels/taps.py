"""Depthwise kernels of any window: how they lay out a layer, whatever the family.

A kernel goes over the map row by row, or column by column. Rows of the input lie in scratch, padded, in rings: rows
that are the distance of taps apart belong to one ring, which has as many places as the window has rows. Where RAM is
short, rows are read anew for each row of outputs; and where rows are long, they are made in parts, one part of all rows
after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import gcd
from typing import ClassVar, TypeVar

from ...graph import DepthwiseConv2D, Tensor
from ..arena import Overlap
from .kernel import Order, Tensors, Way
from .orders import Geometry, by_segment, windows_by_row

SCRATCH = 32768
"""Bytes of scratch that a kernel takes at most: more, and most of a row would be padding between taps far apart."""

TURNS_MAX = 255
"""Most turns of a micro-kernel in a part of a row."""

BY_COLUMN, KEEPS = 1, 4
"""Bits of ``block`` in the C: rows are the map's columns; rows are kept in rings."""

AnyTaps = TypeVar("AnyTaps", bound="Taps")  # typing.Self came with Python 3.11


@dataclass(frozen=True)
class Taps:
    """How a kernel lays out a layer. A family's subclass counts scratch and cost.

    Attributes:
        columns: Its rows are the map's columns.
        keeps: Rows are kept in rings; else they are expanded anew for each row of outputs.
        turns: A row is made in parts of so many turns of the micro-kernel.
    """

    at_a_time: ClassVar[int]
    """Outputs of a row that a turn of the micro-kernel makes."""

    layer: DepthwiseConv2D
    output: Tensor
    columns: bool = False
    keeps: bool = True
    turns: int = TURNS_MAX

    def axis(self, values: Sequence[int]) -> tuple[int, int]:
        """A window's or tensor's (height, width) as (along the rows, across)."""
        return (values[0], values[1]) if self.columns else (values[1], values[0])

    @property
    def plain_shifts(self) -> bool:
        """Whether every shift is 32: then the micro-kernel makes codes, else accumulators."""
        assert self.layer.requantize is not None
        return bool((self.layer.requantize.shift == 32).all())

    @property
    def taps(self) -> tuple[int, int]:
        """Taps, or pairs of them, of a row of the window, and rows of them."""
        return self.axis(self.layer.window.kernel)

    @property
    def unit(self) -> int:
        """Rows from a tap, or pair, to the next."""
        return self.axis(self.layer.window.dilation)[1]

    @property
    def places(self) -> int:
        """Rows of all rings."""
        return self.taps[1] * (self.unit // gcd(self.unit, self.axis(self.layer.window.stride)[1]) if self.keeps else 1)

    @property
    def expanded(self) -> int:
        """How many rows are expanded for a few channels."""
        stride, height = self.axis(self.layer.window.stride)[1], self.taps[1]
        if not self.keeps:
            return self.rows * height
        return len({i * stride + p * self.unit for i in range(self.rows) for p in range(height)})

    @property
    def row(self) -> int:
        """Outputs of a row."""
        return self.axis(self.output.shape)[0]

    @property
    def rows(self) -> int:
        """Rows of outputs."""
        return self.axis(self.output.shape)[1]

    @property
    def part(self) -> int:
        """Outputs of a row that are made at a time."""
        return min(self.row, self.turns * self.at_a_time)

    @property
    def block(self) -> int:
        """The layer's ``block``."""
        return BY_COLUMN * self.columns | KEEPS * self.keeps

    @property
    def scratch(self) -> int:
        """Bytes of scratch."""
        raise NotImplementedError

    @property
    def cost(self) -> int:
        """Instructions, in any unit."""
        raise NotImplementedError

    def ways(self: AnyTaps) -> list[AnyTaps]:
        """This way of a whole layer and leaner ones, the fastest first; only the last may take more than SCRATCH."""
        most = -(-self.part // self.at_a_time)
        sizes = sorted({min(turns, most) for turns in (most, -(-most // 2), 16, 4, 1)}, reverse=True)
        found: list[AnyTaps] = []
        for turns, keeps in product(sizes, (True, False)):
            way = replace(self, keeps=keeps, turns=turns)
            if not found or way.scratch < found[-1].scratch:
                found.append(way)
        return [way for way in found[:-1] if way.scratch <= SCRATCH] + found[-1:]

    @property
    def way(self) -> Way:
        """As the planner takes it."""
        turns = -(-self.part // self.at_a_time)
        return Way(self.scratch, self.block, turns, rereads=self.part < self.row and self.rows > 1)


def order(at_a_time: int) -> Order:
    """A turn is a row of outputs, or part of a single one: it may read all that its windows cover, and what follows.

    Columns end all over the map, and so do parts of several rows.
    """

    def overlaps(layer: DepthwiseConv2D, way: Way, tensors: Tensors) -> dict[str, Overlap]:
        if way.block & BY_COLUMN or way.rereads:
            return {}
        source, target = tensors[layer.input].shape, tensors[layer.output].shape
        geometry = Geometry(source, target, layer.window)
        part = way.strip * at_a_time
        if part >= target[1]:
            return {layer.input: windows_by_row(geometry)}
        return {layer.input: Overlap(by_segment(geometry, part).distance, target[2])}

    return overlaps
