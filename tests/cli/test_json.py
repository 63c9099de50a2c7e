"""Promise: --json prints one object, whose keys are those of docs/json.md, and every key there is printed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dqt_edge.cli import COMMANDS as COMMAND_NAMES
from dqt_edge.cli import cli
from dqt_edge.cli.keys import COMMANDS, OBJECTS, PLAIN
from dqt_edge.data.load import load_data
from dqt_edge.graph import checkpoint
from dqt_edge.tasks import Head
from dqt_edge.tasks.kinds import Map, Regression
from tests.cli.outcome import Outcome, assert_refused
from tests.support.digits import DIGITS, dial_graph
from tests.support.json_keys import SEEN, told
from tests.support.tflite_models import small_network
from tests.support.trained_points import pointed_digits

ROOT = Path(__file__).parents[2]

ELSEWHERE = {
    "tests/training/test_train_command.py": {"train", "epoch", "result"},
    "tests/cli/test_device_errors.py": {"flash", "span"},
    "tests/training/heads/test_heads.py": {
        "train --heads-only", "head", "head data", "head figures", "head epoch", "stop",
    },
    "tests/importers/test_commands.py": {"compare", "compared layer"},
}  # fmt: skip
"""Objects that cost a training or TensorFlow Lite, and the test that sees them."""


def of_a_map() -> dict[str, Any]:
    """What a score of a map has beside its figures."""
    y = np.arange(8).reshape(2, 2, 2) % 2
    score = Map(Head((2, 2, 2), (8,))).score(np.eye(2)[y].reshape(2, -1), y.reshape(2, -1))
    assert score is not None
    return dict(score.details)


def of_numbers() -> dict[str, Any]:
    """What a score of several numbers has."""
    y = np.arange(6.0).reshape(3, 2)
    score = Regression(Head((1, 1, 2), (2,))).score(y + 1, y)
    assert score is not None
    return dict(score.details)


@pytest.fixture
def run(dqt: Callable[..., Outcome]) -> Callable[..., Outcome]:
    """Run a command with --json, and hold its object against the description."""

    def call(kind: str, *arguments: object, code: int = 0) -> Outcome:
        outcome = dqt(*arguments, "--json")
        assert outcome.code == code, outcome.err
        told(kind, outcome.out)
        return outcome

    return call


def test_every_key_of_the_page_is_printed_and_none_else(run: Callable[..., Outcome], here: Path) -> None:
    shutil.copy(DIGITS, here / "d.safetensors")
    checkpoint.save(dial_graph(), here / "dial.safetensors")
    checkpoint.save(pointed_digits(), here / "points.safetensors")
    small_network().write(here / "small.tflite")
    rng = np.random.default_rng(1)
    x = rng.uniform(-2, 2, (12, 9, 7, 3)).astype(np.float32)
    np.savez(here / "test.npz", x_test=x, y_test=np.arange(12) % 5)
    digits = load_data("digits")
    zeros, fives = (np.flatnonzero(digits.y_test == n) for n in (0, 5))
    x = digits.x_test[[fives[0], *zeros[:3], *fives[1:3]]]
    np.savez(here / "s.npz", x=x, y=[0, 0, 0, 0, 5, 5], t=np.arange(6) * 0.5)  # a five that is none: a false alarm

    run("boards", "boards")
    run("doctor", "doctor")
    run("cost", "cost", "d.safetensors", "--policy", "8x8,4x4,2x4,4x4")
    run("check", "check", "points.safetensors", "--board", "qemu-m4")
    run("check of several boards", "check", "d.safetensors", "--board", "qemu-m4", "--board", "stm32h7")
    run("import", "import", "small.tflite", "--out", "i.safetensors", "--data", "test.npz")
    few = ("--data", "digits", "--samples", 16, "--n", 16, "--trials", 0)
    run("search", "search", "d.safetensors", *few, "--budget", 0.5)
    run("search", "search", "d.safetensors", *few, "--board", "qemu-m4", "--instructions", 0.95)
    run("tune", "tune", "points.safetensors", "--data", "digits", "--samples", 60, "--out", "t.safetensors")
    run("evaluate", "evaluate", "t.safetensors", "--data", "digits", "--samples", 40, "--resamples", 100)
    run("export --as", "export", "t.safetensors", "--board", "qemu-m4", "--as", "cmake", "--out", "lib")
    run("export", "export", "t.safetensors", "--board", "host", "--out", "tuned")
    run("export", "export", "dial.safetensors", "--board", "host", "--out", "dial")
    run("export", "export", "d.safetensors", "--board", "stm32h7", "--trigger-pin", "--watchdog", "2", "--out", "board")
    run("build", "build", "dial")
    run("profile", "profile", "dial", "--data", "digits", "--n", 2, "--policy", "dial")
    run("profile", "profile", "dial", "--data", "s.npz", "--stream", "--window", 1.5, "--report", "r")
    run("compare-sessions", "compare-sessions", "r", "r")
    run("try", "try", "d.safetensors", "--board", "host", "--n", 4, "--out", "o")
    run("error", "check", "missing.safetensors", code=8)

    details = {**of_a_map(), **of_numbers()}
    for name in ("result", "imported score", "search point", "compare", "session"):
        told(name, json.dumps(details))

    elsewhere = set().union(*ELSEWHERE.values())
    for path in ELSEWHERE:
        assert "told(" in (ROOT / path).read_text(encoding="utf-8"), path
    printed = {(name, key.name) for name, keys in OBJECTS.items() for key in keys if name not in elsewhere}
    assert sorted(printed - SEEN) == []


def test_every_command_is_described_and_every_number_has_a_unit() -> None:
    assert list(COMMANDS) == list(COMMAND_NAMES)
    for name, keys in OBJECTS.items():
        assert len({key.name for key in keys}) == len(keys), name
        for key in keys:
            assert key.meaning, (name, key.name)
            assert key.base in (*PLAIN, *OBJECTS), (name, key.name)
            assert bool(key.unit) == (key.base in ("number", "integer")), (name, key.name)
    named = {key.base for keys in OBJECTS.values() for key in keys} | {n for names in COMMANDS.values() for n in names}
    assert set(OBJECTS) - named == {"error"}, "nothing is described that nothing holds"


def test_an_unknown_key_and_a_wrong_kind_are_found() -> None:
    with pytest.raises(AssertionError, match=r"build\.size is not described"):
        told("build", json.dumps({"elf": "e", "size": 1}))
    with pytest.raises(AssertionError, match=r"build\.flash is no integer: 1\.5"):
        told("build", json.dumps({"flash": 1.5}))
    with pytest.raises(AssertionError, match="predicted"):
        told("build", json.dumps({"elf": "e", "flash": 1, "ram": 1}), whole=["build"])


def test_errors_are_the_object_where_there_is_no_result(dqt: Callable[..., Outcome], here: Path) -> None:
    outcome = dqt("check", "missing.safetensors", "--board", "qemu-m4", "--json")
    assert_refused(outcome, 8, "missing.safetensors")
    error = told("error", outcome.out, whole=["failure"])["error"]
    assert error["kind"] == "BadFileError"
    assert error["exit_code"] == 8
    assert f"error: {error['what']}\n  where: {error['where']}\n  next:  {error['next_step']}\n" == outcome.err
    wrong = dqt("check", "--no-such-option", "--json")
    assert wrong.code == 2
    assert "No such option" in told("error", wrong.out)["error"]["what"]
    assert "No such option" in wrong.err


def test_a_result_that_fails_the_command_is_the_only_object(dqt: Callable[..., Outcome], here: Path) -> None:
    for n, name in ((1, "a"), (2, "b")):
        session = {
            "board": "host", "model": "m", "policy": "8x8", "unit": "nanoseconds", "task": "classifier", "samples": 4,
            "planned": None, "mismatches": n - 1, "count": 1.0, "bitops_ratio": 1.0, "cycles": None,
            "cycles_model": None, "metrics": {"accuracy": 1.0},
        }  # fmt: skip
        (here / f"{name}.json").write_text(json.dumps(session))
    outcome = dqt("compare-sessions", "a.json", "b.json", "--json")
    assert outcome.code == 5
    assert told("compare-sessions", outcome.out, whole=["compare-sessions", "change"])["beyond"] == 1


@pytest.mark.parametrize("place", ["before", "behind"])
def test_the_shared_options_stand_before_a_command_or_behind_it(
    place: str, dqt: Callable[..., Outcome], here: Path, model_file: Path
) -> None:
    command = ["export", model_file, "--board", "host", "--out", "p"]

    def call(*options: str) -> Outcome:
        return dqt(*options, *command) if place == "before" else dqt(*command, *options)

    verbose = call("--verbose")
    assert f"read {model_file}" in verbose.err
    assert "exported tiny" in verbose.out
    quiet = call("-q")
    assert (quiet.err, quiet.out) == ("", verbose.out)
    both = call("--json", "-v")
    assert json.loads(both.out)["folder"] == "p"
    assert "read " in both.err
    build = dqt("build", "p", "-v")
    assert " -S . -B build -G Ninja" in build.err, "the command line of each tool"
    assert dqt("build", "p", "-q").out == dqt("build", "p").out


@pytest.mark.parametrize("command", COMMAND_NAMES)
def test_every_command_has_the_shared_options(command: str) -> None:
    import click  # noqa: PLC0415

    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    assert [option.opts for option in found.params[-3:]] == [["--json"], ["-q", "--quiet"], ["-v", "--verbose"]]
