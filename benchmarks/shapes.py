"""Single layers on emulated cores: instructions and modelled cycles, beside CMSIS-NN and BakeNN.

Run by ``make bench-shapes``. Each layer of :mod:`benchmarks.shape_layers` is planned for the core's board and runs in
the kernel rig (``tests/support/rig``): the same planner, kernels and flags as in an exported image, one call of the
kernel between two marks. Every output is compared with the interpreter's. A layer with narrow candidates is measured at
each, and once more with 8x8 as its only candidate (``alone``), as CMSIS-NN has no other.

Goes on where an earlier run ended: what has the same code, data and plan is not measured again. Writes
``build/bench/shapes.json`` after every layer; a run of everything writes ``docs/results/shapes.json`` too, of which
docs/shapes.md is made. ``--check`` compares with that file instead, and ends with exit code 5 if a figure grew by more
than 1 %.
"""

from __future__ import annotations

import argparse
import fnmatch
import functools
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from dqt_edge.boards import Board
from dqt_edge.errors import DqtError, MismatchError
from dqt_edge.graph import FULL, Graph, Pair, interpreter, pair_text
from dqt_edge.lowering.plan import make_plan
from dqt_edge.measure.counting import CountFile
from dqt_edge.measure.cycles.model import CycleModel, model_of, why_none
from dqt_edge.system import elf
from dqt_edge.system.files import write_atomically
from tests.support.rig.cases import make_rig, place
from tests.support.rig.kernel_rig import Batch, Job, Rig
from tests.support.rig.layer_case import checksums

from .measuring import machine
from .networks import CORES, FOLDER, TOLERANCE, WIDTH
from .shape_layers import NAME, SHAPES, LayerShape
from .shape_peers import WITH_TARGET, Bakenn, cmsis_nn
from .shape_tables import ALONE, BAKENN, CMSIS_NN, OURS, Figure, Found, Row, show, slower, text

WORKING = FOLDER / "shapes.json"
RESULTS = Path(__file__).parents[1] / "docs" / "results" / "shapes.json"
INPUTS = 2
"""Of which the first is counted: uniform codes. The second has only 0 and 255."""
MARKS = ("begin_region", "end_region")


def main() -> None:
    """Measure what is not known yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", nargs="+", default=CORES, choices=CORES)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="layers by name; * and ? are wild")
    parser.add_argument("--no-peer", action="store_true", help="without BakeNN")
    parser.add_argument("--again", action="store_true", help="measure what is known, too")
    parser.add_argument(
        "--check", action="store_true", help="compare with docs/results/shapes.json; exit code 5 if worse"
    )
    options = parser.parse_args()
    console = Console(width=WIDTH)
    wanted = [name for name in SHAPES if any(fnmatch.fnmatch(name, p) for p in options.only or ["*"])]
    if not wanted:
        parser.error(f"no layer is named {' or '.join(options.only)}")
    console.print(f"{len(wanted)} layers on {', '.join(options.cores)}", highlight=False)
    state = Working(WORKING, again=options.again)
    found: Found = {name: {} for name in wanted}
    try:
        for core in options.cores:
            for name, row in measured(core, wanted, state):
                found[name][core] = row
                if (theirs := cmsis_nn(name, core)) is not None:
                    row[CMSIS_NN] = theirs
                console.print(line(core, name, row), highlight=False, soft_wrap=True)
        if not options.no_peer:
            add_peer(console, options.cores, found, state)
    except DqtError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    show(console, found)
    if options.check:
        grown = growth(found, json.loads(RESULTS.read_text(encoding="utf-8"))["layers"])
        console.print("\n".join(grown) or "nothing grew by more than 1 %", highlight=False)
        sys.exit(5 if grown else 0)
    if len(wanted) == len(SHAPES) and set(options.cores) == set(CORES) and not options.no_peer:
        write_atomically(RESULTS, text(found).encode())
    console.print(f"{len(slower(found))} figures are above CMSIS-NN's", highlight=False)


def line(core: str, name: str, row: Row) -> str:
    """A layer's counts for people."""
    parts = [
        f"{key} {figure.instructions:,}" + ("" if figure.cycles is None else f" / {figure.cycles:,}")
        for key, figure in row.items()
    ]
    return f"{core} {name}: {', '.join(parts)} ({row['8x8'].kernel})"


class Working:
    """What is known, by a digest of all that it depends on; kept in a file."""

    def __init__(self, path: Path, *, again: bool = False) -> None:
        self._path, self._again = path, again
        self._known: dict[str, Any] = {}
        if path.exists():
            self._known = json.loads(path.read_text(encoding="utf-8"))
        self._new: set[str] = set()

    def get(self, key: str, digest: str) -> Any:  # noqa: ANN401 - JSON
        """What is known under a key, if it was found with this digest; else None."""
        entry = self._known.get(key)
        stale = self._again and key not in self._new
        return None if entry is None or stale or entry["digest"] != digest else entry["found"]

    def put(self, key: str, digest: str, found: Any) -> None:  # noqa: ANN401 - JSON
        """Keep it."""
        self._known[key] = {"digest": digest, "found": found}
        self._new.add(key)
        write_atomically(self._path, (json.dumps(self._known, indent=0) + "\n").encode())


