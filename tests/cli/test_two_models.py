"""One project with two models: exported together, served by turns over one link, in one arena."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dqt_edge.graph import Graph, checkpoint
from tests.support.random_graphs import random_graph

from .outcome import assert_refused


@pytest.fixture
def second(here: Path) -> Graph:
    graph = random_graph(4)
    checkpoint.save(graph, here / "second.safetensors")
    shape = graph.tensor(graph.input).shape
    x = np.random.default_rng(1).random((6, *shape)).astype(np.float32)
    np.savez(here / "second.npz", x_test=x, y_test=np.arange(6) % 2)
    return graph


@pytest.mark.parametrize("board", ["host", pytest.param("qemu-m4", marks=pytest.mark.qemu)])
def test_both_models_are_profiled(dqt, here: Path, model_file: Path, second: Graph, board: str) -> None:
    done = dqt("export", model_file, "second.safetensors", "--board", board, "--out", "both")
    assert done.code == 0, done.err
    assert f"exported tiny, {second.name} for" in done.out
    assert dqt("build").code == 0
    for name, data in (("tiny", "digits"), (second.name, "second.npz"), (None, "digits")):
        chosen = [] if name is None else ["--model", name]
        done = dqt("profile", "--data", data, "--n", "4", "--report", "report", *chosen)
        assert done.code == 0, done.err
        session = json.loads((here / "report" / "report.json").read_text())
        assert (session["model"], session["mismatches"], session["samples"]) == (name or "tiny", 0, 4)


def test_a_model_that_the_project_lacks(dqt, here: Path, model_file: Path, second: Graph) -> None:
    dqt("export", model_file, "second.safetensors", "--board", "host", "--out", "both")
    done = dqt("profile", "--data", "digits", "--model", "third")
    assert_refused(done, 2, "the project has no model 'third'", "option --model", f"choose from tiny, {second.name}")


def test_two_models_of_one_name(dqt, here: Path, model_file: Path) -> None:
    done = dqt("export", model_file, model_file, "--board", "host", "--out", "both")
    assert_refused(done, 2, "the models 'tiny' and 'tiny' have one name in C")
    assert not (here / "both").exists()


def test_a_changed_file_and_force(dqt, here: Path, model_file: Path) -> None:
    assert dqt("export", model_file, "--board", "host", "--out", "p").code == 0
    main = here / "p" / "app" / "main.c"
    main.write_text(main.read_text() + "/* mine */\n")
    done = dqt("export", model_file, "--board", "host", "--out", "p")
    assert_refused(done, 2, "'app/main.c' was changed since the export", "--out", "--force")
    assert "mine" in main.read_text()
    assert dqt("export", model_file, "--board", "host", "--out", "p", "--force").code == 0
    assert "mine" not in main.read_text()
