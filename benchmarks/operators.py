"""Every operator in every format: does it agree with its reference, is it exact on every core, does it train?

Run by ``make operators``; about an hour on two cores. Each case of ``tests/support/operator_cases.py`` is a small Keras
model, saved as ``.keras`` and ``.h5``, converted to int8 ``.tflite``, and exported to ``.onnx``. Writes
``docs/results/operators.json``, from which the table of docs/operators.md is made:

- ``agrees``: largest difference of a layer from its reference in codes, given equal inputs (TFLite's reference kernels,
  or the same layer in real numbers), where the floating-point reading is within 1e-4 of Keras' own answers;
- ``exact``: cores on which every layer has the interpreter's codes, on two samples;
- ``trains``: whether a training can start from the file; ``tests/training/test_operators.py`` takes a step with each
  case and compares its integers.

Goes on where an earlier run ended. Exit code 1 if a layer is beyond one code or a core differs.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.progress import track

from dqt_edge.errors import BadFileError, DqtError
from dqt_edge.graph import Graph, nested
from dqt_edge.importers import floating
from dqt_edge.importers.assemble import assemble
from dqt_edge.importers.calibrate import calibrate
from dqt_edge.importers.comparison import compare
from dqt_edge.importers.files import read_model
from dqt_edge.importers.network import Network
from dqt_edge.system.files import write_atomically
from dqt_edge.system.tensorflow import start_tensorflow
from tests.support.imported import BOARDS, EXACT, TOO_LARGE, Runs, beside_reals, on_board
from tests.support.operator_cases import CASES, OperatorCase, case_id
from tests.support.random_keras import to_tflite

RESULTS = Path("docs/results/operators.json")
FORMATS = ("tflite", "keras", "h5", "onnx")
CALIBRATION = 16
COMPARED = 8
ON_DEVICE = 2
GROUP = 6
"""Cases whose models share an image."""
CLOSE = 1e-4
STEPS = 1e-3
"""Of a bilinear resize, whose weights are multiples of 1/1024."""
Codes = npt.NDArray[np.uint8]
Row = dict[str, Any]


def main() -> None:
    """Run what is not done yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--cases", nargs="+", metavar="NAME", help="some cases by their names, done or not")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    start_tensorflow()
    found: dict[str, Row] = json.loads(options.results.read_text("utf-8")) if options.results.exists() else {}
    cases = [case for case in CASES if case.name in options.cases] if options.cases else _left(found)
    for group in track(list(_groups(cases)), "operators"):
        found |= run(group)
        ordered = {case.name: found[case.name] for case in CASES if case.name in found}
        write_atomically(options.results, (json.dumps(ordered, indent=1) + "\n").encode())
    bad = [f"{name} / {kind}: {cell}" for name, row in found.items() for kind, cell in row.items() if not good(cell)]
    print(f"{len(found)} operators in {len(FORMATS)} formats; {len(bad)} with a difference")
    print("\n".join(bad))
    sys.exit(int(bool(bad)))


def _left(found: dict[str, Row]) -> list[OperatorCase]:
    return [case for case in CASES if case.name not in found]


def _groups(cases: Sequence[OperatorCase]) -> Iterator[Sequence[OperatorCase]]:
    for first in range(0, len(cases), GROUP):
        yield cases[first : first + GROUP]


def good(cell: Row) -> bool:
    """Whether what came in agrees with its reference and is exact wherever it ran."""
    if "agrees" not in cell:
        return True
    return cell["agrees"] is not None and cell["agrees"] <= 1 and not cell["differs"]


def run(cases: Sequence[OperatorCase]) -> dict[str, Row]:
    """Rows of a few operators; their models run in one image a board."""
    rows: dict[str, Row] = {}
    graphs: Runs = {}
    cells: dict[str, Row] = {}
    for case in cases:
        rows[case.name] = {}
        for kind in FORMATS:
            cell, made = read(case, kind)
            rows[case.name][kind] = cell
            if made is not None:
                graph = dataclasses.replace(made[0], name=f"{kind}_{case_id(case)[:40]}")
                graphs[graph.name], cells[graph.name] = (graph, made[1]), cell
    for key, (cores, differs) in on_boards(graphs).items():
        cells[key] |= {"exact": cores, "differs": differs}
    return rows


