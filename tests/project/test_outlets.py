"""What a library of an outlet promises: its form, names, the same bytes each time, and to lose nothing of a user's."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

import dqt_edge as dqt
from dqt_edge.boards import load_board
from dqt_edge.errors import BadFileError, DoesNotFitError, UsageError
from dqt_edge.graph import Graph
from dqt_edge.project.export import export
from dqt_edge.project.library import export_library
from dqt_edge.project.manifest import find_project
from dqt_edge.project.outlets import OUTLETS
from tests.project.test_export import contents
from tests.support.random_graphs import random_graph
from tests.support.random_points import pointed_graph

M4 = load_board("qemu-m4")
HOST = load_board("host")
SEMVER = re.compile(r"\d+\.\d+\.\d+")
STUBS = Path(__file__).parents[1] / "firmware" / "outlets"


@pytest.fixture(scope="module")
def small() -> Graph:
    return random_graph(4)


@pytest.mark.parametrize("outlet", OUTLETS)
def test_the_same_model_gives_the_same_bytes_anywhere(outlet: str, small: Graph, tmp_path: Path) -> None:
    one, two = (export_library([small], M4, outlet, tmp_path / name).folder for name in ("one", "deep/two"))
    assert contents(one) == contents(two)
    for name, content in contents(one).items():
        assert str(tmp_path).encode() not in content, name
        assert str(Path.cwd()).encode() not in content, name
    for name, content in contents(one).items():
        assert name.endswith((".pack", "LICENSE")) or b"{{" not in content.replace(b"{{0", b""), name


@pytest.mark.parametrize("outlet", OUTLETS)
def test_a_library_has_all_that_it_needs_and_nothing_of_the_board(outlet: str, graph: Graph, tmp_path: Path) -> None:
    project = export(graph, M4, tmp_path / "p").project.folder
    made = export_library([graph], M4, outlet, tmp_path / "l").folder
    wanted = {p.name for part in ("dqt", "model", "kernels") for p in (project / part).glob("*.[chS]")}
    example = {path.name for path in made.rglob("*") if path.suffix in (".ino", ".cpp") or "main" in path.name}
    example |= {path.name for path in (made / "Example").glob("*")}
    assert {path.name for path in made.rglob("*.[chS]")} - example == wanted | {"dqt_core.c"}
    assert example
    for name in ("README.md", "LICENSE", "manifest.json"):
        assert (made / name).is_file()


@pytest.mark.parametrize("outlet", OUTLETS)
def test_what_a_user_changed_or_added_is_kept(outlet: str, small: Graph, tmp_path: Path) -> None:
    made = export_library([small], M4, outlet, tmp_path / "l")
    readme = made.folder / "README.md"
    before = readme.read_bytes()
    readme.write_bytes(before + b"mine")
    with pytest.raises(UsageError, match=r"'README\.md' was changed"):
        export_library([small], M4, outlet, made.folder)
    export_library([small], M4, outlet, made.folder, force=True)
    assert readme.read_bytes() == before
    (made.folder / "mine.c").write_text("int mine;")
    with pytest.raises(UsageError, match=r"'mine\.c', which is no part of an earlier export"):
        export_library([small], M4, outlet, made.folder, force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["l"]


def test_projects_and_libraries_take_each_others_place(small: Graph, tmp_path: Path) -> None:
    export_library([small], M4, "arduino", tmp_path / "p")
    with pytest.raises(BadFileError, match="holds a library for arduino") as refused:
        find_project(tmp_path / "p")
    assert "README.md" in refused.value.next_step
    export(small, HOST, tmp_path / "p")
    assert find_project(tmp_path / "p").graph() == small
    export_library([small], M4, "zephyr", tmp_path / "p")
    assert not (tmp_path / "p" / "app").exists()


@pytest.mark.parametrize(
    "damage", ['{"format": 2, "outlet": "arduino"}', '{"format": 2, "outlet": 1, "files": {"x": 1}}']
)
def test_a_folder_with_a_damaged_manifest_is_not_replaced(damage: str, small: Graph, tmp_path: Path) -> None:
    (tmp_path / "l").mkdir()
    (tmp_path / "l" / "manifest.json").write_text(damage)
    (tmp_path / "l" / "x").write_text("mine")
    with pytest.raises(UsageError, match="no part of an earlier export"):
        export_library([small], M4, "arduino", tmp_path / "l", force=True)
    assert (tmp_path / "l" / "x").read_text() == "mine"


def test_errors_say_what_where_and_what_next(small: Graph, tmp_path: Path) -> None:
    for outlet in ("cmsis-pack", "stm32cube"):
        with pytest.raises(UsageError, match="for microcontrollers, and board 'host' is this computer") as refused:
            export_library([small], HOST, outlet, tmp_path / "l")
        assert (refused.value.where, "cmake" in refused.value.next_step) == ("`outlet`", True)
    with pytest.raises(UsageError, match="unknown outlet 'ardino'") as refused:
        export_library([small], M4, "ardino", tmp_path / "l")
    assert refused.value.next_step.startswith("did you mean 'arduino'?")
    with pytest.raises(UsageError, match=r"unknown outlet '\.\./x/y'"):
        dqt.export_library(small, M4, "../x/y")
    tiny = replace(M4, memory=tuple(replace(region, size=256) for region in M4.memory))
    with pytest.raises(DoesNotFitError, match=r"bytes of RAM, [\d,]+ more than the board has"):
        export_library([small], tiny, "arduino", tmp_path / "l")
    assert not list(tmp_path.iterdir())


def test_the_command_says_what_to_do_next(here: Path, model_file: Path) -> None:
    from click.testing import CliRunner  # noqa: PLC0415

    from dqt_edge.cli.export import export as command  # noqa: PLC0415

    done = CliRunner().invoke(command, [str(model_file), "--board", "qemu-m4", "--as", "arduino"])
    assert done.exit_code == 0, done.output
    assert (here / "build" / "digits-qemu-m4-arduino" / "library.properties").is_file()
    assert "next: copy it to the folder libraries/ of your sketchbook as dqt_tiny" in done.output
    assert not (here / ".dqt-edge.json").exists(), "a library is nothing for `build`"


# --- Names ----------------------------------------------------------------------------------------------------

NAMES = ["loop", "Serial", "F", "PI", "signal", "int", "a-b.c", "_x", "core", "arena", "y0", "x" * 64]
"""What Arduino, C, C++, the C library or an example has already; dots and dashes; a file of ours; a long one."""


@pytest.mark.parametrize("name", NAMES)
def test_every_name_of_a_model_does_in_a_sketch(name: str, small: Graph, tmp_path: Path) -> None:
    made = export_library([replace(small, name=name)], M4, "arduino", tmp_path / "l")
    assert re.fullmatch(r"dqt_[A-Za-z0-9_]{1,28}", made.id)
    text = (made.folder / "examples" / made.id / f"{made.id}.ino").read_text()
    (tmp_path / "t.cpp").write_text(f"#include <Arduino.h>\n#include <math.h>\n#include <signal.h>\n{text}")
    build = ["c++", "-std=gnu++11", "-fsyntax-only", f"-I{made.folder / 'src'}", f"-I{STUBS}"]
    subprocess.run([*build, str(tmp_path / "t.cpp")], check=True, timeout=300)


def test_long_names_stay_apart(small: Graph, tmp_path: Path) -> None:
    ids = {export_library([replace(small, name="x" * 63 + end)], M4, "cmake", tmp_path / end).id for end in "ab"}
    assert len(ids) == 2


def test_several_models_share_a_library(graph: Graph, small: Graph, tmp_path: Path) -> None:
    made = export_library([graph, small], M4, "arduino", tmp_path / "l")
    headers = [f"dqt_{model['symbol']}.h" for model in made.models]
    assert len(headers) == 2
    assert f"includes={','.join(headers)}" in (made.folder / "library.properties").read_text().splitlines()
    assert all((made.folder / "src" / header).is_file() for header in headers)
    with pytest.raises(UsageError, match="have one name in C"):
        export_library([small, small], M4, "arduino", tmp_path / "l")


def test_a_model_with_decision_points_brings_what_decides(tmp_path: Path) -> None:
    made = export_library([pointed_graph(1)], M4, "stm32cube", tmp_path / "l")
    assert "Src/dqt_points.c" in (made.folder / "compile.txt").read_text().splitlines()
    assert (
        f"`dqt_decide()` {made.manifest['predicted']['decide_stack']} bytes" in (made.folder / "README.md").read_text()
    )


# --- The form of each ecosystem -------------------------------------------------------------------------------


def test_arduino_properties_are_complete(small: Graph, tmp_path: Path) -> None:
    """By Arduino's library specification: required fields, allowed values, the sketch named as its folder."""
    made = export_library([small], M4, "arduino", tmp_path / "l")
    lines = (made.folder / "library.properties").read_text().splitlines()
    fields = dict(line.split("=", 1) for line in lines)
    required = ["name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url", "architectures"]
    assert list(fields) == [*required, "includes"]
    assert all(fields.values())
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,62}", fields["name"])
    assert SEMVER.fullmatch(fields["version"])
    assert fields["category"] == "Data Processing"
    assert (made.folder / "src" / fields["includes"]).is_file()
    for line in (made.folder / "keywords.txt").read_text().splitlines()[1:]:
        assert re.fullmatch(r"\w+\t(KEYWORD1|KEYWORD2|LITERAL1)", line)
    assert not [path for path in (made.folder / "src").iterdir() if path.suffix not in (".c", ".h", ".S")]


