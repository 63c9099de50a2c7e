"""A process that switched widths, exits and second passes often gives what a fresh process gives.

Run by ``python -m benchmarks.hard.switches``. Inferences of several models, each at widths or a setting of its own, run
one behind another in one process, each model in one arena that is never cleared; then each alone in a process of its
own. Both must say the same, which is what the interpreter says.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from rich.progress import track

from .case import Case, Kind
from .sanitizers import Way, compile_suite
from .suite import Suite, graphs, make_suite
from .told import finish, have

NATIVE = Way("gcc", "gcc", "gcc", ())
SPOKEN = re.compile(r"^(\d+) ([0-9a-f]{8}) (\d+)$", re.MULTILINE)


def switching(suite: Suite, networks: int, count: int, seed: int) -> list[Case]:
    """Inferences in a random order, none of which begins with a cleared arena; models with states are left out."""
    stateless = {i for i, graph in enumerate(graphs(networks)) if not graph.states}
    kinds = (Kind.RUN, Kind.DECIDE)
    pool = [case for case in suite.cases if case.request[0] in kinds and case.request[1] in stateless]
    rng = np.random.default_rng(seed)
    return [pool[int(i)].without_fresh() for i in rng.integers(0, len(pool), count)]


def spoken(program: Path, cases: Path, first: int, count: int) -> dict[int, tuple[str, str]]:
    """Checksum and size of the answers, by the number of their case."""
    command = [str(program), str(cases), str(first), str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return {int(number): (crc, size) for number, crc, size in SPOKEN.findall(done.stdout)}


def main() -> None:
    """Compare one process with many."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--switches", type=int, default=1000)
    parser.add_argument("--networks", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    assert have("gcc", "gcc", "switches")
    suite = make_suite(options.networks, vectors=8, settings=16)
    cases = switching(suite, options.networks, options.switches, options.seed)
    findings = list[str]()
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(2) as pool:
        folder = Path(name)
        suite.write(folder)
        program, file = compile_suite(NATIVE, "-O2", suite, folder), folder / "cases.bin"
        file.write_bytes(b"".join(case.content for case in cases))
        together = spoken(program, file, 0, len(cases))
        alone = pool.map(lambda number: spoken(program, file, number, 1), range(len(cases)))
        for number, said in enumerate(track(alone, total=len(cases), transient=True)):
            answer = cases[number].answer
            want = {number: (f"{zlib.crc32(answer):08x}", str(len(answer)))}
            if said != want or together.get(number) != want[number]:
                told = f"{together.get(number)} in one process, {said} alone, {want} by the interpreter"
                findings.append(f"switch {number} of seed {options.seed}: {told}")
    models = len({case.request[1] for case in cases})
    different = len({case.request for case in cases})
    figure = f"{len(cases):,} switches between {different:,} different inferences of {models} models"
    finish(findings[:20], f"{figure}, {len(findings)} differences")


if __name__ == "__main__":
    main()
