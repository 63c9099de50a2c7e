"""CMSIS packs: the description is valid by the schema's rules, and the archive holds what the folder does."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from dqt_edge import __version__
from dqt_edge.boards import board_ids, load_board
from dqt_edge.graph import Graph
from dqt_edge.project.library import export_library
from tests.project.test_export import contents
from tests.support.random_graphs import random_graph


@pytest.fixture(scope="module")
def small() -> Graph:
    return random_graph(4)


CORES = {"Cortex-M0", "Cortex-M0+", "Cortex-M3", "Cortex-M4", "Cortex-M7", "Cortex-M33", "Cortex-M55"}
BY_CORE = {load_board(each).cpu.core: each for each in board_ids() if each != "host"}
"""A board of each core."""
IDENTITY = {
    "Cclass": r"[A-Za-z0-9][\w+()'/\-\s.]{1,31}",
    "Cgroup": r"[A-Za-z0-9][\w+()'/\-\s.]{1,31}",
    "Csub": r"[A-Za-z0-9][\w+():/\- .]{0,31}",
    "Cversion": r"\d+\.\d+\.\d+",
}
REQUIRED = ("name", "vendor", "description", "url", "license", "releases", "conditions", "components")


def faults(folder: Path) -> list[str]:
    """What is wrong with the pack in a folder, by the schema of pack descriptions."""
    found = []
    (path,) = folder.glob("*.pdsc")
    root = ET.parse(path).getroot()
    found += [f"no {name}" for name in REQUIRED if len(root.findall(name)) != 1]
    name, vendor = (root.findtext(part, "") for part in ("name", "vendor"))
    found += [f"name {text!r}" for text in (name, vendor) if not re.fullmatch(r"[-_A-Za-z0-9]+", text)]
    release = root.find("releases/release")
    version = "" if release is None else release.get("version", "")
    if path.name != f"{vendor}.{name}.pdsc" or not (folder / f"{vendor}.{name}.{version}.pack").is_file():
        found.append("names of files")
    conditions = {each.get("id") for each in root.iter("condition")}
    referred = {each.get("condition") for each in root.iter() if each.get("condition")}
    found += [f"condition {each!r}" for each in sorted(str(c) for c in referred - conditions)]
    found += [f"core {core!r}" for each in root.iter("accept") if (core := each.get("Dcore", "Cortex-M3")) not in CORES]
    for text in root.iter("description"):
        if not 1 <= len(text.text or "") <= 256:
            found.append("length of a description")
    listed = set()
    for component in root.iter("component"):
        for key, pattern in IDENTITY.items():
            if not re.fullmatch(pattern, component.get(key, "")):
                found.append(f"{key} {component.get(key)!r}")
        for file in component.iter("file"):
            where = folder / file.get("name", "")
            listed.add(file.get("name"))
            kind = {"include": where.is_dir() and file.get("name", "").endswith("/")}.get(
                file.get("category", ""), where.is_file()
            )
            found += [] if kind else [f"file {file.get('name')!r}"]
    sources = {path.relative_to(folder).as_posix() for path in folder.rglob("*.[cS]")}
    return found + [f"unlisted {name!r}" for name in sorted(sources - listed)]


@pytest.mark.parametrize("board_id", BY_CORE.values())
def test_cmsis_pack_is_valid_and_holds_all_files(board_id: str, small: Graph, tmp_path: Path) -> None:
    made = export_library([small], load_board(board_id), "cmsis-pack", tmp_path / "l")
    assert not faults(made.folder)
    pack = made.folder / f"dqt-edge.{made.id}.{__version__}.pack"
    archive = zipfile.ZipFile(pack)
    assert archive.testzip() is None
    files = contents(made.folder)
    kept = {name: archive.read(name) for name in archive.namelist()}
    assert kept == {name: content for name, content in files.items() if name not in ("manifest.json", pack.name)}
    own = load_board(board_id).cpu.core.replace("cortex-m", "Cortex-M").replace("plus", "+")
    description = next(made.folder.glob("*.pdsc")).read_text()
    assert f'Dcore="{own}"' in description


DAMAGE: dict[str, Callable[[str], str]] = {
    "no license": lambda text: text.replace("<license>LICENSE</license>", ""),
    "condition 'cores'": lambda text: text.replace('<require condition="core"/>', '<require condition="cores"/>'),
    "core 'Cortex-M9'": lambda text: text.replace('Dcore="Cortex-M7"', 'Dcore="Cortex-M9"'),
    "file 'dqt/dqt_jump.c'": lambda text: text.replace("dqt/dqt_run.c", "dqt/dqt_jump.c"),
    "unlisted 'dqt/dqt_run.c'": lambda text: text.replace("dqt/dqt_run.c", "dqt/dqt_jump.c"),
    "names of files": lambda text: text.replace("<vendor>dqt-edge<", "<vendor>mine<"),
}


@pytest.mark.parametrize("fault", DAMAGE)
def test_the_check_of_packs_can_fail(fault: str, small: Graph, tmp_path: Path) -> None:
    made = export_library([small], load_board("qemu-m4"), "cmsis-pack", tmp_path / "l")
    (path,) = made.folder.glob("*.pdsc")
    path.write_text(DAMAGE[fault](path.read_text()))
    assert fault in faults(made.folder)
