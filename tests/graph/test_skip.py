"""Layers that may be skipped, candidate 0x0: what is left of them, what does not run with them, what it costs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dqt_edge.errors import UnsupportedError, UsageError
from dqt_edge.graph import Conv2D, Graph, Layer, Setting, checkpoint, interpreter, nested, pair_text
from dqt_edge.graph.bitops import bitops, vector_ratio
from dqt_edge.graph.policy import candidate_pairs, parse_policy
from dqt_edge.graph.values import SKIP
from tests.support.random_graphs import random_codes
from tests.support.skips import skipping_graph

SEEDS = range(4)


def branch_end(graph: Graph) -> tuple[int, Conv2D]:
    """Position and layer of the first that may be skipped."""
    found = next((i, x) for i, x in enumerate(graph.adaptive) if x.skip_bias is not None)
    assert isinstance(found[1], Conv2D)
    return found


def vector(graph: Graph, at: int, pair: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """Everything at its first candidate, one layer at a pair."""
    return tuple(pair if i == at else layer.candidates[0] for i, layer in enumerate(graph.adaptive))


@pytest.mark.parametrize("seed", SEEDS)
def test_of_a_skipped_branch_the_bias_and_the_residual_are_left(seed: int) -> None:
    graph = skipping_graph(seed)
    at, layer = branch_end(graph)
    codes = random_codes(seed, graph, 5)
    run = interpreter.run(graph, codes, vector(graph, at, SKIP), keep_tensors=True)
    assert layer.skip_bias is not None
    assert layer.requantize is not None
    twice = np.broadcast_to(layer.skip_bias.astype(np.int64), run.tensors[layer.output].shape)
    if layer.residual is not None:
        operand = run.tensors[layer.residual].astype(np.int64) - graph.tensor(layer.residual).zero_point
        twice = twice + operand * layer.residual_multiplier
    rq = layer.requantize
    wanted = nested.requantize(twice, rq.multiplier, rq.shift, rq.low, rq.high)
    assert (run.tensors[layer.output] == wanted).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_what_only_the_branch_reads_does_not_run(seed: int) -> None:
    graph = skipping_graph(seed)
    at, layer = branch_end(graph)
    codes = random_codes(seed, graph, 3)
    with_it = interpreter.run(graph, codes, vector(graph, at, layer.candidates[0]))
    without = interpreter.run(graph, codes, vector(graph, at, SKIP))
    names = [x.name for x in graph.all_layers]
    idle = {name for name, n in zip(names, without.runs[0], strict=True) if n == 0}
    assert idle == {name for name, position in graph.skipped_with.items() if position == at}
    assert graph.layers[0].name in {x.name for x in graph.layers} - idle
    assert (with_it.runs == 1).all()
    assert len(idle) == 1
    macs = sum(graph.macs(x) for x in graph.layers if x.name in idle or x.name == layer.name)
    left = vector_ratio(graph, vector(graph, at, SKIP)) * graph.total_macs
    assert left == pytest.approx(
        sum(
            graph.macs(x) * x.candidates[0][0] * x.candidates[0][1] / 64
            for x in graph.layers
            if hasattr(x, "candidates") and x.name not in idle and x.name != layer.name
        )
    )
    assert macs > 0


def test_each_sample_has_its_own_skip_and_a_second_pass_runs_the_branch() -> None:
    graph = replace(skipping_graph(1), second_pass=True)
    at, layer = branch_end(graph)
    codes = random_codes(1, graph, 8)
    skipped = tuple(len(layer.candidates) if i == at else 0 for i in range(len(graph.adaptive)))
    once = interpreter.run(graph, codes, Setting(skipped, (), ()))
    assert (once.outputs == interpreter.run(graph, codes, vector(graph, at, SKIP)).outputs).all()
    assert (once.choices == skipped).all()
    again = interpreter.run(graph, codes, Setting(skipped, (), (), 256))
    widest = [max(x.candidates, key=lambda pair: pair[0] * pair[1]) for x in graph.adaptive]
    assert (again.outputs == interpreter.run(graph, codes, widest).outputs).all()
    start = graph.second_pass_start
    whole = [
        graph.macs(x) * max(w * a for w, a in x.candidates) / 64
        for x in graph.layers[start:]
        if hasattr(x, "candidates")
    ]
    assert bitops(graph, again.choices, again.runs, again.passes) == pytest.approx(
        bitops(graph, once.choices, once.runs, once.passes) + sum(whole) / graph.total_macs
    )


def test_a_checkpoint_keeps_skips(tmp_path: Path) -> None:
    graph = skipping_graph(0)
    at, _ = branch_end(graph)
    checkpoint.save(graph, tmp_path / "a.safetensors")
    back = checkpoint.load(tmp_path / "a.safetensors")
    assert back.skipped_with == graph.skipped_with
    codes = random_codes(0, graph, 3)
    policy = vector(graph, at, SKIP)
    assert (interpreter.run(back, codes, policy).outputs == interpreter.run(graph, codes, policy).outputs).all()


def test_0x0_is_no_width_of_any_layer() -> None:
    graph = skipping_graph(0)
    at, layer = branch_end(graph)
    text = ",".join("0x0" if i == at else pair_text(x.candidates[0]) for i, x in enumerate(graph.adaptive))
    assert parse_policy(text, graph) == vector(graph, at, SKIP)
    with pytest.raises(UsageError, match="0x0 is not a candidate"):
        parse_policy("0x0", graph)
    with pytest.raises(UsageError, match="0x0 is no width"):
        candidate_pairs("8x8,0x0", "said")
    for bad in (np.zeros(1, np.int32), np.zeros(layer.channels, np.int64)):
        with pytest.raises(UnsupportedError, match="bias of a skip"):
            replace(layer, skip_bias=bad)
    layers = tuple(with_skip(x, 2**31 - 1) if x is layer else x for x in graph.layers)
    with pytest.raises(UnsupportedError, match="more than int32"):
        replace(graph, layers=layers)


def with_skip(layer: Layer, value: int) -> Layer:
    """The layer with one skip bias for all channels."""
    assert isinstance(layer, Conv2D)
    return replace(layer, skip_bias=np.full(layer.channels, value, np.int32))
