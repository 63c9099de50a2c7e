"""What every block is made with: tables, and words of the code in Markdown."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "dqt_edge"
FIRMWARE = ROOT / "firmware"
HAND = None
"""A cell that a person writes: kept from the page, by the key of its row."""
Cell = str | None


@dataclass(frozen=True)
class Table:
    """A table; ``key`` is the column that tells rows apart, ``before`` stands above it."""

    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    key: str
    before: str = ""


def code(text: object) -> str:
    """In backticks."""
    return f"`{text}`"


def listed(names: Iterable[object], last: str = "or") -> str:
    """Names in backticks, as a person lists them."""
    known = [code(name) for name in names]
    return known[0] if len(known) == 1 else f"{', '.join(known[:-1])} {last} {known[-1]}"


def number(value: float) -> str:
    """A number as short as it is exact."""
    return str(value) if isinstance(value, int) else re.sub(r"e([+-])0*", lambda m: f"e{m[1].strip('+')}", f"{value:g}")


def constant(path: str, name: str) -> Any:  # noqa: ANN401 - any literal
    """Value of a constant of a module of the package, as its source has it: importing it might start TensorFlow."""
    for node in ast.parse((PACKAGE / path).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            return ast.literal_eval(node.value)
    raise KeyError(f"{path} has no constant {name}")


def header_text(path: str) -> str:
    """A header of the firmware."""
    return (FIRMWARE / path).read_text(encoding="utf-8")
