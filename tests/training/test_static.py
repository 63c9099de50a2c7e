"""Promise: the static rival is the best vector within the cost, and never dearer."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dqt_edge.graph import Graph
from dqt_edge.interpreter import run
from dqt_edge.training import static
from dqt_edge.training.static import accuracy, best_static, cost_of


@pytest.fixture(scope="module")
def samples(graph: Graph) -> tuple[np.ndarray, np.ndarray]:
    codes = np.random.default_rng(2).integers(0, 256, (24, *graph.tensor(graph.input).shape), dtype=np.uint8)
    return codes, run(graph, codes, [(8, 8)]).outputs.argmax(axis=1)


@pytest.mark.parametrize("limit", [0.3, 0.6, 1.0])
@pytest.mark.parametrize("exhaustive", [True, False], ids=["exhaustive", "climbing"])
def test_the_best_vector_is_within_the_limit(
    graph: Graph,
    samples: tuple[np.ndarray, np.ndarray],
    limit: float,
    exhaustive: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(static, "EXHAUSTIVE_MAX", 10**6 if exhaustive else 0)
    found = best_static(graph, *samples, limit)
    assert found is not None
    vector, share = found
    assert cost_of(graph, vector) <= limit
    assert share == accuracy(graph, *samples, vector)
    if exhaustive:
        every = itertools.product(*(layer.candidates for layer in graph.adaptive))
        assert share == max(accuracy(graph, *samples, v) for v in every if cost_of(graph, v) <= limit)


def test_a_limit_below_every_vector_has_no_rival(graph: Graph, samples: tuple[np.ndarray, np.ndarray]) -> None:
    assert best_static(graph, *samples, 0.01) is None
