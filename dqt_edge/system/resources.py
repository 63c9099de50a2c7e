"""Where the package's data folders are (beside the package in a checkout, inside it in a wheel), and its caches."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def data_folder(name: str) -> Path:
    """Folder ``templates``, ``firmware`` or ``boards``."""
    installed = _PACKAGE / "_data" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name


def license_text() -> str:
    """The licence of everything that is exported."""
    installed = _PACKAGE / "_data" / "LICENSE"
    return (installed if installed.is_file() else _PACKAGE.parent / "LICENSE").read_text(encoding="utf-8")


def cache_folder(name: str) -> Path:
    """``$XDG_CACHE_HOME/dqt-edge/<name>``, by default below ``~/.cache``. Need not exist, nor be writable."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - Path's raises without a home
    return Path(home) / "dqt-edge" / name
