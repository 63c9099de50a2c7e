"""What STRIDED_SLICE takes, out of its masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..problems import Unfit
from .file import RawOperator


@dataclass(frozen=True)
class Slice:
    """Begin, end and step of each axis of the input, and the shape of the result.

    Ends are resolved: 0..n, and -1 before the first element where the step is negative.
    """

    begin: tuple[int, ...]
    end: tuple[int, ...]
    step: tuple[int, ...]
    shape: tuple[int, ...]

    def take(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The elements of an array."""
        parts = zip(self.begin, self.end, self.step, strict=True)
        return x[tuple(slice(b, None if e < 0 else e, s) for b, e, s in parts)].reshape(self.shape)


def strided(
    op: RawOperator,
    shape: tuple[int, ...],
    begin: npt.NDArray[Any],
    end: npt.NDArray[Any],
    steps: npt.NDArray[Any],
) -> Slice:
    """Resolve the masks for an input of ``shape``; raises Unfit if they do not fit it."""
    begins, ends, strides = ([int(n) for n in part.ravel()] for part in (begin, end, steps))
    masks = {name: op.number(f"{name}Mask") for name in ("Begin", "End", "Ellipsis", "NewAxis", "ShrinkAxis")}
    if not len(begins) == len(ends) == len(strides) or op.number("Offset"):
        raise Unfit("its begin, end and strides do not belong together", "x[a:b:c] for each axis")
    found: list[tuple[int, int, int]] = []
    made: list[int] = []
    given = sum(not (masks["NewAxis"] | masks["Ellipsis"]) >> i & 1 for i in range(len(begins)))
    for i, (first, last, stride) in enumerate(zip(begins, ends, strides, strict=True)):
        if masks["Ellipsis"] >> i & 1:
            for _ in range(len(shape) - given):
                found.append((0, shape[len(found)], 1))
                made.append(found[-1][1])
            continue
        if masks["NewAxis"] >> i & 1:
            made.append(1)
            continue
        if len(found) >= len(shape) or not stride:
            raise Unfit(f"it slices shape {shape} by {len(begins)} axes", "a slice for each axis")
        size = shape[len(found)]
        if masks["ShrinkAxis"] >> i & 1:
            if not -size <= first < size:
                raise Unfit(f"it takes element {first} of {size}", "an element that exists")
            found.append((first % size, first % size + 1, 1))
            continue
        begin_open, end_open = bool(masks["Begin"] >> i & 1), bool(masks["End"] >> i & 1)
        window = slice(None if begin_open else first, None if end_open else last, stride)
        found.append(window.indices(size))
        made.append(len(range(*found[-1])))
    rest = shape[len(found) :]
    found += [(0, n, 1) for n in rest]
    made += rest
    columns = np.array(found, np.int64).reshape(-1, 3).T.tolist()
    return Slice(tuple(columns[0]), tuple(columns[1]), tuple(columns[2]), tuple(made))
