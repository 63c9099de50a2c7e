"""Promise: a bad cable costs at most what docs/protocol.md says, by a model of the line whose time is a number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import dqt_edge as dqt
from benchmarks.bad_cable import CABLES, JITTER, SLOWER, UNUSABLE, all_of, trouble
from dqt_edge.graph import checkpoint
from tests.support.digits import DIGITS


@pytest.mark.parametrize("baud", [115_200, 921_600])
def test_every_answer_is_right_and_in_time(baud: int, tmp_path: Path) -> None:
    project = dqt.export(checkpoint.load(DIGITS), "host", tmp_path / "p")
    dqt.build(project)
    rows = all_of(project, baud, count=300, seed=2)
    assert [row["cable"] for row in rows] == list(CABLES)
    for row in rows:
        assert trouble(row) == ""
        assert (row["answered"] == 300) != (row["cable"] in UNUSABLE)
    found = {row["cable"]: row for row in rows}
    assert found["bit error rate 1e-4"]["happened"]["bits"] > 20
    assert found["1 % of the frames lost"]["happened"]["drops"] > 5
    assert found[JITTER]["seconds"] > 300 * 2 * 0.2, "each inference waits twice, a quarter of a second on the average"


def test_what_is_not_as_promised_is_named() -> None:
    good: dict[str, Any] = {"line": 115_200, "cable": "good", "wrong": 0, "end": "", "seconds": 20.0, "slower": 1.0}
    assert trouble(good) == ""
    assert "1 wrong answers" in trouble({**good, "wrong": 1})
    assert trouble({**good, "end": "SilentDeviceError"}) == "SilentDeviceError"
    for cable, most in SLOWER.items():
        assert trouble({**good, "cable": cable, "slower": most}) == ""
        assert "times as long" in trouble({**good, "cable": cable, "slower": most + 0.1})
        assert trouble({**good, "cable": cable, "slower": most + 0.1, "line": 0}) == "", "this computer may be busy"
    for cable in UNUSABLE:
        assert trouble({**good, "cable": cable}) == "it was used"
        assert trouble({**good, "cable": cable, "end": "refused"}) == "it was refused after 20.0 s"
        assert trouble({**good, "cable": cable, "end": "refused", "seconds": 2.0}) == ""
