"""Sessions, reports and cycles of models that decide for each input."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import dqt_edge as dqt
from dqt_edge.boards import load_board
from dqt_edge.cli import cli
from dqt_edge.errors import MismatchError
from dqt_edge.graph import NEVER, Graph, Setting, TunedPoint, checkpoint, interpreter
from dqt_edge.graph.bitops import bitops
from dqt_edge.graph.points import full_setting, widest_choices
from dqt_edge.lowering.plan import make_plan
from dqt_edge.lowering.worst_case import worst_case
from dqt_edge.measure.asking import asked_of, by_layer, execution
from dqt_edge.measure.counting import CountedDevice, Visit
from dqt_edge.measure.cycles.histogram import Histogram
from dqt_edge.measure.modelled import modelled_cycles
from dqt_edge.measure.session import as_json, run_session
from dqt_edge.project.build import build
from dqt_edge.project.export import export
from dqt_edge.report import page
from tests.support.random_decisions import settings_of
from tests.support.random_graphs import random_codes, random_graph
from tests.support.random_points import least_choices, pointed_graph, random_setting

SEED = 0
SAMPLES = 8


@pytest.fixture(scope="module")
def graph() -> Graph:
    """With tuned settings: one that parts the samples, and the full network."""
    made = pointed_graph(SEED)
    codes = random_codes(SEED, made, SAMPLES)
    seen = interpreter.run(made, codes, replace(full_setting(made), widths=least_choices(made)))
    points = (
        TunedPoint(0.4, 0.9, random_setting(SEED, 1, made, seen.margins)),
        TunedPoint(1.0, 1.0, Setting(widest_choices(made), (NEVER,) * len(made.points), (0,) * len(made.points))),
    )
    return replace(made, tuned=points)


@pytest.fixture(scope="module")
def codes(graph: Graph) -> np.ndarray:
    return random_codes(SEED, graph, SAMPLES)


@dataclass(frozen=True)
class Played:
    output: bytes
    choices: tuple[int, ...]
    counts: tuple[int, ...] | None
    total: int
    checksums: tuple[int, ...] | None
    point: int
    passes: int
    margin: int


class DecidingDevice:
    """Answers as the interpreter does; ``lies`` are added to what it says of a decision."""

    def __init__(self, graph: Graph, **lies: int) -> None:
        self.graph, self.lies = graph, lies

    def infer(self, codes: bytes, *, setting: Setting, counts=False, checksums=False, start=False) -> Played:
        shape = self.graph.tensor(self.graph.input).shape
        found = interpreter.run(self.graph, np.frombuffer(codes, np.uint8).reshape(1, *shape), setting)
        point = int(found.points[0])
        told = {"point": point, "passes": int(found.passes[0]), "margin": int(found.margins[0, point])}
        runs = dict(zip(self.graph.device_numbers, found.runs[0].tolist(), strict=True))
        ticks = tuple(100 * runs[number] * (number + 1) for number in range(len(runs)))
        sums = tuple(0 for _ in runs) if checksums else None
        told = {name: value + self.lies.get(name, 0) for name, value in told.items()}
        return Played(
            found.outputs[0].tobytes(),
            tuple(found.choices[0].tolist()),
            ticks if counts else None,
            sum(ticks),
            sums,
            **told,
        )


def test_facts_follow_from_the_decisions(graph: Graph, codes: np.ndarray, tmp_path: Path) -> None:
    board = load_board("qemu-m4")
    session = run_session(DecidingDevice(graph), graph, board, codes, None, "agree:0.9")
    want = interpreter.run(graph, codes, graph.tuned[0].setting)
    assert session.mismatches == 0
    assert session.policy == "agree:0.9"
    names = [*(point.name for point in graph.points), "end"]
    assert session.answered_at == {name: (want.points == i).mean() for i, name in enumerate(names)}
    assert len([share for share in session.answered_at.values() if share]) > 1
    assert session.second_passes == (want.passes == 2).mean() > 0
    assert session.bitops_ratio == pytest.approx(bitops(graph, want.choices, want.runs, want.passes).mean())
    assert [fact.runs for fact in session.layers] == want.runs.mean(axis=0).tolist()
    per_tick = board.counter.units / board.counter.ticks
    for fact, number in zip(session.layers, graph.device_numbers, strict=True):
        assert fact.count == pytest.approx(100 * (number + 1) * per_tick * fact.runs, abs=1), fact.name
    assert session.heads_share is not None
    assert 0 < session.heads_share < 1
    content = json.loads(json.dumps(as_json(session)))
    assert content["answered_at"] == session.answered_at
    assert content["second_passes"] == session.second_passes
    assert content["layers"][0]["runs"] == 1.0
    assert "answered at point0" in page.write([session], tmp_path)[2].read_text()


@pytest.mark.parametrize("lies", [{"point": 1}, {"passes": 1}, {"margin": -1}])
def test_a_decision_that_differs_is_found(graph: Graph, codes: np.ndarray, lies: dict[str, int]) -> None:
    board = load_board("host")
    session = run_session(
        DecidingDevice(graph, **lies), graph, board, codes, None, graph.tuned[0].setting, counted=False
    )
    assert session.mismatches == SAMPLES


def test_a_device_is_asked_for_what_it_has(graph: Graph) -> None:
    setting = graph.tuned[0].setting
    assert asked_of(graph, setting) == {"setting": setting}
    plain = replace(graph, points=(), tuned=(), second_pass=False)
    bare = Setting(least_choices(plain), (), ())
    assert asked_of(plain, bare) == {"choices": least_choices(plain)}
    assert asked_of(plain, Setting(None, (), (), bias=(1, 2))) == {"bias": (1, 2)}
    assert asked_of(plain, "dynamic") == {}


@pytest.mark.parametrize("seed", range(4))
def test_layers_are_executed_in_the_order_that_is_told(seed: int) -> None:
    """Each layer as often as the interpreter ran it, and heads behind the layers that they read."""
    graph = pointed_graph(seed, controller=seed % 2 == 1)
    codes = random_codes(seed, graph, 4)
    for setting in settings_of(graph, codes, seed, 8):
        want = interpreter.run(graph, codes, setting)
        for i in range(len(codes)):
            order = execution(graph, setting, int(want.points[i]), int(want.passes[i]))
            assert by_layer(graph, [order.count(n) for n in range(len(graph.all_layers))]) == want.runs[i].tolist()
            made = {graph.input}
            names = dict(zip(graph.device_numbers, graph.all_layers, strict=True))
            for layer in (names[number] for number in order):
                assert made.issuperset(layer.inputs)
                made.add(layer.output)


@pytest.mark.filterwarnings("ignore::dqt_edge.errors.DataWarning")
def test_validate_says_where_answers_come_from(graph: Graph, codes: np.ndarray) -> None:
    labels = np.zeros(SAMPLES, np.int64)
    found = dqt.validate(graph, (codes, labels), policy="agree:0.9")
    want = interpreter.run(graph, codes, graph.tuned[0].setting)
    assert found.policy == "agree:0.9"
    assert sum(found.answered_at.values()) == pytest.approx(1)
    assert found.answered_at["end"] == (want.points == len(graph.points)).mean()
    assert found.second_passes == (want.passes == 2).mean()
    assert sum(n for vector, n in found.width_vectors.items() if "-" in vector) == (want.choices < 0).any(axis=1).sum()
    assert "second passes" in str(found)


@pytest.mark.filterwarnings("ignore::dqt_edge.errors.DataWarning")
def test_a_device_of_the_api_takes_settings(graph: Graph, codes: np.ndarray, tmp_path: Path) -> None:
    project = dqt.export(graph, "host", tmp_path / "p")
    dqt.build(project)
    want = interpreter.run(graph, codes, graph.tuned[0].setting)
    with dqt.connect(project) as device:
        for i, sample in enumerate(codes):
            answer = device.infer(sample, policy="agree:0.9")
            point = int(want.points[i])
            assert (answer.output == want.outputs[i]).all()
            assert answer.point == (graph.points[point].name if point < len(graph.points) else None)
            assert (answer.passes, answer.margin) == (want.passes[i], want.margins[i, point])
            pairs = [None if k < 0 else x.options[k] for x, k in zip(graph.adaptive, want.choices[i], strict=True)]
            assert list(answer.widths) == pairs
            assert str(answer)
        profiled = dqt.profile(device, codes, policy=graph.tuned[0].setting)
    profiled.require_agreement()
    assert profiled.session.answered_at["end"] == (want.points == len(graph.points)).mean()
    assert "answered at" in str(profiled)


@pytest.mark.qemu
def test_cycles_and_instructions_of_settings_add_up(graph: Graph, codes: np.ndarray, tmp_path: Path) -> None:
    """The plugin sees the layers that the device says, in the order of execution, and both count the same."""
    made, _, _ = export(graph, load_board("qemu-m4"), tmp_path / "p")
    build(made.folder, cross=True)
    with CountedDevice(made, graph=graph) as device:
        for setting in settings_of(graph, codes, SEED, 5):
            session = run_session(device, graph, made.board, codes[:3], None, setting)
            assert session.mismatches == 0, session.first_difference
            assert session.count == pytest.approx(sum(fact.count or 0 for fact in session.layers), abs=20)
            assert all((fact.count == 0) == (fact.runs == 0) for fact in session.layers)
    modelled = modelled_cycles(made, graph, made.model_hash, codes, graph.tuned[0].setting)
    assert modelled.layers is not None
    want = interpreter.run(graph, codes[:4], graph.tuned[0].setting)
    assert [cycles > 0 for cycles in modelled.layers] == (want.runs.sum(axis=0) > 0).tolist()


def test_the_worst_case_is_all_heads_and_both_passes(graph: Graph) -> None:
    """By multiply-accumulates, where cycles of the core are not known; recounted here from the graph."""
    plan = make_plan(graph, load_board("host"))
    found = worst_case(plan)
    assert found is not None
    heads = {layer.name for point in graph.points for layer in point.layers}
    macs = {layer.name: graph.macs(layer) for layer in graph.all_layers}
    assert found.unit == "multiply-accumulates"
    assert found.full == graph.total_macs
    assert found.heads == sum(macs[name] for name in heads)
    behind = graph.layers[graph.second_pass_start :]
    assert found.most == graph.total_macs + found.heads + sum(macs[layer.name] for layer in behind)
    assert found.passes == 2
    assert worst_case(make_plan(random_graph(1), load_board("qemu-m4"))) is None
    known = worst_case(make_plan(graph, load_board("qemu-m4")))
    assert known is not None
    assert known.most >= known.full + known.heads


def test_check_says_what_deciding_costs(graph: Graph, tmp_path: Path) -> None:
    report = dqt.plan(graph, "qemu-m4")
    worst, heads, second, tuned = report.decisions
    assert "all heads and both passes" in worst
    assert "more than the 3 %" in heads, "heads of a random network are large"
    assert report.second_pass is not None
    assert f"second pass: {report.second_pass:,} bytes" in second
    assert tuned == "tuned settings, cost for agreement: 0.400 for 0.900, 1.000 for 1.000"
    assert report.as_json()["decisions"] == list(report.decisions)
    checkpoint.save(graph, tmp_path / "m.safetensors")
    shown = CliRunner().invoke(cli, ["check", str(tmp_path / "m.safetensors"), "--board", "qemu-m4"])
    assert shown.exit_code == 0, shown.output
    assert all(sentence in shown.output for sentence in report.decisions)
    assert dqt.plan(random_graph(1), "qemu-m4").decisions == ()


def test_a_second_pass_costs_what_it_keeps() -> None:
    """Never less than nothing, and nothing where all that is kept lies there anyway."""
    kept = [dqt.plan(pointed_graph(seed), "qemu-m4").second_pass for seed in range(4)]
    assert all(size is not None and size >= 0 for size in kept)
    assert any(kept)


@pytest.mark.parametrize(("off", "layer", "told"), [(1, 0, False), (-1, 0, False), (2, 0, True), (1, 1, True)])
def test_a_layer_that_ran_twice_may_be_one_instruction_off(off: int, layer: int, told: bool) -> None:
    """Its ticks are the sum of two differences, each of which is less than a tick off."""
    device = object.__new__(CountedDevice)
    device._board = load_board("qemu-m4")
    executed = [0, 100, 150, 230]  # layers 0, 1, 0
    visits = [Visit(0, at, Histogram()) for at in executed]
    counted = [180, 50]
    counted[layer] += off
    ticks = [round(n * device._board.counter.ticks / device._board.counter.units) for n in (*counted, 230)]
    answer = Played(b"", (), tuple(ticks[:2]), ticks[2], None, 0, 2, 0)
    if told:
        with pytest.raises(MismatchError, match="the plugin counted"):
            device._compare(answer, visits, [0, 1, 0])
    else:
        assert device._compare(answer, visits, [0, 1, 0]).layers == (180, 50)
