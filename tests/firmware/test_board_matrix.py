"""Every board's whole project under GCC and clang at -Os, -O2 and -O3: no warning, and no larger than was said.

ELF, HEX and BIN come out of each, UF2 where the board takes it. ``make compile-matrix`` runs it. What GCC makes at -O2
has the predicted size to the byte; all else is compared with the upper bound that holds for an unmeasured compiler.
"""

from __future__ import annotations

import hashlib
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from dqt_edge.boards import Board, board_ids, load_board
from dqt_edge.flashing import uf2
from dqt_edge.flashing.base import plan
from dqt_edge.project import code_table
from dqt_edge.project.export import export
from dqt_edge.project.footprint import Footprint, predict
from dqt_edge.project.manifest import Project
from dqt_edge.project.optimize import plans_for
from dqt_edge.system import elf
from dqt_edge.system.tools import ARM_GCC, find_tool
from tests.firmware.test_compile_matrix import COMMON, WARNINGS
from tests.support.digits import digits_graph

pytestmark = [pytest.mark.slow, pytest.mark.cross, pytest.mark.clang]

BOARDS = tuple(board_id for board_id in board_ids() if board_id != "host")
LEVELS = ("-Os", "-O2", "-O3")
LINK = ["-nostdlib", "-Wl,--gc-sections", "-Wl,--fatal-warnings", "-Wl,--build-id=none"]
GENERATED = ["-fno-unwind-tables", "-fno-asynchronous-unwind-tables"]
WORKERS = 2
AEABI = Path(__file__).parents[1] / "files" / "aeabi" / "aeabi.c"
"""Clang's own run-time library is not installed: its routines for memory are these, those for numbers libgcc's."""
CLANG_LINK = ["-Wl,-z,noexecstack"]
"""Clang's objects say that they need no executable stack, and libgcc's do not."""


def commands(board: Board, compiler: str, level: str) -> list[str]:
    """A compiler for the board's core, without its sources."""
    start = [find_tool(ARM_GCC, "gcc-arm-none-eabi")] if compiler == "gcc" else [find_tool("clang", "clang")]
    start += [] if compiler == "gcc" else ["--target=arm-none-eabi"]
    return [*start, *board.cpu.flags, level, *COMMON, *GENERATED, *WARNINGS]


LIBRARY = ("dqt", "kernels", "model")
"""Folders whose sources know nothing of the board: compiled once for boards that get the same of them."""


@dataclass
class Compiler:
    """Compiles and links projects; objects of the library are kept in a folder, by what they depend on."""

    kept: Path

    def link(self, project: Project, command: list[str], folder: Path) -> Path:
        """Compile all of a project, without a warning, and link it; the ELF file."""
        parts = [project.folder / part for part in ("app", *LIBRARY, "port")]
        sources = sorted(path for part in parts for path in part.glob("*.[cS]"))
        options = [*command, *(f"-I{part}" for part in parts)]
        headers = [path for part in LIBRARY for path in (project.folder / part).glob("*.h")]
        facts = [repr(command).encode(), *(path.read_bytes() for path in sorted(headers))]
        with ThreadPoolExecutor(WORKERS) as pool:
            objects = list(pool.map(lambda source: self.compiled(source, options, facts, folder), sources))
        image = folder / "model.elf"
        linker = [find_tool(ARM_GCC, "gcc-arm-none-eabi"), *project.board.cpu.flags]
        if "--target=arm-none-eabi" in command:
            objects.append(folder / "aeabi.o")
            run([*command, "-fno-builtin", "-c", AEABI, "-o", objects[-1]])
            linker += CLANG_LINK
        run([*linker, *objects, f"-T{project.folder / 'link.ld'}", *LINK, "-lgcc", "-o", image])
        return image

    def compiled(self, source: Path, options: list[str], facts: list[bytes], folder: Path) -> Path:
        """Object of a source."""
        target = folder / f"{source.parent.name}-{source.stem}.o"
        if source.parent.name in LIBRARY:
            digest = hashlib.sha256(b"\0".join([*facts, source.name.encode(), source.read_bytes()]))
            target = self.kept / f"{digest.hexdigest()}.o"
        if not target.exists():
            run([*options, "-c", source, "-o", target])
        return target


@pytest.fixture(scope="session")
def compiler_of_all(tmp_path_factory: pytest.TempPathFactory) -> Compiler:
    return Compiler(tmp_path_factory.mktemp("objects"))


def run(command: list[object]) -> None:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=600, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def bound(board: Board, monkeypatch: pytest.MonkeyPatch) -> Footprint:
    """What ``check`` says at most, where the compiler is one that nobody measured."""
    with monkeypatch.context() as patch:
        patch.setattr(code_table, "installed_version", lambda: None)
        patch.setattr(code_table.zig, "stands_in", lambda: True)
        patch.setattr(code_table.zig, "compiler_name", lambda: "another compiler")
        return predict(plans_for([digits_graph()], board, "speed"), check=False)


CASES = [
    pytest.param(board_id, compiler, marks=pytest.mark.xdist_group(f"{load_board(board_id).cpu.core} {compiler}"))
    for compiler in ("gcc", "clang")
    for board_id in BOARDS
]


@pytest.mark.parametrize(("board_id", "compiler"), CASES)
def test_a_board_compiles_at_every_level(
    board_id: str, compiler: str, compiler_of_all: Compiler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, _, exact = export(digits_graph(), load_board(board_id), tmp_path / "p")
    assert exact is not None
    at_most = bound(project.board, monkeypatch)
    assert (at_most.exact, exact.exact) == (False, True)
    for level in LEVELS:
        folder = tmp_path / level
        folder.mkdir()
        image = compiler_of_all.link(project, commands(project.board, compiler, level), folder)
        flash, ram = elf.occupied(image)
        if (compiler, level) == ("gcc", "-O2"):
            assert (flash, ram) == (exact.flash, exact.ram)
        assert flash <= at_most.flash, f"{level}: {flash} bytes of flash, at most {at_most.flash} were said"
        assert ram <= at_most.ram
        files(image, project.board)


def files(image: Path, board: Board) -> None:
    """HEX, BIN and UF2 of an image hold the same bytes."""
    objcopy = find_tool("arm-none-eabi-objcopy", "binutils-arm-none-eabi")
    for form, suffix in (("binary", ".bin"), ("ihex", ".hex")):
        run([objcopy, "-O", form, image, image.with_suffix(suffix)])
    content = image.with_suffix(".bin").read_bytes()
    back = image.with_suffix(".back")
    run([objcopy, "-I", "ihex", "-O", "binary", image.with_suffix(".hex"), back])
    assert back.read_bytes() == content
    parts = elf.load_parts(image)
    start = parts[0][0]
    assert all(content[at - start : at - start + len(data)] == data for at, data in parts)
    if board.uf2 is not None:
        pages, family = uf2.decode(uf2.encode(plan(image, board).segments, board.uf2.family))
        held = {page.address: page.data for page in pages}
        joined = b"".join(held[at] for at in sorted(held))
        assert (joined[: len(content)], family) == (content, board.uf2.family)
