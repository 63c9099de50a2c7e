"""Promise: signals one element wide are computed along rows, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dqt_edge.boards import load_board
from dqt_edge.graph import Graph, interpreter
from dqt_edge.graph.checkpoint import model_hash
from dqt_edge.lowering.orient import along_rows
from dqt_edge.lowering.plan import make_plan
from tests.lowering.test_native_kernels import assert_equal
from tests.support.native_model import NativeModel
from tests.support.random_graphs import random_codes, random_graph
from tests.support.random_networks import BOARDS, try_network

SEEDS = range(10)


def signals() -> list[Graph]:
    """Networks of signals; those that widen one by concatenation are not turned."""
    return [random_graph(seed, signal=True) for seed in SEEDS]


def test_a_turned_network_computes_the_same_bytes() -> None:
    turned = 0
    for seed, graph in zip(SEEDS, signals(), strict=True):
        other = along_rows(graph)
        codes = random_codes(seed, graph, 3)
        shape = other.tensor("input").shape
        turned += shape != graph.tensor("input").shape
        policy = [layer.candidates[-1] for layer in graph.adaptive]
        want = interpreter.run(graph, codes, policy, keep_tensors=True)
        found = interpreter.run(other, codes.reshape(-1, *shape), policy, keep_tensors=True)
        for name, tensor in want.tensors.items():
            assert found.tensors[name].tobytes() == tensor.tobytes(), (seed, name)
        np.testing.assert_array_equal(found.outputs, want.outputs)
    assert turned >= 4


def test_a_plan_lays_a_signal_along_rows_and_shows_it_as_it_was_given() -> None:
    for graph in signals():
        if along_rows(graph) is graph:
            continue
        plan = make_plan(graph, load_board("qemu-m4"))
        assert plan.model_hash == model_hash(graph)
        stem = plan.layers[0].record.window
        assert (stem.in_height, stem.in_width) == (1, graph.tensor("input").shape[0])
        assert plan.layers[0].shape == graph.tensor(graph.layers[0].output).shape


def test_wide_networks_and_single_elements_stay() -> None:
    graph = random_graph(1)
    assert along_rows(graph) is graph
    one = random_graph(2, signal=True)
    first = replace(one.tensors[0], shape=(1, 1, one.tensors[0].shape[2]))
    vectors = Graph("vector", (first,), (), "input", "input")
    assert along_rows(vectors) is vectors


@pytest.mark.some(2)
@pytest.mark.parametrize("seed", SEEDS)
def test_generated_code_agrees_layer_by_layer(seed: int, tmp_path: Path) -> None:
    graph = random_graph(seed, signal=True)
    assert_equal(graph, NativeModel(graph, tmp_path, sanitize=True), seed)


@pytest.mark.qemu
@pytest.mark.parametrize("board", [board for board in BOARDS if board != "host"])
def test_every_core_agrees_layer_by_layer(board: str, tmp_path: Path) -> None:
    turned = next(seed for seed, graph in zip(SEEDS, signals(), strict=True) if along_rows(graph) is not graph)
    count, difference = try_network(turned, board, tmp_path / "p", signal=True)
    assert count > 0
    assert difference is None
