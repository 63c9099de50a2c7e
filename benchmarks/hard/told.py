"""How a line of evidence says what it found: on lines of its own, which the runner reads.

Any program can be a line. What it prints behind ``figure:`` is what was measured, behind ``finding:`` what was found
wrong, behind ``left out:`` what could not be done here, and behind ``tool:`` the version of something it used.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

KINDS = ("figure", "finding", "left out", "exempt", "tool")


@dataclass
class Told:
    """What a line said so far."""

    figure: list[str] = field(default_factory=list)
    finding: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    exempt: list[str] = field(default_factory=list)
    tool: list[str] = field(default_factory=list)

    def read(self, line: str) -> None:
        """Take what a printed line says."""
        for kind in KINDS:
            if line.startswith(f"{kind}: "):
                found: list[str] = getattr(self, kind.replace(" ", "_"))
                found.append(line.removeprefix(f"{kind}: ").strip())


def say(kind: str, text: str) -> None:
    """Print what the runner shall read, at once; ``text`` on one line."""
    assert kind in KINDS, kind
    print(f"{kind}: {' '.join(text.split())}", flush=True)


def finish(findings: Sequence[str], figure: str) -> None:
    """Say the figure and the findings, and end with exit code 1 if there are any."""
    say("figure", figure)
    for finding in findings:
        say("finding", finding)
    sys.exit(1 if findings else 0)


def have(tool: str, package: str, why: str) -> bool:
    """Whether a program is installed, whose version is then said; if not, what is left out for want of it."""
    if shutil.which(tool) is None:
        say("left out", f"{why}: {tool} is not installed (Debian package {package})")
        return False
    done = subprocess.run([tool, "--version"], capture_output=True, text=True, check=False)
    words = (done.stdout or done.stderr).strip().splitlines()
    version = words[0] if words else "version unknown"
    say("tool", version if tool.partition("-")[0] in version.lower() else f"{tool} {version}")
    return True
