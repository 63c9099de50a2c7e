"""Promise: an interrupted session leaves a valid part of it, and goes on to what an undisturbed one would have been."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

import dqt_edge as dqt
from dqt_edge.api.connecting import Device
from dqt_edge.data.load import load_data
from dqt_edge.errors import BadFileError, DeviceError, DqtError, SilentDeviceError, StoppedError, UsageError
from dqt_edge.graph import Graph
from dqt_edge.measure.records import decode, encode, sealed, unsealed
from dqt_edge.measure.session import as_json
from dqt_edge.project.manifest import Project
from dqt_edge.tasks.statistics import wilson
from tests.measure.test_session import InterpreterDevice
from tests.support.digits import dial_graph, other_graph

COUNT = 50


class Played(InterpreterDevice):
    """A client whose device is played by the interpreter, and fails at a sample. Answers are computed once for all."""

    counted = True
    baud = 0
    known: ClassVar[dict[Any, Any]] = {}

    def __init__(
        self, graph: Graph, fails_at: int = -1, error: BaseException | None = None, lies: tuple[int, ...] = ()
    ):
        super().__init__(graph)
        self.fails_at, self.error, self.wrong, self.samples = fails_at, error, lies, 0
        self.info = SimpleNamespace(output_size=graph.tensor(graph.output).size)

    def infer(self, content: bytes, choices: Any = None, **options: Any) -> Any:
        if options.get("checksums"):
            return super().infer(content, choices, **options)
        number = self.samples
        if number == self.fails_at and self.error is not None:
            raise self.error
        self.samples += 1
        options.pop("start")
        key = (self.graph.name, len(self.graph.all_layers), content, choices, *options.items())
        if key not in self.known:
            self.known[key] = super().infer(content, choices, **options)
        answer = self.known[key]
        return replace(answer, output=answer.output[:-1] + b"\xff") if number in self.wrong else answer

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def samples() -> tuple[np.ndarray, np.ndarray]:
    data = load_data("digits")
    return data.x_test[:COUNT], data.y_test[:COUNT]


def exported(graph: Graph, folder: Path) -> Project:
    return dqt.export(graph, "host", folder)


@pytest.fixture(scope="module")
def project(graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return exported(graph, tmp_path_factory.mktemp("board") / "p")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return exported(other_graph(), tmp_path_factory.mktemp("other") / "p")


Run = Callable[..., Any]


@pytest.fixture
def run(project: Project, graph: Graph, samples: Any) -> Run:
    """Profile on a device that may fail."""

    def profile(
        fails_at: int = -1, error: BaseException | None = None, lies: tuple[int, ...] = (), **options: Any
    ) -> Any:
        data = options.pop("data", samples)
        return dqt.profile(Device(project, graph, Played(graph, fails_at, error, lies)), data, **options)  # type: ignore[arg-type]

    return profile


LOST = SilentDeviceError("gone", where="there", next_step="look")


@pytest.mark.parametrize(("stop", "error"), [(KeyboardInterrupt(), StoppedError), (LOST, SilentDeviceError)])
def test_an_interrupted_session_goes_on_to_the_same_bytes(
    run: Run, tmp_path: Path, stop: BaseException, error: type[DqtError]
) -> None:
    whole = run(log=tmp_path / "whole.jsonl", lies=(3, 40))
    log = tmp_path / "log.jsonl"
    with pytest.raises(error) as caught:
        run(37, stop, (3, 40), log=log)
    partial = caught.value.partial
    assert (partial.session.samples, partial.session.planned, partial.log) == (37, COUNT, log)
    figure = partial.score.main
    right = round(figure.value * 37)
    assert figure.value == right / 37
    assert figure.interval == wilson(right, 37)
    assert "37 of 50 samples" in str(partial)
    resumed = run(lies=(3,), log=log, resume=True)  # samples are counted anew: 37 + 3 is 40
    assert log.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert as_json(resumed.session) == as_json(whole.session)
    assert resumed.session.mismatches == 2
    assert resumed.session.planned is None
    again = run(log=log, resume=True)
    assert as_json(again.session) == as_json(whole.session), "nothing is left to run"


def test_a_partial_report_says_so(run: Run, tmp_path: Path) -> None:
    with pytest.raises(StoppedError, match="stopped after 20 of 50 samples") as caught:
        run(20, KeyboardInterrupt(), report=tmp_path / "r")
    assert "with a `log` it could go on" in caught.value.next_step
    found = json.loads((tmp_path / "r" / "report.json").read_text())
    assert (found["samples"], found["planned"], found["mismatches"]) == (20, 50, 0)
    suite = ET.fromstring((tmp_path / "r" / "junit.xml").read_text())
    assert (suite.get("errors"), suite.get("failures")) == ("1", "0")
    assert "20 of 50: partial" in (tmp_path / "r" / "report.html").read_text()


def test_before_the_first_sample_there_is_no_partial_result(run: Run, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(0, KeyboardInterrupt(), log=tmp_path / "a")
    with pytest.raises(DeviceError) as caught:
        run(0, LOST, log=tmp_path / "b")
    assert run(log=tmp_path / "b", resume=True).session.samples == COUNT
    assert caught.value is LOST


def test_a_dial_is_one_log(tmp_path: Path, samples: Any) -> None:
    graph = dial_graph()
    project = exported(graph, tmp_path / "p")

    def run(fails_at: int, log: Path, **options: Any) -> Any:
        client = Played(graph, fails_at, KeyboardInterrupt())
        return dqt.profile(Device(project, graph, client), samples, policy="dial", count=10, log=log, **options)  # type: ignore[arg-type]

    whole = run(-1, tmp_path / "whole")
    with pytest.raises(StoppedError, match="after 27 of 50") as caught:
        run(27, tmp_path / "log")
    assert [session.samples for session in caught.value.partial.sessions] == [10, 10, 7]
    resumed = run(-1, tmp_path / "log", resume=True)
    assert (tmp_path / "log").read_bytes() == (tmp_path / "whole").read_bytes()
    assert [as_json(s) for s in resumed.sessions] == [as_json(s) for s in whole.sessions]


def test_the_records_of_two_runs_never_mix(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "log"
    run(log=log, count=10)
    before = log.read_bytes()
    with pytest.raises(UsageError, match="the log exists"):
        run(log=log, count=10)
    assert log.read_bytes() == before
    run(log=log, count=10, policy="4x4", force=True)
    assert log.read_bytes() != before
    for options, words in (({"resume": True}, "no log"), ({"log": log, "resume": True, "force": True}, "either")):
        with pytest.raises(UsageError, match=words):
            run(**options)


def test_a_log_of_another_run_is_refused_by_what_differs(
    run: Run,
    tmp_path: Path,
    samples: Any,
    other: Project,
) -> None:
    log = tmp_path / "log"
    with pytest.raises(StoppedError):
        run(5, KeyboardInterrupt(), log=log, count=10)
    x, y = samples
    before = log.read_bytes()
    for options, words in (
        ({"policy": "4x4"}, "policies "),
        ({"seed": 2}, "seed 1, here 2"),
        ({"count": 11}, "samples 10, here 11"),
        ({"first": True}, "first False, here True"),
        ({"data": (x, (y + 1) % 10)}, "targets "),
        ({"data": (x[::-1], y)}, "its sample 0 is not that of the data"),
    ):
        with pytest.raises(UsageError, match="the log is of another run") as caught:
            run(**{"log": log, "resume": True, "count": 10, **options})
        assert words in caught.value.what
    graph = other.graph()
    with pytest.raises(UsageError, match=r"model [0-9a-f]{64}, here [0-9a-f]{64}"):
        dqt.profile(Device(other, graph, Played(graph)), samples, log=log, resume=True, count=10)  # type: ignore[arg-type]
    assert log.read_bytes() == before


@pytest.mark.parametrize("cut", [1, 7, 200])
def test_a_truncated_last_line_is_dropped(run: Run, tmp_path: Path, cut: int) -> None:
    whole = run(log=tmp_path / "whole", count=12)
    content = (tmp_path / "whole").read_bytes()
    log = tmp_path / "log"
    log.write_bytes(content[:-cut])
    assert as_json(run(log=log, resume=True, count=12).session) == as_json(whole.session)
    assert log.read_bytes() == content
    log.write_bytes(content[:20])
    run(log=log, resume=True, count=12)
    assert log.read_bytes() == content, "of the first line too"


def test_any_other_damage_is_a_typed_error(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "log"
    run(log=log, count=6)
    content = log.read_bytes()
    lines = content.splitlines(keepends=True)
    rng = np.random.default_rng(5)
    damaged = [
        b"".join((*lines[:2], *lines[3:])),
        b"".join((*lines[:3], *lines[2:])),
        b"".join((*lines[:2], lines[3], lines[2], *lines[4:])),
        b"".join((*lines[:3], b"\n", *lines[3:])),
        b"something else\n" + content,
        b"something else",
        lines[0] + sealed({"n": 0, "input": "00000000"}),
    ]
    for _ in range(40):
        at, bit = int(rng.integers(len(content) - 1)), int(rng.integers(8))
        damaged.append(content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :])
    for each in damaged:
        log.write_bytes(each)
        with pytest.raises(BadFileError):
            run(log=log, resume=True, count=6)
        assert log.read_bytes() == each, "a refused log is left alone"


def test_a_log_in_use_and_one_that_cannot_be_written(run: Run, tmp_path: Path) -> None:
    from dqt_edge.measure.log import SessionLog  # noqa: PLC0415

    with SessionLog(tmp_path / "log", {}), pytest.raises(UsageError, match="another program is writing"):
        run(log=tmp_path / "log", force=True)
    with pytest.raises(BadFileError, match="cannot write the log"):
        run(log=tmp_path / "no" / "log")


def test_a_record_is_read_as_it_was_written(run: Run, tmp_path: Path) -> None:
    run(log=tmp_path / "log", count=5, lies=(2,))
    header, *lines = (tmp_path / "log").read_bytes().splitlines(keepends=True)
    assert unsealed(header)["samples"] == 5
    records = [decode(line) for line in lines]
    assert [encode(record) for record in records] == lines
    assert [record.differs for record in records] == [False, False, True, False, False]
    assert "differs first" in records[2].difference
