"""NO_COLOR turns colours off, whatever else the environment says; a pipe or a file gets no escape code at all."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest
from rich.text import Text

from benchmarks.first_sign import open_terminal
from benchmarks.terminal_session import play
from dqt_edge.cli.console import Console
from tests.cli.outcome import Outcome
from tests.support.digits import DIGITS


def printed() -> str:
    console = Console()
    with console.capture() as capture:
        console.print(Text("words", style="red"))
    return capture.get()


def test_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "TERM", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    assert printed() == "\x1b[31mwords\x1b[0m\n"
    monkeypatch.setenv("NO_COLOR", "1")
    assert printed() == "words\n"


def test_lines_stand_above_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a terminal, a line that is printed while a bar moves is a line of its own."""
    ours, theirs = open_terminal(80)
    code = (
        "from dqt_edge.cli.bars import bars\nfrom dqt_edge.cli.echo import echo\n"
        "with bars('waiting') as bar:\n    echo('one')\n    bar('work', 1, 2)\n    echo('two', err=True)\necho('three')"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        written = b""
        try:
            while piece := os.read(ours, 4096):
                written += piece
        except OSError:  # the other end is closed
            pass
    os.close(ours)
    assert process.returncode == 0
    assert "work" in written.decode()
    assert [line for line in play(written.decode().replace("\r\n", "\n")) if line.strip()] == ["one", "two", "three"]


@pytest.mark.parametrize("command", [["boards"], ["check", DIGITS, "--board", "qemu-m4"], ["cost", "tiny", "-v"]])
def test_what_is_no_terminal_gets_no_escape_code(command: list[object], dqt: Callable[..., Outcome]) -> None:
    done = dqt(*command)
    assert done.code == 0
    assert len(done.out.splitlines()) > 3
    assert "\x1b" not in done.out + done.err
