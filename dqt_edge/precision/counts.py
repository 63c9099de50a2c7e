"""What each layer takes at each of its candidates on a board, as a value: ``measure.layer_counts`` measures it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..graph import Graph, Pair


@dataclass(frozen=True)
class Counts:
    """Mean counts of one inference, in ``unit``.

    Attributes:
        fixed: Sum over the layers that have one candidate or no weights.
        layers: (layer, pair) -> count, for the adaptive layers.
    """

    unit: str
    fixed: float
    layers: Mapping[tuple[str, Pair], float]

    def total(self, graph: Graph, pairs: tuple[Pair, ...]) -> float:
        """Predicted count of a width vector: counts of layers add up, because no layer depends on another's widths."""
        names = [layer.name for layer in graph.adaptive]
        return self.fixed + sum(self.layers[name, pair] for name, pair in zip(names, pairs, strict=True))
