"""Known weaknesses of the locked packages, by pip-audit, where the database that it asks can be reached.

That is OSV's (osv.dev). pip-audit is installed below ``build/``, not among the packages that it looks at.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from .told import say
from .tree import ROOT

DATABASE = "https://api.osv.dev/"
TOOL = ROOT / "build" / "audit"
SECONDS = 15.0


def unreachable() -> str | None:
    """Why the database cannot be reached; None if it answers, whatever it says."""
    try:
        with urllib.request.urlopen(DATABASE, timeout=SECONDS):
            return None
    except urllib.error.HTTPError as error:
        return None if error.code == 404 else f"HTTP status {error.code}"  # nothing lies at its root
    except (OSError, ValueError) as error:
        return str(error)


def read(output: str) -> tuple[int, list[str]]:
    """Packages that a report of pip-audit is about, and what is known of them; ValueError if it is none."""
    packages = json.loads(output)["dependencies"]
    looked_up = [package for package in packages if "vulns" in package]
    found = [
        f"{package['name']} {package['version']}: {weakness['id']}, mended by {weakness['fix_versions']}"
        for package in looked_up
        for weakness in package["vulns"]
    ]
    return len(looked_up), found


def audit(lock: Path) -> tuple[str, list[str]]:
    """What was looked up, for the figure, and the weaknesses; says so if it could not be done."""
    why = unreachable()
    if why is not None:
        say(
            "left out",
            f"known weaknesses of the locked packages: pip-audit's database {DATABASE} is not reachable: {why}",
        )
        return "no database of weaknesses reachable", []
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--upgrade",
        "--target",
        str(TOOL),
        "pip-audit>=2.7,<3",
    ]
    made = subprocess.run(install, capture_output=True, text=True, check=False)
    if made.returncode:
        say("left out", f"known weaknesses of the locked packages: pip-audit: {made.stderr.strip()[-200:]}")
        return "pip-audit not installed", []
    command = [sys.executable, "-m", "pip_audit", "--vulnerability-service", "osv", "--format", "json"]
    command += ["--progress-spinner", "off", "--disable-pip", "--require-hashes", "--requirement", str(lock)]
    environment = {**os.environ, "PYTHONPATH": str(TOOL)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    try:
        count, found = read(done.stdout)
    except (ValueError, KeyError, TypeError):
        say("left out", f"known weaknesses of the locked packages: pip-audit ended early: {done.stderr.strip()[-200:]}")
        return "pip-audit ended early", []
    return f"{count} packages looked up by pip-audit, {len(found)} known weaknesses", found
