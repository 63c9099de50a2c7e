"""The catalogue of kernels: one place for each fact."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import dqt_edge
from dqt_edge.boards import board_ids, load_board
from dqt_edge.errors import UnsupportedError
from dqt_edge.graph import Dense, Pair
from dqt_edge.lowering.kernels import catalogue, descriptors, plain
from dqt_edge.lowering.kernels.catalogue import FAMILIES, choices, kernel, kernels_of, ranked, sources
from dqt_edge.lowering.kernels.kernel import Kernel, Source, Way, closure
from dqt_edge.project.render import source_file
from dqt_edge.system.resources import data_folder
from tests.support.core_boards import CORE_BOARDS
from tests.support.random_graphs import random_graph
from tests.support.topologies import TOPOLOGIES

KERNELS = [kernel for family in FAMILIES.values() for kernel in family]
PACKAGE = Path(dqt_edge.__file__).parent


def test_names_are_distinct_and_found() -> None:
    assert len({k.name for k in KERNELS}) == len(KERNELS)
    assert all(kernel(k.name) is k for k in KERNELS)
    assert all(k.family == family for family, kernels in FAMILIES.items() for k in kernels)


def test_no_python_outside_the_families_names_a_kernel() -> None:
    """Names that a kernel shares with its operator (``dense``, ``add``) may stand for the operator."""
    operators = {"add", "concat", "conv2d", "dense", "depthwise_conv2d", "max_pool2d", "average_pool2d"}
    operators |= {"multiply", "maximum", "minimum", "lookup", "softmax", "rearrange", "pad", "resize"}
    names = {k.name for k in KERNELS} - operators
    assert len(names) > 15
    found = []
    for path in PACKAGE.rglob("*.py"):
        if path.is_relative_to(PACKAGE / "lowering" / "kernels"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found += [f"{path.name}:{node.lineno}: {name}" for name in names & set(re.findall(r"\w+", node.value))]
    assert not found


def test_no_board_and_no_end_of_a_name_chooses_a_kernel() -> None:
    """Lowering asks a core for its families, and a kernel for its facts."""
    asked = {"startswith", "endswith", "is_host", "core", "fpu", "dsp", "mve"}
    for path in (PACKAGE / "lowering").rglob("*.py"):
        nodes = [n for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.Attribute)]
        found = {node.attr for node in nodes} & asked
        assert found <= ({"core"} if path.name == "catalogue.py" else set()), path  # for an error's words


@pytest.mark.parametrize("board_id", CORE_BOARDS)
def test_every_kernel_of_a_core_serves_a_layer_and_renders(board_id: str) -> None:
    cpu = load_board(board_id).cpu
    for chosen in kernels_of(cpu):
        for source in sources([chosen.name], cpu):
            path, text = source_file(source, cpu.core)
            assert path.startswith(f"kernels/dqt_{source.name}.")
            assert text.strip()


def test_every_template_belongs_to_a_kernel_or_a_unit() -> None:
    cores = [load_board(board).cpu for board in board_ids()]
    used = {
        (source.family, source.template or source.name)
        for cpu in cores
        for source in closure([k.source for k in KERNELS], cpu).values()
    }
    root = data_folder("templates") / "kernels"
    there = {(path.parent.name, path.name.split(".")[0]) for path in root.glob("*/*.j2") if path.name[0] != "_"}
    assert used == there


def test_a_faster_kernel_comes_first_and_a_fallback_last() -> None:
    for board_id in CORE_BOARDS:
        cpu = load_board(board_id).cpu
        for seed in range(10):
            graph = random_graph(seed)
            tensors = {t.name: t for t in graph.tensors}
            for layer in graph.all_layers:
                found = choices(layer, tensors, cpu)
                known = [c.kernel.estimate(layer, c.way, tensors, cpu.core) is not None for c in found]
                assert all(c.kernel is found[0].kernel or c.kernel.fallback or known[i] for i, c in enumerate(found))
                scratch = [c.scratch for c in found if not c.kernel.fallback]
                assert scratch == sorted(scratch, reverse=True)


def test_estimated_cycles_decide_and_the_order_where_there_are_none() -> None:
    names = ("first", "second", "third", "last")
    able = [Kernel(Source("plain", name), (Dense,), descriptors.mac, fallback=name == "last") for name in names]

    errors = dict.fromkeys(names, 0.01)

    def order(*cycles: float | None) -> list[str]:
        return [kernel.name for kernel in ranked(able, dict(zip(names, cycles, strict=True)), errors)]

    assert order(None, None, None, None) == ["first", "last"]
    assert order(None, 5, 3, None) == ["first", "last"]
    assert order(7, 5, None, None) == ["second", "first", "last"]
    assert order(5, 5, 3, 4) == ["third", "last", "first", "second"]
    errors["second"] = 0.3
    assert order(7, 5.5, None, None)[0] == "first", "nor where its error is larger than what it gains"
    assert order(5, 4.8, None, None)[0] == "first", "within the error of an estimate the order decides"


def test_the_fastest_kernel_takes_a_layer_and_a_leaner_one_where_memory_is_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the mean over the candidates, on the core that is asked for; a slower one that is no leaner is left out."""

    def made(name: str, scratch: int, cycles: float) -> Kernel:
        def estimate(layer: Dense, way: Way, tensors: object, core: str, pair: Pair) -> float | None:
            return cycles * pair[0] if core == "cortex-m4" else None

        return Kernel(Source("dsp", name), (Dense,), descriptors.mac, ways=lambda *_: [Way(scratch)], cycles=estimate)

    graph = TOPOLOGIES["ad"]()
    layer, tensors = graph.layers[0], {t.name: t for t in graph.tensors}
    kernels = (made("slow", 9, 30), made("lean", 5, 20), made("fast", 7, 10))
    monkeypatch.setitem(catalogue.FAMILIES, "dsp", kernels)
    assert kernels[0].estimate(layer, Way(), tensors, "cortex-m4") == (8 + 4 + 2) * 30 / 3
    on_m4 = [c.kernel.name for c in choices(layer, tensors, load_board("qemu-m4").cpu)]
    on_m7 = [c.kernel.name for c in choices(layer, tensors, load_board("qemu-m7").cpu)]
    assert on_m4 == ["fast", "lean"]
    assert on_m7 == ["slow"]


def test_a_layer_that_no_kernel_serves_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = random_graph(0)
    monkeypatch.setitem(catalogue.FAMILIES, "plain", ())
    with pytest.raises(UnsupportedError, match=f"layer {graph.layers[0].name!r}: no kernel for host"):
        choices(graph.layers[0], {t.name: t for t in graph.tensors}, load_board("host").cpu)
    assert plain.KERNELS


def test_limits_reach_the_header_and_every_macro_is_used() -> None:
    """A number that C does not read needs no macro."""
    texts = [p.read_text(encoding="utf-8") for p in (data_folder("templates") / "kernels").glob("*/*") if p.is_file()]
    for name in catalogue.LIMITS:
        assert any(name in text for text in texts), name
        assert not any(f"#define {name} " in text for text in texts), f"{name} is defined twice"
