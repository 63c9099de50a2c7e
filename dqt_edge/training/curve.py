"""A curve in one line of text."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

BLOCKS, LETTERS = "▁▂▃▄▅▆▇█", "_.-:=+*#"
"""Heights from the least to the largest value; the second for terminals that know only ASCII."""


def curve(values: Sequence[float], width: int, *, only_ascii: bool = False) -> str:
    """Values from left to right, at most ``width`` characters; of more values, each character is the mean of some.

    The lowest character is the least mean, the highest the largest; numbers that are not finite are left out.
    """
    found = [value for value in values if math.isfinite(value)]
    count = min(width, len(found))
    if count < 1:
        return ""
    edges = [round(i * len(found) / count) for i in range(count + 1)]
    means = [sum(found[a:b]) / (b - a) for a, b in itertools.pairwise(edges)]
    low, high = min(means), max(means)
    marks = LETTERS if only_ascii else BLOCKS
    if high <= low:
        return marks[0] * count
    return "".join(marks[min(len(marks) - 1, int(len(marks) * (mean - low) / (high - low)))] for mean in means)
