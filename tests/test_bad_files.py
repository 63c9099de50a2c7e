"""Promise: each bad file made by hand is refused by a typed error that names the place; nothing runs or is written."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from dqt_edge.errors import BadFileError
from tests.support.bad_files import NAMES, Case, Format, bad_files, missing
from tests.support.bad_files.judge import faults

LEAST = {"checkpoint": 200, "tflite": 70, "keras": 50, "onnx": 30, "board": 30, "manifest": 30}
"""Of every format."""
PRESENT = tuple(name for name in NAMES if missing(name) is None)


def _kinds() -> Iterator[Any]:
    for name in NAMES:
        absent = missing(name)
        marks = [pytest.mark.skip(reason=f"the package {absent} is not installed")] if absent else []
        yield pytest.param(name, marks=marks)


EVERY = [(kind, case) for kind in PRESENT for case in bad_files(kind).cases]


@pytest.mark.parametrize(("kind", "case"), EVERY, ids=[f"{kind}: {case}" for kind, case in EVERY])
def test_a_bad_file_is_refused_by_its_place(kind: str, case: str) -> None:
    known = bad_files(kind)
    with tempfile.TemporaryDirectory() as folder:  # of pytest's own, each is sought among all
        known.place(Path(folder), known.cases[case])
        assert faults(known, known.cases[case], Path(folder)) == []


@pytest.mark.parametrize("kind", _kinds())
def test_there_are_as_many_as_is_promised(kind: str) -> None:
    known = bad_files(kind)
    assert len(known.cases) >= known.least == LEAST[kind]
    assert all(case.told for case in known.cases.values())


@pytest.mark.slow
@pytest.mark.parametrize("kind", _kinds())
def test_no_two_bad_files_are_the_same(kind: str) -> None:
    cases = bad_files(kind).cases.values()
    assert len({(case.file, hashlib.sha256(case.make()).digest()) for case in cases}) == len(cases)


@pytest.mark.parametrize("kind", _kinds())
def test_the_good_file_is_read(kind: str, tmp_path: Path) -> None:
    known = bad_files(kind)
    known.read(known.place(tmp_path))


# --- The judge ------------------------------------------------------------------------------------------------

OUTSIDE = "/nowhere/dqt_edge"


def _refusing(path: Path, what: str = "the place is wrong") -> None:
    raise BadFileError(what, where=str(path), next_step="mend it")


def _runs(path: Path) -> None:
    exec("x = 1")
    _refusing(path)


def _starts(path: Path) -> None:
    subprocess.run(["true"], check=True)
    _refusing(path)


def _opens_a_trap(path: Path) -> None:
    (path.parent / "secret").read_bytes()
    _refusing(path)


def _writes_beside(path: Path) -> None:
    (path.parent / "left").write_text("x")
    _refusing(path)


def _changes_something_else(path: Path) -> None:
    try:
        Path(OUTSIDE).mkdir()
    except OSError:
        _refusing(path)


def _imports_what_is_named(path: Path) -> None:
    try:
        __import__("dqt_edge_evil")
    except ImportError:
        _refusing(path)


WRONG: dict[str, Callable[[Path], object]] = {
    "it did: exec": _runs,
    "it did: subprocess.Popen": _starts,
    "it did: opened": _opens_a_trap,
    "it did: os.mkdir": _changes_something_else,
    "it did: import": _imports_what_is_named,
    "it changed files": _writes_beside,
    "KeyError is no error of ours": lambda path: {}["x"],
    "it is read without a word": lambda path: None,
    "the error names no file": lambda path: _refusing(Path("elsewhere")),
    "the error does not say 'place'": lambda path: _refusing(path, "wrong"),
}


@cache
def _plain(read: Callable[[Path], object]) -> Format:
    return Format("plain", "x.bin", lambda: b"", read, {}, 0, around=lambda: {"secret": b"x"})


@pytest.mark.parametrize("fault", WRONG)
def test_what_is_wrong_is_noticed(fault: str, tmp_path: Path) -> None:
    case, known = Case(lambda: b"bad", "place"), _plain(_refusing)
    known.place(tmp_path, case)
    assert faults(known, case, tmp_path) == []
    found = faults(replace(known, read=WRONG[fault]), case, tmp_path)
    assert any(each.startswith(fault) for each in found), found
    assert tempfile.gettempdir() in str(tmp_path)
