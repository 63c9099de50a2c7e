"""Measures the code of every board into ``project/code_sizes.json``: ``python -m dqt_edge.project.measure_code``.

For development only: run it when firmware or kernels change (``make code-sizes``); a test compares the table with
what the installed compiler makes. The table is why ``check`` and ``export`` can predict an image without a compiler.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection

from ..boards import Board, board_ids, load_board
from ..device.c_header import messages_header
from ..errors import ToolchainError
from ..system.tools import ARM_GCC, compiler_version, find_tool
from .footprint import TABLE
from .render import c_environment, firmware_files, kernel_files, kernels_for

FLAGS = [
    "-std=c11",
    "-O2",
    "-fno-strict-aliasing",
    "-ffreestanding",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-common",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
    "-fstack-usage",
]
"""The code-generating flags of templates/CMakeLists.txt.j2."""

MODEL_SYMBOLS = {"dqt_model"}
"""Defined by the generated model, whose size follows from the plan."""


def measure(board: Board) -> dict[str, Any]:
    """Sections (name -> size, kind, stack, references) and symbols (name -> section) of all code for a board."""
    files = firmware_files(board)
    files["app/dqt_board.h"] = c_environment().get_template("board.h.j2").render(board=board)
    files["app/dqt_messages.h"] = messages_header()
    files["kernels/dqt_kernels.h"] = (
        c_environment().get_template("kernels.h.j2").render(plan={"name": "all"}, kernels=sorted(kernels_for(board)))
    )
    files |= kernel_files(kernels_for(board), board.cpu.core)
    objects = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, text in files.items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        includes = [f"-I{folder / part}" for part in sorted({p.split("/")[0] for p in files})]
        for path in sorted(p for p in files if p.endswith((".c", ".S"))):
            target = (folder / path).with_suffix(".o")
            command = [find_tool(ARM_GCC, "gcc-arm-none-eabi"), *board.cpu.flags, *FLAGS, *includes]
            done = subprocess.run(
                [*command, "-c", str(folder / path), "-o", str(target)],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                raise ToolchainError(done.stderr.strip(), where=path, next_step="mend the source")
            objects.append(_read_object(target))
    return _link(objects)


def _read_object(path: Path) -> dict[str, Any]:
    """Allocated sections of an object file, their references by symbol, and its global symbols."""
    with path.open("rb") as handle:
        elf = ELFFile(handle)
        stacks = _stacks(path.with_suffix(".su"))
        sections: dict[int, dict[str, Any]] = {}
        for index, section in enumerate(elf.iter_sections()):
            flags, size = section["sh_flags"], section["sh_size"]
            if flags & 2 and size:
                kind = (
                    "bss"
                    if section["sh_type"] == "SHT_NOBITS"
                    else "code"
                    if flags & 4
                    else "data"
                    if flags & 1
                    else "constant"
                )
                sections[index] = {"name": section.name, "size": size, "kind": kind, "refs": [], "stack": 0}
        table = elf.get_section_by_name(".symtab")
        local, exported = {}, {}
        for number, symbol in enumerate(table.iter_symbols()):
            local[number] = (symbol.name, symbol["st_shndx"])
            index = symbol["st_shndx"]
            if index in sections and symbol["st_info"]["type"] == "STT_FUNC":
                used = stacks.get(re.split(r"[.$]", symbol.name)[0], 0)
                sections[index]["stack"] = max(sections[index]["stack"], used)
            if symbol["st_info"]["bind"] in ("STB_GLOBAL", "STB_WEAK") and index in sections:
                exported[symbol.name] = index
        for relocations in elf.iter_sections():
            if not isinstance(relocations, RelocationSection):
                continue
            target = elf.get_section(relocations["sh_info"])
            for relocation in relocations.iter_relocations():
                name, index = local[relocation["r_info_sym"]]
                if relocations["sh_info"] in sections:
                    sections[relocations["sh_info"]]["refs"].append(index if index in sections else name)
                elif target.name == ".stack_sizes":
                    used = _uleb128(target.data()[relocation["r_offset"] + 4 :])
                    sections[index]["stack"] = max(sections[index]["stack"], used)
    return {"file": path.stem, "sections": sections, "exported": exported}


def _uleb128(data: bytes) -> int:
    """The number at the start of ``data``: seven bits a byte, the lowest first. Assembly states stacks so."""
    value = 0
    for place, byte in enumerate(data):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value
    raise ValueError("a number without an end")


def _stacks(path: Path) -> dict[str, int]:
    """Bytes of stack by function, from GCC's -fstack-usage; refuses a size that is not static."""
    found: dict[str, int] = {}
    if not path.exists():
        return found
    for line in path.read_text(encoding="utf-8").splitlines():
        where, size, kind = line.split("\t")
        if kind != "static":
            raise ToolchainError(f"stack of {where} is {kind}", where=path.name, next_step="use fixed-size arrays only")
        name = re.split(r"[.$]", where.rsplit(":", 1)[-1])[0]
        found[name] = max(found.get(name, 0), int(size))
    return found


def _link(objects: list[dict[str, Any]]) -> dict[str, Any]:
    """Resolve references between objects; sections get names that are unique over the image."""
    symbols = {name: f"{o['file']}:{o['sections'][i]['name']}" for o in objects for name, i in o["exported"].items()}
    linker = re.compile(r"__(stack|data|bss)_[a-z]+")
    sections = {}
    for o in objects:
        for section in o["sections"].values():
            refs = set()
            for ref in section["refs"]:
                if isinstance(ref, int):
                    refs.add(f"{o['file']}:{o['sections'][ref]['name']}")
                elif ref in symbols:
                    refs.add(symbols[ref])
                elif ref and ref not in MODEL_SYMBOLS and not linker.fullmatch(ref):
                    raise ToolchainError(
                        f"{o['file']} needs {ref!r}, which no source defines",
                        where=section["name"],
                        next_step="avoid what needs a library",
                    )
            name = f"{o['file']}:{section['name']}"
            sections[name] = {k: section[k] for k in ("size", "kind", "stack")} | {"refs": sorted(refs - {name})}
    return {"sections": sections, "symbols": dict(sorted(symbols.items()))}


def table() -> dict[str, Any]:
    """The whole table for the installed compiler."""
    boards = {board_id: load_board(board_id) for board_id in board_ids()}
    return {
        "compiler": compiler_version(),
        "boards": {name: measure(board) for name, board in boards.items() if not board.is_host},
    }


if __name__ == "__main__":
    TABLE.write_text(json.dumps(table(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"wrote {TABLE}")
