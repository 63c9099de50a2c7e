"""--help: instant, complete, and without importing what is slow."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from dqt_edge.cli import COMMANDS, cli

SLOW = ("tensorflow", "keras", "numpy", "sklearn", "altair", "unicorn", "serial", "pyocd", "jinja2", "rich")


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_imports_nothing_slow(command: str | None) -> None:
    """Imports are what makes a start slow; counting them is exact where a clock is not."""
    arguments = [] if command is None else [command]
    code = (
        "import sys\nfrom dqt_edge.cli import main\n"
        f"try:\n    main({[*arguments, '--help']!r})\nexcept SystemExit as done:\n    assert not done.code, done.code\n"
        f"print('LOADED', sorted(m for m in sys.modules if m in {SLOW!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "LOADED []" in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_shows_examples(command: str) -> None:
    result = CliRunner().invoke(cli, [command, "--help"])
    assert result.exit_code == 0
    assert "Examples:" in result.output
    assert f"dqt-edge {command}" in result.output


def test_version_and_unknown_command() -> None:
    assert CliRunner().invoke(cli, ["--version"]).output.startswith("dqt-edge, version ")
    assert CliRunner().invoke(cli, ["deploy"]).exit_code == 2
