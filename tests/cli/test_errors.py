"""Bad input of every kind: the right exit code, words that help, no traceback, nothing left behind."""

from __future__ import annotations

import json
import os
import pty
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import serial
from serial.tools import list_ports

from dqt_edge import checkpoint, nested, project, toolchain
from dqt_edge.boards import load_board
from dqt_edge.cli import main
from dqt_edge.device import client
from dqt_edge.graph import Dense, Graph, Requantize, Tensor
from tests.support.digits import other_graph


class Outcome:
    """What a command did: exit code, standard output and error."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def dqt(capfd: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run a command line in this process."""

    def run(*arguments: object) -> Outcome:
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            main([str(a) for a in arguments])
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return Outcome(int(stop.value.code or 0), out, err)

    return run


def assert_refused(outcome: Outcome, code: int, *words: str) -> None:
    assert outcome.code == code, outcome.err
    for part in ("error: ", "where: ", "next:  "):
        assert part in outcome.err
    for word in words:
        assert word in outcome.err


@pytest.fixture
def host_project(graph: Graph, here: Path) -> project.Project:
    """An exported and built host project, remembered as the last one."""
    made, _, _ = project.export(graph, load_board("host"), here / "p")
    toolchain.build(made.folder, cross=False)
    project.remember(made)
    return made


# --- Checkpoints ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["check", "export"])
def test_missing_checkpoint(dqt, here: Path, command: str) -> None:
    assert_refused(
        dqt(command, "no.safetensors", "--board", "qemu-m4"),
        8,
        "cannot read the checkpoint",
        "no.safetensors",
    )
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda b: b"", "shorter than a header"),
        (lambda b: b[: len(b) // 2], "not a usable checkpoint"),
        (lambda b: b[:-1] + bytes([b[-1] ^ 1]), "SHA-256"),
        (lambda b: b"\x7fELF" + b[4:], "the header claims"),
        (lambda b: b.replace(b'\\"format\\": 1', b'\\"format\\": 9'), "format version 9"),
        (lambda b: b.replace(b"Conv2D", b"Conv9D"), "not a usable checkpoint"),
    ],
    ids=["empty", "truncated", "tampered", "other-file", "other-version", "unknown-layer"],
)
def test_damaged_checkpoints(dqt, here: Path, model_file: Path, damage, words: str) -> None:
    path = here / "bad.safetensors"
    path.write_bytes(damage(model_file.read_bytes()))
    assert_refused(dqt("export", path, "--board", "qemu-m4"), 8, words, "bad.safetensors")
    assert [p.name for p in here.iterdir()] == ["bad.safetensors"]


def test_checkpoint_that_is_a_folder(dqt, here: Path) -> None:
    assert_refused(dqt("check", here, "--board", "qemu-m4"), 8, "cannot read")


# --- Boards and sizes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["check", "export"])
def test_unknown_board(dqt, here: Path, model_file: Path, command: str) -> None:
    assert_refused(
        dqt(command, model_file, "--board", "stm32h8"), 2, "unknown board 'stm32h8'", "did you mean 'stm32h7'"
    )


def test_missing_board_option(dqt, here: Path, model_file: Path) -> None:
    outcome = dqt("export", model_file)
    assert outcome.code == 2
    assert "--board" in outcome.err


def large_model(here: Path) -> Path:
    """A model with more weights than any board's flash."""

    inputs, outputs = 32_768, 140
    weights = np.random.default_rng(0).integers(-2, 3, (outputs, inputs)).astype(np.int8)
    layer = Dense(
        "big",
        "x",
        "y",
        weights,
        np.zeros(outputs, np.int32),
        Requantize(np.full(outputs, 2**20, np.int32), np.full(outputs, 32, np.uint8)),
    )
    tensors = (Tensor("x", (1, 1, inputs), 1.0), Tensor("y", (1, 1, outputs), 1.0))
    path = here / "large.safetensors"
    checkpoint.save(Graph("large", tensors, (layer,), "x", "y"), path)
    return path


@pytest.mark.parametrize("command", ["check", "export"])
@pytest.mark.parametrize("board", ["qemu-m55", "stm32h7", "qemu-m4"])
def test_model_too_large(dqt, here: Path, command: str, board: str) -> None:
    path = large_model(here)
    assert_refused(dqt(command, path, "--board", board), 3, "bytes of flash", "more than the board has", board)
    assert [p.name for p in here.iterdir()] == ["large.safetensors"]


