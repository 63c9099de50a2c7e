"""Every kernel at every width pair on random layers against the interpreter, on emulated cores.

Run by ``make fuzz-kernels CASES=10000``. A case is one run of a kernel: a layer, a width pair, an input. Goes on until
each kernel of each core has run ``--cases`` of them at each pair, and ends with exit code 5 after a difference, which
it names with what makes it again. The layers that are done are printed; ``--first`` goes on from there.

Half of the layers have their tensors at any byte of the arena, though the planner aligns them to 8. Red zones lie
between tensors and round the scratch, which has the size that the plan promises.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from unittest.mock import patch

import numpy as np
from rich.console import Console
from rich.table import Table

from dqt_edge.boards import Board, board_ids, load_board
from dqt_edge.errors import DqtError
from dqt_edge.files import write_atomically
from dqt_edge.graph import Graph, pair_text
from dqt_edge.lowering import dsp
from dqt_edge.lowering.plan import Plan, make_plan

from .kernel_layers import BLOCK, INPUTS, KINDS, Case, make_case
from .kernel_rig import Failure, Job, Rig

FOLDER = Path("build/fuzz-kernels")
CHUNK = 40 * BLOCK
EXTRA = 5
"""Chunks at most, as a multiple of what the cases need: some windows of a kind run in another kernel."""


@dataclass(frozen=True)
class Core:
    """Where kernels run: a board's compiler flags, the board they are planned for, a QEMU machine if not its own.

    ``ending``: of the names of the kernels that are counted; others that a plan falls back to run too.
    """

    board: str
    planned_for: str
    ending: str
    machine: str | None = None


CORES = {
    "plain": Core("qemu-m3", "host", ""),
    "m3": Core("qemu-m3", "qemu-m3", "_base"),
    "m0": Core("qemu-m0", "qemu-m0", "_base", machine="mps2-an385"),
    "m4": Core("qemu-m4", "qemu-m4", "_dsp"),
    "m7": Core("qemu-m7", "qemu-m7", "_dsp"),
    "m55": Core("qemu-m55", "qemu-m55", "_mve"),
}
CORES = {name: core for name, core in CORES.items() if core.board in board_ids()}
WITHOUT_PAIRS = ("add", "max_pool", "average_pool", "concat")
"""Kinds of layers without weights. They have plain kernels only, but for two."""

DSP_KERNELS = {
    "depthwise": ["depthwise_conv2d_dsp", "depthwise_conv2d_raw_dsp"],
    "dense": ["dense_nibbles_dsp", "dense_planes_dsp"],
    "accumulate": ["dense_nibbles_dsp", "dense_planes_dsp"],
    "average_pool": ["average_pool2d_dsp"],
}
"""Kind -> kernels for the DSP extension, where it is not one of the kind's name."""

Key = tuple[str, str, str]
"""Core, kernel, pair."""


def main() -> None:
    """Run what was asked for, and print how often each kernel ran."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000, help="of each kernel at each width pair")
    parser.add_argument("--first", type=int, default=0, help="number of the first layer")
    parser.add_argument("--cores", nargs="+", default=list(CORES), choices=list(CORES))
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the counts there, after every chunk of layers")
    options = parser.parse_args()
    console, started = Console(), time.monotonic()
    counts: Counter[Key] = Counter()
    failures: list[str] = []
    try:
        for core in options.cores:
            make_rig(core)
        with ProcessPoolExecutor(options.jobs) as pool:
            for kind in options.kinds:
                failures = run_kind(console, pool, kind, options, counts)
                if failures:
                    break
    except DqtError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    show(console, counts)
    total, seconds = sum(counts.values()), time.monotonic() - started
    console.print(f"{total:,} cases, {len(failures)} differences, {seconds:,.0f} s", highlight=False)
    console.print("\n".join(failures[:20]), highlight=False)
    sys.exit(5 if failures else 0)


def run_kind(
    console: Console,
    pool: ProcessPoolExecutor,
    kind: str,
    options: argparse.Namespace,
    counts: Counter[Key],
) -> list[str]:
    """Run chunks of a kind until every core has its cases; returns failures."""
    cores = [core for core in options.cores if runs_on(kind, core)]
    # A block of layers is INPUTS cases of each pair; of a kind without pairs, every layer is INPUTS cases.
    each = CHUNK * INPUTS if kind in WITHOUT_PAIRS else CHUNK // BLOCK * INPUTS
    least = -(-options.cases // each)
    for number in count():
        open_cores = [core for core in cores if number < least or short(core, kind, counts, options.cases)]
        if not open_cores or number >= EXTRA * least:
            return []
        first = options.first + number * CHUNK
        wanted = min(CHUNK, -(-options.cases // INPUTS) * (1 if kind in WITHOUT_PAIRS else BLOCK))
        parts = [(kind, first + i, min(BLOCK * 8, wanted - i), tuple(open_cores)) for i in range(0, wanted, BLOCK * 8)]
        for found, failures in pool.map(run_chunk, parts):
            counts.update(found)
            if failures:
                return failures
        if options.json:
            save(options.json, counts)
        total = sum(counts.values())
        console.print(f"{kind}: layers {first} to {first + wanted - 1} done, {total:,} cases in all", highlight=False)
    return []


def runs_on(kind: str, core: str) -> bool:
    """Whether a core has kernels of its own for a kind."""
    cpu = load_board(CORES[core].planned_for).cpu
    own = {"average_pool": cpu.dsp, "add": cpu.mve}
    return core == "plain" or kind not in WITHOUT_PAIRS or own.get(kind, False)


def short(core: str, kind: str, counts: Counter[Key], cases: int) -> bool:
    """Whether a kernel of the core's own for this kind still lacks cases at some pair."""
    ending = CORES[core].ending
    stem = {"conv": "conv2d", "residual": "conv2d", "depthwise": "depthwise_conv2d", "accumulate": "dense_accumulate"}
    names = [stem.get(kind, kind) + ending]
    if ending == "_dsp":
        names = DSP_KERNELS.get(kind, names)
    found = [n for (c, kernel, _), n in counts.items() if c == core and kernel in names]
    return bool(found) and min(found) < cases


