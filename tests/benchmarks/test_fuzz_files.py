"""Damaged files of every format are read or refused; and what would be a finding is one."""

from __future__ import annotations

import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import bad_files, file_limits, fuzz_files
from dqt_edge.errors import BadFileError
from tests.support.bad_files import bad_files as known

CASES = 25
NEEDS = {"tflite": "tflite", "tflite-joined": "tflite", "onnx": "onnx"}


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> Any:
    """No test depends on speed."""
    monkeypatch.setattr(file_limits, "SECONDS", 300.0)
    before = signal.signal(signal.SIGPROF, file_limits.stop)
    yield
    signal.signal(signal.SIGPROF, before)


@pytest.mark.parametrize("name", fuzz_files.FORMATS)
def test_every_damaged_file_is_read_or_refused(name: str, tmp_path: Path) -> None:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name], reason=f"the package {NEEDS[name]} is not installed")
    make, file, read, values = fuzz_files.FORMATS[name]
    good, path = make(tmp_path), tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(good)
    assert file_limits.outcome(read, path) == "read"
    counts: Counter[str] = Counter()
    for kind, damage in (("bytes", fuzz_files.spoiled), ("values", values)):
        for case in range(CASES):
            path.write_bytes(damage(good, np.random.default_rng((case, len(kind)))))
            counts[file_limits.outcome(read, path)] += 1
    assert set(counts) <= {"read", "refused"}
    assert counts["refused"] > CASES // 2


def test_what_is_wrong_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.bin"

    def raises(error: BaseException) -> file_limits.Read:
        def read(_: Path) -> None:
            raise error

        return read

    assert "KeyError" in file_limits.outcome(raises(KeyError("x")), path)
    assert "RecursionError" in file_limits.outcome(raises(RecursionError()), path)
    assert "names no file" in file_limits.outcome(raises(BadFileError("bad", where="", next_step="x")), path)
    assert file_limits.outcome(raises(BadFileError("bad", where=str(path), next_step="x")), path) == "refused"

    def endless(_: Path) -> None:
        while True:
            pass

    monkeypatch.setattr(file_limits, "SECONDS", 0.01)
    assert "takes more than" in file_limits.outcome(endless, path)


def test_a_bad_file_that_is_read_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    board = known("board")
    name = next(iter(board.cases))
    assert bad_files.judged(board, name) == []
    assert bad_files.judged(replace(board, read=lambda path: None), name) == ["it is read without a word"]

    def endless(_: Path) -> None:
        while True:
            pass

    monkeypatch.setattr(file_limits, "SECONDS", 0.01)
    (found,) = bad_files.judged(replace(board, read=endless), name)
    assert "takes more than" in found
