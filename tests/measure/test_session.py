"""Sessions on a device that is played by the interpreter: every fact follows from the answers."""

from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ET
from dataclasses import dataclass, replace

import numpy as np
import pytest
from rich.console import Console

from dqt_edge.boards import load_board
from dqt_edge.data.load import codes, load_data
from dqt_edge.graph import Graph, interpreter
from dqt_edge.graph.bitops import bitops
from dqt_edge.graph.dial import Dynamic
from dqt_edge.graph.policy import dial_policies
from dqt_edge.measure.session import Session, as_json, layer_checksums, run_session
from dqt_edge.report import charts
from dqt_edge.report import page as report
from tests.support.digits import dial_graph


@dataclass
class Played:
    """An answer."""

    output: bytes
    choices: tuple[int, ...]
    counts: tuple[int, ...] | None
    total: int
    checksums: tuple[int, ...] | None
    passes: int = 1


class InterpreterDevice:
    """Answers like a right device, except for the samples in ``lies``, whose last output code is off by one."""

    def __init__(self, graph: Graph, lies: tuple[int, ...] = ()) -> None:
        self.graph, self.lies, self.asked = graph, lies, 0

    def infer(self, content: bytes, choices=None, *, bias=None, counts=False, checksums=False, start=False) -> Played:
        shape = self.graph.tensor(self.graph.input).shape
        sample = np.frombuffer(content, np.uint8).reshape(1, *shape)
        policy = "dynamic" if bias is None else Dynamic(bias)
        if choices is not None:
            policy = [layer.candidates[k] for layer, k in zip(self.graph.adaptive, choices, strict=True)]
        result = interpreter.run(self.graph, sample, policy)
        output = bytearray(result.outputs[0].tobytes())
        sums = layer_checksums(self.graph, sample[0], policy)
        if self.asked in self.lies or checksums:
            output[-1] ^= 1
            sums[-1] ^= 1
        self.asked += not checksums
        ticks = tuple(16 * (i + 1) for i in range(len(self.graph.all_layers)))
        return Played(
            bytes(output),
            tuple(result.choices[0].tolist()),
            ticks if counts else None,
            sum(ticks),
            tuple(sums) if checksums else None,
        )


@pytest.fixture(scope="module")
def samples(graph: Graph):
    data = load_data("digits")
    return codes(data.x_test, graph)[:30], data.y_test[:30]


def test_facts_follow_from_the_answers(graph: Graph, samples) -> None:
    x, y = samples
    board = load_board("qemu-m4")
    session = run_session(InterpreterDevice(graph), graph, board, x, y, "dynamic")
    want = interpreter.run(graph, x, "dynamic")
    layers = len(graph.all_layers)
    assert session.mismatches == 0
    assert session.accuracy == session.interpreter_accuracy == (want.outputs.argmax(1) == y).mean()
    assert session.bitops_ratio == pytest.approx(bitops(graph, want.choices).mean())
    assert sum(session.width_vectors.values()) == 30
    per_tick = board.counter.units / board.counter.ticks
    assert session.layers[0].count == 16 * per_tick
    assert session.count == 8 * layers * (layers + 1) * per_tick
    assert sum(total for _, total in session.per_class.values()) == 30
    controller = [i for i, layer in enumerate(graph.all_layers) if layer in graph.controller.layers]
    assert session.controller_share == pytest.approx(sum(i + 1 for i in controller) * 2 / layers / (layers + 1))


def test_wrong_answers_are_counted_and_the_layer_is_named(graph: Graph, samples) -> None:
    device = InterpreterDevice(graph, lies=(3, 17))
    session = run_session(device, graph, load_board("qemu-m4"), *samples, [(4, 4)])
    assert session.mismatches == 2
    assert session.first_difference == f"sample 3: layer {graph.all_layers[-1].name!r} differs first"


def test_without_counter_or_labels_nothing_is_invented(graph: Graph, samples) -> None:
    session = run_session(
        InterpreterDevice(graph), graph, load_board("host"), samples[0], None, [(8, 8)], counted=False
    )
    assert session.accuracy is session.count is session.controller_share is None
    assert all(layer.count is None for layer in session.layers)


