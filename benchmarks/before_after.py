"""What a user waits for, of this tree and of an earlier one, side by side in one run.

    git worktree add --detach /tmp/before 275725c
    python -m benchmarks.before_after --before /tmp/before [--json FILE]

Samples a second of ``profile`` with ResNet-8 on the host and on an emulated Cortex-M4, whole commands with their start;
the memory of ``profile`` with 100 and 10,000 samples of the digits model; seconds until each command shows something.
Both trees run the same commands in turn, with this Python's packages, and medians of ``--repeat`` rounds are told.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from .first_sign import DIGITS, ROOT, first_sign

RESNET8 = ROOT / "docs" / "results" / "resnet8.safetensors"
HOST_SAMPLES, QEMU_SAMPLES = 3000, 60
FEW, MANY = 100, 10_000
PROJECTS = (
    ("resnet8", "host", "resnet8-host"),
    ("resnet8", "qemu-m4", "resnet8-qemu-m4"),
    ("digits", "host", "host"),
)
"""Model, board, and folder of what is built first."""
SHOWN: tuple[tuple[str, ...], ...] = (
    ("train", "--data", "digits", "--model", "tiny", "--out", "new.safetensors"),
    ("import", "missing.keras", "--data", "digits", "--out", "imported.safetensors"),
    ("search", "digits.safetensors", "--data", "digits"),
    ("cost", "resnet50"),
    ("check", "digits.safetensors", "--board", "qemu-m4"),
    ("export", "digits.safetensors", "--board", "qemu-m4", "--out", "again"),
    ("build", "host"),
    ("profile", "host", "--data", "digits"),
    ("boards",),
    ("doctor",),
    ("--help",),
)
"""Commands of both trees."""


@dataclass(frozen=True)
class Tree:
    """A checkout, and a folder of its own with what its commands read."""

    name: str
    root: Path
    folder: Path

    def run(self, *arguments: str) -> tuple[float, float]:
        """Seconds of a command, and its peak memory in MB, children included (the largest of them)."""
        environment = {**os.environ, "PYTHONPATH": str(self.root)}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package is compiled once
        log = self.folder / "log"
        start = time.monotonic()
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "dqt_edge", *arguments],
                cwd=self.folder, env=environment, stdout=out, stderr=out,
            )  # fmt: skip
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise SystemExit(f"{self.name}: {' '.join(arguments)}: {log.read_text(errors='replace')[-2000:]}")
        return time.monotonic() - start, usage.ru_maxrss / 1000

    def prepare(self) -> None:
        """Models, data, and built projects."""
        shutil.copy(DIGITS, self.folder / "digits.safetensors")
        shutil.copy(RESNET8, self.folder / "resnet8.safetensors")
        rng = np.random.default_rng(1)
        shapes = {"images.npz": ((HOST_SAMPLES, 32, 32, 3), 256), "small.npz": ((MANY, 8, 8, 1), 17)}
        for name, (shape, end) in shapes.items():
            x, y = rng.integers(0, end, shape, np.uint8), np.arange(shape[0]) % 10
            np.savez(self.folder / name, x=x[:10], y=y[:10], x_test=x, y_test=y)
        for model, board, project in PROJECTS:
            self.run("export", f"{model}.safetensors", "--board", board, "--out", project)
            self.run("build", project)


def rates(tree: Tree, more: Sequence[str] = ()) -> dict[str, float]:
    """Samples a second on the host and in QEMU."""
    host, _ = tree.run("profile", "resnet8-host", "--data", "images.npz", "--n", str(HOST_SAMPLES), *more)
    qemu, _ = tree.run("profile", "resnet8-qemu-m4", "--data", "images.npz", "--n", str(QEMU_SAMPLES), *more)
    return {"host, samples/s": HOST_SAMPLES / host, "qemu-m4, samples/s": QEMU_SAMPLES / qemu}


def measure(trees: Sequence[Tree], repeat: int) -> dict[str, dict[str, float]]:
    """What -> tree -> median."""
    found: dict[str, dict[str, list[float]]] = {}

    def keep(what: str, who: str, value: float) -> None:
        found.setdefault(what, {}).setdefault(who, []).append(value)

    for _ in range(repeat):
        for tree in trees:
            for what, value in rates(tree).items():
                keep(what, tree.name, value)
        for what, value in rates(trees[-1], ("--jobs", "2")).items():
            keep(what, "now, --jobs 2", value)
        for tree in trees:
            for count in (FEW, MANY):
                _, memory = tree.run("profile", "host", "--data", "small.npz", "--n", str(count))
                keep(f"memory with {count:,} samples, MB", tree.name, memory)
            for arguments in SHOWN:
                took, _ = first_sign(arguments, tree.folder, tree.root)
                keep(f"first sign of {arguments[0]}, s", tree.name, took)
    return {what: {who: statistics.median(values) for who, values in row.items()} for what, row in found.items()}


def main() -> int:
    """Measure, print, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True, help="folder of an earlier commit's checkout")
    parser.add_argument("--repeat", type=int, default=3, help="rounds")
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        trees = []
        for who, root in (("before", options.before.resolve()), ("now", ROOT)):
            tree = Tree(who, root, Path(name) / who)
            tree.folder.mkdir()
            tree.prepare()
            trees.append(tree)
        found = measure(trees, options.repeat)
    facts: dict[str, Any] = {tree.name: _commit(tree.root) for tree in trees}
    title = f"before: {facts['before']}, now: {facts['now']}; load {load:.1f} to {os.getloadavg()[0]:.1f}"
    table = Table("what", "before", "now", "now, --jobs 2", title=title)
    for what, row in found.items():
        table.add_row(what, *(f"{row[who]:.3g}" if who in row else "" for who in ("before", "now", "now, --jobs 2")))
    Console(width=100).print(table)
    if options.json is not None:
        options.json.write_text(json.dumps({**facts, "medians": found}, indent=2) + "\n", encoding="utf-8")
    return 0


def _commit(root: Path) -> str:
    command = ["git", "-C", str(root), "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "no commit"


if __name__ == "__main__":
    sys.exit(main())