def measured(core: str, names: Iterable[str], state: Working) -> Iterator[tuple[str, Row]]:
    """Rows of layers on a core, as they are found.

    Raises:
        MismatchError: An output differs from the interpreter's.
        ToolchainError: Compiler, QEMU or the model's program failed.
    """
    rig, board = make_rig(core), machine(core)[0]
    code = hashlib.sha256(repr(elf.load_parts(rig.image)).encode())
    missing = why_none(rig.board.cpu.core)
    model = None if missing else model_of(rig.board.cpu.core, rig.image)
    code.update(f"{model.core} {model.name}".encode() if model else b"")
    for name in names:
        shape = SHAPES[name]
        graphs = [shape.graph, shape.fixed()] if shape.adaptive else [shape.graph]
        jobs = [job_of(shape, graph, board) for graph in graphs]
        digest = code.copy()
        for job in jobs:
            batch = Batch(rig)
            batch.add(job, 0)
            digest.update(batch.content())
        key = f"{core}/{name}"
        known = state.get(key, digest.hexdigest())
        row = run(rig, shape, jobs, model) if known is None else {k: Figure(*figure) for k, figure in known.items()}
        if known is None:
            state.put(key, digest.hexdigest(), dict(row))
        yield name, row


def job_of(shape: LayerShape, graph: Graph, board: Board) -> Job:
    """The layer as the planner sees it, with all its operands in the arena."""
    plan = make_plan(graph, board)
    planned = next(layer for layer in plan.layers if layer.name == NAME)
    codes = inputs_of(shape)
    operands = tuple(codes[name].reshape(INPUTS, -1) for name in shape.layer.inputs)
    sizes = [operand.shape[1] for operand in operands]
    offsets, arena = place(np.random.default_rng(0), [*sizes, planned.output_size], 8)
    pairs = getattr(next(x for x in graph.layers if x.name == NAME), "candidates", (FULL,))
    expected = np.stack([expected_of(shape.name, pair) for pair in pairs])
    return Job(0, planned, plan.constants, operands, expected, offsets, arena, 64)


def inputs_of(shape: LayerShape) -> dict[str, np.ndarray]:
    """Codes of each operand: uniform ones, then 0 and 255 only."""
    codes = shape.codes(INPUTS)
    for values in codes.values():
        values[1] = np.where(values[1] < 128, 0, 255)
    return codes


@functools.cache
def expected_of(name: str, pair: Pair) -> np.ndarray:
    """CRC-32 of the interpreter's outputs, uint32 [inputs]."""
    shape = SHAPES[name]
    weighted = hasattr(shape.layer, "candidates")
    outputs = interpreter.run_layer(shape.layer, shape.graph, inputs_of(shape), pair if weighted else None)
    return np.array(checksums(outputs), np.uint32)


def run(rig: Rig, shape: LayerShape, jobs: Sequence[Job], model: CycleModel | None) -> Row:
    """Figures of a layer's jobs: first with all its candidates, then with 8x8 alone."""
    row: Row = {}
    for turn, job in enumerate(jobs):
        counts = CountFile(rig.image, MARKS, histogram=model is not None)
        try:
            _, failures = rig.run([job], counts.options)
            visits = list(counts.read())
        finally:
            counts.close()
        if failures:
            raise MismatchError(
                f"{job.layer.kernel}: {failures[0]}",
                where=f"layer {shape.name!r} on {rig.board.id}",
                next_step="report this",
            )
        begins, ends = visits[::2], visits[1::2]
        executed = [end.executed - begin.executed for begin, end in zip(begins, ends, strict=True)]
        cycles = model.cycles([end.histogram for end in ends]) if model else None
        for i, widths in enumerate(job.layer.widths):
            at = 1 + i * INPUTS  # the first region is empty: what the marks cost
            key = ALONE if turn else pair_text(widths)
            taken = None if cycles is None else round(cycles[at] - cycles[0])
            row[key] = Figure(job.layer.kernel, executed[at] - executed[0], taken)
    return row


def add_peer(console: Console, cores: Sequence[str], found: Found, state: Working) -> None:
    """Instructions of BakeNN beside ours, for layers and cores that it takes."""
    peer = Bakenn(console)
    for name, rows in found.items():
        if (model := peer.model(SHAPES[name])) is None:
            continue
        for core in (core for core in cores if core in WITH_TARGET):
            key, digest = f"bakenn/{core}/{name}", hashlib.sha256(model).hexdigest()
            facts = state.get(key, digest)
            if facts is None:
                facts = peer.measure(name, model, core)
                state.put(key, digest, facts)
                console.print(f"BakeNN, {core} {name}: {facts.get('instructions', 'refused')}", highlight=False)
            if "instructions" in facts:
                rows[core][BAKENN] = Figure("", facts["instructions"], None)


def growth(now: Found, before: dict[str, dict[str, dict[str, Sequence[Any]]]]) -> list[str]:
    """Lines that name each figure of ours which grew by more than the tolerance, or which is not known.

    Instructions may grow where cycles fall.
    """
    lines = []
    for name, rows in now.items():
        for core, row in rows.items():
            for key in (key for key in OURS if key in row):
                told, where = before.get(name, {}).get(core, {}).get(key), f"{core}/{name}/{key}"
                if told is None:
                    lines.append(f"{where}: not in {RESULTS.name}")
                    continue
                old, new = Figure(*told), row[key]
                pairs = [("cycles", old.cycles, new.cycles), ("instructions", old.instructions, new.instructions)]
                if old.cycles and new.cycles and new.cycles < old.cycles:
                    pairs.pop()
                lines += [
                    f"{where}/{quantity}: {b:,}, {b / a - 1:+.1%} over {a:,}"
                    for quantity, a, b in pairs
                    if a and b and b > a * (1 + TOLERANCE)
                ]
    return lines


if __name__ == "__main__":
    main()
