"""Missing projects, tools, data and policies: exit code and words, no traceback, nothing left behind."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from dqt_edge.system import zig
from tests.cli.outcome import assert_refused

# --- Projects and tools ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [("build",), ("flash",), ("profile", "--data", "digits")])
def test_no_project(dqt, here: Path, command: tuple[str, ...]) -> None:
    assert_refused(dqt(*command), 2, "no project given", "dqt-edge export")


def test_project_that_is_gone(dqt, here: Path, host_project) -> None:
    shutil.rmtree(host_project.folder)
    assert_refused(dqt("build"), 8, "no exported project", "manifest.json")


def manifest(board: str, files: dict, predicted: dict | None = None, checkpoint: str = "m.safetensors") -> str:
    model = {"name": "m", "symbol": "m", "hash": "00" * 32, "checkpoint": checkpoint}
    return json.dumps({"format": 2, "board": board, "models": [model], "files": files, "predicted": predicted})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1]",
        '{"format": 99, "board": "host"}',
        '{"format": 2, "board": 7}',
        "[" * 200_000,
        '{"format": 2, "board": "host", "models": []}',
        '{"format": 2, "board": "host", "models": {"hash": "00"}}',
        '{"format": 2, "board": "host", "models": [{"hash": "00"}]}',
        manifest("qemu-m4", files={}, predicted={"flash": "1"}),
        manifest("host", files={"a.c": 1}),
        manifest("host", files={}, checkpoint="../secret.safetensors"),
        manifest("host", files={}, checkpoint="/etc/passwd"),
    ],
    ids=lambda text: text[:40],  # the environment of a process, where pytest puts the name, has no room for all of it
)
def test_damaged_manifest(dqt, here: Path, host_project, text: str) -> None:
    (host_project.folder / "manifest.json").write_text(text)
    assert_refused(dqt("build"), 8, "the manifest is damaged", "dqt-edge export")


def test_compiler_absent(dqt, here: Path, model_file: Path, monkeypatch) -> None:
    dqt("export", model_file, "--board", "qemu-m4")
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    monkeypatch.setattr(zig, "installed", lambda: None)  # which would stand in
    assert_refused(dqt("build"), 9, "arm-none-eabi-gcc is not installed", "apt-get install gcc-arm-none-eabi")


@pytest.mark.cross
def test_compiler_that_fails(dqt, here: Path, model_file: Path) -> None:
    dqt("export", model_file, "--board", "qemu-m4", "--out", "p")
    (here / "p" / "model" / "dqt_tiny.c").write_text("int x = ;\n")
    assert_refused(dqt("build", "p"), 9, "cmake failed", "dqt_tiny.c:1:9: error: expected expression", "by hand")


@pytest.mark.cross
def test_qemu_absent(dqt, here: Path, model_file: Path, monkeypatch) -> None:
    dqt("export", model_file, "--board", "qemu-m4")
    assert dqt("build").code == 0
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert_refused(dqt("profile", "--data", "digits"), 9, "qemu-system-arm")


def test_profile_before_build(dqt, here: Path, model_file: Path) -> None:
    dqt("export", model_file, "--board", "host")
    outcome = dqt("profile", "--data", "digits")
    assert outcome.code == 8
    assert "dqt-edge build" in outcome.err


# --- Data and policies ----------------------------------------------------------------------------------------------


def test_missing_data(dqt, here: Path, host_project) -> None:
    assert_refused(dqt("profile", "--data", "none.npz"), 8, "none.npz")


def test_unknown_data_set(dqt, here: Path, host_project) -> None:
    assert_refused(dqt("profile", "--data", "digit"), 2, "did you mean 'digits'")


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"y": np.arange(20) % 10}, "x"),
        ({"x": np.zeros((20, 9, 9, 1), np.float32), "y": np.arange(20) % 10}, "(8, 8, 1)"),
        ({"x": np.full((20, 8, 8), np.nan, np.float32), "y": np.arange(20) % 10}, "x"),
        ({"x": np.zeros((20, 8, 8), np.float32), "y": np.arange(7)}, "y"),
        ({"x": np.zeros((20,), np.float32), "y": np.arange(20) % 10}, "x"),
    ],
    ids=["no-inputs", "wrong-shape", "nan", "lengths", "no-images"],
)
def test_wrong_data(dqt, here: Path, host_project, arrays: dict, words: str) -> None:
    np.savez(here / "bad.npz", **arrays)
    assert_refused(dqt("profile", "--data", "bad.npz"), 8, words)


def test_data_that_is_no_npz(dqt, here: Path, host_project) -> None:
    (here / "bad.npz").write_bytes(b"not a zip")
    assert_refused(dqt("profile", "--data", "bad.npz"), 8, "bad.npz")


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ("9x9", "no width pair"),
        ("fast", "no width pair"),
        ("3x3", "is not a candidate"),
        ("8x8,4x4", "2 entries for 4"),
    ],
)
def test_wrong_policy(dqt, here: Path, host_project, policy: str, words: str) -> None:
    assert_refused(dqt("profile", "--data", "digits", "--policy", policy), 2, words)


def test_wrong_count(dqt, here: Path, host_project) -> None:
    assert dqt("profile", "--data", "digits", "--n", "0").code == 2
