"""Promise: Keras's evaluation at a setting is the interpreter's: early answers, widening and a second pass."""

# ruff: noqa: PLC0415 - TensorFlow is imported where a test needs it, not where tests are collected

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dqt_edge.data.load import load_data
from dqt_edge.graph import NEVER, Setting, interpreter
from dqt_edge.graph.points import WATCH, full_setting, widest_choices
from tests.support.random_graphs import random_codes
from tests.support.random_points import pointed_graph, random_setting
from tests.support.skips import skipping_graph

pytestmark = pytest.mark.train
FIELDS = ("outputs", "choices", "points", "passes", "runs", "margins", "early")


def settings(graph: Any, margins: np.ndarray) -> dict[str, Setting]:
    """Thresholds in the middle of what is met, so that both sides of each have samples."""
    first, second, end = (int(np.median(column)) for column in margins.T)
    wide, narrow = widest_choices(graph), (2, 1, 2, 2)
    return {
        "full": full_setting(graph),
        "never": Setting(wide, (NEVER, NEVER), (0, 0)),
        "all at the first": Setting(wide, (0, NEVER), (0, 0)),
        "exits": Setting(wide, (first, second), (0, 0)),
        "some classes": Setting(wide, (first, WATCH), (0, 0), stops=(0, 3, 4, 7)),
        "no class": Setting(wide, (first, second), (0, 0), stops=()),
        "widen": Setting(narrow, (NEVER, NEVER), (first, second)),
        "exits and widen": Setting(narrow, (2 * first, NEVER), (first, second)),
        "again": Setting(narrow, (NEVER, second), (0, 0), again=end),
        "everything": Setting(narrow, (2 * first, 2 * second), (first, second), again=end, stops=(1, 2, 3, 4, 5)),
        "controller": Setting(None, (first, NEVER), (0, second)),
        "controller with a bias": Setting(None, (WATCH, second), (first, 0), again=end, bias=(-40_000, 0, 60_000)),
    }


@pytest.fixture(scope="module")
def cases(early: Any, inputs: np.ndarray) -> tuple[Any, dict[str, Setting]]:
    graph = replace(early.graph, second_pass=True)
    return graph, settings(graph, interpreter.run(graph, inputs, full_setting(graph)).margins)


NAMES = (
    "full", "never", "all at the first", "exits", "some classes", "no class", "widen", "exits and widen", "again",
    "everything", "controller", "controller with a bias",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_code_and_every_decision_is_the_interpreters(name: str, cases: Any, inputs: np.ndarray) -> None:
    from dqt_edge.training.integer import evaluate

    graph, by_name = cases
    x = load_data("digits").x_test[:300]
    found = evaluate(graph, x, by_name[name])
    oracle = interpreter.run(graph, inputs[:300], by_name[name], keep_tensors=True)
    for field in FIELDS:
        np.testing.assert_array_equal(getattr(found, field), getattr(oracle, field), err_msg=field)
    assert_same_tensors(found, oracle)
    assert (found.logits is None) == (oracle.logits is None)
    if oracle.logits is not None:
        np.testing.assert_array_equal(found.logits, oracle.logits)


def assert_same_tensors(found: Any, oracle: Any) -> None:
    assert set(found.tensors) == set(oracle.tensors)
    for tensor, codes in oracle.tensors.items():
        np.testing.assert_array_equal(found.tensors[tensor], codes, err_msg=tensor)


def assert_equal(graph: Any, seed: int, policy: Any) -> None:
    """Keras's evaluation and the interpreter's, on random codes."""
    from dqt_edge.training.integer import evaluate

    codes, source = random_codes(seed, graph, 24), graph.tensor(graph.input)
    real = source.scale * (codes.astype(np.float64) - source.zero_point)
    found, oracle = evaluate(graph, real, policy), interpreter.run(graph, codes, policy, keep_tensors=True)
    for field in FIELDS:
        np.testing.assert_array_equal(getattr(found, field), getattr(oracle, field), err_msg=field)
    assert_same_tensors(found, oracle)


@pytest.mark.parametrize("seed", range(6))
def test_of_random_networks_too(seed: int, tensorflow: Any) -> None:
    graph = pointed_graph(seed)
    margins = interpreter.run(graph, random_codes(seed, graph, 24), full_setting(graph)).margins
    for trial in range(3):
        assert_equal(graph, seed, random_setting(seed, trial, graph, margins))


@pytest.mark.parametrize("seed", range(2))
def test_of_branches_that_are_skipped(seed: int, tensorflow: Any) -> None:
    graph = replace(skipping_graph(seed), second_pass=True)
    skipped = tuple(len(layer.candidates) if layer.skip_bias is not None else 0 for layer in graph.adaptive)
    assert_equal(graph, seed, tuple(x.options[k] for x, k in zip(graph.adaptive, skipped, strict=True)))
    for again in (0, 9, 256):
        assert_equal(graph, seed, Setting(skipped, (), (), again))


def test_the_cases_decide_both_ways(cases: Any, inputs: np.ndarray) -> None:
    graph, by_name = cases
    found = interpreter.run(graph, inputs[:300], by_name["everything"])
    assert set(found.points) == {0, 1, 2}
    assert set(found.passes) == {1, 2}
    assert len(np.unique(found.choices, axis=0)) > 2


def test_given_widths_run_no_head(cases: Any, inputs: np.ndarray) -> None:
    from dqt_edge.training.integer import evaluate

    graph, _ = cases
    for policy in ("4x4", "dynamic"):
        found = evaluate(graph, load_data("digits").x_test[:40], policy)
        oracle = interpreter.run(graph, inputs[:40], policy, keep_tensors=True)
        for field in FIELDS:
            np.testing.assert_array_equal(getattr(found, field), getattr(oracle, field), err_msg=field)
        assert set(found.tensors) == set(oracle.tensors)
