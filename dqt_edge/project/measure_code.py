"""Measures code with the installed compiler: ``python -m dqt_edge.project.measure_code`` writes ``code_sizes/``.

The shipped tables are why ``check`` and ``export`` can predict an image without a compiler: ``make code-sizes`` writes
them when firmware or kernels change, and a test compares them with what the compiler makes. What no table holds,
:mod:`.code_table` measures with these functions when it is asked for.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection

from ..boards import Board, board_ids, load_board
from ..device.c_header import messages_header
from ..errors import ToolchainError
from ..lowering.kernels.catalogue import kernels_of
from ..system.tools import ARM_GCC, compiler_version, find_tool
from .app_options import other_units
from .code_parts import FOLDER, GENERATED, CodeSizes, Part, PortSizes, as_json
from .render import c_environment, firmware_files, kernel_files, port_sources, shared_port

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

PORT_SYMBOL = re.compile(r"dqt_port_\w+")
"""Symbols that the core part may leave to the port."""


def measure_core(board: Board, options: Sequence[str] = FLAGS, outside: re.Pattern[str] = PORT_SYMBOL) -> Part:
    """Code of firmware, kernels and shared port files for a board's core and flags.

    Args:
        board: Its core and flags decide; its port does not.
        options: What to compile with besides the board's flags.
        outside: Symbols that need not be defined.

    Raises:
        ToolchainError: A source does not compile, or needs a library.
    """
    files = {path: text for path, text in _files(board).items() if not path.startswith("port/")}
    files |= {f"port/{name}": text for name, text in shared_port(board).items()}
    part = _measure(board, files, files, options)
    for name, section in part.sections.items():
        for ref in section["refs"]:
            if ref not in part.sections and not outside.fullmatch(ref):
                raise ToolchainError(
                    f"{name.partition(':')[0]} needs {ref!r}, which no source defines",
                    where=name,
                    next_step="avoid what needs a library",
                )
    return part


def measure_port(board: Board, options: Sequence[str] = FLAGS) -> Part:
    """Code of a board's port, and what of the app is other code for it; raises ToolchainError if one does not compile.

    Other code: with a trigger or a watchdog.
    """
    wanted = [f"port/{name}" for name in port_sources(board)]
    return _measure(board, _files(board), [*wanted, *other_units(board)], options)


def _files(board: Board) -> dict[str, str]:
    """Everything but the model, by path in the project."""
    kernels = sorted(kernel.name for kernel in kernels_of(board.cpu))
    files = firmware_files(board) | kernel_files(kernels, board.cpu)
    files["app/dqt_board.h"] = c_environment().get_template("project/dqt_board.h.j2").render(board=board)
    files["app/dqt_messages.h"] = messages_header()
    return files


def _measure(board: Board, files: dict[str, str], wanted: Collection[str], options: Sequence[str]) -> Part:
    """Compile those of the wanted files that are sources."""
    compiler = find_tool(ARM_GCC, "gcc-arm-none-eabi")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, text in files.items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        includes = [f"-I{folder / part}" for part in sorted({p.split("/")[0] for p in files})]
        command = [compiler, *board.cpu.flags, *options, *includes]

        def compiled(path: str) -> dict[str, Any]:
            target = (folder / path).with_suffix(".o")
            done = subprocess.run(
                [*command, "-c", str(folder / path), "-o", str(target)], capture_output=True, text=True, check=False
            )
            if done.returncode != 0:
                own = board.port_folder / Path(path).name
                place = own if path.startswith("port/") and own.exists() else path
                raise ToolchainError(
                    f"the source does not compile: {done.stderr.replace(f'{folder}/', '').strip()}",
                    where=f"{place}, board {board.id!r}",
                    next_step="mend the source",
                )
            return _read_object(target) | {"file": path.rpartition(".")[0]}

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return _link(list(pool.map(compiled, sorted(p for p in wanted if p.endswith((".c", ".S"))))))


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


def _link(objects: list[dict[str, Any]]) -> Part:
    """Resolve references between objects; sections get names that are unique over the image."""
    symbols = {name: f"{o['file']}:{o['sections'][i]['name']}" for o in objects for name, i in o["exported"].items()}
    sections = {}
    for o in objects:
        for section in o["sections"].values():
            refs = {f"{o['file']}:{o['sections'][r]['name']}" for r in section["refs"] if isinstance(r, int)}
            outside = {r for r in section["refs"] if isinstance(r, str) and r and not GENERATED.fullmatch(r)}
            refs |= {symbols.get(name, name) for name in outside}
            name = f"{o['file']}:{section['name']}"
            sections[name] = {k: section[k] for k in ("size", "kind", "stack")} | {"refs": sorted(refs - {name})}
    return Part(sections, dict(sorted(symbols.items())))


def shipped() -> list[CodeSizes]:
    """Every table that is shipped, for the installed compiler: one for each core and float ABI of a shipped board."""
    version = compiler_version()
    found: dict[str, CodeSizes] = {}
    for board in map(load_board, board_ids()):
        if board.is_host:
            continue
        sizes = CodeSizes(version, board.cpu.core, board.cpu.flags, Part({}, {}))
        known = found.get(sizes.file_name) or CodeSizes(version, sizes.core, sizes.flags, measure_core(board))
        if not known.fits(board.cpu.core, board.cpu.flags):
            raise ToolchainError(
                f"board {board.id!r} has other flags than {' '.join(known.flags)}",
                where=sizes.file_name,
                next_step="give boards of one core and float ABI the same flags",
            )
        port = PortSizes(board.port, board.cpu.hz, board.serial.baud, measure_port(board), board.constants)
        ports = known.ports if any(port.key == p.key for p in known.ports) else (*known.ports, port)
        found[sizes.file_name] = CodeSizes(version, known.core, known.flags, known.part, ports)
    return list(found.values())


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for sizes in shipped():
        (FOLDER / sizes.file_name).write_text(as_json(sizes), encoding="utf-8")
        print(f"wrote {FOLDER / sizes.file_name}")
