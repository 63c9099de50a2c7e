"""The examples of docs/examples run, and say what they are there to say."""

from __future__ import annotations

import contextlib
import io
import json
import runpy
import shlex
import shutil
from pathlib import Path

import pytest

from dqt_edge.cli import main
from dqt_edge.graph import checkpoint
from tests.support.digits import DIGITS

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
SAYS = {
    "accuracy_and_cost": "at 1.000 of the 8x8 BitOPs",
    "arduino": "sketchbook",
    "fixed_widths": "widths 4x4,",
    "on_a_device": "class 0, widths ((",
    "which_board": "stm32h7    fits, 2,0",
}


@pytest.fixture
def folder(here: Path) -> Path:
    shutil.copy(DIGITS, here / "digits.safetensors")
    return here


def test_there_is_a_word_for_every_example() -> None:
    assert sorted(SAYS) == sorted(path.stem for path in EXAMPLES.glob("*.py"))
    index = (EXAMPLES.parent / "index.md").read_text(encoding="utf-8")
    assert not [path.name for path in EXAMPLES.iterdir() if f"(examples/{path.name})" not in index]


@pytest.mark.parametrize("name", SAYS)
def test_python(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    assert SAYS[name] in capsys.readouterr().out
    if name == "fixed_widths":
        assert checkpoint.load(folder / "half.safetensors").adaptive == ()


def test_shell(folder: Path) -> None:
    commands = 0
    for line in (EXAMPLES / "pipeline.sh").read_text(encoding="utf-8").splitlines():
        if not line.startswith("dqt-edge "):
            continue
        words, _, target = line.partition(" > ")
        out = io.StringIO()
        with contextlib.redirect_stdout(out), pytest.raises(SystemExit) as done:
            main(shlex.split(words)[1:])
        assert not done.value.code, line
        commands += 1
        if target:
            (folder / target).write_text(out.getvalue())
    assert commands == 6
    assert json.loads((folder / "check.json").read_text())["board"] == "qemu-m4"
    assert json.loads((folder / "profile.json").read_text())["mismatches"] == 0
