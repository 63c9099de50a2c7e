"""Promise: what is said of a stream follows from its samples, answers and counts, one by one."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from dqt_edge.boards import load_board
from dqt_edge.data.load import codes, load_data
from dqt_edge.data.recording import Recording
from dqt_edge.errors import UnknownNameError, UsageError
from dqt_edge.graph import Graph
from dqt_edge.measure.session import Inferences, Session, as_json, run_session
from dqt_edge.measure.stream import Stream
from dqt_edge.measure.streaming import ask, stream_of
from dqt_edge.report import page
from dqt_edge.report import stream as report
from tests.measure.test_session import InterpreterDevice
from tests.support.html import Page

#                  0  1  2  3  4  5  6  7  8  9 10 11
LABELS = np.array([0, 3, 3, 0, 0, 3, 0, 0, 7, 0, 0, 0])
ANSWERS = np.array([0, 0, 3, 0, 7, 0, 0, 7, 7, 3, 3, 0])
COUNTS = np.array([9.0, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3])
RECORD = np.array([0] * 8 + [1] * 4)


def recording(*, timed: bool = True) -> Recording:
    t = np.array([*range(8), *range(4)], np.float64) * 60 if timed else None
    return Recording(t, RECORD, ("am", "pm"))


@pytest.fixture(scope="module")
def session(graph: Graph) -> Session:
    """Twelve samples; what each gave is replaced by what the test says."""
    x = codes(load_data("digits").x_test, graph)[:12]
    found = run_session(InterpreterDevice(graph), graph, load_board("qemu-m4"), x, LABELS, [(4, 4)])
    assert found.each is not None
    assert found.each.counts is not None
    assert found.each.counts.mean() == found.count
    assert (found.each.answers == LABELS).mean() == found.accuracy
    none = np.zeros(12, np.int64)
    return replace(found, each=Inferences(ANSWERS, COUNTS, found.each.choices, none, none + 1))


def stream(session: Session, graph: Graph, *, timed: bool = True, events: tuple[str, ...] = ()) -> Stream:
    asked = ask(graph, recording(timed=timed), LABELS, events, 240 if timed else 4)
    assert session.each is not None
    return stream_of(session.each, graph, load_board("qemu-m4"), asked, COUNTS * 1e6)


def test_events_are_found_by_any_of_their_samples(session: Session, graph: Graph) -> None:
    found = stream(session, graph)
    assert found.classes == ("3", "7")
    assert [(e.label, e.record, e.place, e.samples, e.found_after) for e in found.events] == [
        ("3", "am", 60, 2, 1),
        ("3", "am", 300, 1, None),
        ("7", "pm", 480, 1, 0),
    ]
    assert found.found == 2


def test_a_false_alarm_is_a_run_of_answers_without_one_right_sample(session: Session, graph: Graph) -> None:
    """Sample 7 is of another record than the 7 that follows it."""
    found = stream(session, graph)
    assert [(a.label, a.record, a.place, a.samples) for a in found.alarms] == [
        ("7", "am", 240, 1),
        ("7", "am", 420, 1),
        ("3", "pm", 540, 2),
    ]
    assert found.seconds == 720
    assert found.alarm_rate == (15, "an hour")


def test_without_times_alarms_are_told_by_samples_and_nothing_of_duty(session: Session, graph: Graph) -> None:
    found = stream(session, graph, timed=False)
    assert found.alarm_rate == (250, "for 1,000 samples, since the data has no t")
    assert found.seconds is found.duty is None
    assert found.as_json()["alarms_an_hour"] is None


def test_only_the_classes_asked_for_are_events(session: Session, graph: Graph) -> None:
    found = stream(session, graph, events=("7",))
    assert [event.label for event in found.events] == ["7"]
    assert {alarm.label for alarm in found.alarms} == {"7"}


def test_windows_lie_within_records_and_hold_every_sample(session: Session, graph: Graph) -> None:
    for timed in (True, False):
        found = stream(session, graph, timed=timed)
        assert [(w.record, w.samples, w.count, w.count_most) for w in found.windows] == [
            ("am", 4, 3, 9),
            ("am", 4, 2, 2),
            ("pm", 4, 3, 3),
        ]
        assert [w.cycles for w in found.windows] == [3e6, 2e6, 3e6]
        assert [w.answered for w in found.windows] == [(1.0,)] * 3  # the model has no point


def test_duty_is_modelled_time_over_all_time(session: Session, graph: Graph) -> None:
    found, board = stream(session, graph), load_board("qemu-m4")
    assert found.duty == pytest.approx(COUNTS.sum() * 1e6 / board.cpu.hz / 720)
    assert (found.count_worst, found.cycles_worst) == (0, 9e6)


def test_what_cannot_be_asked_is_refused(graph: Graph) -> None:
    with pytest.raises(UnknownNameError) as caught:
        ask(graph, recording(), LABELS, ["seven"])
    assert "there is no class 'seven'" in caught.value.what
    with pytest.raises(UsageError, match="no events to find"):
        ask(graph, recording(), None, ["7"])
    with pytest.raises(UsageError, match="has no length"):
        ask(graph, recording(), LABELS, [], 0)
    assert ask(graph, recording(), None, []).events == ()


def test_a_model_without_names_takes_those_of_the_data(graph: Graph) -> None:
    words = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    named = replace(recording(), classes=words)
    assert ask(replace(graph, classes=()), named, LABELS, ["seven"]).events == (7,)
    assert ask(replace(graph, classes=()), replace(named, classes=words[:3]), LABELS, ["7"]).names[7] == "7"
    with pytest.raises(UnknownNameError):
        ask(replace(graph, classes=tuple("abcdefghij")), named, LABELS, ["seven"])


def test_windows_are_of_a_round_length_unless_one_is_given(session: Session, graph: Graph) -> None:
    asked = ask(graph, recording(), LABELS, ())
    assert session.each is not None
    assert stream_of(session.each, graph, load_board("qemu-m4"), asked).window == 20  # 720 s / 40 = 18 s


def test_reports_tell_of_the_stream(session: Session, graph: Graph, tmp_path) -> None:
    whole = replace(session, stream=stream(session, graph), cycles=3e6)
    paths = page.write([whole], tmp_path / "r")
    assert [p.name for p in paths] == ["report.json", "junit.xml", "report.html", "stream.csv", "stream.svg"]
    told = json.loads(paths[0].read_text())["stream"]
    assert told == json.loads(json.dumps(as_json(whole)["stream"]))
    assert (told["found"], told["missed"], told["alarms_an_hour"]) == (2, 1, 15)
    rows = list(csv.DictReader(io.StringIO(paths[3].read_text())))
    assert len(rows) == 12
    assert (rows[8]["record"], rows[8]["label"], rows[8]["answer"], rows[8]["count"]) == ("pm", "7", "7", "3.0")
    assert ">minutes<" in paths[4].read_text()  # twelve of them
    html = paths[2].read_text()
    assert "events missed" in html
    assert html.count("<svg") == 1  # the stream
    Page(html).check()
    console = Console(width=80, file=io.StringIO())
    report.print_stream(whole, console)
    text = console.file.getvalue()
    assert "2 of 3" in text
    assert "15 an hour" in text
    assert max(map(len, text.splitlines())) <= 80
    report.print_stream(session, console)
    assert console.file.getvalue() == text


def test_a_line_of_bars_rises_with_the_cost(session: Session, graph: Graph) -> None:
    windows = stream(session, graph).windows
    assert report.cost_line(windows) == "█▆█"
    assert report.cost_line([replace(w, count=None, cycles=None) for w in windows]) == ""
