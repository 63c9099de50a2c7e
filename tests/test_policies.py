"""Policies as text."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dqt_edge.errors import UsageError
from dqt_edge.graph import Graph, Layer, MacLayer
from dqt_edge.measure.session import policy_text
from dqt_edge.policies import parse_pairs, parse_policy


def test_one_pair_stands_for_all_layers_and_a_vector_for_itself(graph: Graph) -> None:
    assert parse_policy("dynamic", graph) == "dynamic"
    assert parse_policy("4x4", graph) == ((4, 4),) * 4
    assert parse_policy("8x8, 4x4,2x4 ,8x8", graph) == ((8, 8), (4, 4), (2, 4), (8, 8))


@pytest.mark.parametrize("text", ["", "8", "8x", "1x8", "8x9", "8x8;4x4", "eight"])
def test_what_is_no_pair_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no width pair"):
        parse_pairs(text, "--policy")


def test_dynamic_needs_a_controller(graph: Graph) -> None:
    with pytest.raises(UsageError, match="no controller"):
        parse_policy("dynamic", replace(graph, controller=None))


def test_a_model_without_adaptive_layers_has_one_policy(graph: Graph) -> None:
    def settled(layer: Layer) -> Layer:
        return replace(layer, candidates=layer.candidates[:1]) if isinstance(layer, MacLayer) else layer

    fixed = replace(graph, controller=None, layers=tuple(map(settled, graph.layers)))
    assert parse_policy("dynamic", fixed) == parse_policy("8x8", fixed) == ()
    assert policy_text(()) == "fixed"
