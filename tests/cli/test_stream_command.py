"""Promise: ``profile --stream`` runs a recording in its order on any board, and refuses what is none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import dqt_edge
from dqt_edge.boards import load_board
from dqt_edge.data.load import load_data
from dqt_edge.errors import UsageError
from dqt_edge.project.build import build
from dqt_edge.project.export import export
from dqt_edge.project.manifest import Project, remember
from tests.cli.outcome import assert_refused
from tests.support.digits import dial_graph


@pytest.fixture(params=["host", pytest.param("qemu-m4", marks=pytest.mark.qemu)])
def project(here: Path, request: pytest.FixtureRequest) -> Project:
    made, _, _ = export(dial_graph(), load_board(request.param), here / "p")
    build(made.folder, cross=request.param != "host")
    remember(made)
    return made


def write(path: Path, **more: np.ndarray) -> dict[str, np.ndarray]:
    """Fourteen digits, most of them of one class."""
    data = load_data("digits")
    order = np.concatenate([np.flatnonzero(data.y_test == 0)[:10], np.flatnonzero(data.y_test == 5)[:4]])
    order = order[[0, 1, 2, 10, 11, 3, 4, 5, 6, 12, 7, 8, 13, 9]]
    arrays = {"x": data.x_test[order], "y": data.y_test[order]} | more
    np.savez(path, **arrays)
    return arrays


def test_a_stream_runs_in_its_order(dqt, here: Path, project: Project) -> None:
    write(here / "s.npz", t=np.arange(14) * 0.5)
    outcome = dqt("profile", "--data", "s.npz", "--stream", "--window", "3.5", "--report", "r", "--policy", "dynamic")
    assert outcome.code == 0, outcome.err
    found = json.loads((here / "r" / "report.json").read_text())
    stream = found["stream"]
    assert (found["samples"], stream["seconds"], stream["classes"]) == (14, 7, ["5"])
    assert [event["place"] for event in stream["events"]] == [1.5, 4.5, 6]
    assert [window["samples"] for window in stream["windows"]] == [7, 7]
    assert "events found" in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 80
    if project.board.is_host:
        assert 0 < stream["duty"] < 1
        return
    rows = (here / "r" / "stream.csv").read_text().splitlines()
    cycles = [float(row.split(",")[-1]) for row in rows[1:]]
    assert found["cycles"] == pytest.approx(np.mean(cycles))
    assert stream["duty"] == pytest.approx(sum(cycles) / project.board.cpu.hz / 7)
    assert sum(layer["cycles"] for layer in found["layers"]) == pytest.approx(found["cycles"])


@pytest.mark.parametrize("project", ["host"], indirect=True)
def test_what_is_no_stream_is_refused(dqt, here: Path, project: Project) -> None:
    write(here / "s.npz")
    arguments = ("profile", "--data", "s.npz", "--stream")
    assert_refused(dqt(*arguments), 8, "needs an array 't' or 'record'", "s.npz")
    write(here / "s.npz", t=np.arange(14)[::-1])
    assert_refused(dqt(*arguments), 8, "t does not ascend: sample 1")
    write(here / "s.npz", record=np.arange(14))
    assert_refused(dqt(*arguments, "--events", "5,six"), 2, "there is no class 'six'", "where: option --events")
    assert_refused(dqt("profile", "--data", "digits", "--stream"), 2, "it is no recorded stream", "--data")
    assert_refused(dqt("profile", "--data", "s.npz", "--events", "5"), 2, "only a recorded stream", "give --stream")


@pytest.mark.parametrize("project", ["host"], indirect=True)
def test_a_script_can_give_arrays(here: Path, project: Project) -> None:
    arrays = write(here / "s.npz", record=np.arange(14) // 7)
    found = dqt_edge.profile(project, arrays, policy="8x8", stream=True, events=["0"], count=9).session.stream
    assert found is not None
    assert (found.records, found.samples, found.timed) == (("0", "1"), 9, False)
    assert [event.place for event in found.events] == [0, 5, 7]
    assert found.alarm_rate[1].startswith("for 1,000 samples")
    with pytest.raises(UsageError, match="it is no recorded stream"):
        dqt_edge.profile(project, (arrays["x"], arrays["y"]), stream=True)
