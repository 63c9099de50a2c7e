"""Policies as text."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dqt_edge.errors import UsageError
from dqt_edge.graph import DialPoint, Graph, Layer, MacLayer
from dqt_edge.graph.dial import Dynamic
from dqt_edge.graph.policy import dial_policies, parse_pairs, parse_policy, policy_text


def test_one_pair_stands_for_all_layers_and_a_vector_for_itself(graph: Graph) -> None:
    assert parse_policy("dynamic", graph) == "dynamic"
    assert parse_policy("4x4", graph) == ((4, 4),) * 4
    assert parse_policy("8x8, 4x4,2x4 ,8x8", graph) == ((8, 8), (4, 4), (2, 4), (8, 8))


@pytest.mark.parametrize("text", ["", "8", "8x", "1x8", "8x9", "8x8;4x4", "eight"])
def test_what_is_no_pair_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no width pair"):
        parse_pairs(text, "test")


def test_dynamic_needs_a_controller(graph: Graph) -> None:
    with pytest.raises(UsageError, match="no controller"):
        parse_policy("dynamic", replace(graph, controller=None))


def test_a_model_without_adaptive_layers_has_one_policy(graph: Graph) -> None:
    def settled(layer: Layer) -> Layer:
        return replace(layer, candidates=layer.candidates[:1]) if isinstance(layer, MacLayer) else layer

    fixed = replace(graph, controller=None, layers=tuple(map(settled, graph.layers)))
    assert parse_policy("dynamic", fixed) == parse_policy("8x8", fixed) == ()
    assert policy_text(()) == "fixed"


def dialled(graph: Graph, *points: DialPoint) -> Graph:
    assert graph.controller is not None
    return replace(graph, controller=replace(graph.controller, dial=points))


DIAL = (DialPoint(0.1996, (-100, 0, 250)), DialPoint(0.4, (-40, 1, 13)), DialPoint(1.0, (2**30, 1, -(2**30))))


def test_a_target_is_a_bias_between_the_points_of_the_dial(graph: Graph) -> None:
    model = dialled(graph, *DIAL)
    assert parse_policy("dynamic:0.2", model) == Dynamic((-100, 0, 250), 200)
    assert parse_policy("dynamic:0.300", model) == Dynamic((-70, 1, 132), 300)
    assert parse_policy("dynamic:.4", model) == Dynamic((-40, 1, 13), 400)
    assert parse_policy("dynamic:1", model) == Dynamic((2**30, 1, -(2**30)), 1000)
    assert parse_policy("dynamic:1.000", model) == Dynamic((2**30, 1, -(2**30)), 1000)
    assert parse_policy("dynamic", model) == "dynamic"
    assert dial_policies(model, "test") == tuple(
        Dynamic(p.bias, t) for p, t in zip(DIAL, (200, 400, 1000), strict=True)
    )


@pytest.mark.parametrize("text", ["dynamic", "dynamic:0.2", "dynamic:0.301", "dynamic:1", "8x8,4x4,2x4,8x8"])
def test_text_of_a_policy_is_what_makes_it(graph: Graph, text: str) -> None:
    assert policy_text(parse_policy(text, dialled(graph, *DIAL))) == text


def test_a_bias_of_other_origin_has_a_text_too() -> None:
    assert policy_text(Dynamic((3, -4))) == "dynamic with bias 3, -4"


@pytest.mark.parametrize("text", ["0.199", "0", "0.0", ".1"])
def test_a_target_outside_the_dial_is_refused_with_its_ends(graph: Graph, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_policy(f"dynamic:{text}", dialled(graph, *DIAL))
    assert caught.value.what == f"the target {float(text):g} is outside the model's dial"
    assert caught.value.where == f"`policy` dynamic:{text}"
    assert caught.value.next_step == "choose from 0.2 to 1"


@pytest.mark.parametrize("text", ["", "x", "0.4001", "-0.4", "1.001", "4", "1e-1", "0.4 ", "0.\u0664", ".", "0,4"])
def test_what_is_no_target_is_refused(graph: Graph, text: str) -> None:
    with pytest.raises(UsageError, match="is no target for the dial") as caught:
        parse_policy(f"dynamic:{text}", dialled(graph, *DIAL))
    assert caught.value.exit_code == 2


def test_a_model_without_a_dial_says_so(graph: Graph) -> None:
    for model in (graph, replace(graph, controller=None)):
        with pytest.raises(UsageError, match="the model was trained without a dial") as caught:
            parse_policy("dynamic:0.4", model)
        assert caught.value.exit_code == 2
        with pytest.raises(UsageError, match="the model was trained without a dial"):
            dial_policies(model, "test")
