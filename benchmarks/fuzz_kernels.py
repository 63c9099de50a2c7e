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
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from pathlib import Path

from rich.console import Console
from rich.table import Table

from dqt_edge.errors import DqtError
from dqt_edge.system.files import write_atomically
from tests.support.rig.cases import CORES, WITHOUT_PAIRS, Key, make_rig, own_kernels, run_chunk, runs_on
from tests.support.rig.kernel_layers import BLOCK, INPUTS, KINDS

CHUNK = 40 * BLOCK
EXTRA = 5
"""Chunks at most, as a multiple of what the cases need: some windows of a kind run in another kernel."""


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
                return list(failures)
        if options.json:
            save(options.json, counts)
        total = sum(counts.values())
        console.print(f"{kind}: layers {first} to {first + wanted - 1} done, {total:,} cases in all", highlight=False)
    return []


def short(core: str, kind: str, counts: Counter[Key], cases: int) -> bool:
    """Whether a kernel of the core's own for this kind still lacks cases at some pair."""
    names = own_kernels(kind, core)
    found = [n for (c, kernel, _), n in counts.items() if c == core and kernel in names]
    return bool(found) and min(found) < cases


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
