"""The option --baud: refused in words where there is no line of its own, and nothing where no rate can be changed."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from dqt_edge.project.manifest import Project
from tests.cli.outcome import Outcome


def test_a_process_has_no_rate(dqt: Callable[..., Outcome], host_project: Project) -> None:
    done = dqt("profile", "--data", "digits", "--n", 3, "--baud", "auto", "--report", "report")
    assert done.code == 0, done.err
    assert "serial line" not in done.out
    found = json.loads((host_project.folder.parent / "report" / "report.json").read_text())
    assert (found["samples"], found["mismatches"], found["baud"]) == (3, 0, None)
    done = dqt("profile", "--data", "digits", "--n", 3, "--baud", 921600)
    assert done.code == 2
    assert "the board's serial line has no rate" in done.err
    assert "where: --baud" in done.err


@pytest.mark.parametrize("baud", ["fast", "0", "-9600", "9600.5", ""])
def test_what_is_no_rate(baud: str, dqt: Callable[..., Outcome]) -> None:
    done = dqt("profile", "--data", "digits", f"--baud={baud}")
    assert done.code == 2
    assert "neither 'auto' nor a number of bits a second" in done.err


@pytest.mark.parametrize("more", [("--jobs", 2), ("--fleet", "dask://127.0.0.1:1")])
def test_several_devices_have_no_line(
    more: tuple[object, ...], dqt: Callable[..., Outcome], host_project: Project
) -> None:
    done = dqt("profile", host_project.folder, "--data", "digits", "--baud", "auto", *more)
    assert done.code == 2
    assert "where: --baud" in done.err
