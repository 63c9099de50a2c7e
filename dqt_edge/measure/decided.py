"""What was decided for samples, in numbers and words: points, passes, widths, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..graph import Graph, interpreter, pair_text
from ..graph.bitops import bitops
from ..graph.points import Setting
from ..graph.policy import Settled


def choices_text(graph: Graph, row: Sequence[int] | npt.NDArray[np.int64]) -> str:
    """A width vector, with a dash for a layer that did not run."""
    pairs = zip(graph.adaptive, row, strict=True)
    return ",".join("-" if k < 0 else pair_text(layer.options[k]) for layer, k in pairs) or "fixed"


def mean_bitops(graph: Graph, found: interpreter.Result, policy: Settled) -> float:
    """Mean BitOPs ratio of what was run; with a setting, heads and second passes count."""
    if isinstance(policy, Setting):
        return float(bitops(graph, found.choices, found.runs, found.passes).mean())
    return float(bitops(graph, found.choices).mean())


def answered_at(graph: Graph, points: npt.NDArray[np.int64]) -> dict[str, float]:
    """Share of samples that each decision point answered, and the network's end; empty without decision points."""
    if not graph.points:
        return {}
    names = (*(point.name for point in graph.points), "end")
    return {name: float((points == i).mean()) for i, name in enumerate(names)}