def test_check_on_the_host_has_no_meaning(dqt, model_file: Path) -> None:
    assert_refused(dqt("check", model_file, "--board", "host"), 2, "no flash and RAM limits")


def test_check_of_a_model_that_fits(dqt, model_file: Path) -> None:
    outcome = dqt("check", model_file, "--board", "stm32h7", "--json")
    assert outcome.code == 0
    found = json.loads(outcome.out)
    assert found["spare"]["flash"] > 0
    assert {"name", "macs", "flash", "ram", "candidates", "bound"} <= set(found["layers"][0])


# --- Writing --------------------------------------------------------------------------------------------------


def test_export_over_something_else(dqt, here: Path, model_file: Path) -> None:
    (here / "mine").mkdir()
    (here / "mine" / "thesis.txt").write_text("years of work")
    assert_refused(dqt("export", model_file, "--board", "host", "--out", "mine"), 2, "no earlier export", "mine")
    assert (here / "mine" / "thesis.txt").read_text() == "years of work"


def test_export_into_a_file(dqt, here: Path, model_file: Path) -> None:
    (here / "mine").write_text("x")
    assert dqt("export", model_file, "--board", "host", "--out", "mine").code == 2
    assert_refused(dqt("export", model_file, "--board", "host", "--out", "mine/p"), 8, "cannot write the project")


def test_full_disk_at_export(dqt, here: Path, model_file: Path, monkeypatch) -> None:
    dqt("export", model_file, "--board", "host", "--out", "p")
    before = sorted(p.name for p in here.rglob("*"))
    written = 0

    def full(_: int) -> None:
        nonlocal written
        written += 1
        if written > 5:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert_refused(
        dqt("export", model_file, "--board", "qemu-m4", "--out", "p"),
        8,
        "No space left on device",
        "nothing was left",
    )
    assert sorted(p.name for p in here.rglob("*")) == before


# --- Projects and tools ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [("build",), ("flash",), ("profile", "--data", "digits")])
def test_no_project(dqt, here: Path, command: tuple[str, ...]) -> None:
    assert_refused(dqt(*command), 2, "no project given", "dqt-edge export")


def test_project_that_is_gone(dqt, here: Path, host_project) -> None:
    shutil.rmtree(host_project.folder)
    assert_refused(dqt("build"), 8, "no exported project", "manifest.json")


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"format": 99, "board": "host"}', '{"format": 1, "board": 7}'])
def test_damaged_manifest(dqt, here: Path, host_project, text: str) -> None:
    (host_project.folder / "manifest.json").write_text(text)
    outcome = dqt("build")
    assert outcome.code in (2, 8)
    assert "error: " in outcome.err


def test_compiler_absent(dqt, here: Path, model_file: Path, monkeypatch) -> None:
    dqt("export", model_file, "--board", "qemu-m4")
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert_refused(dqt("build"), 9, "arm-none-eabi-gcc is not installed", "apt-get install gcc-arm-none-eabi")


@pytest.mark.cross
def test_compiler_that_fails(dqt, here: Path, model_file: Path) -> None:
    dqt("export", model_file, "--board", "qemu-m4", "--out", "p")
    (here / "p" / "model" / "dqt_model.c").write_text("int x = ;\n")
    assert_refused(dqt("build", "p"), 9, "cmake failed", "run the command by hand")


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


# --- Data and policies ----------------------------------------------------------------------------------------


def test_missing_data(dqt, here: Path, host_project) -> None:
    assert_refused(dqt("profile", "--data", "none.npz"), 8, "none.npz")


def test_unknown_data_set(dqt, here: Path, host_project) -> None:
    assert_refused(dqt("profile", "--data", "digit"), 2, "did you mean 'digits'")


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": np.zeros((20, 8, 8), np.float32)}, "y"),
        ({"x": np.zeros((20, 9, 9, 1), np.float32), "y": np.arange(20) % 10}, "(8, 8, 1)"),
        ({"x": np.full((20, 8, 8), np.nan, np.float32), "y": np.arange(20) % 10}, "x"),
        ({"x": np.zeros((20, 8, 8), np.float32), "y": np.arange(7)}, "y"),
        ({"x": np.zeros((20,), np.float32), "y": np.arange(20) % 10}, "x"),
    ],
    ids=["no-labels", "wrong-shape", "nan", "lengths", "no-images"],
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


# --- Ports and devices ----------------------------------------------------------------------------------------


