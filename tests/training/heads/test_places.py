"""Promise: points lie where all paths lead through, spread over the network's work, with heads that stay small."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dqt_edge.errors import UnknownNameError, UnsupportedError, UsageError
from dqt_edge.graph import FULL, Graph, interpreter
from dqt_edge.training.heads.features import vectors_for
from dqt_edge.training.heads.options import HeadOptions, parse_grid, parse_points, parse_widths
from dqt_edge.training.heads.places import Place, choose_places, cuts
from dqt_edge.training.heads.shape import SHARE_MAX, head_shapes
from tests.support.random_graphs import random_codes, random_graph


@pytest.mark.parametrize("seed", range(40))
def test_behind_a_cut_nothing_else_of_before_is_needed(seed: int) -> None:
    """Judged by running what lies behind from that one tensor alone."""
    graph = random_graph(seed, every=seed % 2 == 1)
    vector = tuple(layer.candidates[0] for layer in graph.adaptive)
    whole = interpreter.run(graph, random_codes(seed, graph, 2), vector, keep_tensors=True).tensors
    order = [layer.name for layer in graph.layers]
    found = {place.after for place in cuts(graph)}
    for index, name in enumerate(order[:-1]):
        live = {graph.layers[index].output: whole[graph.layers[index].output]}
        try:
            for layer in graph.layers[index + 1 :]:
                live[layer.output] = interpreter.run_layer(layer, graph, live)
        except KeyError:
            assert name not in found
        else:
            np.testing.assert_array_equal(live[graph.output], whole[graph.output])
            same = [p for p in cuts(graph) if order.index(p.after) >= index]
            assert same, f"{name} is a cut, and no later one stands for it"
            assert name in found or not any(map(graph.macs, graph.layers[index + 1 : order.index(same[0].after) + 1]))


def test_points_are_spread_over_the_work(graph: Graph) -> None:
    assert [(p.after, round(p.share, 3)) for p in cuts(graph)] == [
        ("stem", 0.029), ("conv2", 0.963), ("depthwise", 0.97), ("pool", 0.996),
    ]  # fmt: skip
    (only,) = choose_places(graph, 3)  # the others are too near to the end
    assert (only.after, only.why) == ("stem", "the cut nearest to 19 % of the MACs")
    assert choose_places(graph, ("conv2", "stem")) == (
        Place("stem", cuts(graph)[0].share),
        Place("conv2", cuts(graph)[1].share),
    )


def test_names_are_checked(graph: Graph) -> None:
    with pytest.raises(UnknownNameError) as caught:
        choose_places(graph, ("stm",))
    assert caught.value.next_step == "did you mean 'stem'?"
    assert caught.value.where == "parameter `points`"
    with pytest.raises(UsageError, match="is the last one"):
        choose_places(graph, ("classifier",))
    with pytest.raises(UsageError, match="named twice"):
        choose_places(graph, ("stem", "stem"))


def test_a_network_without_a_cut_says_so() -> None:
    graph = random_graph(3)
    short = replace(graph, layers=graph.layers[:1], output=graph.layers[0].output, controller=None, task="outputs",
                    tensors=tuple(t for t in graph.tensors if t.name in ("input", graph.layers[0].output)))  # fmt: skip
    with pytest.raises(UnsupportedError, match="all paths lead through") as caught:
        choose_places(short, 2)
    assert "`points`" in caught.value.next_step


def test_heads_stay_within_their_share_where_they_can(graph: Graph) -> None:
    places = choose_places(graph, ("stem", "conv2"))
    shapes = head_shapes(graph, places)
    assert sum(shape.macs for shape in shapes) <= SHARE_MAX * graph.total_macs
    large = head_shapes(graph, places, (8, 8), 100)
    assert [str(shape) for shape in large] == ["8x8x16 -> 100 -> 10"] * 2
    assert large[0].window is None, "a grid as large as the map pools nothing"
    odd = head_shapes(graph, places, (3, 5))[0]
    assert odd.pooled == (3, 4, 16), "windows of 3x2, side by side, cover 8x8"


def test_equal_vectors_are_run_once(graph: Graph) -> None:
    assert list(vectors_for(graph, None, "stem")) == ["8x8"]
    found = vectors_for(graph, None, "conv1")
    assert list(found) == ["8x8", "4x4", "2x4"]
    assert found["2x4"] == ((2, 4), FULL, FULL, FULL), "what lies behind the last point is not run"
    assert list(vectors_for(graph, ((4, 4),), "pool")) == ["4x4"]


def test_texts_are_read() -> None:
    assert parse_points("3") == 3
    assert parse_points("stem, conv2") == ("stem", "conv2")
    assert parse_points(["a"]) == ("a",)
    assert parse_grid("8x1") == (8, 1)
    assert parse_grid(4) == parse_grid("4") == (4, 4)
    assert parse_widths("8x8,4x4,8x8") == ((8, 8), (4, 4))


WRONG = {
    "points": ({"points": 0}, {"points": ()}, {"points": tuple("abcdefghi")}),
    "labels": ({"labels": "some"},),
    "epochs": ({"epochs": 1},),
    "balance": ({"balance": 1.5},),
    "head_hidden": ({"head_hidden": 0},),
    "samples": ({"samples": 1},),
}


@pytest.mark.parametrize("name", WRONG)
def test_values_out_of_range_are_refused(name: str) -> None:
    for given in WRONG[name]:
        with pytest.raises(UsageError) as caught:
            HeadOptions(**given)  # type: ignore[arg-type]
        assert caught.value.where == f"parameter `{name}`"


@pytest.mark.parametrize("text", ["", "4x", "0x4", "4x65", "axb", (1, 2, 3), -1])
def test_what_is_no_grid_is_refused(text: object) -> None:
    with pytest.raises(UsageError, match="is no grid"):
        parse_grid(text)  # type: ignore[arg-type]
