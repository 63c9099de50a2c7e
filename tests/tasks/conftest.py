"""The command line in this process."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dqt_edge.cli import main
from tests.cli.outcome import Outcome


@pytest.fixture
def dqt_command(capfd: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run a command line in this process."""

    def run(*arguments: object) -> Outcome:
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            main([str(a) for a in arguments])
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return Outcome(int(stop.value.code or 0), out, err)

    return run
