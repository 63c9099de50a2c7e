"""Promise: what a user weighs most gets better, the answers stay the same, and a check shows what it costs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import dqt_edge as dqt
from dqt_edge import errors
from dqt_edge.boards import load_board
from dqt_edge.cli import cli
from dqt_edge.graph import Graph, MacLayer
from dqt_edge.lowering.kernels import estimates
from dqt_edge.lowering.kernels.catalogue import kernels_of
from dqt_edge.project.optimize import OPTIMIZE, SLOWDOWN
from tests.support.core_boards import CORE_BOARDS
from tests.support.random_graphs import random_graph
from tests.support.topologies import TOPOLOGIES

MEASURED = [board for board in CORE_BOARDS if estimates.basis(load_board(board).cpu.core) is not None]


@pytest.mark.parametrize("name", ["resnet8", "dscnn"])
def test_each_word_is_best_at_what_it_names(name: str) -> None:
    graph = TOPOLOGIES[name]()
    found = {word: dqt.plan(graph, "qemu-m4", optimize=word) for word in OPTIMIZE}
    cycles = {word: report.plans[0].estimated_cycles() for word, report in found.items()}
    assert found["flash"].flash == min(r.flash for r in found.values())  # DS-CNN's fastest kernels are its smallest
    assert found["ram"].predicted["arena"] == min(r.predicted["arena"] for r in found.values())
    assert cycles["speed"] <= min(cycles.values()) * 1.05
    assert cycles["flash"] <= SLOWDOWN * cycles["speed"]


@pytest.mark.qemu
def test_a_smaller_image_gives_the_same_answers(graph: Graph, tmp_path: Path) -> None:
    codes = np.random.default_rng(2).integers(0, 256, (3, *graph.tensor(graph.input).shape)).astype(np.uint8)
    sizes = {}
    for word in OPTIMIZE:
        made = dqt.export(graph, "qemu-m4", tmp_path / word, optimize=word)
        dqt.build(made)
        dqt.profile(made, codes, policy="4x4").require_agreement()
        sizes[word] = made.manifest["predicted"]
    assert sizes["flash"]["flash"] < sizes["speed"]["flash"]
    assert sizes["ram"]["arena"] < sizes["speed"]["arena"]


@pytest.mark.parametrize("word", OPTIMIZE)
def test_any_network_can_be_planned_for_anything(word: str) -> None:
    for seed in range(6):
        graph = random_graph(seed, every=True)
        for board in MEASURED:
            dqt.plan(graph, board, optimize=word)


def test_the_host_and_a_wrong_word(graph: Graph, tmp_path: Path) -> None:
    dqt.export(graph, "host", tmp_path / "p", optimize="flash")
    with pytest.raises(errors.UsageError, match="'size' is nothing to optimise for"):
        dqt.plan(graph, "qemu-m4", optimize="size")


def test_check_shows_cycles_and_what_they_are(model_file: Path) -> None:
    texts = {}
    for word in OPTIMIZE:
        arguments = ["check", str(model_file), "--board", "qemu-m4", "--optimize", word]
        result = CliRunner().invoke(cli, arguments)
        assert result.exit_code == 0, result.output
        texts[word] = result.output
    assert len(set(texts.values())) == 3
    assert "estimated modelled cycles (cortex-m4, trm-1, 0 wait states), a layer off by" in texts["speed"]
    result = CliRunner().invoke(cli, ["check", str(model_file), "--board", "qemu-m4", "--json"])
    facts = json.loads(result.output)
    assert facts["estimate"] in texts["speed"]
    layer = next(layer for layer in facts["layers"] if len(layer["candidates"]) > 1)
    assert len(layer["estimated_cycles"]) == len(layer["candidates"])


def test_a_core_without_estimates_says_so(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimates, "basis", lambda core: None)
    assert dqt.plan(graph, "qemu-m4").estimate == "cycles of cortex-m4 are not estimated"


@pytest.mark.parametrize("board", MEASURED)
def test_there_are_numbers_of_the_kernels_of_a_core(board: str) -> None:
    cpu = load_board(board).cpu
    names = {kernel.name for kernel in kernels_of(cpu)}
    known = estimates.fitted(cpu.core)
    assert len({name.split()[0] for name in known} & names) > 10
    assert all(number >= 0 for pairs in known.values() for numbers in pairs.values() for number in numbers)


def test_a_pair_that_was_not_measured_costs_what_the_next_wider_does() -> None:
    graph = TOPOLOGIES["ad"]()
    layer, tensors = graph.layers[0], {t.name: t for t in graph.tensors}
    assert isinstance(layer, MacLayer)

    def of(*pair: int) -> float | None:
        return estimates.estimate("dense_nibbles_dsp", layer, tensors, "cortex-m4", (pair[0], pair[1]))

    assert of(7, 6) == of(8, 8)
    assert of(3, 4) == of(4, 4)
    assert of(2, 2) == of(2, 4)
    assert estimates.estimate("no_such_kernel", layer, tensors, "cortex-m4", (8, 8)) is None
    assert estimates.estimate("dense_nibbles_dsp", layer, tensors, "host", (8, 8)) is None
