"""What each layer takes at each of its candidates on a board, as a value: ``measure.layer_counts`` measures it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..graph import SKIP, Graph, Pair


@dataclass(frozen=True)
class Counts:
    """Mean counts of one inference, in ``unit``.

    Attributes:
        fixed: Sum over the layers that have no choice.
        layers: (layer, pair) -> count, for the adaptive layers at each of their options; at 0x0 less what the skipped
            branch's layers without a choice count.
    """

    unit: str
    fixed: float
    layers: Mapping[tuple[str, Pair], float]

    def total(self, graph: Graph, pairs: tuple[Pair, ...]) -> float:
        """Predicted count of a width vector: counts of layers add up, because no layer depends on another's widths."""
        names, branches = [layer.name for layer in graph.adaptive], graph.skipped_with
        ran = (
            self.layers[name, pair]
            for name, pair in zip(names, pairs, strict=True)
            if name not in branches or pairs[branches[name]] != SKIP
        )
        return self.fixed + sum(ran)
