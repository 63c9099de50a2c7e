"""Runs the lines of evidence; writes build/hard/evidence.json and docs/evidence.md. Exit code 1: a finding is open.

Run by ``make hard``. A line whose outcome is known, and that depends on nothing that has changed since, is not run
again. ``--lines`` runs some, ``--fresh`` runs what is known too, ``--page`` only writes the page, which
keeps what it says of lines that were never run here.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from threading import Lock

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from dqt_edge.system.files import write_atomically

from .kept import outcomes_of
from .line import Line, Outcome
from .lines import LINES
from .page import page
from .tree import ROOT, commit, key

FOLDER = ROOT / "build" / "hard"
PAGE = ROOT / "docs" / "evidence.md"


def _kept(line: Line) -> Outcome | None:
    path = FOLDER / "lines" / f"{line.name}.json"
    try:
        return Outcome(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def run_line(line: Line) -> Outcome:
    """Run a line; what it prints is kept beside its outcome."""
    before, tested = key(line.paths, line.command), commit()
    started = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    log = FOLDER / "lines" / f"{line.name}.log"
    with log.open("w", encoding="utf-8") as stream:
        command = [sys.executable, "-m", line.module, *line.options]
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=stream, stderr=subprocess.STDOUT, check=False)
    told = line.read(log.read_text(encoding="utf-8", errors="replace"), done.returncode)
    if key(line.paths, line.command) != before:
        told.finding.append("files were changed while it ran: run it again")
    return Outcome(
        line.name,
        line.proves,
        line.command,
        tested,
        datetime.now(timezone.utc).isoformat(timespec="seconds"),
        round(time.monotonic() - started, 1),
        before,
        "; ".join(told.figure) or "no figure",
        told.finding,
        told.left_out,
        told.exempt,
        sorted(set(told.tool)),
    )


def write(outcomes: dict[str, Outcome]) -> int:
    """Write both files; the number of open findings."""
    known = [outcomes[line.name] for line in LINES if line.name in outcomes]
    findings = sum(len(outcome.findings) for outcome in known)
    content = {
        "commit": commit(),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "open_findings": findings,
        "not_run": [line.name for line in LINES if line.name not in outcomes],
        "lines": [outcome.record() for outcome in known],
    }
    write_atomically(FOLDER / "evidence.json", (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())
    write_atomically(PAGE, page(LINES, outcomes).encode())
    return findings


def run(lines: Sequence[Line], console: Console, *, fresh: bool, jobs: int) -> dict[str, Outcome]:
    """Run lines that are not known, ``jobs`` at once; every line's outcome, by name."""
    stated = outcomes_of(PAGE.read_text(encoding="utf-8"), LINES) if PAGE.is_file() else {}
    outcomes = stated | {line.name: kept for line in LINES if (kept := _kept(line)) is not None}
    (FOLDER / "lines").mkdir(parents=True, exist_ok=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    one_at_a_time = Lock()
    with Progress(*columns, console=console, transient=True) as progress, ThreadPoolExecutor(jobs) as pool:

        def do(line: Line) -> None:
            known = outcomes.get(line.name)
            if known is None or fresh or known.findings or known.key != key(line.paths, line.command):
                task = progress.add_task(f"{line.name}: {line.command}", total=None)
                known = run_line(line)
                with one_at_a_time:
                    outcomes[line.name] = known
                    path = FOLDER / "lines" / f"{line.name}.json"
                    write_atomically(path, (json.dumps(known.record(), indent=1) + "\n").encode())
                    write(outcomes)
                progress.remove_task(task)
                told = f"{known.seconds:.0f} s"
            else:
                told = f"known since {known.date[:16]}"
            mark = "[red]open[/]" if known.findings else "[green]ok[/]"
            with one_at_a_time:
                console.print(f"{mark} {line.name}: {known.figure} ({told})", highlight=False)
                for finding in known.findings:
                    console.print(f"   finding: {finding}", highlight=False, markup=False)

        list(pool.map(do, lines))
    return outcomes


def main() -> int:
    """Exit code: 1 if a finding is open."""
    names = [line.name for line in LINES]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", nargs="+", default=names, choices=names, help="only these")
    parser.add_argument("--fresh", action="store_true", help="run what is known too")
    parser.add_argument("--page", action="store_true", help="run nothing; write the page from what is known")
    parser.add_argument("--jobs", type=int, default=2, help="lines at once; some use two cores by themselves")
    options = parser.parse_args()
    console = Console()
    chosen = [] if options.page else [line for line in LINES if line.name in options.lines]
    begun = time.monotonic()
    outcomes = run(chosen, console, fresh=options.fresh, jobs=options.jobs)
    findings = write(outcomes)
    page_name = Path(PAGE).relative_to(ROOT)
    console.print(f"{len(outcomes)} of {len(LINES)} lines, {findings} open findings: {page_name}", highlight=False)
    console.print(f"{(time.monotonic() - begun) / 60:.1f} minutes", highlight=False)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
