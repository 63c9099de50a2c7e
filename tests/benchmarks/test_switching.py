"""A width chosen at run time costs what a static image costs, and a change of width costs nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.switching import measure, static, with_controller
from dqt_edge.graph import Graph, interpreter
from tests.support.topologies import TOPOLOGIES


@pytest.mark.qemu
def test_a_choice_costs_the_controller_and_a_switch_nothing(graph: Graph, tmp_path: Path) -> None:
    """Exact counts on an emulated Cortex-M4: what is asserted is arithmetic, not a measurement with noise."""
    comparisons, switching = measure(graph, "m4", tmp_path)
    assert {c.policy for c in comparisons} == {"vector", "controller"}
    for c in comparisons:
        assert abs(c.excess) < 0.001
        assert (c.controller > 0) == (c.policy == "controller")
    assert len(set(switching.switching)) >= 3, "the widths do change what is executed"
    assert switching.switching == switching.never
    assert switching.difference == 0


def test_a_static_graph_computes_the_same(graph: Graph) -> None:
    codes = np.random.default_rng(1).integers(0, 256, (3, *graph.tensor(graph.input).shape)).astype(np.uint8)
    vector = [layer.candidates[-1] for layer in graph.adaptive]
    fixed = static(graph, vector)
    assert not fixed.adaptive
    assert fixed.controller is None
    want = interpreter.run(graph, codes, vector).outputs
    np.testing.assert_array_equal(interpreter.run(fixed, codes, []).outputs, want)


def test_topologies_get_a_controller_where_the_first_layer_is_fixed() -> None:
    assert with_controller(TOPOLOGIES["ad"]()).controller is None
    made = with_controller(TOPOLOGIES["dscnn"]())
    assert made.controller is not None
    assert made.controller.decides == tuple(layer.name for layer in made.adaptive)
