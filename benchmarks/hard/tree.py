"""What of the repository a run of a line depends on, as a short text that changes with it."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRODUCT = ("dqt_edge", "firmware", "templates", "boards", "tests/support", "tests/files", "pyproject.toml")


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout


def commit() -> str:
    """The commit that is tested; with ``+`` if tracked files differ from it."""
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs", ":!CHANGELOG.md")
    return _git("rev-parse", "--short=12", "HEAD").decode().strip() + ("+" if changed.strip() else "")


def key(paths: Sequence[str], command: str) -> str:
    """Changes with the product, with ``paths``, and with the command."""
    digest = hashlib.sha256(command.encode())
    for path in (*PRODUCT, *paths):
        for name in sorted(_git("ls-files", "-co", "--exclude-standard", "--", path).decode().split("\n")):
            if name and (ROOT / name).is_file():
                digest.update(name.encode() + b"\0" + hashlib.sha256((ROOT / name).read_bytes()).digest())
    return digest.hexdigest()[:16]
