"""The main job on a stream of real images, end to end: train, tune, export, build, profile on every emulated device.

Run by ``make demo``. A camera above a belt sees a handwritten digit now and then (``recipes/data/belt.py``). A small
network with a decision point behind its first layer is compared, in one flash image, with itself: everything at 8x8,
the best fixed widths, its early answer alone, and the dynamic setting that ``tune`` chose on other digits. Writes
``build/demo/report.json`` and ``build/demo/report.html``. Seed and options are fixed, so a second run on the same
machine gives the same model.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress, TaskID

import dqt_edge as dqt
from benchmarks import demo_report
from dqt_edge.data.load import load_data
from dqt_edge.errors import DqtError, MismatchError
from dqt_edge.graph import Graph, checkpoint
from dqt_edge.graph.points import NEVER, Setting, widest_choices
from dqt_edge.graph.policy import Policy, parse_pairs, parse_policy
from dqt_edge.measure.session import Session
from dqt_edge.project.build import forbidden_symbols
from dqt_edge.project.manifest import Project, find_project
from dqt_edge.report import page
from dqt_edge.system.files import write_atomically
from recipes.data import belt

FOLDER = Path("build/demo")
DATA = FOLDER / "belt.npz"
TRAINED, TUNED = FOLDER / "belt.safetensors", FOLDER / "belt-tuned.safetensors"
BOARDS = ("host", "qemu-m3", "qemu-m4", "qemu-m7", "qemu-m55")
EMULATED = "stm32h7"
"""Built for silicon; the unmodified image also runs on Unicorn, which has no counter worth reading."""
COSTED = "qemu-m4"
"""Its modelled cycles are what ``tune`` saves."""
PROMISE = 0.995
NEAR = 0.01
"""Mean recalls that differ by less count as equal: the frames that tune tell no finer. Fixed widths get the doubt."""
TRAIN = f"train --data {DATA} --model tiny --points stem --epochs 20 --narrow-share 0.25 --seed 1 --out {TRAINED}"
TUNE = f"tune {TRAINED} --data {DATA} --board {COSTED} --agree {PROMISE} --stops nothing --no-second-pass --out {TUNED}"


@dataclass(frozen=True)
class Task:
    """What is measured everywhere.

    Attributes:
        graph: The tuned model.
        policies: Name -> policy.
        tuned: What ``tune`` says.
    """

    graph: Graph
    policies: dict[str, Policy]
    tuned: dict[str, Any]


def main() -> None:
    """Run everything and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=400, help="frames for each device and policy (default: 400)")
    parser.add_argument("--checkpoint", type=Path, help="use this checkpoint instead of training")
    options = parser.parse_args()
    try:
        run(options.n, options.checkpoint)
    except DqtError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


def run(count: int, trained: Path | None) -> None:
    """Train unless a checkpoint is given, tune it, then measure it everywhere."""
    console = Console()
    start = time.monotonic()
    FOLDER.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(DATA, **belt.make(load_data("digits")))  # type: ignore[arg-type] # it takes options too
    if trained is None:
        _command(console, TRAIN)
    _command(console, TUNE if trained is None else TUNE.replace(str(TRAINED), str(trained)))
    task = _task(checkpoint.load(TUNED))
    sessions, images = _measure_all(task, count, console)
    costed = find_project(FOLDER / COSTED)
    facts: dict[str, Any] = {
        "model": task.graph.name,
        "model_hash": checkpoint.model_hash(task.graph).hex(),
        "commands": [f"dqt-edge {TRAIN}", f"dqt-edge {TUNE}"],
        "keras": task.graph.provenance.get("keras", {}),
        "tuned": task.tuned,
        "whole_stream": {
            name: demo_report.whole_stream(costed, task.graph, str(DATA), policy)
            for name, policy in task.policies.items()
        },
        "devices": {board: demo_report.device_facts(by_policy) for board, by_policy in sessions.items()},
        "images": images,
    }
    write_atomically(FOLDER / "report.json", (json.dumps(facts, indent=2) + "\n").encode())
    flat = [session for by_policy in sessions.values() for session in by_policy.values()]
    write_atomically(FOLDER / "report.html", page.html(flat).encode())
    demo_report.show(console, facts)
    console.print(f"wrote {FOLDER}/report.json and {FOLDER}/report.html in {time.monotonic() - start:.0f} s")
    wrong = sum(session.mismatches for session in flat)
    if wrong:
        raise MismatchError(
            f"{wrong} answers differ from the interpreter's",
            where=str(FOLDER / "report.json"),
            next_step="report this",
        )


def _command(console: Console, arguments: str) -> None:
    console.print(f"[bold]$ dqt-edge {arguments}", highlight=False, soft_wrap=True)
    subprocess.run([sys.executable, "-m", "dqt_edge", *arguments.split()], check=True)


def _task(graph: Graph) -> Task:
    """The policies: everything, the best fixed widths, the early answer alone, and what ``tune`` found."""
    tuned = graph.provenance["tuned"]
    count = len(graph.points)
    first = Setting(widest_choices(graph), (0, *[NEVER] * (count - 1)), (0,) * count)
    policies: dict[str, Policy] = {
        "full": parse_policy("8x8", graph),
        "static": parse_pairs(fixed_widths(tuned), "static widths"),
        "exit": first,
        "dynamic": f"agree:{PROMISE}",
    }
    return Task(graph, policies, tuned)


def fixed_widths(tuned: Mapping[str, Any]) -> str:
    """The cheapest fixed widths at most ``NEAR`` worse than the dynamic setting; where none are, the best ones.

    Cycles and mean recall are those of the frames that tuned the setting, never of the ones that judge it.
    """
    dynamic = tuned["points"][-1]
    vectors = sorted(tuned["static"], key=lambda row: row["costs"]["cycles"])
    good = [row for row in vectors if row["mean_recall"] >= dynamic["mean_recall"] - NEAR]
    chosen = good[0] if good else max(vectors, key=lambda row: row["mean_recall"])
    return str(chosen["widths"])


def _measure_all(task: Task, count: int, console: Console) -> tuple[dict[str, dict[str, Session]], dict[str, Any]]:
    """Sessions by board and policy, and image sizes by board; two boards at a time."""
    images: dict[str, Any] = {}

    def prepare(board_id: str) -> Project:
        made = dqt.export(task.graph, board_id, FOLDER / board_id)
        image = dqt.build(made)
        predicted = made.manifest.get("predicted")
        if predicted is not None:
            images[board_id] = {
                "flash": {"predicted": predicted["flash"], "elf": image.flash},
                "ram": {"predicted": predicted["ram"], "elf": image.ram},
                "forbidden_symbols": list(forbidden_symbols(image.elf)),
            }
        return made

    def measure(board_id: str, bar: TaskID) -> dict[str, Session]:
        made = prepare(board_id)
        port = "unicorn:" if board_id == EMULATED else None
        found = {}
        for name, policy in task.policies.items():
            result = dqt.profile(
                made,
                DATA,
                policy=policy,
                count=count,
                stream=True,
                port=port,
                progress=lambda *_: progress.advance(bar),
            )
            found[name] = result.session
        return found

    with Progress(console=console) as progress, ThreadPoolExecutor(2) as pool:
        bars = {b: progress.add_task(b, total=count * len(task.policies)) for b in (*BOARDS, EMULATED)}
        waiting = {b: pool.submit(measure, b, bar) for b, bar in bars.items()}
        return {b: future.result() for b, future in waiting.items()}, images


if __name__ == "__main__":
    main()
