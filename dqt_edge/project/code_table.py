"""Where the sizes of a board's code come from: a shipped table, the installed compiler, or an upper bound.

With ``arm-none-eabi-gcc`` installed, sizes are always those of that compiler: from the shipped table if it has this
core, these flags and this version, and otherwise measured, once, and kept in the user's cache folder. Without a
compiler they are those of the shipped table; what it lacks becomes an upper bound from the nearest measured code.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..boards import Board
from ..errors import BadFileError, ToolchainError
from ..system import zig
from ..system.files import read_capped, write_atomically
from ..system.resources import cache_folder, data_folder
from ..system.tools import ARM_GCC, compiler_version
from .app_options import other_units
from .code_parts import FOLDER, CodeSizes, Part, as_json, joined, part_from_json, read_sizes

SIZE_MARGIN = 2.5
STACK_MARGIN = 3.5
"""Factors of an upper bound; docs/boards.md has the measurement (``python -m benchmarks.code_margins``)."""

CACHE_MAX = 4 << 20

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class CodeTable:
    """Code of a board.

    Attributes:
        sections: Name -> size, kind, stack, references.
        symbols: Name -> section.
        compiler: Version of arm-none-eabi-gcc.
        exact: Whether an image built with that compiler has these sizes; otherwise it has at most these.
        basis: One sentence: how the sizes are known.
    """

    sections: dict[str, Any]
    symbols: dict[str, str]
    compiler: str
    exact: bool
    basis: str


def code_table(board: Board) -> CodeTable:
    """Sections and symbols of all code that an image of the board may hold, the model excepted.

    Raises:
        ToolchainError: The port does not compile or lacks a function; or nobody has measured it and there is no
            compiler.
    """
    version = installed_version()
    if version is None:
        if zig.stands_in():
            return _from_tables(board, zig.compiler_name(), f"{zig.compiler_name()} compiles in GNU's place")
        return _from_tables(board, None, "no arm-none-eabi-gcc is installed")
    return _measured(board, version)


def installed_version() -> str | None:
    """Version of the cross compiler, or None if there is none that works."""
    found = shutil.which(ARM_GCC)
    return None if found is None else _version_of(found)


@functools.cache
def _version_of(program: str) -> str | None:
    try:
        return compiler_version(program)
    except ToolchainError:
        return None


def _measured(board: Board, version: str) -> CodeTable:
    tables = _tables(board.cpu.core)
    table = next((t for t in tables if t.compiler == version and t.fits(board.cpu.core, board.cpu.flags)), None)
    if table is not None:
        core = table.part
    else:
        try:
            core = _cached(board, version, "core", lambda: _measure_code().measure_core(board))
        except ToolchainError as error:
            return _from_tables(
                board, version, f"arm-none-eabi-gcc {version} cannot measure it: {error.what.splitlines()[0]}"
            )
    port = _port_of(table, board) or _cached(board, version, "port", lambda: _measure_code().measure_port(board))
    part = joined(core, port, str(board.port_folder))
    return CodeTable(
        dict(part.sections), dict(part.symbols), version, True, f"measured with arm-none-eabi-gcc {version}"
    )


def _from_tables(board: Board, version: str | None, reason: str) -> CodeTable:
    """Sizes from the shipped tables alone, for a reason; ``version``: that of the compiler, if there is one."""
    # Of several tables of the core, the one with these flags, and of those the newest compiler's.
    table = max(
        _tables(board.cpu.core),
        key=lambda t: (t.fits(board.cpu.core, board.cpu.flags), _ordered(t.compiler)),
        default=None,
    )
    same_port = [] if table is None or board.has_own_port else [p.part for p in table.ports if p.port == board.port]
    if table is None or not same_port:
        raise ToolchainError(
            f"the code of port {board.port!r} for {board.cpu.core} has never been measured, and {reason}",
            where=f"board {board.id!r}, {board.file}",
            next_step="install the compiler, which then measures it; on Debian: apt-get install gcc-arm-none-eabi",
        )
    lacking = []
    core, port = table.part, _port_of(table, board)
    if not table.fits(board.cpu.core, board.cpu.flags) or version not in (None, table.compiler):
        lacking.append(f"code for {' '.join(board.cpu.flags)}")
        core, port = _bounded(core), None
    if not lacking:
        core = Part({**core.sections, **_bounded(_units(core, other_units(board))).sections}, core.symbols)
    if port is None:
        given = f" with {board.constants}" if board.constants else ""
        lacking.append(f"port {board.port!r} at {board.cpu.hz:,} Hz and {board.serial.baud:,} baud{given}")
        port = _bounded(max(same_port, key=lambda part: sum(s["size"] for s in part.sections.values())))
    part = joined(core, port, str(board.port_folder))
    basis = f"measured with arm-none-eabi-gcc {table.compiler}"
    if lacking:
        basis = (
            f"an upper bound, because {' and '.join(lacking)} has not been measured, and {reason}: "
            f"{SIZE_MARGIN} times the code and {STACK_MARGIN} times the stack of {table.file_name}"
        )
    return CodeTable(dict(part.sections), dict(part.symbols), table.compiler, not lacking, basis)


def _units(part: Part, paths: Sequence[str]) -> Part:
    """What of the part comes from these sources."""
    names = tuple(f"{path.rpartition('.')[0]}:" for path in paths)
    return Part({name: s for name, s in part.sections.items() if name.startswith(names)}, part.symbols)


def _bounded(part: Part) -> Part:
    """The same code, as large as another compiler or other flags may make it."""
    sections = {}
    for name, section in part.sections.items():
        size = section["size"] if section["kind"] == "bss" else _times(section["size"], SIZE_MARGIN)
        sections[name] = {**section, "size": size, "stack": _times(section["stack"], STACK_MARGIN)}
    return Part(sections, part.symbols)


def _times(size: int, factor: float) -> int:
    """Rounded up to whole words."""
    return -(-int(size * factor * 4096) // (4 * 4096)) * 4


def _port_of(table: CodeSizes | None, board: Board) -> Part | None:
    """The board's port, if a shipped table has it as this board compiles it."""
    if table is None or board.has_own_port:
        return None
    wanted = (board.port, board.cpu.hz, board.serial.baud, board.constants)
    return next((p.part for p in table.ports if p.key == wanted), None)


