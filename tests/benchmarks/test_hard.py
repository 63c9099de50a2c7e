"""``make hard``: what a line says is read, kept while nothing changes, and written to the page."""

from __future__ import annotations

import ast
import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.hard import __main__ as hard
from benchmarks.hard import tree
from benchmarks.hard.kept import outcomes_of
from benchmarks.hard.line import Line, Reading
from benchmarks.hard.lines import LINES
from benchmarks.hard.page import page

ROOT = Path(__file__).parents[2]
OK = Line("small", "Something holds.", "line_of_test")


def test_a_line_that_speaks_is_read() -> None:
    output = "noise\nfigure: 12 cases\ntool: gcc 12\nleft out: big-endian: no compiler\nexempt: `x`: meant\n"
    told = OK.read(output, 0)
    assert (told.figure, told.finding, told.left_out) == (["12 cases"], [], ["big-endian: no compiler"])
    assert (told.tool, told.exempt) == (["gcc 12"], ["`x`: meant"])


def test_an_exit_code_or_silence_is_a_finding() -> None:
    assert OK.read("figure: 12 cases\nTraceback\nValueError: x\n", 1).finding[0].endswith("Traceback / ValueError: x")
    assert OK.read("nothing of note\n", 0).finding == ["ended with exit code 0: nothing of note"]
    assert OK.read("figure: 1\nfinding: it broke\n", 1).finding == ["it broke"]


def test_other_programs_are_read_by_expressions() -> None:
    line = replace(OK, reading=Reading(r"^\d+ cases, \d+ differ", r"^.*WRONG.*$"))
    assert line.read("7 cases, 0 differ\n", 0).figure == ["7 cases, 0 differ"]
    assert line.read("7 cases, 1 differ\n 1 WRONG: bit 3\n", 1).finding == [" 1 WRONG: bit 3"]


def test_every_line_names_tests_and_files_that_exist() -> None:
    assert len({line.name for line in LINES}) == len(LINES)
    for line in LINES:
        for path in line.paths:
            assert (ROOT / path).exists(), path
        for test in line.tests:
            file, _, name = test.partition("::")
            nodes = ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8")))
            assert name in {node.name for node in nodes if isinstance(node, ast.FunctionDef)}, test


def test_the_page_is_of_these_lines() -> None:
    """After a change of the lines: ``python -m benchmarks.hard --page``."""
    text = (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8")
    listed = [row for row in text.split("## ")[0].splitlines() if row.startswith("| [")]
    assert [row[3:].partition("]")[0] for row in listed] == [line.name for line in LINES]
    for line in LINES:
        assert f"\n## {line.name}\n\n{line.proves}\n\n    {line.command}\n" in text


def test_the_page_keeps_what_it_says_of_lines_that_are_not_run() -> None:
    text = (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8")
    kept = outcomes_of(text, LINES)
    again = outcomes_of(page(LINES, kept), LINES)
    assert list(kept) == [line.name for line in LINES]
    assert again == kept
    for outcome in kept.values():
        assert f"{outcome.figure}. Commit {outcome.commit}, " in text
        assert all(f"\n- {item}\n" in text for item in (*outcome.exempt, *outcome.tools, *outcome.left_out))
    assert outcomes_of("", LINES) == {}


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of one line, whose program says what a file says; the files go to a folder of the test's."""
    said = tmp_path / "said"
    said.write_text("figure: 3 cases\n")
    program = f"print(open({str(said)!r}).read()); raise SystemExit('finding' in open({str(said)!r}).read())"
    monkeypatch.setattr(hard, "FOLDER", tmp_path / "hard")
    monkeypatch.setattr(hard, "PAGE", tmp_path / "evidence.md")
    monkeypatch.setattr(hard, "LINES", (OK,))
    monkeypatch.setattr(hard, "key", lambda paths, command: (tmp_path / "key").read_text())
    monkeypatch.setattr(hard, "commit", lambda: "0123456789ab")
    real = subprocess.run

    def run(command, **kwargs):
        return real([sys.executable, "-c", program] if OK.module in command else command, **kwargs)

    monkeypatch.setattr(hard.subprocess, "run", run)
    (tmp_path / "key").write_text("a")
    return tmp_path


def outcome(*, fresh: bool = False) -> tuple[str, int]:
    found = hard.run([OK], Console(file=io.StringIO()), fresh=fresh, jobs=2)
    return found["small"].figure, hard.write(found)


def test_a_finished_line_is_kept_until_what_it_depends_on_changes(small: Path) -> None:
    assert outcome() == ("3 cases", 0)
    (small / "said").write_text("figure: 4 cases\n")
    assert outcome() == ("3 cases", 0)
    (small / "key").write_text("b")
    assert outcome() == ("4 cases", 0)
    (small / "said").write_text("figure: 5 cases\n")
    assert outcome(fresh=True) == ("5 cases", 0)
    written = json.loads((small / "hard" / "evidence.json").read_text())
    assert (written["commit"], written["open_findings"], written["not_run"]) == ("0123456789ab", 0, [])
    assert written["lines"][0]["figure"] == "5 cases"


def test_a_finding_is_open_until_a_run_is_without(small: Path) -> None:
    (small / "said").write_text("figure: 3 cases\nfinding: x | y broke\n")
    assert outcome() == ("3 cases", 1)
    text = (small / "evidence.md").read_text()
    assert "1 open findings" in text
    assert "- x | y broke" in text
    (small / "said").write_text("figure: 3 cases\n")
    assert outcome() == ("3 cases", 0), "a line with findings is run again"


def test_what_was_not_run_is_said() -> None:
    text = page([OK, replace(OK, name="other")], {})
    assert "0 of 2 lines, 0 open findings" in text
    assert text.count("not run yet") == 2


def test_the_key_changes_with_the_product_and_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    monkeypatch.setattr(tree, "ROOT", tmp_path)
    for name in ("dqt_edge/a.py", "docs/page.md", "benchmarks/line.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("1")
    paths = ("benchmarks/line.py",)
    first = tree.key(paths, "x")
    (tmp_path / "docs" / "page.md").write_text("2")
    assert tree.key(paths, "x") == first
    keys = {first, tree.key(paths, "y"), tree.key((), "x")}
    for name in ("dqt_edge/a.py", "benchmarks/line.py"):
        (tmp_path / name).write_text("2")
        keys.add(tree.key(paths, "x"))
    assert len(keys) == 5
