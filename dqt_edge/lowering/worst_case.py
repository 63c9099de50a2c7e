"""What deciding for each input costs at most: all heads, both passes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .plan import Plan, PlannedLayer

HEADS_SHARE_MAX = 0.03
"""Of a full inference: what all heads together should cost at most, or they eat what they save."""


@dataclass(frozen=True)
class WorstCase:
    """Costs in ``unit``: estimated cycles where they are known of every layer, else multiply-accumulates.

    Attributes:
        full: An inference at the widest candidates, without heads.
        heads: All heads.
        most: The dearest inference that a setting can lead to.
        passes: Passes of that inference: 1, or 2.
    """

    unit: str
    full: float
    heads: float
    most: float
    passes: int

    @property
    def heads_share(self) -> float:
        """Cost of the heads, of a full inference."""
        return self.heads / self.full if self.full else 0.0

    @property
    def text(self) -> str:
        """In words."""
        runs = "all heads and both passes" if self.passes == 2 else "all heads"
        share = f"; {self.most / self.full:.3f} of a full inference" if self.full else ""
        return f"worst case: {self.most:,.0f} {self.unit}, {runs}{share}"


def worst_case(plan: Plan) -> WorstCase | None:
    """The worst case of a plan with something to decide; None of any other."""
    if plan.points is None:
        return None
    known = all(cycles is not None for layer in plan.layers for cycles in layer.cycles)
    unit = "estimated cycles" if known else "multiply-accumulates"

    def cost(layer: PlannedLayer, candidate: int) -> float:
        cycles = layer.cycles[candidate] if known else None
        return float(layer.macs) if cycles is None else cycles

    def total(layers: Iterable[PlannedLayer]) -> float:
        return sum(cost(layer, _widest(layer)) for layer in layers)

    own = [layer for layer in plan.network if not layer.controller]
    heads = total(plan.points.layers)
    most = sum(max(cost(layer, k) for k in range(len(layer.widths))) for layer in plan.network) + heads
    if plan.points.second is not None:
        most += total(layer for layer in own if layer.number >= plan.points.second)
    return WorstCase(unit, total(own), heads, most, 1 if plan.points.second is None else 2)


def _widest(layer: PlannedLayer) -> int:
    """Index of the candidate with the most bits."""
    return max(range(len(layer.widths)), key=lambda k: (layer.widths[k][0] * layer.widths[k][1], layer.widths[k][0]))
