"""Orders of elements: nested loops over a tensor, as a Rearrange layer runs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .problems import Unfit

Indices = npt.NDArray[np.int64]
LOOPS_MAX = 6


@dataclass(frozen=True)
class Order:
    """The output, row-major over ``sizes``, is input element ``start + sum(i_j * strides_j)`` for each index ``i``."""

    start: int
    sizes: tuple[int, ...]
    strides: tuple[int, ...]

    def keeps(self, size: int) -> bool:
        """Whether every element of an input of that size stays where it is."""
        return self.start == 0 and self.strides == (1,) and self.sizes == (size,)

    def indices(self) -> Indices:
        """Input index of each output element, int64 [elements]."""
        found = np.full((), self.start, np.int64)
        for size, stride in zip(self.sizes, self.strides, strict=True):
            found = found[..., None] + np.arange(size, dtype=np.int64) * stride
        return found.ravel()

    @staticmethod
    def of_axes(start: int, sizes: Sequence[int], strides: Sequence[int]) -> Order:
        """With as few loops as possible; raises Unfit if they are too many."""
        loops: list[tuple[int, int]] = []
        for size, stride in zip(sizes, strides, strict=True):
            if size == 1:
                continue
            if loops and loops[-1][1] == stride * size:
                loops[-1] = loops[-1][0] * size, stride
            else:
                loops.append((size, stride))
        if not loops:
            loops = [(1, 1)]
        if len(loops) > LOOPS_MAX:
            raise Unfit(f"it moves data along {len(loops)} axes at once", f"at most {LOOPS_MAX}")
        found_sizes, found_strides = zip(*loops, strict=True)
        return Order(start, found_sizes, found_strides)

    @staticmethod
    def of_indices(indices: Indices) -> Order | None:
        """The order that reads these elements, in as few loops as they have; None if no order does."""
        start, rest = int(indices[0]), indices - indices[0]
        loops: list[tuple[int, int]] = []
        while len(rest) > 1:
            stride = int(rest[1])
            line = np.arange(len(rest)) * stride
            breaks = np.flatnonzero(rest != line)
            size = int(breaks[0]) if len(breaks) else len(rest)
            while size > 1 and len(rest) % size:  # a run may go on by chance into the next
                size -= 1
            if size == 1:
                return None
            rows = rest.reshape(-1, size)
            if (rows - rows[:, :1] != line[:size]).any():
                return None
            loops.append((size, stride))
            rest = rows[:, 0]
        if len(loops) > LOOPS_MAX:
            return None
        sizes, strides = zip(*reversed(loops), strict=True) if loops else ((1,), (1,))
        return Order(start, tuple(sizes), tuple(strides))
