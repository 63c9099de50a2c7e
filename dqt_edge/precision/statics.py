"""Fixed width vectors worth recording beside what decides for each input: good ones, from cheap to dear."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ..graph import SKIP, Graph, Pair
from . import sensitivity
from .assign import within
from .candidates import nearest, without_controller
from .counts import Counts
from .curve import Search
from .layer_costs import LayerCosts
from .skips import saved_by_skips

ALL_MAX = 32
"""Up to this many vectors are all taken; beyond, those that a search finds."""
BUDGETS = 12
SAMPLES = 256
"""At most, that say what each layer suffers when it alone is narrowed."""

Vector = tuple[Pair, ...]


def uniform_vectors(graph: Graph) -> list[Vector]:
    """One pair for all layers, as far as they have it."""
    pairs = dict.fromkeys(pair for layer in graph.adaptive for pair in layer.candidates)
    return list(dict.fromkeys(tuple(nearest(layer, pair) for layer in graph.adaptive) for pair in pairs))


def skipping_vectors(graph: Graph) -> list[Vector]:
    """The same with every branch skipped that may be; none in a network without such branches."""
    skips = [SKIP in layer.options for layer in graph.adaptive]
    if not any(skips):
        return []
    return [
        tuple(SKIP if skip else pair for skip, pair in zip(skips, vector, strict=True))
        for vector in uniform_vectors(graph)
    ]


def static_vectors(
    graph: Graph,
    codes: npt.NDArray[np.uint8],
    costs: LayerCosts,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Vector]:
    """All width vectors of a small model; else the best by the sum of single layers' losses at several budgets.

    Args:
        graph: The network.
        codes: Typical inputs.
        costs: What budgets are in.
        progress: Called with the runs done and their number.
    """
    bare = without_controller(graph)
    if not bare.adaptive:
        return []
    if math.prod(len(layer.options) for layer in bare.adaptive) <= ALL_MAX:
        return list(itertools.product(*(layer.options for layer in bare.adaptive)))
    done, total = 0, sensitivity.evaluations(bare, correct=False)

    def step() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    codes = codes[:SAMPLES]
    _, alone = sensitivity.measure(bare, codes, correct=False, progress=step)
    counts = counts_of(bare, costs)
    search = Search(bare, codes, alone, counts=counts, correct=False)
    least = counts.fixed + search.front[0].cost
    found = []
    for budget in np.linspace(least, costs.full(bare), BUDGETS):
        point = within(search.front, float(budget) - search.fixed_cost)
        if point is not None:
            found.append(tuple(x.options[k] for x, k in zip(bare.adaptive, point.choices, strict=True)))
    return list(dict.fromkeys([*uniform_vectors(bare), *found]))


def counts_of(graph: Graph, costs: LayerCosts) -> Counts:
    """The same costs as the search for fixed widths takes them; of a network without controller and points."""
    adaptive = {layer.name for layer in graph.adaptive}
    fixed = costs.rest + sum(costs.layers[layer.name][0] for layer in graph.layers if layer.name not in adaptive)
    saved = saved_by_skips(graph, {name: found[0] for name, found in costs.layers.items()})
    by_pair = {
        (layer.name, pair): cost - (saved[layer.name] if pair == SKIP else 0.0)
        for layer in graph.adaptive
        for pair, cost in zip(layer.options, costs.layers[layer.name], strict=True)
    }
    return Counts(costs.unit, fixed, by_pair)
