"""Renders a Plan to the files of a C project, in memory: the same plan gives the same bytes."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..boards import Board, Cpu
from ..device.c_header import messages_header
from ..lowering.kernels import catalogue
from ..lowering.kernels.kernel import Source
from ..lowering.plan import Plan
from ..system.resources import data_folder
from ..system.templates import environment
from .filters import FILTERS
from .footprint import Buffers, Footprint

if TYPE_CHECKING:
    import jinja2

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


@dataclass(frozen=True)
class Linking:
    """What the linker script needs: the regions that were chosen, and the stack in bytes."""

    flash_start: int
    flash_size: int
    ram_start: int
    ram_size: int
    stack: int


def c_environment() -> jinja2.Environment:
    """The templates' environment with the filters that write C, and the numbers that kernels share with Python."""
    env = environment()
    env.filters.update(FILTERS)
    env.globals |= {"limits": catalogue.LIMITS, "offsets": catalogue.OFFSETS}
    return env


def source_file(source: Source, core: str) -> tuple[str, str]:
    """Path in the project, and text, of a kernel or of what kernels share."""
    folder, name = f"kernels/{source.family}", source.template or source.name
    template = c_environment().select_template([f"{folder}/{name}.c.j2", f"{folder}/{name}.S.j2"])
    assert template.name is not None
    suffix = template.name.removesuffix(".j2")[-2:]
    text = template.render(name=source.name, variant=source.variant, core=core)
    return f"kernels/dqt_{source.name}{suffix}", text


def kernel_files(kernels: Collection[str], cpu: Cpu) -> dict[str, str]:
    """Sources of kernels and of what they share, the headers that they include, and the limits, by path."""
    found = (source_file(source, cpu.core) for source in catalogue.sources(kernels, cpu))
    files = dict(sorted(found))
    shared = catalogue.limits(kernels)
    headers = {p.name: p.read_text(encoding="utf-8") for p in (data_folder("templates") / "kernels").glob("*/*.h")}
    headers["dqt_limits.h"] = c_environment().get_template("limits.h.j2").render(shared=shared)
    waiting = list(files.values())
    while waiting:
        for name in INCLUDE.findall(waiting.pop()):
            if name in headers and f"kernels/{name}" not in files:
                files[f"kernels/{name}"] = headers[name]
                waiting.append(headers[name])
    return files


def firmware_files(board: Board) -> dict[str, str]:
    """The fixed sources of a board, by path in the project."""
    root = data_folder("firmware")
    folders = [root / "dqt", root / "app", root / "port" / board.port]
    if not board.is_host:
        folders.append(root / "port" / "cortexm")
    files = {}
    for folder in folders:
        for path in sorted(folder.glob("*.[chS]")):
            files[f"{_folder(folder)}/{path.name}"] = path.read_text(encoding="utf-8")
    return files


def _folder(folder: Path) -> str:
    return "port" if folder.parent.name == "port" else folder.name


def render(plan: Plan, buffers: Buffers, footprint: Footprint | None) -> dict[str, str]:
    """All text files of the project by relative path, the manifest excepted. No footprint: a native project."""
    env = c_environment()
    board = plan.board
    files = firmware_files(board)
    files["app/dqt_board.h"] = env.get_template("board.h.j2").render(board=board)
    files["app/dqt_messages.h"] = messages_header()
    files["model/dqt_weights.h"] = env.get_template("weights.h.j2").render(plan=plan)
    files["model/dqt_weights.c"] = env.get_template("weights.c.j2").render(plan=plan)
    files["model/dqt_model.c"] = env.get_template("model.c.j2").render(plan=plan, buffers=buffers)
    files["kernels/dqt_kernels.h"] = env.get_template("kernels.h.j2").render(plan=plan, kernels=plan.kernels)
    files |= kernel_files(plan.kernels, board.cpu)
    sources = sorted(path for path in files if path.endswith((".c", ".S")))
    includes = sorted({path.split("/")[0] for path in files if path.endswith(".h")})
    files["CMakeLists.txt"] = env.get_template("CMakeLists.txt.j2").render(
        plan=plan, board=board, sources=sources, includes=includes
    )
    if footprint is not None:
        files["toolchain.cmake"] = env.get_template("toolchain.cmake.j2").render(board=board)
        linking = Linking(
            footprint.flash_region.start,
            footprint.flash_region.size,
            footprint.ram_region.start,
            footprint.ram_region.size,
            footprint.stack,
        )
        files["link.ld"] = env.get_template("link.ld.j2").render(plan=plan, linking=linking)
    return files
