"""The recorded session: what a terminal would show, without a path of the computer that recorded it."""

from __future__ import annotations

import re
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from benchmarks.first_sign import first_sign
from benchmarks.terminal_session import PATHS, play, record


def shown(drawing: str) -> str:
    """The words of a drawing."""
    text = " ".join("".join(element.itertext()) for element in ET.fromstring(drawing).iter() if "text" in element.tag)
    return text.replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("written", "lines"),
    [
        ("a\nb", ["a", "b"]),
        ("10 %\r20 %\rdone\nnext", ["done", "next"]),
        ("\x1b[?25lbar\nmore\r\x1b[2K\x1b[1A\x1b[2K\x1b[?25hgone\nlast", ["gone", "last"]),
        ("\x1b[1mbold\x1b[0m\n", ["\x1b[1mbold\x1b[0m", ""]),
    ],
    ids=["lines", "overwritten", "vanished bars", "styles"],
)
def test_it_is_played_as_a_terminal_plays_it(written: str, lines: list[str]) -> None:
    assert play(written) == lines


def test_a_session_is_recorded_without_paths(tmp_path: Path) -> None:
    drawing = record([("boards",)], tmp_path)
    assert "$ dqt-edge boards" in shown(drawing)
    assert "stm32h7" in shown(drawing)
    assert "http" not in re.sub(r'(xmlns="|Generated with Rich )[^" ]*', "", drawing), "it loads nothing"
    (tmp_path / "x.toml").write_text("id = 1\n")
    with pytest.raises(subprocess.CalledProcessError):
        record([("boards", "x.toml")], tmp_path)


def test_paths_are_seen_and_words_are_not() -> None:
    for path in ("/tmp/x", "in /home/me/a.py", "(/root/.venv)"):
        assert PATHS.search(path)
    for word in ("build/model.elf", "1/2", "km/h", "s/w/tmp", "8x8/home"):
        assert not PATHS.search(word)


def test_the_first_sign_of_a_command_is_what_it_shows_first(tmp_path: Path) -> None:
    seconds, text = first_sign(("--help",), tmp_path)
    assert seconds > 0
    assert text.startswith("Usage: ")
