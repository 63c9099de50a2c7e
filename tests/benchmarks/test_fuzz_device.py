"""A sample of ``make fuzz-device``: the corpus and mutations of it do the server no harm, and a mistake is found."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks import fuzz_device

CASES = 1000
PLACES = 300
"""Of 363 that 400,000 cases reached; another compiler may have others."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def test_no_request_harms_the_server(folder: Path) -> None:
    corpus = [*fuzz_device.first_cases(), *fuzz_device.read_corpus()]
    done = fuzz_device.fuzz(fuzz_device.build(folder), folder / "whole", CASES, 1, corpus)
    assert done.returncode == 0, done.stderr
    found = re.fullmatch(r"(\d+) cases, (\d+) kept, (\d+) places, (\d+) inferences, (\d+) turns\n", done.stdout)
    assert found is not None, done.stdout
    cases, kept, places, inferences, turns = map(int, found.groups())
    assert cases == CASES
    assert kept >= len(fuzz_device.first_cases())
    assert places > PLACES
    assert inferences > len(fuzz_device.first_cases())
    assert turns > CASES, "each case is greeted"


def test_a_mistake_of_the_server_is_found(folder: Path) -> None:
    """Without its check of lengths, a LOAD writes behind the inputs."""
    change = "if (count > server.input_size - offset) {", "if (count > 0xFFFFu) {"
    program = fuzz_device.build(folder, change)
    done = fuzz_device.fuzz(program, folder / "changed", CASES, 1, fuzz_device.read_corpus())
    assert done.returncode != 0
    assert "ERROR: AddressSanitizer" in done.stderr or "runtime error" in done.stderr
    assert (folder / "changed" / "failed").stat().st_size > 0
