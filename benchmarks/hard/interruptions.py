"""Work that is killed, that finds no room, that may not write, or that somebody else does too: old or new, never half.

Run by ``python -m benchmarks.hard.interruptions``. Each work is done in a process of its own, which ends by SIGKILL at
a random time, half of the times with all that it started. Then there must be what was there before or what was to be,
and to do it once more must give the new. On a full disk, in a folder that cannot be written, and with a limit of the
size of files it must be the same, and what is said must be a typed error.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from rich.progress import track

from dqt_edge.errors import DqtError
from tests.support.compiler_cache import use_compiler_cache

from .told import finish, say
from .works import Build, Export, Import, Profile, Save, Train, Work

TYPED, UNTYPED = 40, 41
NOBODY = 65534
LIMITS = (0, 1, 100, 1000, 4096, 20_000)
"""Bytes that a file may have."""
TOGETHER = 6
TRIES = 6
"""To kill the work in time, as a multiple of the points."""


def started(task: Callable[[], None], errors: Path, before: Callable[[], None] | None = None) -> int:
    """A process of its own, in a group of its own; its exit code says how the task ended.

    Args:
        task: What it does.
        errors: File for the traceback of an error that is not typed.
        before: Done first, in the process.
    """
    process = os.fork()
    if process:
        return process
    code = 0
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 1)
        os.dup2(null, 2)
        if before is not None:
            before()
        task()
    except DqtError:
        code = TYPED
    except BaseException:
        code = UNTYPED
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        errors.write_text(traceback.format_exc(), encoding="utf-8")
    finally:
        os._exit(code)


def ended(process: int) -> int:
    """Its exit code, or the negative number of the signal."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _gone(group: int) -> None:
    """Wait until what a killed process has started has ended by itself."""
    for _ in range(6000):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)


