"""Python 3.10 has all of the standard library that the package takes: a newer one would not say what is missing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NEWER = {
    "typing": "Self Never LiteralString Required NotRequired Unpack TypeVarTuple assert_never assert_type reveal_type "
    "dataclass_transform override TypeAliasType get_protocol_members ReadOnly TypeIs NoDefault",
    "enum": "StrEnum ReprEnum EnumCheck FlagBoundary verify member nonmember global_enum EnumType",
    "datetime": "UTC",
    "contextlib": "chdir",
    "hashlib": "file_digest",
    "itertools": "batched",
    "math": "cbrt exp2 sumprod fma",
    "operator": "call",
    "asyncio": "TaskGroup Runner timeout timeout_at Barrier",
    "collections.abc": "Buffer",
    "inspect": "getmembers_static BufferFlags markcoroutinefunction",
    "calendar": "Month Day",
    "builtins": "ExceptionGroup BaseExceptionGroup PythonFinalizationError",
}
"""Module -> its names that came with Python 3.11, 3.12 or 3.13 ("What's New in Python" of each)."""
NAMES = {module: frozenset(names.split()) for module, names in NEWER.items()}


def newer(source: str) -> Iterator[str]:
    """What of a source only a newer Python has: names of modules, and of what is built in."""
    known: dict[str, str] = {}
    for node in ast.walk(ast.parse(source, feature_version=(3, 10))):
        if isinstance(node, ast.Import):
            known |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from (
                f"{node.module}.{a.name}" for a in node.names if a.name in NAMES.get(node.module or "", frozenset())
            )
        elif isinstance(node, ast.Name) and node.id in NAMES["builtins"]:
            yield node.id
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = known.get(node.value.id, "")
            if node.attr in NAMES.get(module, frozenset()):
                yield f"{module}.{node.attr}"


@pytest.mark.parametrize("folder", ["dqt_edge", "recipes", "benchmarks", "tests"])
def test_no_name_is_newer_than_the_oldest_python(folder: str) -> None:
    found = [f"{p.relative_to(ROOT)}: {n}" for p in sorted((ROOT / folder).rglob("*.py")) for n in newer(p.read_text())]
    assert found == []


@pytest.mark.parametrize(
    "source",
    ["from typing import Self", "import enum\nclass A(enum.StrEnum): ...", "raise ExceptionGroup('a', [])"],
)
def test_a_newer_name_is_found(source: str) -> None:
    assert len(list(newer(source))) == 1
