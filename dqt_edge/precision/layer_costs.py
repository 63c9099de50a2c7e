"""What inferences cost in any unit that adds up by layer: BitOPs, or cycles of a board that were measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..graph import Graph, Layer, MacLayer
from ..graph.points import widest_choices
from ..graph.running import is_skipped

Integers = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]
BITOPS = "BitOPs"


@dataclass(frozen=True)
class LayerCosts:
    """Cost of each layer at each of its options.

    Attributes:
        unit: What is counted.
        layers: Layer -> cost of each of its options, of a skip the last; a single one of layers without weights. All
            of ``graph.all_layers``.
        rest: What an inference takes beside its layers.
    """

    unit: str
    layers: Mapping[str, tuple[float, ...]]
    rest: float = 0.0

    def of(self, graph: Graph, choices: Integers, runs: Integers, passes: Integers) -> Reals:
        """Cost of each inference, of an interpreter's result: its ``choices``, ``runs`` and ``passes``."""
        positions = {layer.name: i for i, layer in enumerate(graph.adaptive)}
        widest, branches = widest_choices(graph), graph.skipped_with
        cost = np.full(len(choices), self.rest)
        for column, layer in enumerate(graph.all_layers):
            by_candidate = np.array(self.layers[layer.name])
            position = positions.get(layer.name)
            if position is None:
                cost += by_candidate[0] * runs[:, column]
                continue
            # An adaptive layer runs once in each pass, in the second at its widest candidate.
            chosen = choices[:, position]
            ran = chosen >= 0
            if layer.name in branches:
                ran &= ~is_skipped(graph, branches[layer.name], choices)
            cost += np.where(ran, by_candidate[chosen], 0.0)
            cost += by_candidate[widest[position]] * (passes == 2)
        return cost

    def vector(self, graph: Graph, choices: Sequence[int]) -> float:
        """Cost of an inference at a width vector: an option of each adaptive layer; no controller, no point."""
        costs = self.by_layer(graph, np.array([choices], np.int64))
        return self.rest + sum(float(cost[0]) for _, cost in costs)

    def by_layer(self, graph: Graph, choices: Integers) -> Iterator[tuple[Layer, Reals]]:
        """Each of the network's own layers with its cost in a single pass, [samples] or [1]; 0 where it is skipped."""
        positions, branches = {layer.name: i for i, layer in enumerate(graph.adaptive)}, graph.skipped_with
        for layer in graph.layers:
            by_candidate, position = np.array(self.layers[layer.name]), positions.get(layer.name)
            cost = by_candidate[:1] if position is None else by_candidate[choices[:, position]]
            if layer.name in branches:
                cost = np.where(is_skipped(graph, branches[layer.name], choices), 0.0, cost)
            yield layer, cost

    def full(self, graph: Graph) -> float:
        """Cost at the widest candidates: what ratios are of."""
        return self.vector(graph, widest_choices(graph))


def bitops_costs(graph: Graph) -> LayerCosts:
    """BitOPs: multiply-accumulates by weight bits by activation bits.

    The controller's own count nothing, as in ``graph.bitops``; those of the points' heads do.
    """
    own = {layer.name for layer in graph.controller.layers} if graph.controller else set()

    def cost(name: str, layer: object) -> tuple[float, ...]:
        if not isinstance(layer, MacLayer) or name in own:
            return (0.0,)
        macs = graph.macs(layer)
        return tuple(float(macs * w * a) for w, a in layer.options)

    return LayerCosts(BITOPS, {layer.name: cost(layer.name, layer) for layer in graph.all_layers})
