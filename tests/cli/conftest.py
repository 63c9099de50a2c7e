"""The command line in this process, and projects to use it on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dqt_edge.boards import load_board
from dqt_edge.cli import main
from dqt_edge.graph import Graph
from dqt_edge.project.build import build
from dqt_edge.project.export import export
from dqt_edge.project.manifest import Project, remember
from tests.cli.outcome import Outcome


@pytest.fixture
def dqt(capfd: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run a command line in this process."""

    def run(*arguments: object) -> Outcome:
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            main([str(a) for a in arguments])
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return Outcome(int(stop.value.code or 0), out, err)

    return run


@pytest.fixture
def host_project(graph: Graph, here: Path) -> Project:
    """An exported and built host project, remembered as the last one."""
    made, _, _ = export(graph, load_board("host"), here / "p")
    build(made.folder, cross=False)
    remember(made)
    return made
