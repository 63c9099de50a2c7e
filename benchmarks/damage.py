"""Damaged flash: images cut off and with flipped bits on an emulated board must answer right, say so, or be silent.

Run by ``make fuzz-flash CASES=2000``. Every tenth case cuts the digits model's image off at a random byte, where erased
flash follows; the others flip a bit. Of each image a few random inputs are asked for; the inputs do not change. A case
is a finding if an answer differs from the whole image's and nothing was said: then its place is printed, and the exit
code is 1.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from rich.progress import track

from dqt_edge.boards import Board, load_board
from dqt_edge.errors import DamagedImageError, DeviceError
from dqt_edge.project.build import build
from dqt_edge.project.export import export
from tests.support.damage import answers_of, cut_off, flipped
from tests.support.digits import digits_graph

CUT_EVERY = 10


def outcome(board: Board, content: bytes, wanted: list[bytes], case: int) -> str:
    """What a damaged image did: ``said so``, ``silent``, ``right``, or ``WRONG`` with the place of the damage."""
    rng = np.random.default_rng(case)
    with tempfile.TemporaryDirectory() as folder:
        if case % CUT_EVERY == 0:
            size = int(rng.integers(0, len(content)))
            place, image = f"cut off at byte {size}", cut_off(content, size, Path(folder))
        else:
            bit = int(rng.integers(0, 8 * len(content)))
            place, image = f"bit {bit}", flipped(content, bit, Path(folder))
        seen = answers_of(board, image)
    if isinstance(seen, DamagedImageError):
        return "said so"
    if isinstance(seen, DeviceError):
        return "silent"
    return "right" if seen == wanted else f"WRONG: {place}"


def main() -> int:
    """Exit code: 1 if a damaged image gave a wrong answer without a word."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--board", default="qemu-m4", help="an emulated board whose flash begins at address 0")
    parser.add_argument("--jobs", type=int, default=2, help="emulators at once")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made = export(digits_graph(), load_board(options.board), Path(folder) / "p").project
        build(made.folder, cross=True)
        content = made.elf.with_suffix(".bin").read_bytes()
        wanted = answers_of(made.board, made.elf)
        assert isinstance(wanted, list), wanted
        cases = range(options.first, options.first + options.cases)
        with ThreadPoolExecutor(options.jobs) as pool:
            done = pool.map(partial(outcome, made.board, content, wanted), cases)
            counts = Counter(track(done, total=len(cases)))
    for kind, count in sorted(counts.items()):
        print(f"{count:6,}  {kind}")
    return 1 if any(kind.startswith("WRONG") for kind in counts) else 0


if __name__ == "__main__":
    sys.exit(main())
