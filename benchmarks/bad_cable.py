"""A thousand inferences through each of several bad cables, every answer beside the interpreter's.

Run by ``make bad-cable``. The device is the native one. With ``--line 115200`` there is a model of a serial line of
that rate before it, whose time is a number, so that its seconds are the same on every computer; ``--line 0`` is no
line: seconds of this computer, in which an inference of the digits model takes one thousandth.

Writes ``build/bad-cable.json``; docs/protocol.md has the table. Ends with exit code 5 if a wrong answer was taken for a
right one, a cable that should be usable was not, or it took more of a model line's time than ``SLOWER`` allows.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
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
from tests.support.model_line import ModelLine

FOLDER = Path("build/bad-cable")
JITTER = "every answer 10 to 500 ms late"
CABLES: dict[str, Damage] = {
    "good": Damage(),
    "bit error rate 1e-6": Damage(bits=1e-6),
    "bit error rate 1e-5": Damage(bits=1e-5),
    "bit error rate 1e-4": Damage(bits=1e-4),
    "1 % of the frames lost": Damage(drops=0.01),
    "0.1 % of the frames twice": Damage(repeats=0.001),
    "1 % of the frames up to 50 ms late": Damage(delays=0.01),
    "all of these, at 1e-4": Damage(1e-4, 0.01, 0.001, 0.01),
    JITTER: Damage(delays=1.0, late_least=0.01, late=0.5),
    "bit error rate 1e-3": Damage(bits=1e-3),
}
UNUSABLE = {"bit error rate 1e-3"}
UNUSABLE_SECONDS = 10.0
"""In which a cable that cannot be used is refused."""
SLOWER = {
    "bit error rate 1e-6": 2.0,
    "bit error rate 1e-5": 2.0,
    "bit error rate 1e-4": 4.0,
    "1 % of the frames lost": 4.0,
}
"""How many times the time of a good cable one of these may take."""


def main() -> None:
    """Run all cables and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=1000, help="inferences for each cable (default: 1000)")
    parser.add_argument(
        "--model", type=Path, default=DIGITS, help="checkpoint (default: the digits model of the tests)"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--line", type=int, nargs="+", default=[0, 115_200, 921_600], help="bits a second of a model; 0: no line"
    )
    options = parser.parse_args()
    try:
        run(options.model, options.n, options.seed, options.line)
    except DqtError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


def run(model: Path, count: int, seed: int, lines: Sequence[int]) -> None:
    """Export, build, and run; raises MismatchError for what is not as promised."""
    project = dqt.export(checkpoint.load(model), "host", FOLDER / "project")
    dqt.build(project)
    tables = {line: all_of(project, line, count, seed) for line in lines}
    path = FOLDER.with_suffix(".json")
    rows = [row for table in tables.values() for row in table]
    path.write_text(json.dumps({"model": model.name, "seed": seed, "cables": rows}, indent=2) + "\n", encoding="utf-8")
    for line, table in tables.items():
        title = f"{line:,} baud, seconds of the line" if line else "no line, seconds of this computer"
        shown = Table(
            "cable", "answers", "flips", "lost, twice, late", "wrong", "s", "times the good one's", "end", title=title
        )
        for row in table:
            flips, *others = (str(row["happened"][kind]) for kind in ("bits", "drops", "repeats", "delays"))
            slower = "" if row["end"] else f"{row['slower']:.2f}"
            shown.add_row(
                row["cable"],
                f"{row['answered']:,}",
                flips,
                ", ".join(others),
                str(row["wrong"]),
                f"{row['seconds']:.2f}",
                slower,
                row["end"],
            )
        Console(width=160).print(shown)
    if broken := [f"{row['line']}: {row['cable']}: {what}" for row in rows if (what := trouble(row))]:
        raise MismatchError(f"not as promised: {'; '.join(broken)}", where=str(path), next_step="report this")


def trouble(row: dict[str, Any]) -> str:
    """What is not as promised, in words; empty if all is. Times of this computer are no promise."""
    if row["wrong"]:
        return f"{row['wrong']} wrong answers were taken for right ones"
    if (row["cable"] in UNUSABLE) != bool(row["end"]):
        return row["end"] or "it was used"
    if row["line"] and row["end"] and row["seconds"] > UNUSABLE_SECONDS:
        return f"it was refused after {row['seconds']:.1f} s"
    if row["line"] and row["slower"] > SLOWER.get(row["cable"], row["slower"]):
        return f"{row['slower']:.2f} times as long as through a good one"
    return ""


def all_of(project: Project, line: int, count: int, seed: int) -> list[dict[str, Any]]:
    """Rows of all cables, the good one first. Without a line the late ones get a tenth of the inferences."""
    rows = []
    for name in CABLES:
        fewer = 10 if name == JITTER and not line else 1
        rows.append(one(project, name, line, count // fewer, seed))
        rows[-1]["slower"] = fewer * rows[-1]["seconds"] / rows[0]["seconds"]
    return rows


def one(project: Project, name: str, line: int, count: int, seed: int) -> dict[str, Any]:
    """What a cable did."""
    graph = project.graph()
    codes = np.random.default_rng(seed).integers(0, 256, (count, *sample_shape(graph))).astype(np.uint8)
    device = NativeTransport(project.elf)
    cable = BadCable(ModelLine(device, line) if line else device, CABLES[name], seed)
    random.seed(seed)  # a client begins with any sequence number, and on the wire its bytes are damaged
    answered, wrong, end, start = 0, 0, "", cable.clock()
    with Client(cable) as client:
        try:
            client.expect(project.model_hash, project.board.id)
            for record in answers(client, graph, project.board, codes, "dynamic"):
                answered += 1
                wrong += record.differs
        except DeviceError as error:
            end = f"{type(error).__name__}: {error.what}"
        seconds = cable.clock() - start
    return {
        "line": line,
        "cable": name,
        "damage": asdict(CABLES[name]),
        "answered": answered,
        "wrong": wrong,
        "happened": cable.happened,
        "samples_repeated": client.samples_repeated,
        "seconds": seconds,
        "end": end,
    }


if __name__ == "__main__":
    main()
