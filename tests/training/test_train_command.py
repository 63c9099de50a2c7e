"""Promise: the command trains, writes whole files, and says what is wrong before it starts to work."""

# ruff: noqa: PLC0415 - TensorFlow is imported where a test needs it, not where tests are collected

from __future__ import annotations

import csv
import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dqt_edge.cli import main
from dqt_edge.graph import checkpoint
from tests.support.json_keys import told
from tests.support.onnx_models import Maker

QUICK = ["train", "--data", "digits", "--model", "tiny-plain", "--epochs", "4"]


def exit_code(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    return int(caught.value.code or 0)


@pytest.mark.train
def test_training_writes_a_checkpoint_and_a_log(
    here: Path, capsys: pytest.CaptureFixture[str], tensorflow: Any
) -> None:
    quick = [*QUICK, "--tensorboard", "runs", "--out", "plain.safetensors"]
    assert exit_code(quick) == 0
    graph = checkpoint.load(here / "plain.safetensors")
    assert graph.controller is None
    assert set(graph.provenance["keras"]) == {"8x8", "4x4", "2x4"}
    assert graph.provenance["data"] == {"name": "digits", "train": 1221, "validation": 216, "test": 360}
    rows = list(csv.DictReader((here / "plain.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    assert rows[0]["phase"] == "float"
    assert rows[-1]["phase"] == "nested"
    assert scalars(here / "runs" / "plain") == [numbers(row) for row in rows]
    shown = capsys.readouterr().out
    assert [line for line in shown.splitlines() if line in ("reading data", "starting TensorFlow", "training")]
    for epoch in range(1, 5):
        assert f"\nepoch {epoch}/4 " in shown
    assert "\x1b" not in shown
    assert "wrote plain.safetensors" in shown
    first = (here / "plain.safetensors").read_bytes()
    # A finished run resumes at its end, and writes the same bytes again.
    capsys.readouterr()
    assert exit_code([*quick, "--resume", "--json"]) == 0
    found = told("train", capsys.readouterr().out, whole=["train"])
    assert found["results"].keys() == graph.provenance["keras"].keys()
    assert [row["epoch"] for row in found["log"]] == [1, 2, 3, 4]
    assert found["files"][:2] == ["plain.safetensors", "plain.csv"]
    assert (here / "plain.safetensors").read_bytes() == first
    assert scalars(here / "runs" / "plain") == [numbers(row) for row in rows], "no step stands there twice"


def scalars(folder: Path) -> list[dict[str, float]]:
    """What TensorFlow reads from the event files of a folder: the numbers of each step, from step 1 on."""
    import tensorflow as tf
    from tensorflow.core.util import event_pb2

    found: dict[int, dict[str, float]] = {}
    for path in folder.iterdir():
        for record in tf.data.TFRecordDataset(str(path)):
            event = event_pb2.Event.FromString(record.numpy())
            for value in event.summary.value:
                assert value.metadata.plugin_data.plugin_name == "scalars"
                assert value.tag not in found.setdefault(event.step, {}), "twice"
                found[event.step][value.tag] = float(tf.make_ndarray(value.tensor))
    assert list(found) == list(range(1, len(found) + 1))
    return [pytest.approx(row, rel=1e-5) for row in found.values()]


def numbers(row: dict[str, str]) -> dict[str, float]:
    """Of a row of the log."""
    return {
        name: float(text) for name, text in row.items() if name not in ("epoch", "phase", "metric", "best") and text
    }


@pytest.mark.train
def test_a_model_with_one_candidate_has_no_controller(here: Path, tensorflow: Any) -> None:
    arguments = ["train", "--model", "tiny", "--candidates", "8x8", "--epochs", "4", "--out", "fixed.safetensors"]
    assert exit_code(arguments) == 0
    graph = checkpoint.load(here / "fixed.safetensors")
    assert graph.controller is None
    assert graph.adaptive == ()
    assert list(graph.provenance["keras"]) == ["8x8"]


REFUSED: dict[str, tuple[list[str], int, str]] = {
    "unknown data": (["--data", "digit"], 2, "did you mean 'digits'?"),
    "missing data file": (["--data", "none.npz"], 8, "the data file does not exist"),
    "unknown model": (["--model", "tinyy"], 2, "did you mean 'tiny'?"),
    "missing model": (["--model", "none.keras"], 8, "the model file does not exist"),
    "missing weights": (["--init", "none.safetensors"], 8, "no training state beside this checkpoint"),
    "candidates": (["--candidates", "8x8,9x9"], 2, "is no width pair"),
    "budget": (["--budget", "2"], 2, "2.0 is outside 0..1"),
    "budget out of reach": (["--budget", "0.1"], 2, "out of reach: the least widths already cost 0.154"),
    "epochs": (["--epochs", "1"], 2, "option --epochs"),
    "suffix": (["--out", "model.bin"], 2, "does not end in .safetensors"),
    "folder": (["--out", "none/model.safetensors"], 8, "the folder of the output does not exist"),
    "not writable": (["--out", "/proc/model.safetensors"], 8, "cannot write"),
    "shift": (["--shift", "8"], 2, "out of sight"),
    "recipe": (["--recipe", "recipe.toml"], 2, "the recipe sets 'epoch', which is no option of train"),
    "point": (["--points", "conv9"], 2, "there is no layer 'conv9'"),
    "loss": (["--loss", "mse"], 2, "task classifier is not trained with mse"),
    "outputs": (["--data", "three.npz", "--model", "five.onnx"], 2, "the model has 5 outputs, and the data 3 classes"),
}
REFUSE = """
import contextlib, io, json, sys
from dqt_edge.cli import main
found = {}
for name, arguments in json.load(sys.stdin).items():
    err = io.StringIO()
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
            main(["train", "--out", "x.safetensors", *arguments])
    except SystemExit as done:
        found[name] = [done.code, err.getvalue(), [m for m in ("tensorflow", "keras") if m in sys.modules]]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str, list[str]]]:
    """Exit code, standard error and what was imported of TensorFlow, of every case; in a process without TensorFlow."""
    folder = tmp_path_factory.mktemp("refused")
    (folder / "recipe.toml").write_text("epoch = 5\n")
    rng = np.random.default_rng(4)
    np.savez(folder / "three.npz", x=rng.random((60, 8, 8, 1), np.float32), y=np.arange(60) % 3)
    maker = Maker()
    image = maker.input(1, 1, 8, 8)
    features = maker.add("Flatten", maker.add("Relu", maker.conv(image, 1, 4, pads=[1, 1, 1, 1])))
    maker.save(folder / "five.onnx", maker.add("MatMul", features, maker.random(256, 5)))
    before = sorted(folder.iterdir())
    done = subprocess.run(
        [sys.executable, "-c", REFUSE],
        input=json.dumps({name: case[0] for name, case in REFUSED.items()}),
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
    )
    assert sorted(folder.iterdir()) == before, "a refused run writes nothing"
    found: dict[str, tuple[int, str, list[str]]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", REFUSED)
def test_wrong_options_end_with_what_where_and_next_before_tensorflow_starts(
    name: str, refusals: dict[str, tuple[int, str, list[str]]]
) -> None:
    _, code, message = REFUSED[name]
    found, shown, loaded = refusals[name]
    assert (found, loaded) == (code, []), shown
    assert message in shown
    assert "where:" in shown
    assert "next:" in shown


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
