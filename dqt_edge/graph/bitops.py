"""BitOPs: what widths cost. Every other module asks here.

A layer of M multiply-accumulates at weights of ``b_w`` and activations of ``b_a`` bits costs ``M * b_w * b_a``; a ratio
is to everything at 8x8. The controller's own work is reported apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .layers import MacLayer
from .policy import fixed_choices
from .values import FULL, Pair

if TYPE_CHECKING:
    from .graph import Graph

PER_MAC = FULL[0] * FULL[1]
"""BitOPs of a multiply-accumulate at 8x8."""


def pair_ratio(pair: Pair) -> float:
    """Cost of a width pair, of 8x8."""
    return pair[0] * pair[1] / PER_MAC


def total(macs: Sequence[int], pairs: Sequence[Pair]) -> int:
    """BitOPs of layers that each run at one pair."""
    return sum(count * w * a for count, (w, a) in zip(macs, pairs, strict=True))


def cost_table(
    macs: Mapping[str, int], adaptive: Mapping[str, Sequence[Pair]], fixed: Mapping[str, Pair] | None = None
) -> tuple[list[list[float]], float]:
    """Ratio of each adaptive layer's candidates, and of all other layers together.

    Args:
        macs: Multiply-accumulates of every layer.
        adaptive: Candidates of the layers that have a choice; a row of the table each.
        fixed: Pairs of other layers that do not run at 8x8.
    """
    full = PER_MAC * sum(macs.values())
    if not full:  # nor is any layer adaptive
        return [], 1.0
    rows = [[macs[name] * w * a / full for w, a in pairs] for name, pairs in adaptive.items()]
    others = [name for name in macs if name not in adaptive]
    constant = total([macs[name] for name in others], [(fixed or {}).get(name, FULL) for name in others])
    # Not constant / full: the last bit of the targets of dials that are already on disk depends on it.
    return rows, 1 - (full - constant) / full


def graph_costs(graph: Graph) -> tuple[list[list[float]], float]:
    """:func:`cost_table` of a graph."""
    layers = [layer for layer in graph.layers if isinstance(layer, MacLayer)]
    return cost_table(
        {layer.name: graph.macs(layer) for layer in layers},
        {layer.name: layer.candidates for layer in graph.adaptive},
        {layer.name: layer.candidates[0] for layer in layers if len(layer.candidates) == 1},
    )


def bitops(graph: Graph, choices: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Ratio of each inference; 1 for a network without multiply-accumulates, which has nothing to choose.

    Args:
        graph: The network.
        choices: Candidate index of each adaptive layer, [samples, adaptive layers].
    """
    macs = np.array([graph.macs(layer) for layer in graph.layers], dtype=np.float64)
    ratio = np.zeros((len(choices), len(graph.layers)))
    position = 0
    for column, layer in enumerate(graph.layers):
        if not isinstance(layer, MacLayer):
            continue
        cost = np.array([pair_ratio(pair) for pair in layer.candidates])
        if len(layer.candidates) > 1:
            ratio[:, column] = cost[choices[:, position]]
            position += 1
        else:
            ratio[:, column] = cost[0]
    if not macs.any():
        return np.ones(len(choices))
    return np.asarray(ratio @ macs / macs.sum(), dtype=np.float64)


def vector_ratio(graph: Graph, pairs: Sequence[Pair]) -> float:
    """Ratio of a width vector."""
    return float(bitops(graph, np.array([fixed_choices(graph, pairs)]))[0])
