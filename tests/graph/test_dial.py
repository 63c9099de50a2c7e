"""The dial: what its points must be, and the integers between them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from dqt_edge.errors import UnsupportedError, UsageError
from dqt_edge.graph import Controller, Graph, interpreter, nested
from dqt_edge.graph import graph as graphs
from dqt_edge.graph.dial import POINTS_MAX, DialPoint, Dynamic, bias_at, check_dial

EXTREMES = (nested.INT32_MIN, nested.INT32_MAX, -1, 0, 1)


@pytest.mark.parametrize("target", [-1e-9, 1.0001, float("nan"), float("inf"), True, "0.5", None])
def test_a_target_is_a_ratio(target: object) -> None:
    with pytest.raises(UnsupportedError, match=r"is no number within 0\.\.1"):
        DialPoint(target, (0, 0))  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1, 0.0, 1.5, True, "1", None])
def test_a_bias_is_an_int32(value: object) -> None:
    with pytest.raises(UnsupportedError, match="is no 32-bit integer"):
        DialPoint(0.5, (0, value))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="is no 32-bit integer"):
        Dynamic((value, 0))  # type: ignore[arg-type]


def test_integers_of_numpy_become_plain_ones() -> None:
    point = DialPoint(np.float32(0.5), tuple(np.array([3, -(2**31)], np.int32)))
    assert point == DialPoint(0.5, (3, -(2**31)))
    assert [type(value) for value in (point.target, *point.bias)] == [float, int, int]


@pytest.mark.parametrize(("target", "thousandths"), [(0.0, 0), (0.1995, 200), (0.19949, 199), (0.9995, 1000)])
def test_targets_are_rounded_half_up(target: float, thousandths: int) -> None:
    assert DialPoint(target, ()).thousandths == thousandths


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        ([DialPoint(0.5, (0, 0, 0))], "3 biases at 0.5 for 2 candidates"),
        ([DialPoint(0.5, (0, 0)), DialPoint(0.5004, (1, 1))], "must increase, by a thousandth"),
        ([DialPoint(0.5, (0, 0)), DialPoint(0.4, (1, 1))], "must increase, by a thousandth"),
        ([DialPoint(i / 100, (0, 0)) for i in range(POINTS_MAX + 1)], "65 points, more than 64"),
        ([DialPoint(0.5, (0, nested.INT32_MAX - 999))], "a biased logit can reach 2147483648"),
        ([DialPoint(0.5, (nested.INT32_MIN, 0))], "a biased logit can reach 2147484648"),
    ],
)
def test_what_a_controller_cannot_have_is_refused(points: list[DialPoint], reason: str) -> None:
    with pytest.raises(UnsupportedError, match=reason):
        check_dial(points, 2, 1000)


def test_a_dial_at_the_bound_is_accepted() -> None:
    check_dial([], 2, nested.INT32_MAX)
    check_dial([DialPoint(0, (0, nested.INT32_MAX - 1000)), DialPoint(0.001, (1000 - nested.INT32_MAX, 0))], 2, 1000)


def with_dial(graph: Graph, *points: DialPoint) -> Graph:
    controller = graph.controller
    assert isinstance(controller, Controller)
    return replace(graph, controller=replace(controller, dial=points))


def test_a_graph_checks_its_dial_by_the_exact_bound_of_the_logits(graph: Graph) -> None:
    assert graph.controller is not None
    last = graph.controller.layers[-1]
    bound = nested.accumulator_bound(last.weights, last.bias_twice[None], last.candidates, None)  # type: ignore[union-attr]
    most = nested.INT32_MAX - bound
    assert with_dial(graph, DialPoint(0.5, (most, -most, 0))).controller is not None
    for bias in ((most + 1, 0, 0), (0, 0, -most - 1), (0, 0)):
        with pytest.raises(UnsupportedError) as caught:
            with_dial(graph, DialPoint(0.5, bias))
        assert caught.value.where == "dial of the controller"


def test_between_two_points_lies_the_line_rounded_half_up() -> None:
    rng = np.random.default_rng(17)
    for _ in range(60):
        low, high = sorted(int(t) for t in rng.choice(1001, 2, replace=False))
        ends = [tuple(int(b) for b in (*rng.integers(-(2**31), 2**31, 2), rng.choice(EXTREMES))) for _ in range(2)]
        dial = (DialPoint(low / 1000, ends[0]), DialPoint(high / 1000, ends[1]))
        for t in range(low, high + 1):
            exact = [a + Fraction((b - a) * (t - low), high - low) for a, b in zip(*ends, strict=True)]
            assert bias_at(dial, t, "here") == tuple(nested.fraction_round(value) for value in exact)
        assert (bias_at(dial, low, "here"), bias_at(dial, high, "here")) == tuple(ends)


def test_a_dial_of_one_point_has_one_setting() -> None:
    dial = (DialPoint(0.25, (4, 5)),)
    assert bias_at(dial, 250, "here") == (4, 5)
    for t in (249, 251):
        with pytest.raises(UsageError, match="is outside the model's dial") as caught:
            bias_at(dial, t, "here")
        assert caught.value.next_step == "choose from 0.25 to 0.25"


def test_a_bias_that_is_part_of_the_controller_chooses_as_one_that_is_given(graph: Graph) -> None:
    rng = np.random.default_rng(6)
    inputs = rng.integers(0, 256, (60, *graph.tensor(graph.input).shape), dtype=np.uint8)
    bias, more = (40_001, -3, -39_999), (-7_000, 0, 7_001)
    points = [DialPoint(0.3, more)]
    made = graphs.with_dial(graph, bias * len(graph.adaptive), points)
    assert made.dial_targets == (0.3,)
    assert made.layers == graph.layers
    for given, together in (("dynamic", bias), (Dynamic(more), tuple(a + b for a, b in zip(bias, more, strict=True)))):
        found, want = interpreter.run(made, inputs, given), interpreter.run(graph, inputs, Dynamic(together))
        np.testing.assert_array_equal(found.choices, want.choices)
        np.testing.assert_array_equal(found.outputs, want.outputs)
    with pytest.raises(UnsupportedError, match="layer 'controller_logits': its bias reaches"):
        graphs.with_dial(graph, (2**31 - 1,) * 12, ())
