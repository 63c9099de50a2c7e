"""Bad checkpoints, boards and folders: exit code and words, no traceback, nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from dqt_edge.boards import load_board
from dqt_edge.graph import Dense, Graph, Requantize, Tensor, checkpoint
from dqt_edge.project.export import export
from tests.cli.outcome import assert_refused
from tests.support.digits import dial_graph

# --- Checkpoints ----------------------------------------------------------------------------------------------------


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


def test_checkpoint_without_end_or_content(dqt, here: Path) -> None:
    os.mkfifo(here / "pipe.safetensors")
    for path in ("/dev/zero", here / "pipe.safetensors", here):
        assert_refused(dqt("check", path, "--board", "qemu-m4"), 8, "it is no regular file")


# --- Boards and sizes -----------------------------------------------------------------------------------------------


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


# --- Writing --------------------------------------------------------------------------------------------------------


def test_export_over_something_else(dqt, here: Path, model_file: Path) -> None:
    (here / "mine").mkdir()
    (here / "mine" / "thesis.txt").write_text("years of work")
    assert_refused(dqt("export", model_file, "--board", "host", "--out", "mine"), 2, "'thesis.txt'", "mine")
    assert (here / "mine" / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("manifest", ['{"name": "a web app"}', '{"format": 1}', "["])
def test_export_over_another_programs_manifest(dqt, here: Path, model_file: Path, manifest: str) -> None:
    (here / "app" / "src").mkdir(parents=True)
    (here / "app" / "manifest.json").write_text(manifest)
    (here / "app" / "src" / "work.txt").write_text("x")
    assert_refused(dqt("export", model_file, "--board", "host", "--out", "app"), 2, "no part of an earlier export")
    assert (here / "app" / "src" / "work.txt").exists()


def test_export_over_an_export_with_a_file_of_the_users(dqt, here: Path, model_file: Path) -> None:
    assert dqt("export", model_file, "--board", "host", "--out", "p").code == 0
    assert dqt("export", model_file, "--board", "host", "--out", "p").code == 0
    (here / "p" / "notes.md").write_text("mine")
    assert_refused(dqt("export", model_file, "--board", "host", "--out", "p"), 2, "'notes.md'")
    assert (here / "p" / "notes.md").read_text() == "mine"


@pytest.mark.parametrize("out", [".", "..", ""])
def test_export_into_the_current_folder(dqt, here: Path, model_file: Path, out: str) -> None:
    assert_refused(dqt("export", model_file, "--board", "host", "--out", out), 2, "the current folder")


def test_export_through_a_link(dqt, here: Path, model_file: Path) -> None:
    (here / "real").mkdir()
    (here / "link").symlink_to("real")
    assert_refused(dqt("export", model_file, "--board", "host", "--out", "link"), 2, "a link or a file")


def test_a_copied_project_builds(dqt, here: Path, host_project) -> None:
    shutil.copytree(host_project.folder, here / "copy")
    assert dqt("build", "copy").code == 0


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


def test_check_says_what_lies_in_memory_when_it_is_fullest(dqt, model_file: Path) -> None:
    done = dqt("check", model_file, "--board", "qemu-m4", "--json")
    facts = json.loads(done.out)["predicted"]
    (peak,) = facts["peaks"]
    regions = peak["map"]
    assert max(r["offset"] + r["size"] for r in regions) <= peak["tensors"] + peak["scratch"] <= facts["arena"]
    assert [r["offset"] for r in regions] == sorted(r["offset"] for r in regions)
    assert peak["scratch"] == next((-(-r["size"] // 8) * 8 for r in regions if r["what"] == "scratch"), 0)
    assert peak["layer"] in dqt("check", model_file, "--board", "qemu-m4").out


def test_check_and_the_manifest_show_the_dial(dqt, here: Path) -> None:
    graph = dial_graph()
    checkpoint.save(graph, here / "dial.safetensors")
    targets = list(graph.dial_targets)
    assert targets == sorted(targets)
    assert len(targets) == 5
    done = dqt("check", here / "dial.safetensors", "--board", "qemu-m4", "--json")
    assert json.loads(done.out)["dial"] == targets
    text = dqt("check", here / "dial.safetensors", "--board", "qemu-m4").out
    assert f"dial: 5 points, {targets[0]:.3f} to {targets[-1]:.3f} of the 8x8 BitOPs" in text
    made, _, _ = export(graph, load_board("qemu-m4"), here / "p")
    assert made.model().facts["dial"] == targets
