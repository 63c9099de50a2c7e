"""Promise: what can have no heads, or cannot be learned from, is said before any work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dqt_edge as dqt
from dqt_edge import errors
from dqt_edge.cli import main
from dqt_edge.data.load import load_data
from dqt_edge.graph import Graph, State, checkpoint
from tests.support.digits import DIGITS


@pytest.fixture
def no_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dqt_edge.api.heads.start_tensorflow", lambda: pytest.fail("TensorFlow was started"))


def unfit(graph: Graph) -> dict[str, Graph]:
    """Networks that can have no heads, by the reason."""
    stem = graph.tensor(graph.layers[0].output)
    kept = (*graph.tensors, replace(stem, name="kept"))
    return {
        "it keeps states": replace(graph, tensors=kept, states=(State("kept", stem.name),)),
        "its task is regression": replace(graph, task="regression", classes=()),
        "it has 2 outputs": replace(graph, more_outputs=("pool_out",), classes=()),
    }


@pytest.mark.usefixtures("no_tensorflow")
@pytest.mark.parametrize("reason", ["its task is regression", "it has 2 outputs", "it keeps states"])
def test_networks_that_can_have_no_heads(reason: str, graph: Graph) -> None:
    with pytest.raises(errors.UnsupportedError, match=reason):
        dqt.train_heads(unfit(graph)[reason], "digits")


@pytest.mark.usefixtures("no_tensorflow")
def test_parameters_and_files_are_checked_first(here: Path, graph: Graph) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"epochs": 1}, "parameter `epochs`"),
        ({"head_grid": "x"}, "parameter `head_grid`"),
        ({"widths": "8by8"}, "parameter `widths`"),
        ({"out": "x.bin"}, "parameter `out`"),
    ]
    for given, where in wrong:
        with pytest.raises(errors.UsageError) as caught:
            dqt.train_heads(graph, "digits", **given)
        assert caught.value.where == where
    Path("small.keras").write_bytes(b"")
    with pytest.raises(errors.UsageError, match="no scales") as caught:
        dqt.train_heads("small.keras", "digits")
    assert "dqt-edge import" in caught.value.next_step
    with pytest.raises(errors.BadFileError):
        dqt.train_heads("none.safetensors", "digits")


@pytest.mark.train
def test_data_is_checked_before_the_network_runs(graph: Graph, tensorflow: Any) -> None:
    data = load_data("digits")
    x, y = data.x_train[:100], data.y_train[:100]
    cases: list[tuple[Any, dict[str, Any], type[errors.DqtError], str]] = [
        ((x,), {}, errors.UsageError, "no labels to learn from"),
        ((x, np.where(np.arange(100) % 9, y, 10)), {}, errors.UsageError, "label 10 occurs"),
        ((x, y.astype(float)), {}, errors.UsageError, "takes class numbers"),
        ((x[:, :6], y), {}, errors.BadFileError, "the model expects"),
        ((x, y), {"points": "nothing"}, errors.UnknownNameError, "no layer 'nothing'"),
    ]
    for arrays, options, kind, reason in cases:
        with pytest.raises(kind, match=reason):
            dqt.train_heads(graph, arrays, **options)


def exit_code(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["train", *arguments])
    return int(caught.value.code or 0)


@pytest.mark.usefixtures("no_tensorflow")
def test_options_of_the_other_kind_of_training_are_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cases = {
        ("--heads-only", "--init", str(DIGITS), "--budget", "0.4"): "option --budget",
        ("--heads-only", "--init", str(DIGITS), "--resume"): "option --resume",
        ("--samples", "9"): "add --heads-only",
        ("--labels", "none"): "option --labels",
        ("--heads-only",): "option --init",
    }
    for arguments, text in cases.items():
        assert exit_code(*arguments, "--out", "x.safetensors") == 2
        assert text in capsys.readouterr().err
    assert list(here.iterdir()) == []


@pytest.mark.train
def test_the_command_writes_a_checkpoint_and_says_where_the_points_lie(
    here: Path, capsys: pytest.CaptureFixture[str], tensorflow: Any
) -> None:
    given = ("--epochs", "2", "--samples", "80", "--widths", "8x8", "--head-hidden", "8", "--head-grid", "2x2")
    Path("heads.toml").write_text('heads_only = true\npoints = "stem,conv2"\n')
    assert exit_code("--recipe", "heads.toml", "--init", str(DIGITS), *given, "--out", "early.safetensors") == 0
    shown = capsys.readouterr().out
    assert "point1 behind stem, 2.92 % of the MACs: named; head 2x2x16 -> 8 -> 10" in shown
    assert "point2 epoch 2/2" in shown
    assert "wrote early.safetensors" in shown
    graph = checkpoint.load(here / "early.safetensors")
    assert [point.after for point in graph.points] == ["stem", "conv2"]
    assert graph.provenance["heads"]["options"]["epochs"] == 2
    assert np.isclose(graph.provenance["heads"]["macs_share"], 2 * (64 + 10) * 8 / graph.total_macs)
