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
        {layer.name: layer.options for layer in graph.adaptive},
        {layer.name: layer.candidates[0] for layer in layers if len(layer.options) == 1},
    )


def bitops(
    graph: Graph,
    choices: npt.NDArray[np.int64],
    runs: npt.NDArray[np.int64] | None = None,
    passes: npt.NDArray[np.int64] | None = None,
) -> npt.NDArray[np.float64]:
    """Ratio of each inference; 1 for a network without multiply-accumulates, which has nothing to choose.

    Args:
        graph: The network.
        choices: Candidate index of each adaptive layer, [samples, adaptive layers]; -1 for one that did not run.
        runs: How many times each of ``graph.all_layers`` ran, [samples, layers]; None: what ``choices`` says, and no
            decision point. The heads of points that ran count, at their widths.
        passes: 1 or 2 of each sample, where ``runs`` is given; a second pass runs at the widest candidates.
    """
    layers, beside = graph.all_layers, graph.beside
    own = () if graph.controller is None else graph.controller.layers
    apart = {layer.name for layer in own}
    cost = np.zeros((len(choices), len(layers)))
    positions, branches = {layer.name: i for i, layer in enumerate(graph.adaptive)}, graph.skipped_with
    full = sum(graph.macs(layer) for layer in graph.layers)
    if not full:
        return np.ones(len(choices))
    again = np.zeros(len(choices), bool) if passes is None else passes == 2
    second = {layer.name for layer in graph.layers[graph.second_pass_start :]} if again.any() else set()
    for column, layer in enumerate(layers):
        if not isinstance(layer, MacLayer) or layer.name in apart:
            continue
        pairs = np.array([pair_ratio(pair) for pair in layer.options])
        ran = np.full(len(choices), layer.name not in beside) if runs is None else runs[:, column] > 0
        if layer.name in positions:
            chosen = choices[:, positions[layer.name]]
            cost[:, column] = np.where(ran & (chosen >= 0), pairs[chosen], 0.0)
        else:
            cost[:, column] = pairs[0] * ran
        if layer.name in branches:
            last = graph.adaptive[branches[layer.name]]
            cost[:, column] *= choices[:, branches[layer.name]] != len(last.candidates)
        if runs is not None:
            cost[:, column] += pairs.max() * (again & (layer.name in second))
    macs = np.array([graph.macs(layer) for layer in layers], dtype=np.float64)
    return np.asarray(cost @ macs / full, dtype=np.float64)


def vector_ratio(graph: Graph, pairs: Sequence[Pair]) -> float:
    """Ratio of a width vector."""
    return float(bitops(graph, np.array([fixed_choices(graph, pairs)]))[0])
