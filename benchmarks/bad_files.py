"""The bad files made by hand: each must be refused in words that name the place, within limits of time and memory.

Run by itself, or by ``benchmarks.fuzz_files`` before its own. What each must say, and that it executes, writes and
opens nothing else, is judged by ``tests/support/bad_files``. Keras files are judged up to where Keras would load them:
the start of TensorFlow, some 4 s in a process of its own, is the same for every file and is not counted.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.file_limits import limit_memory, outcome, watch
from tests.support.bad_files import NAMES, Format, bad_files, missing
from tests.support.bad_files.judge import faults


def judged(kind: Format, name: str) -> list[str]:
    """What is wrong with how a bad file is read; nothing, as it should be."""
    case, found = kind.cases[name], list[str]()
    with tempfile.TemporaryDirectory() as folder:
        path = kind.place(Path(folder), case)
        told = outcome(lambda _: found.extend(faults(kind, case, Path(folder))), path)
    return found if told == "read" else [*found, told]


def run() -> int:
    """Judge all, print how many there are of every format, and what is wrong; the number of findings."""
    counts, findings = [], 0
    for format_name in NAMES:
        absent = missing(format_name)
        if absent is not None:
            print(f"{format_name}: left out, the package {absent} is not installed")
            continue
        kind = bad_files(format_name)
        with tempfile.TemporaryDirectory() as folder:
            kind.read(kind.place(Path(folder)))  # what is imported late takes its time and memory here
        limit_memory()
        for name in kind.cases:
            wrong = judged(kind, name)
            findings += bool(wrong)
            for each in wrong:
                print(f"bad {format_name} file, {name}: {each}")
        counts.append(f"{len(kind.cases)} {format_name}")
    print(f"by hand: {', '.join(counts)}, each refused by the place, {findings} findings")
    return findings


if __name__ == "__main__":
    watch()
    sys.exit(int(run() > 0))
