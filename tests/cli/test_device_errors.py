"""Ports and devices that fail, damaged images, and the good path beside them: exit codes, words, no traceback."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import serial
from serial.tools import list_ports

from dqt_edge.boards import load_board
from dqt_edge.device import client
from dqt_edge.graph import Graph, MaxPool2D, Tensor, Window, checkpoint, nested
from dqt_edge.project.build import build
from dqt_edge.project.export import export
from dqt_edge.project.manifest import Project, remember
from tests.cli.outcome import assert_refused
from tests.support.digits import dial_graph, other_graph
from tests.support.html import Page
from tests.support.json_keys import told

# --- Ports and devices ----------------------------------------------------------------------------------------------


@pytest.fixture
def board_project(graph: Graph, here: Path) -> Project:
    """A project for real silicon, with an image that is never started."""
    made, _, _ = export(graph, load_board("stm32h7"), here / "p")
    made.elf.parent.mkdir()
    made.elf.write_bytes(b"\x7fELF")
    remember(made)
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
    quick = client.Timeouts(hello=0.05, silence=0.3)
    monkeypatch.setattr(client, "Timeouts", lambda: quick)
    assert_refused(dqt("profile", "--data", "digits", "--port", line[1]), 6, "no answer to HELLO: nothing came")


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
    other, _, _ = export(other_graph(), load_board("host"), here / "other")
    other.elf.parent.mkdir()
    shutil.copy(host_project.elf, other.elf)
    assert_refused(dqt("profile", other.folder, "--data", "digits"), 6, "with model", "dqt-edge flash")


def test_model_file_was_swapped(dqt, here: Path, host_project) -> None:
    checkpoint.save(other_graph(), host_project.model().checkpoint)
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


# --- The good path --------------------------------------------------------------------------------------------------


def test_profile_writes_its_report(dqt, here: Path, host_project) -> None:
    outcome = dqt("profile", "--data", "digits", "--n", "5", "--report", "r")
    assert outcome.code == 0, outcome.err
    found = json.loads((here / "r" / "report.json").read_text())
    assert (found["samples"], found["mismatches"], found["policy"]) == (5, 0, "dynamic")
    assert sum(found["width_vectors"].values()) == 5
    assert 'failures="0"' in (here / "r" / "junit.xml").read_text()
    Page((here / "r" / "report.html").read_text()).check()


@pytest.mark.parametrize("policy", ["dynamic:0.4", "dial"])
def test_profile_without_a_dial(dqt, here: Path, host_project, policy: str) -> None:
    outcome = dqt("profile", "--data", "digits", "--n", "1", "--policy", policy)
    assert_refused(outcome, 2, "the model was trained without a dial", f"--policy {policy}")


@pytest.fixture(params=["host", pytest.param("qemu-m4", marks=pytest.mark.qemu)])
def dial_project(here: Path, request: pytest.FixtureRequest) -> Project:
    """A built project of a model with a dial."""
    made, _, _ = export(dial_graph(), load_board(request.param), here / "d")
    build(made.folder, cross=request.param != "host")
    remember(made)
    return made


def test_profile_over_a_dial(dqt, here: Path, dial_project) -> None:
    """One image: every point of its dial, a target between two, and one outside."""
    outcome = dqt("profile", "--data", "digits", "--n", "4", "--report", "r", "--policy", "dial")
    assert outcome.code == 0, outcome.err
    found = json.loads((here / "r" / "report.json").read_text())
    assert (found["policy"], found["samples"], found["mismatches"]) == ("dial", 4, 0)
    assert len(found["policies"]) == 5
    assert all(point["policy"] in outcome.out for point in found["policies"])
    assert found["policies"][0]["bitops_ratio"] < found["policies"][-1]["bitops_ratio"]
    outcome = dqt("profile", "--data", "digits", "--n", "4", "--report", "r", "--policy", "dynamic:0.400")
    assert outcome.code == 0, outcome.err
    found = json.loads((here / "r" / "report.json").read_text())
    assert (found["policy"], found["mismatches"], sum(found["width_vectors"].values())) == ("dynamic:0.4", 0, 4)
    assert 0 <= found["accuracy"] <= 1
    outcome = dqt("profile", "--data", "digits", "--policy", "dynamic:0.02")
    assert_refused(outcome, 2, "the target 0.02 is outside the model's dial", "choose from 0.")


def test_report_folder_that_cannot_be_made(dqt, here: Path, host_project) -> None:
    (here / "r").write_text("a file")
    assert_refused(dqt("profile", "--data", "digits", "--n", "1", "--report", "r"), 8, "report folder")


def test_boards_and_doctor(dqt, here: Path) -> None:
    assert "stm32h7" in dqt("boards").out
    assert {b["id"] for b in json.loads(dqt("boards", "--json").out)["boards"]} >= {"host", "qemu-m55"}
    outcome = dqt("doctor", "--json", "--bundle", "issue.json")
    assert {"cmake", "qemu-system-arm"} <= {f["name"] for f in json.loads(outcome.out)["findings"]}
    bundle = json.loads((here / "issue.json").read_text(encoding="utf-8"))
    assert [f["name"] for f in bundle["findings"]] == [f["name"] for f in json.loads(outcome.out)["findings"]]
    assert "stm32h7" in bundle["boards"]
    assert_refused(dqt("doctor", "--log", "x"), 2, "a log goes into a bundle")


@pytest.mark.cross
def test_truncated_image(dqt, here: Path, model_file: Path) -> None:
    dqt("export", model_file, "--board", "stm32h7", "--out", "p")
    dqt("build", "p")
    image = here / "p" / "build" / "model.elf"
    planned = told("flash", dqt("flash", "p", "--dry-run", "--json").out, whole=["flash", "span"])
    assert (planned["done"], planned["erase"][0]["address"]) == (False, 0x08000000)
    whole = image.read_bytes()
    for size in (10, 400, 9000):
        image.write_bytes(whole[:size])
        assert_refused(dqt("flash", "p", "--dry-run"), 8, "damaged ELF file")
        assert_refused(dqt("profile", "p", "--data", "digits", "--port", "unicorn:"), 8, "damaged ELF file")


def test_sanitizers_on_a_board(dqt, here: Path, model_file: Path) -> None:
    dqt("export", model_file, "--board", "qemu-m4")
    assert_refused(dqt("build", "--sanitize"), 2, "need an operating system")


def test_output_longer_than_a_message(dqt, here: Path) -> None:
    tensors = (Tensor("x", (300, 300, 1), 1.0), Tensor("y", (300, 300, 1), 1.0))
    graph = Graph("wide", tensors, (MaxPool2D("pool", "x", "y", Window((1, 1))),), "x", "y")
    checkpoint.save(graph, here / "w.safetensors")
    for board in ("host", "qemu-m4"):
        assert_refused(dqt("export", "w.safetensors", "--board", board), 4, "longer than a message")


def test_model_too_large_for_the_host(dqt, here: Path) -> None:
    tensors = (Tensor("x", (32_000, 32_000, 2), 1.0), Tensor("y", (160, 160, 2), 1.0))
    graph = Graph("vast", tensors, (MaxPool2D("pool", "x", "y", Window((1, 1), (200, 200))),), "x", "y")
    checkpoint.save(graph, here / "v.safetensors")
    assert_refused(dqt("export", "v.safetensors", "--board", "host"), 3, "bytes of RAM")


@pytest.mark.parametrize("command", [["boards"], ["boards", "--json"]])
def test_full_standard_output(command: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        arguments = [sys.executable, "-m", "dqt_edge", *command]
        done = subprocess.run(arguments, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 8
    assert "cannot write the output" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_terminal_without_box_drawing() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    arguments = [sys.executable, "-m", "dqt_edge", "boards"]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "stm32h7" in done.stdout
