"""A sample of ``make hard``'s interruptions: a save is old or new, and one that writes in place is found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CALL = """
import sys
from benchmarks.hard import interruptions, works
sys.argv = ["interruptions", "--points", "4", "--works", "save"]
{change}
interruptions.main()
"""
IN_PLACE = """
def write(path, content):
    handle = path.open("wb")
    for at in range(0, len(content), 64):
        handle.write(content[at : at + 64])
        handle.flush()
import dqt_edge.graph.checkpoint as checkpoint
checkpoint.write_atomically = write
"""


def interrupted(change: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CALL.format(change=change)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_save_that_is_interrupted_is_old_or_new() -> None:
    done = interrupted()
    assert "figure: save: 4 kills" in done.stdout, done.stderr
    assert (done.returncode, "finding: " in done.stdout) == (0, False), done.stdout


def test_a_save_in_place_is_found() -> None:
    done = interrupted(IN_PLACE)
    assert done.returncode == 1
    assert "neither: " in done.stdout
