"""Where the package's data folders are: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

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
