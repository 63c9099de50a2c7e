"""Promise: ``dqt-edge try`` prints what the README shows, writes a page, and refuses before it writes anything."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from dqt_edge.api import trying_work
from tests.cli.outcome import Outcome, assert_refused
from tests.support.digits import DIGITS
from tests.support.html import Page

README = Path(__file__).parents[2] / "README.md"


def test_errors_come_before_a_folder_is_made(dqt: Callable[..., Outcome], here: Path) -> None:
    assert_refused(dqt("try", "missing.tflite"), 8, "cannot read the model")
    (here / "m.txt").write_text("x")
    assert_refused(dqt("try", "m.txt"), 2, "is no kind of model")
    assert_refused(dqt("try", DIGITS, "--board", "nosuch"), 2, "nosuch")
    assert_refused(dqt("try", DIGITS, "--data", "m.txt", "--board", "host"), 8, "m.txt")
    assert sorted(path.name for path in here.iterdir()) == ["m.txt"]


SECONDS = re.compile(r"^ *\d+\.\d s  ", re.MULTILINE)
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
CLOSE = 0.1
"""How far a number in the README may be off: sizes move a little whenever firmware or kernels change."""


def steps(text: str) -> list[str]:
    """What is said of each step, without seconds and without what depends on how many boards are shipped."""
    said = SECONDS.split(text.partition("\n\n")[0])
    return [" ".join(step.split()) for step in said if not step.startswith("fits ")]


def rows(text: str) -> dict[str, str]:
    """The table of boards by board."""
    return {
        line.split()[0]: " ".join(line.split()) for line in text.splitlines() if line.startswith((" qemu-", " stm"))
    }


def assert_close(printed: str, shown: str) -> None:
    """The same words, and numbers that are not far off."""
    assert NUMBER.sub("#", printed) == NUMBER.sub("#", shown)
    for now, then in zip(NUMBER.findall(printed), NUMBER.findall(shown), strict=True):
        assert float(then.replace(",", "")) == pytest.approx(float(now.replace(",", "")), rel=CLOSE), (printed, shown)


@pytest.mark.qemu
def test_the_readme_shows_what_the_command_prints(dqt: Callable[..., Outcome], here: Path) -> None:
    block = re.search(r"<!-- try -->\n```\n\$ dqt-edge (.*)\n((?:.*\n)*?)```", README.read_text(encoding="utf-8"))
    assert block is not None
    arguments = [str(DIGITS) if word.endswith("digits.safetensors") else word for word in block[1].split()]
    done = dqt(*arguments)
    assert done.code == 0, done.err
    printed = done.out.replace(str(DIGITS), "tests/files/digits.safetensors")
    assert len(steps(printed)) == len(steps(block[2]))
    for now, then in zip(steps(printed), steps(block[2]), strict=True):
        assert_close(now, then)
    assert len(rows(block[2])) >= 5
    for board, then in rows(block[2]).items():
        assert_close(rows(printed)[board], then)
    assert max(map(len, done.out.splitlines()[1:])) <= 80
    Page((here / "digits-try" / "index.html").read_text()).check()


def test_json_stands_alone_on_standard_output(
    dqt: Callable[..., Outcome], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trying_work, "shipped_boards", lambda: ["qemu-m4"])
    done = dqt("try", DIGITS, "--board", "host", "--n", 8, "--json", "--out", "o")
    assert done.code == 0, done.err
    assert json.loads(done.out) == json.loads((here / "o" / "try.json").read_text())
    assert "boards: " in done.err
