"""Tensors whose axes lie in another order in the file than in the Graph: channels first, mostly.

A layout is a list of pieces, one behind another in memory. A piece has ``parts``, its axes in the order of the file,
and ``order``: which of them comes first, second ... in the Graph.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Layout = Sequence[dict[str, Sequence[int]]]


def to_graph(values: Array, layout: Layout | None) -> Array:
    """A tensor of the file in the Graph's order, [samples, size]."""
    return _turned(values, layout, back=False)


def to_file(values: Array, layout: Layout | None) -> Array:
    """A tensor of the Graph in the file's order, [samples, size]."""
    return _turned(values, layout, back=True)


def _turned(values: Array, layout: Layout | None, *, back: bool) -> Array:
    rows = values.reshape(len(values), -1)
    if not layout:
        return rows
    pieces, first = [], 0
    for piece in layout:
        parts, order = [int(n) for n in piece["parts"]], [int(axis) for axis in piece["order"]]
        last = first + math.prod(parts)
        shape = [parts[axis] for axis in order] if back else parts
        turn = np.argsort(order) if back else order
        apart = rows[:, first:last].reshape(len(rows), *shape).transpose(0, *(1 + int(axis) for axis in turn))
        pieces.append(apart.reshape(len(rows), -1))
        first = last
    return np.concatenate(pieces, axis=1)
