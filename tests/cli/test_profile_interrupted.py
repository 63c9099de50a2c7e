"""Promise: Ctrl-C, SIGTERM and kill -9 leave a valid log; what was measured until then is printed and said to be
partial."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from dqt_edge.project.manifest import Project
from dqt_edge.tasks.statistics import wilson

COUNT, STOPS = 60, 41
SCRIPT = f"""
import os, signal, sys
from dqt_edge.cli import main
from dqt_edge.measure.log import SessionLog

append = SessionLog.append

def append_and_stop(self, record):
    append(self, record)
    if self.count == {STOPS}:
        os.kill(os.getpid(), signal.Signals[sys.argv[1]])

SessionLog.append = append_and_stop
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin with Ctrl-C ignored
main(sys.argv[2:])
"""

SIGNALS = {"SIGINT": 130, "SIGTERM": 143, "SIGKILL": -9}
"""How a process is stopped, and what it ends with."""


def plain(log: Path) -> list[dict[str, object]]:
    """Records without times, which differ from run to run on the host."""
    found = [json.loads(line) for line in log.read_text().splitlines()]
    return [{k: v for k, v in record.items() if k not in ("total", "counts", "crc")} for record in found]


def test_a_stopped_profile_goes_on(dqt, here: Path, host_project: Project) -> None:
    options = ["profile", "--data", "digits", "--n", str(COUNT), "--log"]
    assert dqt(*options, "whole").code == 0
    for name, code in SIGNALS.items():
        command = [sys.executable, "-c", SCRIPT, name, *options, name, *(["--report", "r"] if name == "SIGINT" else [])]
        environment = {**os.environ, "COLUMNS": "200"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        assert len(plain(here / name)) == STOPS + 1
        if name != "SIGKILL":
            assert f"{STOPS} of {COUNT}: partial" in done.stdout
            assert f"stopped after {STOPS} of {COUNT} samples" in done.stderr
            assert "with --resume to go on" in done.stderr
        if name == "SIGINT":
            report = json.loads((here / "r" / "report.json").read_text())
            assert (report["samples"], report["planned"]) == (STOPS, COUNT)
            assert report["intervals"]["accuracy"] == list(wilson(round(report["accuracy"] * STOPS), STOPS))
        assert dqt(*options, name, "--resume").code == 0
        assert plain(here / name) == plain(here / "whole")
