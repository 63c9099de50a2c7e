"""How large heads are. Imports without TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ...graph import WINDOW_MAX, Graph, Shape, Window
from .options import Grid
from .places import Place

SHARE_MAX = 0.03
"""Of the network's multiply-accumulates, what all heads together may take where their size is chosen."""
SIZES = ((16, 64), (16, 32), (4, 64), (4, 32), (4, 16), (1, 32), (1, 16), (1, 8))
"""Places of the grid and hidden units, in the order in which they are tried."""


@dataclass(frozen=True)
class HeadShape:
    """Size of a head.

    Attributes:
        source: Shape of the tensor that it reads.
        window: What that is pooled with; None where it is no larger than the grid, and is read as it is.
        hidden: Units of the hidden layer.
        classes: Logits.
    """

    source: Shape
    window: Window | None
    hidden: int
    classes: int

    @property
    def pooled(self) -> Shape:
        """Shape of what the hidden layer reads."""
        if self.window is None:
            return self.source
        return (*self.window.output_size(*self.source[:2]), self.source[2])

    @property
    def macs(self) -> int:
        """Multiply-accumulates of its dense layers."""
        return (math.prod(self.pooled) + self.classes) * self.hidden

    def __str__(self) -> str:
        height, width, channels = self.pooled
        return f"{height}x{width}x{channels} -> {self.hidden} -> {self.classes}"


def head_shapes(
    graph: Graph, places: Sequence[Place], grid: Grid | None = None, hidden: int | None = None
) -> tuple[HeadShape, ...]:
    """A size for each head: the given one, else the first of ``SIZES`` that keeps to its share of ``SHARE_MAX``.

    Where none does, the smallest.
    """
    classes = graph.tensor(graph.output).size
    allowed = SHARE_MAX * graph.total_macs / len(places)
    found = []
    for place in places:
        source = graph.tensor(graph.layer(place.after).output).shape
        tried = [
            HeadShape(source, _window(source, grid or _grid(source, cells)), hidden or units, classes)
            for cells, units in SIZES
        ]
        found.append(next((shape for shape in tried if shape.macs <= allowed), min(tried, key=lambda s: s.macs)))
    return tuple(found)


def _grid(source: Shape, cells: int) -> Grid:
    """That many places, as rows and columns; of a signal half as many, along it."""
    if source[0] == 1 or source[1] == 1:
        along = max(cells // 2, 1)
        return (along, 1) if source[1] == 1 else (1, along)
    side = math.isqrt(cells)
    return side, side


def _window(source: Shape, grid: Grid) -> Window | None:
    """Windows side by side that cover a map in at most that many rows and columns, or as few as windows can."""
    kernel = tuple(min(-(-size // wanted), WINDOW_MAX) for size, wanted in zip(source[:2], grid, strict=True))
    return None if kernel == (1, 1) else Window.same(source[:2], (kernel[0], kernel[1]), (kernel[0], kernel[1]))
