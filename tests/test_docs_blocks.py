"""Every fenced block of the pages is run, compiled or read by a test, or says here why not.

Blocks of commands are in ``test_docs_commands.py``; fences without a language are output, trees and formulas.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import dqt_edge as dqt
from dqt_edge.report.changes import read_thresholds
from tests.support.trained_points import pointed_digits

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PAGES = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md"])
FENCED = re.compile(r"^```(?P<kind>\w[^\n]*)\n(?P<body>.*?)^```", re.MULTILINE | re.DOTALL)

COMMANDS = ("sh", "bash")
BY_ANOTHER = {
    ("tutorial.md", "python"): "tests/api/test_tutorial.py",
    ("add-a-board.md", "c"): "tests/cli/test_add_a_board.py",
    ("add-a-board.md", "toml"): "tests/cli/test_add_a_board.py",
    ("mlperf.md", "text exchange"): "tests/device/test_text_protocol.py",
    ("protocol.md", "hex request"): "tests/test_docs.py",
    ("protocol.md", "hex reply"): "tests/test_docs.py",
}
"""Page and language of blocks that another test runs or reads."""
NOT_RUN = {
    ("architecture.md", "text"): "a drawing",
    ("library.md", "cmake"): "two lines of a user's project; tests/firmware/test_outlets.py builds one like it",
    ("outlets.md", "cmake"): "two lines of a user's project; tests/firmware/test_outlets.py builds one like it",
    ("outlets.md", "ini"): "of a PlatformIO project, which is not installed",
    ("outlets.md", "yaml"): "of a csolution project, whose tools are not installed",
    ("profiling.md", "yaml"): "a GitHub workflow: its commands are looked at by tests/test_docs_commands.py",
    ("README.md", "python"): "needs data and a training; parsed, and tests/api/test_tutorial.py does the like",
    ("extending.md", "python"): "an excerpt of the package, with ellipses; it is parsed",
    (
        "points.md",
        "python",
    ): "needs a tuned project on a board; parsed, and tests/api/test_tuning.py does the like",
    (
        "dial.md",
        "python",
    ): "needs a model with a dial on a board; parsed, and tests/api/test_calls.py does the like",
}
"""Page and language of the others, and why."""

PRELUDE = """
#include <string.h>

#include "dqt_digits.h"

extern const dqt_model fusion, keyword;
extern const dqt_scale fusion_output1_scale;
enum { FUSION_INPUT_SIZE = 8, FUSION_INPUT1_SIZE = 8, KEYWORD_INPUT_SIZE = 8, KEYWORD_ARENA_SIZE = 64 };
bool battery_is_low(void);
void answer(uint32_t top, bool early);
void use(uint32_t top, const uint8_t *output, const uint8_t *choices);
bool feed_watchdog(void *context, const dqt_event *event);
extern dqt_result result;
extern dqt_options options;
"""
"""What the blocks suppose: models of other pages, and functions of an application."""


def fenced(page: Path) -> list[tuple[str, str]]:
    """Language and text of the fenced blocks that have a language."""
    found = [(match["kind"], match["body"]) for match in FENCED.finditer(page.read_text(encoding="utf-8"))]
    return [(kind, body) for kind, body in found if kind not in COMMANDS]


def texts(kind: str) -> list[tuple[Path, str]]:
    """Pages and blocks of one language that no other test takes."""
    found = [(page, body) for page in PAGES for language, body in fenced(page) if language == kind]
    return [(page, body) for page, body in found if (page.name, kind) not in BY_ANOTHER]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_is_taken_by_a_test_or_says_why_not(page: Path) -> None:
    taken = {(where.name, kind) for kind in ("c", "toml") for where, _ in texts(kind)}
    for kind, body in fenced(page):
        key = (page.name, kind)
        assert (key in BY_ANOTHER) + (key in NOT_RUN) + (key in taken) == 1, (key, body[:60])
    for other in {path for (name, _), path in BY_ANOTHER.items() if name == page.name}:
        text = (ROOT / other).read_text(encoding="utf-8")
        assert page.name in text or f'page("{page.stem}")' in text or page.stem in text


def test_no_reason_is_left_of_a_block_that_is_gone() -> None:
    there = {(page.name, kind) for page in PAGES for kind, _ in fenced(page)}
    assert set(BY_ANOTHER) | set(NOT_RUN) <= there


@pytest.mark.parametrize(("page", "body"), texts("python"), ids=lambda value: getattr(value, "name", None))
def test_python_is_python(page: Path, body: str) -> None:
    tree = ast.parse(body)
    called = {node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call)
              and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name)
              and node.func.value.id == "dqt"}  # fmt: skip
    assert not [name for name in called if not hasattr(dqt, name)]


def test_thresholds_are_some_that_compare_sessions_takes(tmp_path: Path) -> None:
    found = texts("toml")
    assert [page.name for page, _ in found] == ["profiling.md"]
    (tmp_path / "thresholds.toml").write_text(found[0][1])
    assert read_thresholds(tmp_path / "thresholds.toml") == tomllib.loads(found[0][1])


@pytest.fixture(scope="module")
def headers(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Include paths of an exported library whose model is called ``digits``."""
    graph = replace(pointed_digits(), name="digits")
    library = dqt.export_library(graph, "host", "cmake", tmp_path_factory.mktemp("library") / "digits")
    return [f"-I{path}" for path in sorted({header.parent for header in library.folder.rglob("*.h")})]


@pytest.mark.parametrize(("page", "body"), texts("c"), ids=lambda value: getattr(value, "name", None))
def test_c_compiles_against_an_exported_library(page: Path, body: str, headers: list[str], tmp_path: Path) -> None:
    lines = body.splitlines()
    includes = [line for line in lines if line.startswith("#include")]
    code = "\n".join(line for line in lines if not line.startswith("#include"))
    if not re.search(r"^(?:\w+ )+\*?\w+\([^;]*\) \{", code, re.MULTILINE):  # no function of its own: the body of one
        code = (
            "int body(uint8_t *arena, const uint8_t *pixels, const uint8_t *picture, const uint8_t *sound, int i, "
            f"const uint8_t *image, int k) {{\n{{\n{code}\n}}\nreturn 0;\n}}"
        )
    source = tmp_path / "block.c"
    source.write_text("\n".join([*includes, PRELUDE, code, ""]))
    command = ["cc", "-std=c11", "-fsyntax-only", "-Werror=implicit-function-declaration", *headers, str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{page.name}\n{body}\n{done.stderr}"
