"""What each part of dynamic inference is worth: exits, widths, widening, second pass, controller, and where points lie.

Run by ``python -m benchmarks.points_ablation CKPT --data DATA [--board qemu-m4]``. The samples are recorded once; each
variant is tuned over the same record, for the same promises, with some parts forbidden. So the figures are of the
samples that chose: they compare parts with each other, and promise nothing. Writes ``--json``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from dqt_edge.api.tuning_data import tuning_samples
from dqt_edge.api.tuning_requests import promises_of
from dqt_edge.api.tuning_work import Work
from dqt_edge.errors import DqtError
from dqt_edge.graph import Graph, checkpoint
from dqt_edge.precision import goals, recording, tuning
from dqt_edge.precision.goals import Goal, Space
from dqt_edge.precision.recording import Base
from dqt_edge.system.files import write_atomically

NONE = Space(exits=False, widen=False, again=False)


def main() -> None:
    """Measure a checkpoint, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", required=True, help="as of dqt-edge tune")
    parser.add_argument("--board", help="a QEMU board, whose modelled cycles are the cost; else BitOPs")
    parser.add_argument("--agree", default="0.999,0.995,0.99,0.98", help="promises")
    parser.add_argument("--samples", type=int, default=5000)
    parser.add_argument("--json", type=Path, help="write the rows there")
    options = parser.parse_args()
    try:
        graph = checkpoint.load(options.checkpoint)
        work = Work(graph, options.board, lambda *_: None)
        taken = tuning_samples(options.data, work.graph, "validation", None, options.samples, seed=1, first=False)
        work.record(taken, None, options.checkpoint.with_suffix(".tuning.npz"))
        promises = promises_of(options.agree, None, "agreement", None)
    except DqtError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    wanted = [promise.goal(len(work.table), 1.0, None) for promise in promises]
    rows = measure(work, wanted)
    show(rows, [f"{promise.value:g}" for promise in promises], f"{work.unit.unit}, {len(work.table):,} samples")
    if options.json:
        write_atomically(options.json, (json.dumps(rows, indent=1) + "\n").encode())


def measure(work: Work, wanted: list[Goal]) -> list[dict[str, Any]]:
    """One row for each variant: its name, and the least cost, of the full network's, for each goal."""
    judge = goals.judge_of("agreement", work.table.full, None)
    whole = work.unit.full(work.graph)
    rows = []
    for name, space, bases in variants(work.graph, work.bases):
        found = tuning.tune(work.table, work.unit, judge, wanted, space, bases=bases).found
        rows.append({"variant": name, "costs": [None if each is None else each.best.cost / whole for each in found]})
    return rows


def variants(graph: Graph, bases: list[Base]) -> Iterator[tuple[str, Space, list[Base]]]:
    """What may be tuned in each variant, and what inferences may begin with."""
    widest = [recording.widest_base(graph)]
    fixed = [base for base in bases if base.widths is not None]
    learned = [base for base in bases if base.widths is None]
    yield "everything", Space(), bases
    if graph.points:
        yield "exits alone, full widths", Space(widen=False, again=False), widest
        yield "exits and fixed widths", Space(widen=False, again=False), fixed
        yield "exits, widths, widening", Space(again=False), fixed
        yield "exits, widths, second pass", Space(widen=False), fixed
        yield "widening alone, by margin", Space(exits=False, again=False), fixed
        for index, point in enumerate(graph.points):
            only = tuple(i == index for i in range(len(graph.points)))
            if len(graph.points) > 1:
                yield f"everything, {point.name} alone", Space(points=only), bases
    yield "fixed widths alone", NONE, fixed
    yield "second pass alone (cascade)", Space(exits=False, widen=False), fixed
    if learned:
        yield "controller alone", NONE, [*learned, *widest]
        yield "controller, second pass", Space(exits=False, widen=False), [*learned, *widest]
        yield "controller and exits", Space(widen=False, again=False), [*learned, *widest]


def show(rows: list[dict[str, Any]], promises: list[str], unit: str) -> None:
    """Print the table."""
    table = Table("what is tuned", *promises, title=f"Least mean cost for an agreement, of the full network ({unit})")
    for row in rows:
        table.add_row(row["variant"], *("-" if cost is None else f"{cost:.3f}" for cost in row["costs"]))
    Console().print(table)


if __name__ == "__main__":
    main()
