"""Damaged files of every format are read or refused; and what would be a finding is one."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import fuzz_files
from dqt_edge.errors import BadFileError

CASES = 25
NEEDS = {"tflite": "tflite", "tflite-joined": "tflite", "onnx": "onnx"}


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> Any:
    """No test depends on speed."""
    monkeypatch.setattr(fuzz_files, "SECONDS", 300.0)
    before = signal.signal(signal.SIGPROF, fuzz_files._stop)
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
    assert fuzz_files.outcome(read, path) == "read"
    counts: Counter[str] = Counter()
    for kind, damage in (("bytes", fuzz_files.spoiled), ("values", values)):
        for case in range(CASES):
            path.write_bytes(damage(good, np.random.default_rng((case, len(kind)))))
            counts[fuzz_files.outcome(read, path)] += 1
    assert set(counts) <= {"read", "refused"}
    assert counts["refused"] > CASES // 2


def test_what_is_wrong_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.bin"

    def raises(error: BaseException) -> fuzz_files.Read:
        def read(_: Path) -> None:
            raise error

        return read

    assert "KeyError" in fuzz_files.outcome(raises(KeyError("x")), path)
    assert "RecursionError" in fuzz_files.outcome(raises(RecursionError()), path)
    assert "names no file" in fuzz_files.outcome(raises(BadFileError("bad", where="", next_step="x")), path)
    assert fuzz_files.outcome(raises(BadFileError("bad", where=str(path), next_step="x")), path) == "refused"

    def endless(_: Path) -> None:
        while True:
            pass

    monkeypatch.setattr(fuzz_files, "SECONDS", 0.01)
    assert "takes more than" in fuzz_files.outcome(endless, path)