class Interruptions:
    """One work under every interruption."""

    def __init__(self, work: Work, folder: Path) -> None:
        self.work, self.folder, self.findings = work, folder, list[str]()
        self.counts: Counter[str] = Counter()

    def _finding(self, how: str, text: str) -> None:
        self.findings.append(f"{self.work.name}, {how}: {text}")
        print(self.findings[-1], file=sys.stderr, flush=True)

    @contextmanager
    def _prepared(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            folder = Path(name) / "f"
            folder.mkdir()
            self.work.prepare(folder)
            yield folder

    def duration(self) -> float:
        """Seconds that the work takes."""
        with self._prepared() as folder:
            begun = time.monotonic()
            code = ended(started(lambda: self.work.busy(folder), self.folder / "error"))
            taken = time.monotonic() - begun
            if code != 0 or self.work.state(folder) != "new":
                self._finding("undisturbed", f"exit code {code}, {self.work.state(folder)}")
        return taken

    def kills(self, points: int, seed: int) -> None:
        """SIGKILL at random times, more often in the last third, where files take their places."""
        rng = np.random.default_rng((seed, *self.work.name.encode()))
        longest = min(self.duration() for _ in range(2))
        number = 0
        while self.killed < points and number < TRIES * points:
            share = float(rng.choice([rng.uniform(0, 1), rng.uniform(0.66, 1.0)]))
            self._kill(number, share * longest, f"killed after {share:.0%} of {longest:.2f} s")
            number += 1

    @property
    def killed(self) -> int:
        """Times that the work was killed before it had ended."""
        return sum(count for kind, count in self.counts.items() if kind.startswith("killed"))

    def _kill(self, number: int, delay: float, how: str) -> None:
        with self._prepared() as folder:
            process = started(lambda: self.work.busy(folder), self.folder / "error")
            time.sleep(delay)
            try:
                (os.killpg if number % 2 else os.kill)(process, signal.SIGKILL)
            except ProcessLookupError:
                os.kill(process, signal.SIGKILL)
            code = ended(process)
            _gone(process)
            state = self.work.state(folder)
            self.counts[f"{'killed' if code == -signal.SIGKILL else 'done'}, {state[:3]}"] += 1
            if state not in ("old", "new") or code not in (0, -signal.SIGKILL):
                self._finding(how, f"exit code {code}, {state}")
            if number % self.work.settled_every:
                return
            try:
                settled = self.work.settle(folder)
            except DqtError as error:
                settled = f"error: {error}"
            if settled != "new":
                self._finding(how, f"done again it is {settled}")

    def _refused(self, how: str, folder: Path, before: Callable[[], None] | None = None) -> None:
        """Do it where it cannot end well, or only just."""
        errors = self.folder / "error"
        code = ended(started(lambda: self.work.do(folder), errors, before))
        state = self.work.state(folder)
        wanted = {0: ("new",), TYPED: ("old",)}.get(code, ())
        self.counts["refused" if code == TYPED else "done"] += 1
        if state not in wanted:
            told = errors.read_text(encoding="utf-8").strip()[-300:] if code == UNTYPED else ""
            self._finding(how, f"exit code {code}, {state} {told}")

    def limits(self) -> None:
        """Files that may not grow beyond a size, as at a quota."""
        for limit in LIMITS:
            with self._prepared() as folder:

                def before(limit: int = limit) -> None:
                    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

                self._refused(f"files of at most {limit} bytes", folder, before)

    def read_only(self) -> None:
        """A folder that the user may read only."""
        with self._prepared() as folder:
            for path in (folder.parent, folder, *folder.rglob("*")):
                path.chmod(0o555 if path.is_dir() or os.access(path, os.X_OK) else 0o444)

            def before() -> None:
                if os.geteuid() == 0:
                    os.setgid(NOBODY)
                    os.setuid(NOBODY)

            try:
                self._refused("a read-only folder", folder, before)
            finally:
                for path in (folder.parent, folder, *folder.rglob("*")):
                    path.chmod(0o755)

    def full(self) -> None:
        """A file system without room for the new beside the old."""
        for spare in (0, 4096, 16384):
            with tempfile.TemporaryDirectory(dir=self.folder) as name:
                if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "none", name], check=False).returncode:
                    say("left out", "a full disk: a file system of its own cannot be mounted here")
                    return
                try:
                    folder = Path(name) / "f"
                    folder.mkdir()
                    self.work.prepare(folder)
                    free = os.statvfs(name)
                    filler = max(0, free.f_bavail * free.f_frsize - spare)
                    (Path(name) / "filler").write_bytes(bytes(filler))
                    self._refused(f"a full disk with {spare} bytes left", folder)
                finally:
                    subprocess.run(["umount", "-l", name], check=False)

    def together(self) -> None:
        """Two at once: both end well or in a typed error, and the new is there."""
        for _ in range(TOGETHER):
            with self._prepared() as folder:
                errors = [self.folder / "error", self.folder / "error2"]
                processes = [started(lambda: self.work.do(folder), path) for path in errors]
                codes = [ended(process) for process in processes]
                state = self.work.state(folder)
                self.counts["two at once"] += 1
                if state != "new" or not set(codes) <= {0, TYPED} or 0 not in codes:
                    told = [path.read_text(encoding="utf-8")[-300:] for path in errors if path.exists()]
                    self._finding("two at once", f"exit codes {codes}, {state} {told}")


def works(folder: Path) -> list[Work]:
    """All works; each is tried by itself."""
    return [Save(), Import(), Export(), Build("host"), Build("qemu-m4"), Profile(folder), Train(folder)]


def main() -> None:
    """Interrupt every work."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=50, help="at which each work is killed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--works", nargs="+", default=[], help="only those whose names have one of these texts")
    options = parser.parse_args()
    use_compiler_cache()
    findings, killed, counts = list[str](), 0, Counter[str]()
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        chosen = [w for w in works(Path(name)) if not options.works or any(t in w.name for t in options.works)]
        for work in track(chosen, "works", transient=True):
            tried = Interruptions(work, Path(name))
            begun = time.monotonic()
            points = max(1, round(options.points * work.share))
            tried.kills(points, options.seed)
            if not work.only_killed:
                tried.limits()
                tried.full()
                tried.read_only()
                tried.together()
            print(f"{work.name}: {dict(tried.counts)}, {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
            findings += tried.findings
            killed += tried.killed
            if tried.killed < points:
                findings.append(f"{work.name}: killed {tried.killed} times only")
            counts += tried.counts
    say("left out", "train on a full disk and the like: tests of training hold it; each run starts TensorFlow anew")
    names = ", ".join(work.name for work in chosen)
    others = f"{counts['refused']} refusals, {counts['two at once']} times two at once"
    finish(findings, f"{names}: {killed} kills, {others}, {len(findings)} findings")


if __name__ == "__main__":
    main()
