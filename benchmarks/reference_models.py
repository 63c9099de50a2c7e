"""The four reference models of MLPerf Tiny: imported, beside TFLite, on the host and on emulated cores.

Run by ``make reference-models DATA=folder``. The folder holds ``cifar10_test.npz`` and ``kws_test.npz``, with x_test
and y_test in the model's own units; its folder ``models``, or MODELS, the int8 .tflite files of mlcommons/tiny.
ResNet-8 and DS-CNN run their whole test sets on the host, and must keep their accuracy; the others, and all where data
is missing, run on random inputs and on inputs made to look like real ones. Writes ``build/reference/report.json``; exit
code 5 if an accuracy is missed, an answer differs from the interpreter's, or a layer is more than a code from TFLite's.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from dqt_edge.boards import load_board
from dqt_edge.data.load import codes, load_data
from dqt_edge.device.connect import open_client
from dqt_edge.errors import DqtError, UsageError
from dqt_edge.graph import Graph, Layer, MacLayer, Pair, checkpoint
from dqt_edge.graph.policy import Policy
from dqt_edge.importers.assemble import assemble
from dqt_edge.importers.comparison import compare
from dqt_edge.importers.files import read_model
from dqt_edge.measure.session import Session, run_session
from dqt_edge.precision.candidates import offer
from dqt_edge.project.build import build
from dqt_edge.project.export import export
from dqt_edge.system.files import write_atomically
from dqt_edge.tasks import with_task
from dqt_edge.tasks.score import main_text
from tests.support.topologies import CANDIDATES, FIXED

FOLDER = Path("build/reference")
BOARDS = ("qemu-m4", "qemu-m7", "qemu-m55")
UNLABELLED = 2000
"""Samples on the host of a model without data."""

WIDE: tuple[Pair, ...] = tuple((w, 8) for w, _ in CANDIDATES)
"""What is offered to a layer that must read all 8 bits of its input."""

Codes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Model:
    """A reference model: its file, its test set, and the accuracy that it must keep."""

    title: str
    file: str
    data: str | None = None
    accuracy: float | None = None


MODELS = {
    "resnet8": Model("ResNet-8", "pretrainedResnet_quant.tflite", "cifar10_test.npz", 0.869),
    "dscnn": Model("DS-CNN", "kws_ref_model.tflite", "kws_test.npz", 0.915),
    "vww": Model("MobileNetV1 0.25", "vww_96_int8.tflite"),
    "ad": Model("autoencoder", "ad01_int8.tflite"),
}


def main() -> None:
    """Run what was asked for, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, required=True, help="folder of the .tflite files")
    parser.add_argument("--data", type=Path, help="folder of the .npz files")
    parser.add_argument("--networks", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--boards", nargs="+", default=BOARDS)
    parser.add_argument("--samples", type=int, default=200, help="samples of a set on an emulated core")
    parser.add_argument("--compared", type=int, default=500, help="samples of a set beside TFLite")
    options = parser.parse_args()
    console = Console()
    found = {}
    try:
        for name in options.networks:
            with Progress(console=console, transient=True) as bar:
                found[name] = run(MODELS[name], options, bar)
            write_atomically(FOLDER / f"{name}.json", (json.dumps(found[name], indent=1) + "\n").encode())
    except DqtError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    write_atomically(FOLDER / "report.json", (json.dumps(found, indent=1) + "\n").encode())
    show(found, options.boards, console)
    wrong = [line for name, facts in found.items() for line in problems(name, facts)]
    console.print("\n".join(wrong) or "every accuracy is kept, and no answer differs from the interpreter's")
    sys.exit(5 if wrong else 0)


def run(model: Model, options: argparse.Namespace, bar: Progress) -> dict[str, Any]:
    """Facts of one model."""
    path = options.models / model.file
    if not path.is_file():
        raise UsageError(
            "the model does not exist", where=str(path), next_step="take the int8 .tflite files of mlcommons/tiny"
        )
    graph = with_task(assemble(read_model(path)), None)
    checkpoint.save(graph, _made(FOLDER / f"{path.stem}.safetensors"))
    sets = inputs(model, graph, options.data)
    facts: dict[str, Any] = {"title": model.title, "wanted": model.accuracy, "compared": {}, "boards": {}}
    for kind, (samples, labels) in sets.items():
        count = min(len(samples), options.compared)
        tick = _ticker(bar, f"{model.title} beside TFLite, {kind}", count)
        beside = compare(graph, path, samples[:count], None if labels is None else labels[:count], progress=tick)
        facts["compared"][kind] = {
            "samples": beside.samples,
            "largest_alone": beside.largest_alone,
            "first_difference": beside.first_difference,
            "other_answers": beside.answer_differences,
            "agreement": beside.agreement,
            "figures": [f"{title}: {text}" for title, text in beside.goodness],
            "accuracy": beside.accuracy,
            "tflite_accuracy": beside.reference_accuracy,
        }
    for board_id in ("host", *options.boards):
        facts["boards"][board_id] = {
            kind: on_board(graph, board_id, samples, labels, options.samples, bar)
            for kind, (samples, labels) in sets.items()
        }
    return facts


def reference_graph(folder: Path, name: str) -> Graph:
    """A reference model with the candidates of ``make bench``: stem and classifier at 8x8, except in the autoencoder.

    A layer whose input has a zero point keeps activations of 8 bits, at the same widths of weights.

    Raises:
        UsageError: The folder has no such file.
    """
    path = folder / MODELS[name].file
    if not path.is_file():
        raise UsageError(
            "the model does not exist", where=str(path), next_step="take the int8 .tflite files of mlcommons/tiny"
        )
    graph = assemble(read_model(path))
    narrow, wide = offer(graph, CANDIDATES), {layer.name: layer for layer in offer(graph, WIDE).layers}
    weighted = [layer.name for layer in graph.layers if isinstance(layer, MacLayer)]
    ends = {weighted[0], weighted[-1]} if name != "ad" else set()
    layers = list[Layer]()
    for layer in narrow.layers:
        if isinstance(layer, MacLayer) and layer.name in ends:
            layers.append(replace(layer, candidates=FIXED))
        elif isinstance(layer, MacLayer) and layer.candidates == FIXED:
            layers.append(wide[layer.name])
        else:
            layers.append(layer)
    return replace(narrow, layers=tuple(layers))


def by_candidate(graph: Graph) -> dict[str, Policy]:
    """By the names of ``make bench``, every layer at its first candidate, at its second, and at its third."""
    vectors = [[x.candidates[min(k, len(x.candidates) - 1)] for x in graph.adaptive] for k in range(len(CANDIDATES))]
    return {f"{w}x{a}": vector for (w, a), vector in zip(CANDIDATES, vectors, strict=True)}


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _ticker(bar: Progress, title: str, total: int) -> Callable[[int], None]:
    task = bar.add_task(title, total=total)
    return lambda done: bar.advance(task, done)


def inputs(model: Model, graph: Graph, folder: Path | None) -> dict[str, tuple[Codes, npt.NDArray[np.int64] | None]]:
    """Sets of input codes and labels by kind: ``test``, or ``random`` and ``like real ones``."""
    if folder is not None and model.data is not None and (folder / model.data).is_file():
        data = load_data(str(folder / model.data))
        return {"test": (codes(data.x_test, graph), data.y_test)}
    rng = np.random.default_rng(1)
    shape = graph.tensor(graph.input).shape
    random = rng.integers(0, 256, (UNLABELLED, *shape)).astype(np.uint8)
    return {"random": (random, None), "like real ones": (smooth(rng, shape, UNLABELLED), None)}


def smooth(rng: np.random.Generator, shape: tuple[int, int, int], count: int) -> Codes:
    """Inputs whose neighbours resemble each other, as in images and spectra: sums of noise at several scales."""
    height, width, channels = shape
    flat = height * width == 1
    size = (1, channels) if flat else (height, width)
    total = np.zeros((count, *size, 1 if flat else channels))
    for step in (1, 4, 16):
        coarse = rng.normal(0, step, (count, *(-(-n // step) for n in size), total.shape[-1]))
        total += coarse.repeat(step, 1).repeat(step, 2)[:, : size[0], : size[1]]
    bright = rng.uniform(40, 215, (count, 1, 1, 1))
    return np.clip(bright + 4 * total, 0, 255).astype(np.uint8).reshape(count, *shape)


def on_board(
    graph: Graph,
    board_id: str,
    samples: Codes,
    labels: npt.NDArray[np.int64] | None,
    most: int,
    bar: Progress,
) -> dict[str, Any]:
    """Facts of a set on one board: all of it on the host, the first samples elsewhere."""
    board = load_board(board_id)
    count = len(samples) if board.is_host else min(len(samples), most)
    made, _, _ = export(graph, board, FOLDER / f"{graph.name}-{board_id}")
    build(made.folder, cross=not board.is_host)
    tick = _ticker(bar, f"{graph.name} on {board_id}", count)
    known = None if labels is None else labels[:count]
    with open_client(board, made.elf, made.model_hash) as client:
        session: Session = run_session(client, graph, board, samples[:count], known, (), progress=lambda: tick(1))
    counted = None if board.is_host else session.count
    return {
        "samples": session.samples,
        "accuracy": session.accuracy,
        "score": main_text(session.score),
        "mismatches": session.mismatches,
        "count": counted,
        "unit": board.counter.unit,
    }


def problems(name: str, facts: dict[str, Any]) -> list[str]:
    """Lines that say what a model missed."""
    lines = []
    for board, sets in facts["boards"].items():
        lines += [f"{name} on {board}: {s['mismatches']} answers differ" for s in sets.values() if s["mismatches"]]
    for kind, beside in facts["compared"].items():
        if beside["largest_alone"] > 1:
            lines.append(f"{name}, {kind}: a layer is {beside['largest_alone']} codes from TFLite's")
    reached = facts["boards"]["host"].get("test", {}).get("accuracy")
    if reached is not None and facts["wanted"] is not None and reached < facts["wanted"]:
        lines.append(f"{name}: accuracy {reached:.4f}, wanted {facts['wanted']:.4f}")
    return lines


def show(found: dict[str, dict[str, Any]], boards: list[str], console: Console) -> None:
    """One row for each model and set, with the figure of the model's own task."""
    table = Table("model", "inputs", "host", "TFLite, part", *boards, title="Reference models at 8x8")
    for facts in found.values():
        for kind, beside in facts["compared"].items():
            cells = []
            for board in ("host", *boards):
                got = facts["boards"][board][kind]
                right = "" if got["score"] == "-" else f"{got['score']}, "
                counted = "" if got["count"] is None else f", {got['count'] / 1e6:.2f} M"
                cells.append(f"{right}{got['mismatches']} of {got['samples']:,} differ{counted}")
            other = f"{beside['agreement']}, {beside['largest_alone']} code"
            table.add_row(facts["title"], kind, cells[0], "\n".join([other, *beside["figures"]]), *cells[1:])
    console.print(table)


if __name__ == "__main__":
    main()
