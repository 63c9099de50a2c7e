"""What an export promises to the folder it writes to, and to those who take the C over."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from dqt_edge.boards import load_board
from dqt_edge.errors import BadFileError, UsageError
from dqt_edge.graph import Graph
from dqt_edge.project.export import export, export_together
from dqt_edge.project.manifest import find_project
from tests.support.core_boards import CORE_BOARDS
from tests.support.random_graphs import random_graph

HOST = load_board("host")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize(
    "name", ["model/dqt_tiny.h", "CMakeLists.txt", "README.md", "dqt/dqt_run.c", "model/tiny.safetensors"]
)
def test_a_changed_file_is_not_overwritten_without_a_word(graph: Graph, name: str, tmp_path: Path) -> None:
    made = export(graph, HOST, tmp_path / "p").project
    path = made.folder / name
    path.write_bytes(path.read_bytes() + b" ")
    before = contents(made.folder)
    with pytest.raises(UsageError, match=f"'{name}' was changed since the export") as refused:
        export(graph, HOST, made.folder)
    assert refused.value.exit_code == 2
    assert contents(made.folder) == before
    export(graph, HOST, made.folder, force=True)
    assert contents(made.folder)[name] + b" " == before[name]


def test_a_file_of_ones_own_is_never_removed(graph: Graph, tmp_path: Path) -> None:
    made = export(graph, HOST, tmp_path / "p").project
    (made.folder / "mine.c").write_text("int mine;")
    for force in (False, True):
        with pytest.raises(UsageError, match=r"'mine\.c', which is no part of an earlier export"):
            export(graph, HOST, made.folder, force=force)


def test_a_deleted_file_comes_back(graph: Graph, tmp_path: Path) -> None:
    made = export(graph, HOST, tmp_path / "p").project
    before = contents(made.folder)
    (made.folder / "README.md").unlink()
    export(graph, HOST, made.folder)
    assert contents(made.folder) == before


def test_models_are_told_apart(graph: Graph, tmp_path: Path) -> None:
    second = random_graph(4)
    made, plans, _ = export_together([graph, second], HOST, tmp_path / "p")
    again = find_project(tmp_path / "p")
    assert [model.name for model in again.models] == [graph.name, second.name]
    assert again.graph(second.name) == second
    assert again.graph() == graph
    assert [model.facts["arena"] for model in again.models] == [plan.arena_size for plan in plans]
    with pytest.raises(UsageError, match="no model 'third'"):
        made.model("third")
    with pytest.raises(UsageError, match="have one name in C"):
        export_together([graph, replace(second, name=graph.name.upper())], HOST, tmp_path / "q")


NAMES = ["int", "class", "main", "dqt_run", "_x", "a-b.c", "template", "NULL", "model", "add", "layer", "Run", "app"]
"""Words of C and C++, and files of the library: every kernel, ``dqt_run.c``, the application's table."""


@pytest.mark.parametrize("name", NAMES)
def test_every_name_of_a_model_compiles(graph: Graph, name: str, tmp_path: Path) -> None:
    made = export(replace(graph, name=name), HOST, tmp_path / "p").project
    source = tmp_path / "t.cpp"
    symbol = made.model().symbol
    source.write_text(f'#include "dqt_{symbol}.h"\nconst dqt_model *const found = &{symbol};\n')
    includes = [f"-I{made.folder / part}" for part in ("dqt", "model")]
    subprocess.run(
        ["c++", "-std=c++17", "-Wall", "-Werror", *includes, "-c", str(source), "-o", "/dev/null"], check=True
    )
    table = made.folder / "model" / f"dqt_{symbol}.c"
    includes.append(f"-I{made.folder / 'kernels'}")
    subprocess.run(["cc", "-std=c11", "-Wall", "-Werror", *includes, "-c", str(table), "-o", "/dev/null"], check=True)


@pytest.mark.parametrize("board_id", CORE_BOARDS)
def test_every_source_has_a_licence_and_refers_to_nothing_outside(graph: Graph, board_id: str, tmp_path: Path) -> None:
    made = export(graph, load_board(board_id), tmp_path / "p").project
    files = [
        p
        for p in made.folder.rglob("*")
        if p.suffix in (".c", ".h", ".S", ".ld", ".cmake") or p.name == "CMakeLists.txt"
    ]
    assert len(files) > 20
    for path in files:
        text = path.read_text()
        assert "SPDX-License-Identifier: Apache-2.0" in text[:200], path
        assert not re.search(r"docs/|tests/|benchmarks/|\.j2", text), path
        long = [line for line in text.splitlines() if len(line) > 120]
        assert not long, f"{path}: {long[0]}"
    assert "Apache License" in (made.folder / "LICENSE").read_text()
    json.loads((made.folder / "CMakePresets.json").read_text())
    if board_id != "host":
        json.loads((made.folder / ".vscode" / "launch.json").read_text())


def test_an_export_of_an_older_program_is_not_read_wrongly(graph: Graph, tmp_path: Path) -> None:
    made = export(graph, HOST, tmp_path / "p").project
    path = made.folder / "manifest.json"
    path.write_text(json.dumps(made.manifest | {"format": 1}))
    with pytest.raises(BadFileError, match="format 1, this program reads 2"):
        find_project(made.folder)
