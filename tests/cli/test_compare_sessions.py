"""Promise: a session that got worse than thresholds allow is noticed, and sessions that differ in kind are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import dqt_edge
from dqt_edge.boards import load_board
from dqt_edge.data.load import codes, load_data
from dqt_edge.errors import BadFileError
from dqt_edge.graph import Graph
from dqt_edge.measure.session import Session, run_session
from dqt_edge.report import page
from tests.cli.outcome import Outcome, assert_refused
from tests.measure.test_session import InterpreterDevice

LIMITS = "count = 0.01\ncycles = 0.01\naccuracy = 0.04\n"
CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, ""),
    "a little": ({"count": 1.005, "cycles": 1.005, "accuracy": -0.03}, ""),
    "better": ({"count": 0.5, "cycles": 0.5, "accuracy": 0.0}, ""),
    "count": ({"count": 1.02}, "count went from"),
    "cycles": ({"cycles": 1.02}, "cycles went from"),
    "accuracy": ({"accuracy": -0.05}, "accuracy went from"),
    "mismatches": ({"mismatches": 1}, "mismatches went from 0 to 1; 0 is allowed"),
}


@pytest.fixture(scope="module")
def session(graph: Graph) -> Session:
    data = load_data("digits")
    x, y = codes(data.x_test[:20], graph), data.y_test[:20]
    made = run_session(InterpreterDevice(graph), graph, load_board("qemu-m4"), x, y, "8x8")
    model = "modelled cycles (cortex-m4, trm-1, 0 wait states)"
    return replace(made, cycles=400_000.0, cycles_model=model, data_sha256="a" * 64)


@pytest.fixture
def report(here: Path, session: Session) -> Callable[..., Path]:
    """Write a report whose numbers are changed."""

    def write(name: str, *, factors: dict[str, Any] | None = None, **fields: Any) -> Path:
        page.write([session], here / name)
        path = here / name / "report.json"
        told = json.loads(path.read_text()) | fields
        for key, value in (factors or {}).items():
            if key == "accuracy":
                told["metrics"][key] += value
            else:
                told[key] = value if key == "mismatches" else told[key] * value
        path.write_text(json.dumps(told))
        return path.parent

    return write


@pytest.mark.parametrize("kind", CHANGES)
def test_thresholds_decide(dqt: Callable[..., Outcome], report: Callable[..., Path], here: Path, kind: str) -> None:
    factors, words = CHANGES[kind]
    (here / "t.toml").write_text(LIMITS)
    done = dqt("compare-sessions", report("a"), report("b", factors=factors), "--thresholds", "t.toml")
    assert "accuracy" in done.out
    if words:
        assert_refused(done, 5, words)
    else:
        assert done.code == 0, done.err


def test_without_thresholds_only_a_difference_from_the_interpreter_is_too_much(
    dqt: Callable[..., Outcome], report: Callable[..., Path]
) -> None:
    worse = report("b", factors={"count": 9, "accuracy": -0.9})
    assert dqt("compare-sessions", report("a"), worse).code == 0
    assert dqt("compare-sessions", report("a"), report("c", factors={"mismatches": 1})).code == 5


OTHERS: dict[str, dict[str, Any]] = {
    "board": {"board": "qemu-m7"},
    "unit": {"unit": "nanoseconds"},
    "samples": {"samples": 19},
    "task": {"task": "binary"},
    "the samples are not the same: SHA-256 bbbbbbbbbbbb": {"data_sha256": "b" * 64},
    "cycles_model": {"cycles_model": "modelled cycles (cortex-m4, trm-2, 0 wait states)"},
    "the policies are not the same": {"policy": "dynamic"},
    "ended before its last sample": {"planned": 40},
}


@pytest.mark.parametrize("words", OTHERS)
def test_what_cannot_be_compared_is_refused(
    dqt: Callable[..., Outcome], report: Callable[..., Path], words: str
) -> None:
    assert_refused(dqt("compare-sessions", report("b", **OTHERS[words]), report("a")), 2, words)
    assert_refused(
        dqt("compare-sessions", report("a"), report("b", **OTHERS[words])), 2, words.split(":", maxsplit=1)[0]
    )


def test_a_report_that_does_not_say_its_samples_is_compared(
    dqt: Callable[..., Outcome], report: Callable[..., Path]
) -> None:
    """As those of `try` and of earlier versions."""
    assert dqt("compare-sessions", report("a"), report("b", data_sha256=None)).code == 0


@pytest.mark.parametrize(
    ("name", "text"),
    [("r.json", "{"), ("r.json", "[]"), ("r.json", '{"policies": []}'), ("r.json", '{"policy": "8x8", "model": "m"}'),
     ("t.toml", "count = -1"), ("t.toml", "speed = 1"), ("t.toml", "count = true"), ("t.toml", "count ="),
     ("t.toml", "count = nan")],
)  # fmt: skip
def test_damaged_files_are_refused(
    dqt: Callable[..., Outcome], report: Callable[..., Path], here: Path, name: str, text: str
) -> None:
    (here / name).write_text(text)
    after = here / name if name == "r.json" else report("b")
    more = ["--thresholds", name] if name == "t.toml" else []
    assert_refused(dqt("compare-sessions", report("a"), after, *more), 8, name)
    with pytest.raises(BadFileError):
        dqt_edge.compare_sessions(here / "a", after, *more[1:])


def test_a_dial_is_compared_point_by_point(session: Session, here: Path, dqt: Callable[..., Outcome]) -> None:
    for name, factor in (("a", 1.0), ("b", 1.5)):
        points = [session, replace(session, policy="dynamic:0.4", bitops_ratio=0.4 * factor)]
        page.write(points, here / name, dial=True)
    found = dqt_edge.compare_sessions(here / "a", here / "b", {"bitops_ratio": 0.2})
    assert [(c.policy, c.name) for c in found.beyond] == [("dynamic:0.4", "bitops_ratio")]
    told = json.loads(dqt("compare-sessions", "a", "b", "--json").out)
    assert [c["after"] for c in told["changes"] if c["name"] == "bitops_ratio"] == [1.0, pytest.approx(0.6)]
