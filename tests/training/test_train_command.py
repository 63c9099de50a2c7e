"""Promise: the command trains, writes whole files, and says what is wrong before it starts to work."""

from __future__ import annotations

import csv
import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dqt_edge.cli import main
from dqt_edge.graph import checkpoint

QUICK = ["train", "--data", "digits", "--model", "tiny-plain", "--epochs", "4"]


def exit_code(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    return int(caught.value.code or 0)


@pytest.mark.train
def test_training_writes_a_checkpoint_and_a_log(
    here: Path, capsys: pytest.CaptureFixture[str], tensorflow: Any
) -> None:
    assert exit_code([*QUICK, "--out", "plain.safetensors"]) == 0
    graph = checkpoint.load(here / "plain.safetensors")
    assert graph.controller is None
    assert set(graph.provenance["keras"]) == {"8x8", "4x4", "2x4"}
    assert graph.provenance["data"] == {"name": "digits", "train": 1221, "validation": 216, "test": 360}
    rows = list(csv.DictReader((here / "plain.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    assert rows[0]["phase"] == "float"
    assert rows[-1]["phase"] == "nested"
    shown = capsys.readouterr().out
    assert "epoch 4/4" in shown
    assert "wrote plain.safetensors" in shown
    first = (here / "plain.safetensors").read_bytes()
    # A finished run resumes at its end, and writes the same bytes again.
    assert exit_code([*QUICK, "--out", "plain.safetensors", "--resume"]) == 0
    assert (here / "plain.safetensors").read_bytes() == first


@pytest.mark.train
def test_a_model_with_one_candidate_has_no_controller(here: Path, tensorflow: Any) -> None:
    arguments = ["train", "--model", "tiny", "--candidates", "8x8", "--epochs", "4", "--out", "fixed.safetensors"]
    assert exit_code(arguments) == 0
    graph = checkpoint.load(here / "fixed.safetensors")
    assert graph.controller is None
    assert graph.adaptive == ()
    assert list(graph.provenance["keras"]) == ["8x8"]


@pytest.mark.train
def test_a_budget_below_the_least_widths_is_refused(
    here: Path, capsys: pytest.CaptureFixture[str], tensorflow: Any
) -> None:
    assert exit_code(["train", "--model", "tiny", "--budget", "0.1", "--out", "x.safetensors"]) == 2
    assert "out of reach: the least widths already cost 0.154" in capsys.readouterr().err
    assert list(here.iterdir()) == []


REFUSED: dict[str, tuple[list[str], int, str]] = {
    "unknown data": (["--data", "digit"], 2, "did you mean 'digits'?"),
    "missing data file": (["--data", "none.npz"], 8, "the data file does not exist"),
    "unknown model": (["--model", "tinyy"], 2, "did you mean 'tiny'?"),
    "candidates": (["--candidates", "8x8,9x9"], 2, "is no width pair"),
    "budget": (["--budget", "2"], 2, "2.0 is outside 0..1"),
    "epochs": (["--epochs", "1"], 2, "option --epochs"),
    "suffix": (["--out", "model.bin"], 2, "does not end in .safetensors"),
    "folder": (["--out", "none/model.safetensors"], 8, "the folder of the output does not exist"),
    "shift": (["--shift", "8"], 2, "out of sight"),
}


@pytest.mark.train
@pytest.mark.parametrize("name", REFUSED)
def test_wrong_options_end_with_what_where_and_next(
    name: str, here: Path, capsys: pytest.CaptureFixture[str], tensorflow: Any
) -> None:
    arguments, code, message = REFUSED[name]
    assert exit_code(["train", "--out", "x.safetensors", *arguments]) == code
    shown = capsys.readouterr().err
    assert message in shown
    assert "where:" in shown
    assert "next:" in shown
    assert list(here.iterdir()) == []


def test_without_tensorflow_the_command_says_what_to_install(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = importlib.import_module

    def absent(name: str, package: str | None = None) -> Any:
        if name == "tensorflow":
            raise ModuleNotFoundError("No module named 'tensorflow'")
        return whole(name, package)

    monkeypatch.setattr(importlib, "import_module", absent)
    assert exit_code(["train", "--out", "x.safetensors"]) == 9
    assert "pip install 'dqt-edge[train]'" in capsys.readouterr().err


def test_help_has_examples_and_loads_nothing_large() -> None:
    code = (
        "import sys\nfrom dqt_edge.cli import main\n"
        "try:\n    main(['train', '--help'])\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('tensorflow', 'keras', 'numpy', 'rich') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Examples:" in done.stdout
    assert "dqt-edge train --data digits --model tiny --candidates 8x8,4x4,2x4 --budget 0.5" in done.stdout
    assert done.stdout.endswith("[]\n")
