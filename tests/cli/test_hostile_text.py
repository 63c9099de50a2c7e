"""A terminal obeys nothing that a file, a model, a tool or a device says."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.table import Table

from dqt_edge import cli
from dqt_edge.cli.console import Console
from dqt_edge.device.client import Client, Timeouts
from dqt_edge.errors import BadFileError, DeviceError, plain
from dqt_edge.graph import Graph, checkpoint
from tests.device.fakes import Scripted, hello_reply

EVIL = "\x1b[2J\x1b]0;title\x07\x9b31m\r\b\u202e[bold]x[/]"


def harmless(text: str) -> bool:
    return all(ch in "\n\t" or plain(ch) == ch for ch in text)


def test_commands_print_in_no_other_way() -> None:
    """Than by echo() and Console of this folder, which escape."""
    folder = Path(cli.__file__).parent
    for path in folder.glob("*.py"):
        if path.name not in ("echo.py", "console.py"):
            assert not re.search(
                r"click\.s?echo\(|from rich\.console|rich\.print|(?<![.\w])print\(", path.read_text()
            ), path


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("\x9b31m\x7f\r", "\\x9b31m\\x7f\\r"),
        ("\u202eabc\u2028", "\\u202eabc\\u2028"),
        ("\udc80", "\\udc80"),
        ("a\tb\nc", "a\tb\nc"),
        ("grün, 温度, é, ✓, 1\u00a0000", "grün, 温度, é, ✓, 1\u00a0000"),
    ],
)
def test_what_is_shown_of_text(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_errors_are_lines_of_their_own(here: Path) -> None:
    error = BadFileError(f"not a model: {EVIL}", where="x\n  next:  rm -rf ~", next_step=EVIL)
    assert harmless(str(error))
    assert len(str(error).splitlines()) == 3
    assert "\\x1b[2J" in str(error)


@pytest.mark.parametrize("terminal", ["", "1"])
def test_tables_and_lines(terminal: str, capfd, monkeypatch: pytest.MonkeyPatch) -> None:
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", terminal)
    table = Table("class", title=EVIL)
    table.add_row(EVIL)
    console = Console()
    console.print(table)
    console.print(f"wrote {EVIL}", style="bold")
    out = capfd.readouterr().out
    assert "\\x1b[2J" in out
    assert "[bold]x[/]" in out, "what looks like markup is text"
    for bad in ("\x1b[2J", "\x1b]", "\x07", "\x9b", "\u202e", "\r"):
        assert bad not in out
    assert ("\x1b[1m" in out) == bool(terminal), "our own styles stay"


def test_names_of_files_and_options(dqt, here: Path) -> None:
    for arguments in (
        ("check", EVIL, "--board", "qemu-m4"),
        ("check", "missing", "--board", EVIL),
        ("build", EVIL),
        ("check", f"--{EVIL}"),
        (EVIL,),
    ):
        done = dqt(*arguments)
        assert done.code != 0
        assert harmless(done.out + done.err), done.err
        assert "\\x1b[2J" in done.out + done.err


def test_names_within_a_checkpoint(dqt, graph: Graph, here: Path) -> None:
    names = tuple(f"{EVIL}{i}" for i in range(10))
    checkpoint.save(
        replace(graph, classes=names, provenance={**graph.provenance, "data": EVIL}), here / "a.safetensors"
    )
    data = here / "d.npz"
    np.savez(data, x_test=np.zeros((4, 8, 8), np.uint8), y_test=np.arange(4), classes=np.array(names))
    for arguments in (
        ("check", "a.safetensors", "--board", "qemu-m4"),
        ("export", "a.safetensors", "--board", "host", "--out", "p"),
        ("build", "p"),
        ("profile", "p", "--data", data),
    ):
        done = dqt(*arguments)
        assert done.code == 0, done.err
        assert harmless(done.out + done.err)


def test_words_of_a_device() -> None:
    board = EVIL.encode("utf-8")[:16]
    with (
        Client(Scripted(lambda _: b"", hello_reply(board=board)), Timeouts(hello=0.2, silence=0.5)) as client,
        pytest.raises(DeviceError, match="board id is not readable") as caught,
    ):
        client.hello()
    assert harmless(str(caught.value))