def test_platformio_manifest_is_valid(small: Graph, tmp_path: Path) -> None:
    """By the fields of library.json: types, lengths, and files that are there."""
    made = export_library([small], M4, "platformio", tmp_path / "l")
    found = json.loads((made.folder / "library.json").read_text())
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", found["name"])
    assert len(found["name"]) <= 50
    assert SEMVER.fullmatch(found["version"])
    assert len(found["description"]) <= 255
    assert all(re.fullmatch(r"[a-z0-9 +-]{1,50}", word) for word in found["keywords"])
    assert all((made.folder / found["build"]["srcDir"] / name).is_file() for name in found["headers"])
    for example in found["examples"]:
        assert all((made.folder / example["base"] / name).is_file() for name in example["files"])
    assert set(found["build"]) == {"srcDir", "unflags", "flags"}


DEPENDS = {
    "qemu-m55": "ARMV8_1_M_MVEI",
    "qemu-m4": "CPU_CORTEX_M4 || CPU_CORTEX_M7 || ARMV8_M_DSP",
    "qemu-m3": "ARMV7_M_ARMV8_M_MAINLINE",
    "qemu-m0": "CPU_CORTEX_M",
    "host": None,
}


@pytest.mark.parametrize("board_id", DEPENDS)
def test_zephyr_option_depends_on_the_cores_instructions(board_id: str, small: Graph, tmp_path: Path) -> None:
    made = export_library([small], load_board(board_id), "zephyr", tmp_path / "l")
    text = (made.folder / "zephyr" / "Kconfig").read_text()
    option = f"config {made.id.upper()}\n"
    assert option in text
    assert re.findall(r"^\tdepends on (.*)$", text, re.MULTILINE) == [d for d in [DEPENDS[board_id]] if d]
    settings = (made.folder / "samples" / made.id / "prj.conf").read_text()
    assert f"CONFIG_{made.id.upper()}=y\n" in settings
    stack = int(re.search(r"^CONFIG_MAIN_STACK_SIZE=(\d+)$", settings, re.MULTILINE)[1])
    predicted = made.manifest["predicted"]
    assert stack >= (predicted["run_stack"] + 1024 if predicted else 8192)
    assert ("CONFIG_FPU_SHARING=y" in settings) == (board_id == "qemu-m55")