def read(case: OperatorCase, kind: str) -> tuple[Row, tuple[Graph, Codes] | None]:
    """A case in a format: its cell, and its graph with input codes."""
    import keras  # noqa: PLC0415 - TensorFlow is large

    model = case.model(keras)
    typical = np.random.default_rng(3).normal(0, 1, (CALIBRATION, *case.shape)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model.{kind}"
        try:
            write(model, typical, path)
        except Exception as error:  # Keras and its converters raise whatever they meet
            return {"unwritten": f"{type(error).__name__}: {str(error).splitlines()[0][:120]}"}, None
        try:
            network = read_model(path)
        except DqtError as error:
            return {"refused": " ".join(error.what.split())[:300]}, None
        cell: Row = {}
        close = True
        if not network.integer:
            close = _error(network, model, typical[:COMPARED]) <= (STEPS if "Resizing" in case.name else CLOSE)
            cell["trains"] = trains(path)
            network = calibrate(network, typical.reshape(CALIBRATION, *network.edges[network.input].shape))
        graph = assemble(network)
        source = graph.tensor(graph.input)
        codes = nested.quantize(typical.reshape(-1, *source.shape), source.scale, source.zero_point)
        if kind == "tflite":
            try:
                cell["agrees"] = compare(graph, path, codes[:COMPARED]).largest_off
            except BadFileError as error:  # the file is one that TFLite itself cannot run
                return {"unwritten": error.what[:160]}, None
        else:
            beside = beside_reals(network, graph, codes[:COMPARED])
            cell["agrees"] = max(beside.values(), default=0) if close else None
    return cell, (graph, codes[:ON_DEVICE])


def write(model: Any, typical: npt.NDArray[np.float32], path: Path) -> None:  # noqa: ANN401 - a Keras model
    """Save a Keras model in the format of the suffix."""
    if path.suffix == ".tflite":
        path.write_bytes(to_tflite(model, typical))
    elif path.suffix == ".onnx":
        model(typical[:1], training=False)
        model.export(path, format="onnx", verbose=False)
    else:
        model.save(path)


def _error(network: Network, model: Any, inputs: npt.NDArray[np.float32]) -> float:  # noqa: ANN401 - a Keras model
    """Largest error of the floating-point reading, relative to the largest output."""
    given = inputs.reshape(len(inputs), *network.edges[network.input].shape)
    (ours,) = floating.outputs_of(network.with_end(), given)
    wanted = np.asarray(model(inputs, training=False)).reshape(len(inputs), -1)
    return float(np.abs(ours.reshape(wanted.shape) - wanted).max() / max(np.abs(wanted).max(), 1e-6))


def trains(path: Path) -> bool | str:
    """Whether a training can start from the file; else why not."""
    from dqt_edge.training.from_model import read_trainable  # noqa: PLC0415 - loads TensorFlow

    try:
        read_trainable(path)
    except DqtError as error:
        return " ".join(error.what.split())[:200]
    return True


def on_boards(graphs: Runs) -> dict[str, tuple[list[str], dict[str, str]]]:
    """Boards on which each graph has the interpreter's codes, and what differs on others that have room."""
    found: dict[str, tuple[list[str], dict[str, str]]] = {key: ([], {}) for key in graphs}
    for board_id in BOARDS if graphs else ():
        with tempfile.TemporaryDirectory() as folder:
            for key, told in on_board(graphs, board_id, Path(folder)).items():
                if told == EXACT:
                    found[key][0].append(board_id)
                elif told != TOO_LARGE:
                    found[key][1][board_id] = told
    return found


if __name__ == "__main__":
    main()
