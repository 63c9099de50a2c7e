"""The static search: within the budget, best of all vectors where it tries all, never empty-handed in silence."""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np
import pytest

from dqt_edge.data.load import codes, load_data
from dqt_edge.errors import UsageError
from dqt_edge.graph import Graph, Pair, interpreter
from dqt_edge.graph.bitops import bitops, graph_costs, vector_ratio
from dqt_edge.graph.policy import fixed_choices
from dqt_edge.precision import static as search


@pytest.fixture(scope="module")
def labelled(graph: Graph) -> tuple[np.ndarray, np.ndarray]:
    data = load_data("digits")
    return codes(data.x_val, graph)[:60], data.y_val[:60]


def judge(graph: Graph, codes: np.ndarray, labels: np.ndarray, pairs: tuple[Pair, ...]) -> search.Assignment:
    """Accuracy and mean cross-entropy (nats) on labelled codes, by the interpreter."""
    result = interpreter.run(graph, codes, pairs)
    output = graph.tensor(graph.output)
    logits = (result.outputs.astype(np.float64) - output.zero_point) * output.scale
    loss = float((np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(labels)), labels]).mean())
    accuracy = float((logits.argmax(axis=1) == labels).mean())
    return search.Assignment(pairs, float(bitops(graph, result.choices[:1])[0]), accuracy, loss)


@pytest.mark.parametrize("budget", [0.17, 0.25, 0.5, 1.0])
def test_the_best_of_all_vectors_within_the_budget(graph: Graph, labelled, budget: float) -> None:
    found = search.best_static(graph, budget, partial(judge, graph, *labelled))
    assert found.bitops_ratio <= budget + 1e-12
    every = itertools.product(*(layer.candidates for layer in graph.adaptive))
    allowed = [pairs for pairs in every if vector_ratio(graph, pairs) <= budget]
    judged = [judge(graph, *labelled, pairs) for pairs in allowed]
    assert found.quality == max(a.quality for a in judged)
    assert found.loss == min(a.loss for a in judged if a.quality == found.quality)


@pytest.mark.parametrize("budget", [0.17, 0.25, 0.4, 0.8])
def test_where_not_all_are_tried_the_walk_comes_close_to_the_best(graph: Graph, labelled, monkeypatch, budget) -> None:
    best = search.best_static(graph, budget, partial(judge, graph, *labelled))
    monkeypatch.setattr(search, "EXHAUSTIVE_MAX", 1)
    judged = []

    def counted(pairs):
        judged.append(pairs)
        return judge(graph, *labelled, pairs)

    found = search.best_static(graph, budget, counted)
    assert found.bitops_ratio <= budget + 1e-9
    assert found.quality >= best.quality - 0.02
    assert len(judged) <= search.tries(graph) < 81


@pytest.mark.parametrize("most", [1, 400])
def test_an_impossible_budget_is_refused(graph: Graph, labelled, monkeypatch, most: int) -> None:
    monkeypatch.setattr(search, "EXHAUSTIVE_MAX", most)
    with pytest.raises(UsageError, match="no width vector costs"):
        search.best_static(graph, 0.01, partial(judge, graph, *labelled))


def test_cost_of_a_vector_is_the_interpreters_bitops(graph: Graph) -> None:
    pairs = tuple(layer.candidates[i % len(layer.candidates)] for i, layer in enumerate(graph.adaptive))
    macs = {layer.name: graph.macs(layer) for layer in graph.layers}
    widths = {layer.name: pair for layer, pair in zip(graph.adaptive, pairs, strict=True)}
    want = sum(n * widths.get(name, (8, 8))[0] * widths.get(name, (8, 8))[1] for name, n in macs.items())
    assert vector_ratio(graph, pairs) == pytest.approx(want / 64 / sum(macs.values()), rel=1e-12)
    assert vector_ratio(graph, pairs) == bitops(graph, np.array([fixed_choices(graph, pairs)]))[0]
    rows, fixed = graph_costs(graph)
    chosen = [row[layer.candidates.index(p)] for row, layer, p in zip(rows, graph.adaptive, pairs, strict=True)]
    assert fixed + sum(chosen) == pytest.approx(vector_ratio(graph, pairs), rel=1e-12)
