"""Promise: the tutorial runs as a script and as commands, and both give the same model, project and measurements."""

from __future__ import annotations

import filecmp
import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from dqt_edge.cli import main
from dqt_edge.graph import checkpoint
from tests.api.pages import DOCS, blocks

TUTORIAL = DOCS / "tutorial.md"

pytestmark = [pytest.mark.train, pytest.mark.qemu, pytest.mark.xdist_group("tutorial")]
"""One worker for all: its fixtures train twice."""


@pytest.fixture(scope="module")
def script(tensorflow: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The Python blocks, run one after the other: their folder, and their names."""
    folder = tmp_path_factory.mktemp("script")
    names: dict[str, Any] = {"__name__": "tutorial"}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for number, block in enumerate(blocks(TUTORIAL, "python")):
            exec(compile(block, f"tutorial.md, block {number}", "exec"), names)
    return folder, names


@pytest.fixture(scope="module")
def commands(script: tuple[Path, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the same work, done by the commands on the same data."""
    folder = tmp_path_factory.mktemp("commands")
    shutil.copy(script[0] / "digits.npz", folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for block in blocks(TUTORIAL, "sh"):
            for line in block.splitlines():
                program, *arguments = shlex.split(line)
                assert program == "dqt-edge"
                with pytest.raises(SystemExit) as done:
                    main(arguments)
                assert not done.value.code, line
    return folder


def test_both_forms_train_the_same_model(script: tuple[Path, dict[str, Any]], commands: Path) -> None:
    mine = checkpoint.load(script[0] / "digits.safetensors")
    theirs = checkpoint.load(commands / "digits.safetensors")
    assert checkpoint.model_hash(mine) == checkpoint.model_hash(theirs)
    assert mine.provenance["keras"] == theirs.provenance["keras"] == script[1]["trained"].results
    assert (commands / "digits.csv").read_text().count("\n") == 1 + len(script[1]["trained"].log)


def test_both_forms_export_the_same_project(script: tuple[Path, dict[str, Any]], commands: Path) -> None:
    manifest = json.loads((commands / "digits-m4" / "manifest.json").read_text())
    mine = json.loads(json.dumps(script[1]["project"].manifest))
    for facts in (manifest, mine):  # whose provenance says where the data came from: arrays or a file
        del facts["files"][facts["models"][0]["checkpoint"]]
    assert manifest == mine
    same, differ, missing = filecmp.cmpfiles(
        script[0] / "digits-m4", commands / "digits-m4", manifest["files"], shallow=False
    )
    assert (differ, missing) == ([], [])
    assert len(same) == len(manifest["files"]) > 10
    assert script[1]["report"].predicted == manifest["predicted"]


def test_both_forms_measure_the_same(script: tuple[Path, dict[str, Any]], commands: Path) -> None:
    mine, theirs = (json.loads((folder / "report" / "report.json").read_text()) for folder in (script[0], commands))
    assert mine == theirs
    result = script[1]["result"]
    assert (mine["count"], mine["accuracy"], mine["mismatches"]) == (result.count, result.accuracy, 0)
    assert script[1]["narrow"].count < script[1]["answer"].count


def test_both_forms_find_the_same_widths(script: tuple[Path, dict[str, Any]], commands: Path) -> None:
    fixed = checkpoint.load(commands / "fixed.safetensors")
    assert checkpoint.model_hash(fixed) == checkpoint.model_hash(script[1]["found"].graph)
    assert fixed.provenance["search"]["widths"] == script[1]["found"].policy


def test_both_forms_fail_alike(
    script: tuple[Path, dict[str, Any]], commands: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    error = script[1]["UsageError"]
    assert issubclass(error, Exception)
    monkeypatch.chdir(commands)
    with pytest.raises(SystemExit) as done:
        main(["profile", "digits-m4", "--data", "digits.npz", "--policy", "7x9"])
    assert done.value.code == 2
    told = capsys.readouterr().err
    assert "'7x9' is no width pair" in told
    assert "where: --policy" in told
