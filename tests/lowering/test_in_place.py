"""Every kernel on every core, its output laid over its input at exactly the distance that the planner holds for safe.

And a step nearer: then results are wrong, so the distance is the least one, and these tests can fail.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from dqt_edge.boards import load_board
from dqt_edge.device.connect import open_client
from dqt_edge.graph import Graph
from dqt_edge.lowering.arena import Overlap
from dqt_edge.lowering.memory import plan_memory
from dqt_edge.measure.session import layer_checksums
from dqt_edge.project.build import build
from tests.support.in_place import distances, export, pools, unweighted
from tests.support.kernel_cases import cases, extreme_codes

GRAPHS = {
    "conv": cases("conv", 5, (6, 7, 4), 48),
    "flat": cases("conv", 6, (9, 31, 12), 24),
    "gathered": cases("conv", 7, (7, 6, 3), 40, zero=77),
    "depthwise": cases("depthwise", 8, (7, 5, 6), 40),
    "wide": cases("depthwise", 9, (5, 6, 35), 16),
    "dense": cases("dense", 10, (3, 3, 5), 10),
    "max": pools(11, (7, 6, 5), 24, average=False),
    "average": pools(12, (6, 7, 6), 24, average=True),
    "unweighted": unweighted(13, (5, 6, 8)),
}
BOARDS = ("host", "qemu-m3", "qemu-m4", "qemu-m55")
CASES = [(board, name) for board in BOARDS for name in GRAPHS]
CASES += [("qemu-m7", "conv"), ("qemu-m7", "depthwise"), ("qemu-m0", "unweighted")]
LOOSE = {
    *((board, "dense") for board in BOARDS),
    ("qemu-m4", "flat"),
    ("qemu-m4", "gathered"),
    ("qemu-m55", "gathered"),
    ("qemu-m55", "depthwise"),
}
"""Where a step nearer is safe: nothing is written before all is read; the rule is that for pixels one by one; it is
that of a strip, whose pixels are read again, though these are gathered for their padding; or it is that of rows as they
lie, though they are copied to scratch ahead of the outputs."""

MARKED = {
    case: pytest.param(*case, marks=() if case[0] == "host" else pytest.mark.qemu, id="-".join(case)) for case in CASES
}


def wrong(graph: Graph, board_id: str, folder: Path, patch: pytest.MonkeyPatch, nearer: bool) -> dict[str, bool]:
    """Layers that overlap their input -> whether any of their results differs from the interpreter's."""
    board = load_board(board_id)
    made = export(graph, board, folder, patch, lambda rule: _step(rule) if nearer else 0)
    build(made.folder, cross=not board.is_host)
    found = dict.fromkeys(distances(graph, plan_memory(graph, board)), False)
    with open_client(made.board, made.elf, made.model_hash) as client:
        for sample in extreme_codes(3, graph.tensor(graph.input).shape, 3)[1:]:
            for turn in range(2):
                vector = [layer.candidates[turn % len(layer.candidates)] for layer in graph.adaptive]
                choices = tuple(turn % len(layer.candidates) for layer in graph.adaptive)
                got = client.infer(sample.tobytes(), choices, checksums=True)
                want = layer_checksums(graph, sample, vector)
                for layer, a, b in zip(graph.layers, got.checksums or (), want, strict=True):
                    if layer.name in found:
                        found[layer.name] |= a != b
                    else:
                        assert a == b, layer.name
    return found


def _step(rule: Overlap) -> int:
    return rule.step


@pytest.mark.parametrize(("board_id", "name"), list(MARKED.values()))
def test_outputs_may_overwrite_the_input_at_the_planned_distance(
    board_id: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = wrong(GRAPHS[name], board_id, tmp_path / "p", monkeypatch, nearer=False)
    assert found, "no layer overlaps its input"
    assert not any(found.values()), [layer for layer, differs in found.items() if differs]


@pytest.mark.parametrize(
    ("board_id", "name"),
    [MARKED[case] for case in CASES if case not in LOOSE],
)
def test_a_step_nearer_is_wrong(board_id: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = GRAPHS[name]
    rules = distances(graph, plan_memory(graph, load_board(board_id)))
    found = wrong(graph, board_id, tmp_path / "p", monkeypatch, nearer=True)
    tight = [layer for layer, (rule, _) in rules.items() if rule.distance > -graph.tensor(graph.input).size]
    assert sum(found[layer] for layer in tight) >= len(tight) / 4 > 0, {layer: found[layer] for layer in tight}
