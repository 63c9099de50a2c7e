"""The static search: within the budget, best of all vectors where it tries all, never empty-handed in silence."""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np
import pytest

from dqt_edge.data.load import codes, load_data
from dqt_edge.errors import UsageError
from dqt_edge.graph import Graph, interpreter
from dqt_edge.graph.bitops import bitops
from dqt_edge.precision import static as search


@pytest.fixture(scope="module")
def labelled(graph: Graph) -> tuple[np.ndarray, np.ndarray]:
    data = load_data("digits")
    return codes(data.x_val, graph)[:60], data.y_val[:60]


@pytest.mark.parametrize("budget", [0.17, 0.25, 0.5, 1.0])
def test_the_best_of_all_vectors_within_the_budget(graph: Graph, labelled, budget: float) -> None:
    found = search.best_static(graph, budget, partial(search.judge, graph, *labelled))
    assert found.bitops_ratio <= budget + 1e-12
    every = itertools.product(*(layer.candidates for layer in graph.adaptive))
    allowed = [pairs for pairs in every if search.cost(graph, pairs) <= budget]
    judged = [search.judge(graph, *labelled, pairs) for pairs in allowed]
    assert found.accuracy == max(a.accuracy for a in judged)
    assert found.loss == min(a.loss for a in judged if a.accuracy == found.accuracy)


def test_the_greedy_search_stays_within_the_budget(graph: Graph, labelled, monkeypatch) -> None:
    monkeypatch.setattr(search, "EXHAUSTIVE_MAX", 1)
    for budget in (0.2, 0.4, 0.8):
        found = search.best_static(graph, budget, partial(search.judge, graph, *labelled))
        assert found.bitops_ratio <= budget
        assert found.accuracy >= search.judge(graph, *labelled, ((2, 4),) * len(graph.adaptive)).accuracy - 0.05


def test_an_impossible_budget_is_refused(graph: Graph, labelled) -> None:
    with pytest.raises(UsageError, match="no width vector costs"):
        search.best_static(graph, 0.01, partial(search.judge, graph, *labelled))


def test_cost_is_the_interpreters_bitops(graph: Graph) -> None:
    pairs = tuple(layer.candidates[i % len(layer.candidates)] for i, layer in enumerate(graph.adaptive))
    choices = np.array([interpreter.fixed_choices(graph, pairs)])
    assert search.cost(graph, pairs) == bitops(graph, choices)[0]