@pytest.fixture
def board_project(graph: Graph, here: Path) -> project.Project:
    """A project for real silicon, with an image that is never started."""
    made, _, _ = project.export(graph, load_board("stm32h7"), here / "p")
    made.elf.parent.mkdir()
    made.elf.write_bytes(b"\x7fELF")
    project.remember(made)
    return made


def test_port_missing(dqt, here: Path, board_project) -> None:
    assert_refused(dqt("profile", "--data", "digits", "--port", "/dev/ttyNONE7"), 6, "/dev/ttyNONE7")


def test_no_board_connected(dqt, here: Path, board_project, monkeypatch) -> None:
    monkeypatch.setattr(list_ports, "comports", lambda: [])
    assert_refused(dqt("profile", "--data", "digits"), 6, "stm32h7")


@pytest.fixture
def line() -> tuple[int, str]:
    """A pseudo-terminal: our end, and the path of the other."""
    ours, theirs = pty.openpty()
    yield ours, os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


def test_port_busy(dqt, here: Path, board_project, line) -> None:
    with serial.Serial(line[1], exclusive=True):
        assert_refused(dqt("profile", "--data", "digits", "--port", line[1]), 6, line[1])


def test_port_silent(dqt, here: Path, board_project, line, monkeypatch) -> None:
    quick = client.Timeouts(hello=0.05)
    monkeypatch.setattr(client, "Timeouts", lambda: quick)
    assert_refused(dqt("profile", "--data", "digits", "--port", line[1]), 6, "hello", "0.05 s")


def test_device_answers_garbage(dqt, here: Path, board_project, line) -> None:
    stop = threading.Event()

    def babble() -> None:
        rng = np.random.default_rng(3)
        while not stop.is_set():
            os.write(line[0], rng.integers(0, 256, 64).astype(np.uint8).tobytes())
            stop.wait(0.01)

    thread = threading.Thread(target=babble, daemon=True)
    thread.start()
    try:
        assert_refused(dqt("profile", "--data", "digits", "--port", line[1]), 6)
    finally:
        stop.set()
        thread.join()


def test_device_runs_another_model(dqt, here: Path, host_project) -> None:
    """The image of one model in the project of another."""
    other, _, _ = project.export(other_graph(), load_board("host"), here / "other")
    other.elf.parent.mkdir()
    shutil.copy(host_project.elf, other.elf)
    assert_refused(dqt("profile", other.folder, "--data", "digits"), 6, "with model", "dqt-edge flash")


def test_model_file_was_swapped(dqt, here: Path, host_project) -> None:
    checkpoint.save(other_graph(), host_project.folder / "model.safetensors")
    assert_refused(dqt("profile", "--data", "digits"), 8, "not the one that was exported")


def test_image_that_is_no_program(dqt, here: Path, host_project) -> None:
    host_project.elf.write_bytes(b"garbage")
    outcome = dqt("profile", "--data", "digits")
    assert outcome.code in (6, 8)
    assert "error: " in outcome.err


def test_device_that_computes_something_else(dqt, here: Path, host_project, monkeypatch) -> None:
    """A bit that differs from the interpreter's ends with exit code 5."""
    original = nested.requantize
    monkeypatch.setattr(nested, "requantize", lambda *a, **k: original(*a, **k) ^ np.uint8(1))
    assert_refused(dqt("profile", "--data", "digits", "--n", "3"), 5, "3 of 3 answers differ", "differs first")


# --- The good path --------------------------------------------------------------------------------------------


def test_profile_writes_its_report(dqt, here: Path, host_project) -> None:
    outcome = dqt("profile", "--data", "digits", "--n", "5", "--report", "r")
    assert outcome.code == 0, outcome.err
    found = json.loads((here / "r" / "report.json").read_text())
    assert (found["samples"], found["mismatches"], found["policy"]) == (5, 0, "dynamic")
    assert sum(found["width_vectors"].values()) == 5
    assert 'failures="0"' in (here / "r" / "junit.xml").read_text()
    assert "<svg" in (here / "r" / "report.html").read_text()


def test_report_folder_that_cannot_be_made(dqt, here: Path, host_project) -> None:
    (here / "r").write_text("a file")
    assert_refused(dqt("profile", "--data", "digits", "--n", "1", "--report", "r"), 8, "report folder")


def test_boards_and_doctor(dqt) -> None:
    assert "stm32h7" in dqt("boards").out
    assert {b["id"] for b in json.loads(dqt("boards", "--json").out)} >= {"host", "qemu-m55"}
    outcome = dqt("doctor", "--json")
    assert {"cmake", "qemu-system-arm"} <= {f["name"] for f in json.loads(outcome.out)}