def test_reports_agree_with_the_session(graph: Graph, samples, tmp_path) -> None:
    session = run_session(InterpreterDevice(graph, lies=(1,)), graph, load_board("qemu-m4"), *samples, "dynamic")
    paths = report.write([session], tmp_path / "r")
    assert [p.name for p in paths] == ["report.json", "junit.xml", "report.html"]
    assert json.loads(paths[0].read_text()) == json.loads(json.dumps(as_json(session)))
    suite = ET.fromstring(paths[1].read_text())
    assert suite.get("failures") == "1"
    assert "sample 1" in suite.find("testcase/failure").get("message")
    page = paths[2].read_text()
    assert "First difference: sample 1" in page
    for layer in session.layers:
        assert layer.name in page
    console = Console(width=120, file=io.StringIO())
    report.print_session(session, console)
    text = console.file.getvalue()
    assert "answers that differ" in text
    assert all(layer.name in text for layer in session.layers)


@pytest.fixture(scope="module")
def dial_sessions(samples) -> list[Session]:
    """The points of a dial on a device that answers right but once."""
    model = dial_graph()
    device = InterpreterDevice(model, lies=(30,))
    policies = dial_policies(model, "test")
    return [run_session(device, model, load_board("qemu-m4"), *samples, policy) for policy in policies]


def test_a_dial_is_a_curve_of_accuracy_against_cost(dial_sessions: list[Session], samples) -> None:
    model = dial_graph()
    assert [s.policy for s in dial_sessions] == [f"dynamic:{p.thousandths / 1000:g}" for p in model.controller.dial]
    costs = [s.bitops_ratio for s in dial_sessions]
    assert costs == sorted(costs)
    assert costs[-1] > 3 * costs[0]
    for session, point in zip(dial_sessions, model.controller.dial, strict=True):
        want = interpreter.run(model, samples[0], Dynamic(point.bias))
        assert session.interpreter_accuracy == (want.outputs.argmax(1) == samples[1]).mean()
        assert session.bitops_ratio == bitops(model, want.choices).mean()


def test_the_report_of_a_dial(dial_sessions: list[Session], tmp_path) -> None:
    paths = report.write(dial_sessions, tmp_path / "r", dial=True)
    assert [p.name for p in paths] == ["report.json", "junit.xml", "report.html", "dial.svg"]
    found = json.loads(paths[0].read_text())
    assert found["policies"] == json.loads(json.dumps([as_json(session) for session in dial_sessions]))
    assert (found["policy"], found["samples"], found["mismatches"], found["accuracy"]) == ("dial", 30, 1, None)
    suite = ET.fromstring(paths[1].read_text())
    assert (suite.get("tests"), suite.get("failures")) == ("5", "1")
    assert [case.find("failure") is not None for case in suite] == [False, True, False, False, False]
    page, drawing = paths[2].read_text(), paths[3].read_text()
    assert "One image over the points of its dial" in page
    assert page.count("Width vectors, one pair for each adaptive layer") == 5 * 2  # captions and labels
    assert ET.fromstring(drawing).tag.endswith("svg")
    console = Console(width=120, file=io.StringIO())
    report.print_dial(dial_sessions, console)
    for session in dial_sessions:
        assert session.policy in console.file.getvalue()
        assert session.policy.partition(":")[2] in drawing
        assert f"{session.bitops_ratio:.3f}" in console.file.getvalue()


def test_a_dial_without_counter_or_labels_is_still_reported(dial_sessions: list[Session], tmp_path) -> None:
    uncounted = [replace(session, count=None, count_least=None, count_most=None) for session in dial_sessions]
    assert "BitOPs" in str(charts.dial_chart(uncounted))
    assert "instructions" not in str(charts.dial_chart(uncounted))
    unlabelled = [replace(session, score=None) for session in dial_sessions]
    paths = report.write(unlabelled, tmp_path / "r", dial=True)
    assert [p.name for p in paths] == ["report.json", "junit.xml", "report.html"]
    assert report.write(dial_sessions[:1], tmp_path / "r", dial=True)[0].exists()


def test_hostile_names_cannot_become_markup(graph: Graph, samples) -> None:
    """Class names come from the checkpoint, which is taken as hostile."""
    evil = replace(graph, classes=("<script>alert(1)</script>", *graph.classes[1:]))
    session = run_session(InterpreterDevice(evil), evil, load_board("qemu-m4"), *samples, "dynamic")
    assert "<script>" not in report.html([session])
