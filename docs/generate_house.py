"""Blocks of the pages on the architecture, the kernels and the C library."""

from __future__ import annotations

import dataclasses
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import dqt_edge as dqt
from dqt_edge.lowering import records
from dqt_edge.lowering.kernels import kernel
from dqt_edge.project import footprint

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib
from generate_table import FIRMWARE, HAND, PACKAGE, ROOT, Cell, Table, code, header_text

# --- C --------------------------------------------------------------------------------------------------------


def descriptors() -> Table:
    """Structures of a model's tables, with their bytes on a 32-bit core."""
    inner = (records.Window, records.Requantize)
    sizes = {r.c_type: r.byte_size() for r in records.RECORDS if r not in inner} | {"dqt_model": footprint.MODEL_SIZE}
    rows = [[code(name), str(size), HAND] for name, size in sizes.items()]
    return Table(("structure", "bytes", "for"), rows, "structure")


def statuses() -> Table:
    """What the functions of ``dqt.h`` return."""
    found = re.search(r"typedef enum dqt_status \{(.*?)\}", header_text("dqt/dqt.h"), re.DOTALL)
    assert found is not None
    rows = [[code(name), value, HAND] for name, value in re.findall(r"(DQT_\w+) = (\d+)", found[1])]
    return Table(("status", "value", "meaning"), rows, "status")


def project_folders() -> Table:
    """What an export holds, at its top, and what `build` adds."""
    with tempfile.TemporaryDirectory() as folder:
        project = dqt.export(ROOT / "tests" / "files" / "digits.safetensors", "qemu-m4", Path(folder) / "project")
        found = sorted((path.is_file(), path.name) for path in project.folder.iterdir())
    names = [*(f"{name}{'' if is_file else '/'}" for is_file, name in found), "build/"]
    return Table(("path", "content"), [[code(name), HAND] for name in names], "path")


# --- Architecture ---------------------------------------------------------------------------------------------


def contracts() -> list[dict[str, Any]]:
    """Contracts of import-linter."""
    read = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = read["tool"]["importlinter"]["contracts"]
    return found


def rooms() -> Table:
    """Folders and modules of the package, from the highest layer down."""
    order = [
        module.removeprefix("dqt_edge.") for line in contracts()[0]["layers"] for module in re.split(r" [|] ", line)
    ]
    paths = [PACKAGE / name if (PACKAGE / name).is_dir() else PACKAGE / f"{name}.py" for name in order]
    held = {p for p in PACKAGE.iterdir() if not p.name.startswith(("_", "py.")) and (p.is_dir() or p.suffix == ".py")}
    assert held == set(paths), f"no layer of pyproject.toml: {sorted(p.name for p in held ^ set(paths))}"
    rows = [[code(f"{p.name}{'/' * p.is_dir()}"), HAND] for p in paths]
    return Table(("room", "what it does"), rows, "room")


def outside() -> Table:
    """Folders of C and templates."""
    names = [
        f"{top.name}/{path.name}/"
        for top in (FIRMWARE, ROOT / "templates")
        for path in sorted(top.iterdir())
        if path.is_dir()
    ]
    return Table(("folder", "what it holds"), [[code(name), HAND] for name in names], "folder")


def import_layers() -> str:
    """Layers of the package as import-linter holds them."""
    lines = [line.replace("dqt_edge.", "").replace(" | ", ", ") for line in contracts()[0]["layers"]]
    return "\n" + "\n".join(f"    {line}" for line in lines) + "\n"


def import_rules() -> Table:
    """The other contracts."""
    rows: list[list[Cell]] = []
    for rule in contracts()[1:]:
        if rule["type"] == "layers":
            inside = rule["containers"][0].replace("dqt_edge.", "")
            what = f"within `{inside}`, from above: " + "; ".join(line.replace(" | ", ", ") for line in rule["layers"])
        else:
            source, target = (
                ", ".join(code(m.replace("dqt_edge.", "")) for m in rule[f"{kind}_modules"])
                for kind in ("source", "forbidden")
            )
            what = f"{source} may not import {target}"
        rows.append([rule["name"], what])
    return Table(("rule", "as it is checked"), rows, "rule")


def kernel_arguments() -> Table:
    """What Python knows of a kernel."""
    rows = [[code(f.name), HAND, HAND] for f in dataclasses.fields(kernel.Kernel)]
    return Table(("argument", "meaning", "here"), rows, "argument")