_rigs: dict[str, Rig] = {}


def make_rig(core: str) -> Rig:
    """The rig of a core, built once a process."""
    if core not in _rigs:
        chosen = CORES[core]
        _rigs[core] = Rig(chosen.board, chosen.planned_for, FOLDER / core, chosen.machine)
    return _rigs[core]


def run_chunk(part: tuple[str, int, int, tuple[str, ...]]) -> tuple[Counter[Key], list[str]]:
    """Run some layers of a kind on cores: how often each kernel ran at each pair, and failures."""
    kind, first, size, cores = part
    cases = {number: make_case(kind, number) for number in range(first, first + size)}
    counts: Counter[Key] = Counter()
    failures: list[str] = []
    for core in cores:
        rig = make_rig(core)
        jobs = [job for number, case in cases.items() for job in plan_case(rig, number, case)]
        _, found = rig.run(jobs)
        failures += [describe(failure, core, kind, jobs) for failure in found]
        for job in jobs:
            for row, (w, a) in zip(job.expected, job.layer.widths, strict=True):
                counts[core, job.layer.kernel, pair_text((w, a))] += len(row)
    return counts, failures


def plan_case(rig: Rig, number: int, case: Case) -> Iterator[Job]:
    """Jobs of a layer on a rig: planned for the rig's board, tensors placed at random with red zones between."""
    rng = np.random.default_rng(number)
    for turn, graph in enumerate(case.graphs):
        plan = plan_on_planes(graph, rig.planned_for) if number % 2 else make_plan(graph, rig.planned_for)
        layer = next(planned for planned in plan.layers if planned.name == case.name)
        sizes = [operand.shape[1] for operand in case.operands]
        shared = case.in_place and rng.random() < 0.5
        align = 8 if rng.random() < 0.5 or not rig.unaligned or layer.output_size != np.prod(layer.shape) else 1
        offsets, arena = place(rng, [*sizes, *([] if shared else [layer.output_size])], align)
        if shared:
            offsets = (*offsets, offsets[-1])
        expected = case.expected if len(case.graphs) == 1 else case.expected[turn : turn + 1]
        scratch = 64 + 8 * int(rng.integers(8))
        yield Job(number, layer, plan.constants, case.operands, expected, offsets, arena, scratch)


def plan_on_planes(graph: Graph, board: Board) -> Plan:
    """A plan whose dense layers have planes A, B and L on cores with DSP, whatever their candidates gain from that."""
    with patch.object(dsp, "dense_kind", return_value="planes"):
        return make_plan(graph, board)


def place(rng: np.random.Generator, sizes: list[int], align: int) -> tuple[tuple[int, ...], int]:
    """Offsets of tensors in an arena, in random order, 32 to 95 bytes apart; and the arena's size."""
    offsets = [0] * len(sizes)
    end = 0
    for i in rng.permutation(len(sizes)):
        offsets[i] = -(-(end + 32 + int(rng.integers(56))) // align) * align
        end = offsets[i] + sizes[i]
    return tuple(offsets), -(-(end + 64) // 8) * 8


def describe(failure: Failure, core: str, kind: str, jobs: list[Job]) -> str:
    """A failure, and how to see it again."""
    job = jobs[failure.job]
    layer, pair = job.layer, pair_text(job.layer.widths[failure.candidate])
    return (
        f"{core} {layer.kernel}: {failure} (layer {job.number}, {pair}, input {failure.input}); again: "
        f"python -m benchmarks.fuzz_kernels --cores {core} --kinds {kind} --first {job.number} --cases 1"
    )


def save(path: Path, counts: Counter[Key]) -> None:
    """Write how often each kernel ran, after every chunk, so that a run that is stopped has said what it did."""
    rows = [{"core": c, "kernel": k, "pair": p, "cases": n} for (c, k, p), n in sorted(counts.items())]
    write_atomically(path, (json.dumps(rows, indent=1) + "\n").encode())


def show(console: Console, counts: Counter[Key]) -> None:
    """Table of kernels: pairs, and the least and the sum of their cases."""
    table = Table("core", "kernel", "pairs", "cases of each pair, least", "cases")
    for core, kernel in sorted({(c, k) for c, k, _ in counts}):
        found = [n for (c, k, _), n in counts.items() if (c, k) == (core, kernel)]
        table.add_row(core, kernel, str(len(found)), f"{min(found):,}", f"{sum(found):,}")
    console.print(table)


if __name__ == "__main__":
    main()
