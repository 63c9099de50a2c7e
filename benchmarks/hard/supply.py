"""What the package is made of: the lock file, licences, bills of materials, and a wheel that anybody can rebuild.

Run by ``python -m benchmarks.hard.supply``. The lock file must be what the resolver makes of ``pyproject.toml``, with a
SHA-256 for every file; every installed package must state a licence; pip-audit must know of no weakness, where the
database that it asks can be reached; bills of materials are written to
``build/hard/sbom/``; the wheel is built twice, in two folders at two times, and must be the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from dqt_edge.boards import load_board
from dqt_edge.project.export import export
from dqt_edge.system.files import write_atomically
from tests.support.digits import digits_graph

from .audit import audit
from .sbom import LOCK, UNKNOWN, firmware_bill, licence, locked, package_bill
from .told import finish, say
from .tree import ROOT

OUT = ROOT / "build" / "hard" / "sbom"
PARTS = ("dqt_edge", "templates", "firmware", "boards", "pyproject.toml", "README.md", "LICENSE")


def try_lock() -> list[str]:
    """The lock file has digests, and is what the resolver says."""
    text = LOCK.read_text(encoding="utf-8")
    findings = [f"{entry.name} has no SHA-256" for entry in locked(text) if not entry.hashes]
    if len(locked(text)) != len(re.findall(r"==", re.sub(r";[^\\\n]*", "", text))):
        findings.append("the lock file has entries that are not understood")
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name) / "requirements.lock"
        copy.write_text(text, encoding="utf-8")
        environment = {**os.environ, "PYTHON": sys.executable}
        command = [str(ROOT / ".ci" / "lock"), "--output-file", str(copy)]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            say("left out", f"whether the lock file is the resolver's: {done.stderr.strip()[-200:]}")
        elif copy.read_text(encoding="utf-8") != text:
            findings.append("the lock file is not that of pyproject.toml: run .ci/lock")
    return findings


def licences() -> tuple[Counter[str], list[str]]:
    """How many packages have each licence; those without one."""
    stated = {entry.name: licence(entry.name) for entry in locked(LOCK.read_text(encoding="utf-8"))}
    counts = Counter(found for found in stated.values() if found is not None)
    return counts, sorted(name for name, found in stated.items() if found == UNKNOWN)


def wheel(folder: Path) -> tuple[str, str]:
    """Name and SHA-256 of the wheel of a copy of the sources."""
    copy = folder / "source"
    for name in PARTS:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(
                source, copy / name, ignore=shutil.ignore_patterns("__pycache__"), copy_function=shutil.copy
            )
        else:
            shutil.copy(source, copy / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(copy)]
    subprocess.run(command, check=True, capture_output=True)
    (made,) = folder.glob("*.whl")
    return made.name, hashlib.sha256(made.read_bytes()).hexdigest()


def bills() -> tuple[int, int]:
    """Write both bills; the components of each."""
    OUT.mkdir(parents=True, exist_ok=True)
    package = package_bill(LOCK.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "p"
        export(digits_graph(), load_board("qemu-m4"), folder)
        firmware = firmware_bill(folder)
    for name, bill in (("package", package), ("firmware", firmware)):
        write_atomically(OUT / f"{name}.cdx.json", (json.dumps(bill, indent=1, ensure_ascii=False) + "\n").encode())
    return len(package["components"]), len(firmware["components"])


def main() -> None:
    """Check all of it."""
    findings = try_lock()
    counts, without = licences()
    findings += [f"{name} states no licence" for name in without]
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory(prefix="another ") as other:
        wheels = {wheel(Path(one)), wheel(Path(other))}
    if len(wheels) != 1:
        findings.append(f"two builds of the wheel differ: {sorted(wheels)}")
    package, firmware = bills()
    audited, known = audit(LOCK)
    findings += known
    stated = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    figure = f"{package} packages locked, {sum(counts.values())} installed ({stated}); "
    figure += f"bills of {package} and {firmware} components; wheel {sorted(wheels)[0][1][:16]} twice; {audited}"
    finish(findings, figure)


if __name__ == "__main__":
    main()
