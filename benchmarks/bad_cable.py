"""A thousand inferences through each of several bad cables, every answer beside the interpreter's.

Run by ``make bad-cable``. Writes ``build/bad-cable.json``; docs/protocol.md has the table. Ends with exit code 5 if a
wrong answer was taken for a right one, or a cable that should be usable was not.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import dqt_edge as dqt
from dqt_edge.device.client import Client
from dqt_edge.device.native import NativeTransport
from dqt_edge.errors import DeviceError, DqtError, MismatchError
from dqt_edge.graph import checkpoint
from dqt_edge.graph.samples import sample_shape
from dqt_edge.measure.answers import answers
from dqt_edge.project.manifest import Project
from tests.support.cable import BadCable, Damage
from tests.support.digits import DIGITS

FOLDER = Path("build/bad-cable")
CABLES: dict[str, Damage] = {
    "good": Damage(),
    "bit error rate 1e-6": Damage(bits=1e-6),
    "bit error rate 1e-5": Damage(bits=1e-5),
    "bit error rate 1e-4": Damage(bits=1e-4),
    "1 % of the frames lost": Damage(drops=0.01),
    "0.1 % of the frames twice": Damage(repeats=0.001),
    "1 % of the frames up to 50 ms late": Damage(delays=0.01),
    "all of these, at 1e-4": Damage(1e-4, 0.01, 0.001, 0.01),
    "bit error rate 1e-3": Damage(bits=1e-3),
}
UNUSABLE = {"bit error rate 1e-3"}


def main() -> None:
    """Run all cables and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=1000, help="inferences for each cable (default: 1000)")
    parser.add_argument(
        "--model", type=Path, default=DIGITS, help="checkpoint (default: the digits model of the tests)"
    )
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    try:
        run(options.model, options.n, options.seed)
    except DqtError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


def run(model: Path, count: int, seed: int) -> None:
    """Export, build, and run; raises MismatchError for a wrong answer or a good cable that failed."""
    project = dqt.export(checkpoint.load(model), "host", FOLDER / "project")
    dqt.build(project)
    rows = [one(project, name, count, seed) for name in CABLES]
    path = FOLDER.with_suffix(".json")
    path.write_text(json.dumps({"model": model.name, "seed": seed, "cables": rows}, indent=2) + "\n", encoding="utf-8")
    table = Table("cable", "inferences", "flips", "lost", "twice", "late", "wrong answers", "s", "end")
    for row in rows:
        happened = (str(row["happened"][kind]) for kind in ("bits", "drops", "repeats", "delays"))
        table.add_row(
            row["cable"], str(row["answered"]), *happened, str(row["wrong"]), f"{row['seconds']:.1f}", row["end"]
        )
    Console(width=160).print(table)
    bad = [row["cable"] for row in rows if row["wrong"] or (row["end"] and row["cable"] not in UNUSABLE)]
    if bad:
        raise MismatchError(f"not as promised: {', '.join(bad)}", where=str(path), next_step="report this")


def one(project: Project, name: str, count: int, seed: int) -> dict[str, Any]:
    """What a cable did."""
    graph = project.graph()
    codes = np.random.default_rng(seed).integers(0, 256, (count, *sample_shape(graph))).astype(np.uint8)
    cable = BadCable(NativeTransport(project.elf), CABLES[name], seed)
    answered, wrong, end, start = 0, 0, "", time.monotonic()
    with Client(cable) as client:
        try:
            client.expect(project.model_hash, project.board.id)
            for record in answers(client, graph, project.board, codes, "dynamic"):
                answered += 1
                wrong += record.differs
        except DeviceError as error:
            end = f"{type(error).__name__}: {error.what}"
    return {
        "cable": name,
        "damage": asdict(CABLES[name]),
        "answered": answered,
        "wrong": wrong,
        "happened": cable.happened,
        "samples_repeated": client.samples_repeated,
        "seconds": time.monotonic() - start,
        "end": end,
    }


if __name__ == "__main__":
    main()
