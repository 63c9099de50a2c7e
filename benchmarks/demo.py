"""The main job on real images, end to end: train, export, build, profile on every emulated device, report.

Run by ``make demo``. Writes ``build/demo/report.json`` and ``build/demo/report.html``. Seed and options are fixed, so a
second run on the same machine gives the same model.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from dqt_edge.boards import load_board
from dqt_edge.data.load import Dataset, codes, load_data
from dqt_edge.device.connect import open_client
from dqt_edge.errors import DqtError, MismatchError
from dqt_edge.graph import Graph, checkpoint, interpreter
from dqt_edge.graph.policy import Policy, parse_pairs, policy_text
from dqt_edge.measure.session import Session, run_session
from dqt_edge.project.build import build, forbidden_symbols
from dqt_edge.project.export import export
from dqt_edge.project.manifest import Project
from dqt_edge.report import page as reports
from dqt_edge.system.files import write_atomically

FOLDER = Path("build/demo")
CHECKPOINT = FOLDER / "digits.safetensors"
BOARDS = ("host", "qemu-m3", "qemu-m4", "qemu-m7", "qemu-m55")
EMULATED = "stm32h7"
"""Built for silicon; the unmodified image also runs on Unicorn, which has no counter worth reading."""
TRAIN = "train --data digits --model tiny --candidates 8x8,4x4,2x4 --budget 0.5 --seed 1"

Policies = dict[str, Policy]


def main() -> None:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=360, help="test images for each device and policy (default: all 360)")
    parser.add_argument("--checkpoint", type=Path, help="use this checkpoint instead of training")
    options = parser.parse_args()
    try:
        run(options.n, options.checkpoint)
    except DqtError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


def run(count: int, trained: Path | None) -> None:
    """Train unless a checkpoint is given, then measure it everywhere."""
    console = Console()
    start = time.monotonic()
    FOLDER.mkdir(parents=True, exist_ok=True)
    if trained is None:
        trained = CHECKPOINT
        command = [*TRAIN.split(), "--out", str(CHECKPOINT)]
        console.print(f"[bold]$ dqt-edge {' '.join(command)}")
        subprocess.run([sys.executable, "-m", "dqt_edge", *command], check=True)
    graph = checkpoint.load(trained)
    data = load_data("digits")
    policies = _policies(graph)
    sessions, images = _measure_all(graph, data, policies, count, console)
    facts = _facts(graph, data, policies, sessions, images)
    write_atomically(FOLDER / "report.json", (json.dumps(facts, indent=2) + "\n").encode())
    flat = [session for by_policy in sessions.values() for session in by_policy.values()]
    write_atomically(FOLDER / "report.html", reports.html(flat).encode())
    _print(console, graph, facts, sessions)
    console.print(f"wrote {FOLDER}/report.json and {FOLDER}/report.html in {time.monotonic() - start:.0f} s")
    wrong = sum(session.mismatches for session in flat)
    if wrong:
        raise MismatchError(
            f"{wrong} answers differ from the interpreter's",
            where=str(FOLDER / "report.json"),
            next_step="report this",
        )


def _policies(graph: Graph) -> Policies:
    """The fixed widths, the controller, and the best static vector that costs no more than the controller does.

    Training chose the static vector on validation images and wrote it into the checkpoint.
    """
    fixed = {name: parse_pairs(name, "demo") for name in ("8x8", "4x4", "2x4")}
    static = parse_pairs(graph.provenance["keras"]["static"]["vector"], "provenance of the checkpoint")
    return {**fixed, "dynamic": "dynamic", "static": static}


def _measure_all(
    graph: Graph, data: Dataset, policies: Policies, count: int, console: Console
) -> tuple[dict[str, dict[str, Session]], dict[str, Any]]:
    """Sessions by board and policy, and image sizes by board; two boards at a time."""
    images: dict[str, Any] = {}

    def prepare(board_id: str) -> Project:
        board = load_board(board_id)
        made, _, footprint = export(graph, board, FOLDER / board_id)
        image = build(made.folder, cross=not board.is_host)
        if footprint is not None:
            images[board_id] = {
                "flash": {"predicted": footprint.flash, "elf": image.flash},
                "ram": {"predicted": footprint.ram, "elf": image.ram},
                "forbidden_symbols": list(forbidden_symbols(image.elf)),
            }
        return made

    def measure(board_id: str, task: TaskID) -> dict[str, Session]:
        made = prepare(board_id)
        port = "unicorn:" if board_id == EMULATED else None
        with open_client(made.board, made.elf, made.model_hash, port) as client:
            return {
                name: run_session(
                    client,
                    graph,
                    made.board,
                    inputs,
                    labels,
                    policy,
                    counted=client.counted and not made.board.is_host,
                    progress=lambda: progress.advance(task),
                )
                for name, policy in policies.items()
            }

    inputs, labels = codes(data.x_test, graph)[:count], data.y_test[:count]
    with Progress(console=console) as progress, ThreadPoolExecutor(2) as pool:
        tasks = {b: progress.add_task(b, total=len(inputs) * len(policies)) for b in (*BOARDS, EMULATED)}
        waiting = {b: pool.submit(measure, b, task) for b, task in tasks.items()}
        return {b: future.result() for b, future in waiting.items()}, images


def _facts(
    graph: Graph,
    data: Dataset,
    policies: Policies,
    sessions: dict[str, dict[str, Session]],
    images: dict[str, Any],
) -> dict[str, Any]:
    """The content of report.json."""
    x = codes(data.x_test, graph)
    whole = {name: interpreter.run(graph, x, policy) for name, policy in policies.items()}
    accuracy = {name: float((r.outputs.argmax(axis=1) == data.y_test).mean()) for name, r in whole.items()}
    keras = {name: found["accuracy"] for name, found in graph.provenance.get("keras", {}).items()}
    dynamic = sessions[BOARDS[0]]["dynamic"]
    return {
        "model": graph.name,
        "model_hash": checkpoint.model_hash(graph).hex(),
        "command": f"dqt-edge {TRAIN}",
        "samples": dynamic.samples,
        "keras": {"accuracy": keras.get("dynamic"), "policies": keras},
        "interpreter": {"accuracy": accuracy["dynamic"], "policies": accuracy},
        "static": {"widths": policy_text(policies["static"])},
        "width_vectors": dynamic.width_vectors,
        "mean_widths": {
            layer.name: [layer.mean_weight_bits, layer.mean_activation_bits]
            for layer in dynamic.layers
            if layer.mean_weight_bits is not None
        },
        "devices": {board: _device_facts(sessions[board]) for board in BOARDS},
        "emulated": {EMULATED: _device_facts(sessions[EMULATED])},
        "images": images,
    }


def _device_facts(by_policy: dict[str, Session]) -> dict[str, Any]:
    """Facts of one device by policy; instructions are null where nothing counts them."""
    return {
        "policies": {
            name: {
                "accuracy": s.accuracy,
                "samples": s.samples,
                "mismatches": s.mismatches,
                "instructions": s.count,
                "instructions_range": None if s.count is None else [s.count_least, s.count_most],
                "controller_share": s.controller_share,
                "bitops_ratio": s.bitops_ratio,
                "layers": None if s.count is None else {x.name: x.count for x in s.layers},
            }
            for name, s in by_policy.items()
        }
    }


def _print(console: Console, graph: Graph, facts: dict[str, Any], sessions: dict[str, dict[str, Session]]) -> None:
    names = list(next(iter(sessions.values())))
    accuracy = Table("", *names, title="Accuracy on the held-out digits")
    for where, values in (
        ("Keras", facts["keras"]["policies"]),
        ("interpreter", facts["interpreter"]["policies"]),
    ):
        accuracy.add_row(where, *(reports.percent(values.get(name)) for name in names))
    counts = Table("", *names, title="Instructions for an inference (mean)")
    for board, by_policy in sessions.items():
        shown = f"{board} (Unicorn)" if board == EMULATED else board
        accuracy.add_row(shown, *(reports.percent(by_policy[name].accuracy) for name in names))
        if by_policy["8x8"].count is not None:
            counts.add_row(shown, *(reports.number(by_policy[name].count) for name in names))
    wrong = {name: sum(by_policy[name].mismatches for by_policy in sessions.values()) for name in names}
    accuracy.add_section()
    accuracy.add_row("answers that differ from the interpreter's, all devices", *(str(wrong[name]) for name in names))
    first = next(iter(sessions.values()))
    counts.add_row("BitOPs, of 8x8", *(f"{first[name].bitops_ratio:.3f}" for name in names))
    console.print(accuracy)
    console.print(counts)
    layers = Table("layer", "MAC", "mean widths, dynamic", "static", title="Widths (weights x activations)")
    static = iter(facts["static"]["widths"].split(","))
    adaptive = {layer.name for layer in graph.adaptive}
    for layer in first["dynamic"].layers:
        if layer.mean_weight_bits is not None:
            fixed = next(static) if layer.name in adaptive else "8x8"
            layers.add_row(layer.name, reports.number(layer.macs), reports.widths(layer), fixed)
    console.print(layers)
    vectors = Table("width vector", "inferences", title="What the controller chose")
    for vector, number in facts["width_vectors"].items():
        vectors.add_row(vector, str(number))
    console.print(vectors)
    sizes = Table("board", "flash predicted", "flash in the ELF", "RAM predicted", "RAM in the ELF", title="Bytes")
    for board, image in facts["images"].items():
        sizes.add_row(board, *(f"{image[kind][key]:,}" for kind in ("flash", "ram") for key in ("predicted", "elf")))
    console.print(sizes)


if __name__ == "__main__":
    main()
