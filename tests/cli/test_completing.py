"""A shell completes commands, options, ids of boards and policies; whatever lies in the folder."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from dqt_edge.architectures.models import MODELS
from dqt_edge.architectures.published import names
from dqt_edge.boards import board_ids
from dqt_edge.cli import COMMANDS, cli
from dqt_edge.cli.completing import POLICIES
from dqt_edge.data.load import NAMED


def completed(*words: str) -> list[tuple[str, str]]:
    """Value and type of what the last word may become."""
    shell = ShellComplete(cli, {}, "dqt-edge", "_DQT_EDGE_COMPLETE")
    return [(item.value, item.type) for item in shell.get_completions(list(words[:-1]), words[-1])]


def commands_with(option: str) -> list[str]:
    found = []
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        if any(option in parameter.opts for parameter in command.params):
            found.append(name)
    return found


def test_commands_and_options() -> None:
    assert completed("comp") == [("compare", "plain"), ("compare-sessions", "plain")]
    assert ("--text-protocol", "plain") in completed("export", "m.safetensors", "--t")


@pytest.mark.parametrize("command", commands_with("--board"))
def test_boards(command: str) -> None:
    wanted = [name for name in board_ids() if name.startswith("nucleo-")]
    assert len(wanted) > 3
    assert completed(command, "--board", "nucleo-") == [(name, "plain") for name in wanted]
    assert {value for value, _ in completed(command, "--board", "")} == set(board_ids())
    assert completed(command, "--board", "./mine") == [("./mine", "file")]


@pytest.mark.parametrize("command", [name for name in commands_with("--data") if name != "train"])
def test_data(command: str) -> None:
    assert completed(command, "--data", "di") == [("digits", "plain")]
    assert completed(command, "--data", "my.n") == [("my.n", "file")]
    assert completed(command, "--data", "") == [*((name, "plain") for name in NAMED), ("", "file")]


def test_models() -> None:
    assert completed("train", "--model", "res") == [(name, "plain") for name in MODELS if name.startswith("res")]
    assert completed("train", "--model", "") == [*((name, "plain") for name in MODELS), ("", "file")]
    assert completed("train", "--data", "cif") == [("cifar10", "plain")]
    wanted = [(name, "plain") for name in names() if name.startswith("resnet18")]
    assert len(wanted) > len([name for name in MODELS if name.startswith("resnet18")])
    assert completed("cost", "resnet18") == wanted
    assert completed("cost", "./r") == [("./r", "file")]


def test_outlets() -> None:
    assert completed("export", "--as", "c") == [("cmake", "plain"), ("cmsis-pack", "plain")]


def test_policies(here: Path) -> None:
    """Those of any model; beside a project, the points of its dial; beside a damaged note, as without one."""
    assert [value for value, _ in completed("profile", "--policy", "")] == list(POLICIES)
    for note in ("{", json.dumps({"last_export": "nowhere"})):
        (here / ".dqt-edge.json").write_text(note)
        assert completed("profile", "--policy", "dyn") == [("dynamic", "plain"), ("dynamic:", "plain")]


def test_policies_of_a_dial(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Model:
        facts = {"dial": [0.4, 0.65]}  # noqa: RUF012 - never changed

    class Project:
        def model(self) -> Model:
            return Model()

    monkeypatch.setattr("dqt_edge.project.manifest.find_project", Project)
    assert [v for v, _ in completed("profile", "--policy", "dynamic:")] == ["dynamic:", "dynamic:0.4", "dynamic:0.65"]
