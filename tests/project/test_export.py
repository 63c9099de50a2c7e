"""What an export promises to the folder it writes to, and to those who take the C over."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from dqt_edge.boards import load_board
from dqt_edge.errors import BadFileError, UsageError
from dqt_edge.graph import Graph, checkpoint
from dqt_edge.project import writing
from dqt_edge.project.export import export, export_together
from dqt_edge.project.manifest import find_project
from tests.support.core_boards import CORE_BOARDS
from tests.support.random_graphs import random_graph
from tests.support.random_points import pointed_graph

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


@pytest.mark.parametrize("pair", [("a", "a_points"), ("a", "A_HEAD"), ("a_input", "a")])
def test_names_that_meet_in_derived_ones_are_refused(pair: tuple[str, str], tmp_path: Path) -> None:
    """A model with decision points has ``a_points`` and A_HEAD_LAYERS; A_INPUT_SIZE and the like meet nothing."""
    pointed = pointed_graph(0, controller=False)
    models = [replace(pointed, name=name) for name in pair]
    if "input" in pair[0]:
        export_together(models, HOST, tmp_path / "p")
        return
    with pytest.raises(UsageError, match=r"both have a (a_points|A_HEAD_LAYERS) in C"):
        export_together(models, HOST, tmp_path / "p")
    assert not (tmp_path / "p").exists()


KILLED = textwrap.dedent(
    """
    import os, sys
    from pathlib import Path
    from dqt_edge.graph import checkpoint
    from dqt_edge.boards import load_board
    from dqt_edge.project import export, writing

    folder, step, swap = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "exchange"
    left = step

    def killed_at(function):
        def call(*arguments, **named):
            global left
            left -= 1
            if left < 0:
                os._exit(9)
            return function(*arguments, **named)
        return call

    writing.exchange = killed_at(writing.exchange if swap else lambda one, other: False)
    writing.shutil.rmtree = killed_at(writing.shutil.rmtree)
    Path.replace = killed_at(Path.replace)
    graph = checkpoint.load(Path(sys.argv[4]))
    export.export(graph, load_board("host"), folder)
    """
)


def run_killed(folder: Path, step: int, how: str, model: Path) -> int:
    arguments = [sys.executable, "-c", KILLED, str(folder), str(step), how, str(model)]
    return subprocess.run(arguments, check=False, timeout=300).returncode


def test_an_export_that_is_killed_leaves_the_old_or_the_new_one(tmp_path: Path) -> None:
    """At every step that moves or removes folders."""
    old, new = random_graph(3), random_graph(4)
    checkpoint.save(new, tmp_path / "new.safetensors")
    seen, codes = set(), []
    for step in range(10):
        folder = tmp_path / f"p{step}"
        export(old, HOST, folder)
        before = contents(folder)
        codes.append(run_killed(folder, step, "exchange", tmp_path / "new.safetensors"))
        made = find_project(folder)
        assert {hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in made.manifest["files"]} == set(
            made.manifest["files"].values()
        )
        seen.add(made.graph().name)
        assert contents(folder) == before or made.graph() == new
        if codes[-1] == 0:
            break
    assert codes == [9] * (len(codes) - 1) + [0]
    assert len(codes) >= 3
    assert seen == {old.name, new.name}


def test_where_folders_cannot_be_exchanged_an_export_is_replaced_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "exchange", lambda one, other: False)
    export(random_graph(3), HOST, tmp_path / "p")
    export(random_graph(4), HOST, tmp_path / "p")
    assert find_project(tmp_path / "p").graph() == random_graph(4)
    assert [p.name for p in tmp_path.iterdir()] == ["p"]


NAMES = ["int", "class", "main", "dqt_run", "_x", "a-b.c", "template", "NULL", "model", "add", "layer", "Run", "app"]
NAMES += ["signal", "arena", "uint8_t", "INT32_MAX", "UINT8_C", "offsetof"]
"""Words of C and C++, and files of the library: every kernel, ``dqt_run.c``, the application's table; and what a
program calls, an example has, a header defines."""


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
    subprocess.run(
        ["cc", "-std=c11", "-Wall", "-Wshadow", "-Werror", *includes, "-c", str(table), "-o", "/dev/null"], check=True
    )


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
