"""Time to the first sign of life of every command, in a terminal.

    python -m benchmarks.first_sign [--repeat 5] [--json FILE]

Starts each command on a small input in a pseudo-terminal of 80 columns, as a process of its own, and takes the
seconds until the first visible character; control codes do not count. The command is then ended, unless it did already.
What the commands read, they made before. Prints a table of the median and the slowest of each, with the machine's load.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
DIGITS = ROOT / "tests" / "files" / "digits.safetensors"
LIMIT = 60.0
"""Seconds after which a silent command is given up."""
CONTROL = re.compile(rb"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-_]|[\x00-\x20]")
PREPARED: tuple[tuple[str, ...], ...] = (
    ("export", "digits.safetensors", "--board", "host", "--out", "host"),
    ("build", "host"),
    ("profile", "host", "--data", "digits", "--n", "8", "--report", "report"),
    (
        "train",
        "--data",
        "digits",
        "--model",
        "tiny",
        "--points",
        "conv1",
        "--epochs",
        "4",
        "--out",
        "early.safetensors",
    ),
    ("tune", "early.safetensors", "--data", "digits", "--samples", "100", "--out", "tuned.safetensors"),
    ("export", "digits.safetensors", "--board", "stm32h7", "--out", "board"),
    ("build", "board"),
)
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("try", "digits.safetensors", "--out", "tried"),
    ("train", "--data", "digits", "--model", "tiny", "--out", "new.safetensors"),
    ("train", "--heads-only", "--init", "digits.safetensors", "--data", "digits", "--out", "heads.safetensors"),
    ("import", "missing.keras", "--out", "imported.safetensors"),
    ("search", "digits.safetensors", "--data", "digits"),
    ("tune", "early.safetensors", "--data", "digits"),
    ("evaluate", "tuned.safetensors", "--data", "digits"),
    ("cost", "resnet50"),
    ("check", "digits.safetensors"),
    ("check", "digits.safetensors", "--board", "qemu-m4"),
    ("export", "digits.safetensors", "--board", "qemu-m4", "--out", "again"),
    ("build", "host"),
    ("flash", "board", "--dry-run"),
    ("profile", "host", "--data", "digits"),
    ("compare", "digits.safetensors", "missing.tflite"),
    ("compare-sessions", "report", "report"),
    ("boards",),
    ("doctor",),
    ("--help",),
)


def command_line(arguments: Sequence[str]) -> list[str]:
    """How this Python runs a command."""
    return [sys.executable, "-m", "dqt_edge", *arguments]


def open_terminal(width: int) -> tuple[int, int]:
    """Both ends of a pseudo-terminal of that many columns; the second is for the command."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    return ours, theirs


def first_sign(arguments: Sequence[str], folder: Path, root: Path = ROOT) -> tuple[float, str]:
    """Seconds until the first visible character in a terminal, and what stands there then; ``root``: of the tree."""
    ours, theirs = open_terminal(80)
    environment = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(root)}
    start = time.monotonic()
    process = subprocess.Popen(
        command_line(arguments), cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    seen = b""
    try:
        while not CONTROL.sub(b"", seen):
            if not select.select([ours], [], [], max(0.0, start + LIMIT - time.monotonic()))[0]:
                return LIMIT, "nothing"
            seen += os.read(ours, 4096)
        took = time.monotonic() - start
    except OSError:  # it ended without a word
        took = time.monotonic() - start
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(ours)
    text = re.sub(rb"\x1b\[[0-9;?]*[ -/]*[@-~]", b"", seen).decode(errors="replace").strip()
    return took, text.splitlines()[0].strip()[:40] if text else "nothing"


def measure(folder: Path, repeat: int) -> list[dict[str, object]]:
    """Prepare a folder, and measure each command as often."""
    shutil.copy(DIGITS, folder / "digits.safetensors")
    for arguments in PREPARED:
        subprocess.run(command_line(arguments), cwd=folder, check=True, capture_output=True)
    found: list[dict[str, object]] = []
    for arguments in COMMANDS:
        runs = [first_sign(arguments, folder) for _ in range(repeat)]
        seconds = [took for took, _ in runs]
        row: dict[str, object] = {"command": " ".join(arguments), "shows": runs[0][1]}
        found.append(row | {"median": statistics.median(seconds), "slowest": max(seconds), "runs": repeat})
    return found


def main() -> int:
    """Measure, print, and write the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5, help="runs of each command")
    parser.add_argument("--json", type=Path, help="write the rows there")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        rows = measure(Path(name), options.repeat)
    table = Table(
        "command", "median s", "slowest s", "what is seen first", title=f"load {load:.1f} to {os.getloadavg()[0]:.1f}"
    )
    for row in rows:
        table.add_row(str(row["command"]), f"{row['median']:.2f}", f"{row['slowest']:.2f}", str(row["shows"]))
    Console(width=120).print(table)
    if options.json is not None:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