@functools.cache
def _tables(core: str) -> tuple[CodeSizes, ...]:
    """The shipped tables of a core."""
    return tuple(read_sizes(path) for path in sorted(FOLDER.glob(f"{core}-*.json")))


def _ordered(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split(".") if number.isdigit())


def _measure_code() -> Any:  # noqa: ANN401 - a module
    from . import measure_code  # noqa: PLC0415 - pyelftools and the templates, which a shipped table does without

    return measure_code


# --- What was measured before ---------------------------------------------------------------------------------------


def _cached(board: Board, version: str, kind: str, measure: Callable[[], Part]) -> Part:
    """What was measured before for the same sources, board and compiler; otherwise measured now, and kept."""
    path = cache_folder("code_sizes") / f"{_fingerprint(board, version, kind)}.json"
    try:
        return part_from_json(json.loads(read_capped(path, CACHE_MAX)))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass  # not there, or not usable: measured again
    _LOG.warning("measuring the %s code for board %r with arm-none-eabi-gcc %s, once", kind, board.id, version)
    part = measure()
    with contextlib.suppress(OSError, BadFileError):  # a cache that cannot be written only costs time
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, as_json(part).encode())
    return part


def _fingerprint(board: Board, version: str, kind: str) -> str:
    """Of everything that the code depends on: compiler, flags, constants of the board, and every source."""
    digest = hashlib.sha256(repr((kind, version, board.cpu, board.id, board.serial.baud, board.constants)).encode())
    ours = [p for name in ("firmware", "templates") for p in data_folder(name).rglob("*") if p.is_file()]
    for path in [
        *sorted(ours),
        *sorted(Path(__file__).parent.glob("*.py")),
        *sorted(board.port_folder.glob("*.[chS]")),
    ]:
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:32]
