"""NO_COLOR turns colours off, whatever else the environment says."""

from __future__ import annotations

import pytest
from rich.text import Text

from dqt_edge.cli.console import Console


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
