"""A sample of ``make hard``'s native suite: it agrees under sanitizers, leaves no trace, and a mistake is found."""

from __future__ import annotations

import subprocess
import zlib
from pathlib import Path

import pytest

from benchmarks.hard import requantise
from benchmarks.hard.case import Kind
from benchmarks.hard.sanitizers import MEANT, WAYS, Way, compile_suite, try_way
from benchmarks.hard.suite import Suite, make_suite
from benchmarks.hard.switches import spoken, switching

NETWORKS, SWITCHES = 2, 40
GCC: Way = WAYS[0]


@pytest.fixture(scope="module")
def suite() -> Suite:
    return make_suite(NETWORKS, samples=2, vectors=2, settings=3)


@pytest.fixture(scope="module")
def folder(suite: Suite, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("suite")
    suite.write(made)
    return made


@pytest.fixture(scope="module")
def program(suite: Suite, folder: Path) -> Path:
    return compile_suite(GCC, "-O0", suite, folder)


def test_the_suite_agrees_under_a_sanitizer(suite: Suite, folder: Path, program: Path) -> None:
    done = subprocess.run([str(program), str(folder / "cases.bin")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{len(suite.cases)} cases, 0 differ, 0 left out\n"
    assert {case.request[0] for case in suite.cases} == set(Kind), "every function of dqt.h is asked"


def test_one_process_says_what_many_say(suite: Suite, program: Path, tmp_path: Path) -> None:
    cases = switching(suite, NETWORKS, SWITCHES, 1)
    assert len({case.request[1] for case in cases}) > 3, "models take turns"
    file = tmp_path / "cases.bin"
    file.write_bytes(b"".join(case.content for case in cases))
    together = spoken(program, file, 0, SWITCHES)
    for number in range(0, SWITCHES, 4):
        answer = cases[number].answer
        assert spoken(program, file, number, 1) == {number: together[number]}
        assert together[number] == (f"{zlib.crc32(answer):08x}", str(len(answer)))


def test_a_difference_and_a_report_are_findings(suite: Suite, folder: Path, program: Path) -> None:
    """The same program, with one wrong answer; and C that does not compile."""
    wrong = suite.cases[0].content[:-1] + bytes([suite.cases[0].content[-1] ^ 1])
    file = folder / "wrong.bin"
    file.write_bytes(wrong)
    done = subprocess.run([str(program), str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "case 0 differs" in done.stdout
    asked, findings, _ = try_way(suite, folder, (Way("none", "gcc", "gcc", ("--no-such-option",)), "-O0"))
    assert asked == 0
    assert "does not compile" in findings[0]


def test_each_exemption_has_a_line_that_it_is_for(suite: Suite) -> None:
    for meant in MEANT:
        texts = [text for name, text in suite.files.items() if Path(name).match(meant.file)]
        assert any(meant.text in text for text in texts) or "rearrange" in meant.file or "spread" in meant.text


def test_corners_of_requantisation_agree_and_are_corners(tmp_path: Path) -> None:
    corners = tuple(column[:4000] for column in requantise.chunk(0))
    codes, scaled = (requantise.np.array(values) for values in requantise.wanted(corners))
    library = requantise.compiled(tmp_path, 1)
    assert requantise.differences(library, corners, codes, scaled) == []
    assert (requantise.by_the_interpreter(corners) == codes).all()
    twice, multiplier, shift, low, high = corners
    neighbours = requantise.wanted((twice + 1, multiplier, shift, low, high))[0]
    assert (neighbours != codes).sum() > 100, "many lie where a code ends"
    off = (*corners[:2], (shift % 62) + 1, low, high)
    assert len(requantise.differences(library, off, codes, scaled)) > 100
