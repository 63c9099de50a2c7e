"""Mutants of the C that a product takes over: the native suite must kill them.

Run by ``python -m benchmarks.hard.mutants``. Each mutant has one operator, comparison or constant changed, in a kernel
or in ``dqt/``. One that does not compile, or that a compiler turns into the same instructions, is none. It is killed if
the suite says something else, crashes, is stopped by a sanitizer or does not end. A survivor is a finding, unless
``survivors.py`` says why nothing can tell it from the original.
"""

from __future__ import annotations

import argparse
import re
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from rich.progress import track

from .mutator import Mutant, some
from .suite import INCLUDES, Suite, make_suite
from .survivors import reason_for
from .told import finish, have, say

FLAGS = ("-std=c11", "-fno-strict-aliasing", "-w", *(f"-I{name}" for name in INCLUDES))
SAME = ("-O2",)
"""Flags under which equal objects mean an equal program."""
ASKED = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
SKIPPED = ("dqt.h", "dqt_layer.h", "dqt_tables.h", "dqt_kernels.h", "dqt_limits.h")
"""Declarations, and numbers that Python emits."""
SECONDS = 4
"""Of processor time, for a suite that takes less than one."""
LEAST_RATE = 0.95
LEAST_COUNT = 200
KILLED, SURVIVED, SAME_CODE, NO_CODE = "killed", "survived", "same code", "does not compile"


@dataclass
class Workshop:
    """The suite, compiled once; of a mutant, only what reads its file is compiled again."""

    suite: Suite
    folder: Path
    users: dict[str, list[str]] = field(default_factory=dict)
    """Of each header, the C files that read it."""

    def __post_init__(self) -> None:
        self.suite.write(self.folder)
        sources = [name for name in sorted(self.suite.files) if name.endswith(".c")]
        for source in sources:
            for header in self._headers(source):
                self.users.setdefault(header, []).append(source)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda name: self._both(name, self.folder), sources))
        self.sources = sources
        self.program = self._link(self.folder, {}, "whole")
        assert self._asked(self.program) == 0, "the suite fails without a change"

    def _headers(self, source: str) -> set[str]:
        paths = {Path(name).name: name for name in self.suite.files if name.endswith(".h")}
        found, waiting = set[str](), [source]
        while waiting:
            for name in INCLUDE.findall(self.suite.files[waiting.pop()]):
                path = paths.get(Path(name).name)
                if path is not None and path not in found:
                    found.add(path)
                    waiting.append(path)
        return found

    def targets(self) -> list[str]:
        """What is mutated."""
        names = [name for name in sorted(self.suite.files) if name.startswith(("dqt/", "kernels/"))]
        return [name for name in names if name.endswith((".c", ".h")) and Path(name).name not in SKIPPED]

    @staticmethod
    def _object(name: str, kind: str) -> str:
        return f"{name.replace('/', '-')}.{kind}.o"

    def _compile(self, name: str, folder: Path, kind: str, flags: tuple[str, ...]) -> bool:
        own = () if folder == self.folder else tuple(f"-I{self.folder / part}" for part in INCLUDES)
        command = ["gcc", *FLAGS, *own, *flags, "-c", name, "-o", self._object(name, kind)]
        return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0

    def _both(self, name: str, folder: Path) -> None:
        assert self._compile(name, folder, "same", SAME), name
        assert self._compile(name, folder, "asked", ASKED), name

    def _link(self, folder: Path, changed: dict[str, Path], name: str) -> Path:
        program = folder / name
        objects = [str(changed.get(source, self.folder / self._object(source, "asked"))) for source in self.sources]
        command = ["gcc", *ASKED, *objects, "-o", str(program)]
        subprocess.run(command, capture_output=True, check=True)
        return program

    def _asked(self, program: Path) -> int:
        """Exit code of the suite."""

        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

        environment = {"ASAN_OPTIONS": "hard_rss_limit_mb=2000:detect_leaks=0:symbolize=0"}
        command = [str(program), str(self.folder / "cases.bin")]
        done = subprocess.run(command, capture_output=True, check=False, preexec_fn=limit, env=environment)
        return done.returncode

    def outcome(self, mutant: Mutant) -> str:
        """What became of a mutant."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            affected = [mutant.file] if mutant.file.endswith(".c") else self.users[mutant.file]
            for path in {mutant.file, *affected}:
                (folder / path).parent.mkdir(exist_ok=True)
                (folder / path).write_text(self.suite.files[path], encoding="utf-8")
            text = mutant.of(self.suite.files[mutant.file])
            (folder / mutant.file).write_text(text, encoding="utf-8")
            changed = dict[str, Path]()
            for source in affected:
                if not self._compile(source, folder, "same", SAME):
                    return NO_CODE
                same = self._object(source, "same")
                if (folder / same).read_bytes() != (self.folder / same).read_bytes():
                    if not self._compile(source, folder, "asked", ASKED):
                        return NO_CODE
                    changed[source] = folder / self._object(source, "asked")
            if not changed:
                return SAME_CODE
            return SURVIVED if self._asked(self._link(folder, changed, "mutant")) == 0 else KILLED


def main() -> None:
    """Make mutants and tell what became of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--share", type=float, default=0.12, help="of all mutants of each file")
    parser.add_argument("--networks", type=int, default=24, help="random networks in the suite")
    parser.add_argument("--files", nargs="+", default=[], help="only sources whose path has one of these texts")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    assert have("gcc", "gcc", "mutants")
    findings, counts = list[str](), Counter[str]()
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(options.jobs) as pool:
        workshop = Workshop(make_suite(options.networks), Path(name))
        targets = [path for path in workshop.targets() if not options.files or any(t in path for t in options.files)]
        made = [mutant for path in targets for mutant in some(path, workshop.suite.files[path], options.share)]
        outcomes = pool.map(workshop.outcome, made)
        for mutant, outcome in zip(made, track(outcomes, "mutants", total=len(made), transient=True), strict=False):
            counts[outcome] += 1
            reason = reason_for(mutant)
            if outcome == SURVIVED and reason is None:
                findings.append(f"survived: {mutant}")
                print(findings[-1], file=sys.stderr, flush=True)
            elif outcome == SURVIVED:
                say("exempt", f"survived: {mutant}: {reason}")
    tried = counts[KILLED] + counts[SURVIVED]
    rate = counts[KILLED] / max(1, tried)
    if not options.files and (tried < LEAST_COUNT or rate < LEAST_RATE):
        findings.append(f"{rate:.1%} of {tried} mutants were killed: less than {LEAST_RATE:.0%} of {LEAST_COUNT}")
    none = f"{counts[SAME_CODE]} others compile to the same code, {counts[NO_CODE]} do not compile"
    figure = f"{counts[KILLED]} of {tried} mutants of {len(targets)} files killed ({rate:.1%}); {none}"
    finish(findings, figure)


if __name__ == "__main__":
    main()
