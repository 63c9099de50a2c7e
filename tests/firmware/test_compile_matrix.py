"""Every kernel compiles in anybody's build: levels, frame pointers, reserved registers, LTO, float ABIs, GCC and clang.

CI takes, of Cortex-M4, what leaves a compiler the fewest registers and what changes the code it writes, and less of
the others (what users build with is also linked and run in test_library.py); ``make compile-matrix`` takes them all.
What is compiled must also be what is meant: no warning, and in assembly the sizes of inner loops that the C beside
them computes with.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from dqt_edge.boards import Board, load_board
from dqt_edge.lowering.kernels.catalogue import kernels_of
from dqt_edge.project.render import kernel_files
from dqt_edge.system import elf
from dqt_edge.system.resources import data_folder
from dqt_edge.system.tools import ARM_GCC, find_tool

WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]
COMMON = ["-std=c11", "-ffreestanding", "-ffunction-sections", "-fdata-sections", "-fno-common", "-fno-strict-aliasing"]
STRICT = ["-mno-unaligned-access", "-DDQT_STRICT_ALIGNMENT=1"]
GCC = {
    **{f"gcc {level}": [level] for level in ("-O0", "-Og", "-O1", "-O2", "-O3", "-Os", "-Ofast")},
    "gcc frame pointer": ["-O2", "-fno-omit-frame-pointer"],
    "gcc reserved r9": ["-O2", "-ffixed-r9"],
    "gcc -O0 reserved r9": ["-O0", "-ffixed-r9"],
    "gcc LTO": ["-O2", "-flto", "-ffat-lto-objects"],
    "gcc strict alignment": ["-O2", *STRICT],
    "gcc hard float": ["-O2"],
}
CLANG = {f"clang {level}": [level] for level in ("-O0", "-O2", "-Os")} | {
    "clang strict alignment": ["-O2", *STRICT],
}
HARD_FLOAT = {
    "cortex-m4": ["-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"],
    "cortex-m7": ["-mfloat-abi=hard", "-mfpu=fpv5-sp-d16"],
    "cortex-m33": ["-mfloat-abi=hard", "-mfpu=fpv5-sp-d16"],
}
BOARDS = ("qemu-m0", "qemu-m3", "qemu-m4", "qemu-m7", "qemu-m33", "qemu-m55")
FEW = ("gcc -O0", "clang -O2")
TAKEN = {
    "qemu-m4": (
        *("gcc -O0", "gcc -Og", "gcc -O3", "gcc frame pointer", "gcc -O0 reserved r9", "gcc strict alignment"),
        *("clang -O0", "clang -Os", "clang strict alignment"),
    ),
    "qemu-m7": ("gcc -O0",),
    "qemu-m33": ("clang -O2",),
}
"""Configurations CI takes of a board, where they are not FEW; M7 and M33 differ from M4 in what is scheduled where."""


def configurations() -> list[pytest.ParameterSet]:
    """Board and configuration of each test."""
    chosen = []
    for board_id in BOARDS:
        for name in GCC | CLANG:
            if name == "gcc hard float" and load_board(board_id).cpu.core not in HARD_FLOAT:
                continue
            if name in TAKEN.get(board_id, FEW) or "DQT_COMPILE_MATRIX" in os.environ:
                marks = (pytest.mark.clang if name in CLANG else pytest.mark.cross,)
                chosen.append(pytest.param(board_id, name, marks=marks, id=f"{board_id} {name}"))
    return chosen


def compiler(board: Board, name: str) -> list[str]:
    """Command of a configuration, without its sources."""
    if name in CLANG:
        return [find_tool("clang", "clang"), "--target=arm-none-eabi", *board.cpu.flags, *CLANG[name]]
    flags = [flag for flag in board.cpu.flags if name != "gcc hard float" or not flag.startswith("-mfloat-abi")]
    flags += HARD_FLOAT[board.cpu.core] if name == "gcc hard float" else []
    return [find_tool(ARM_GCC, "gcc-arm-none-eabi"), *flags, *GCC[name]]


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Every kernel of a board, written once."""
    known: dict[str, Path] = {}

    def write(board_id: str) -> Path:
        if board_id not in known:
            folder = known[board_id] = tmp_path_factory.mktemp(board_id)
            board = load_board(board_id)
            kernels = [kernel.name for kernel in kernels_of(board.cpu)]
            for path, text in kernel_files(kernels, board.cpu).items():
                (folder / path).parent.mkdir(exist_ok=True)
                (folder / path).write_text(text, encoding="utf-8")
        return known[board_id]

    return write


@pytest.mark.some(2)
@pytest.mark.parametrize(("board_id", "name"), configurations())
def test_every_kernel_compiles(board_id: str, name: str, sources: Callable[[str], Path], tmp_path: Path) -> None:
    folder = sources(board_id)
    paths = sorted((folder / "kernels").glob("*.[cS]"))
    includes = [f"-I{folder / 'kernels'}", f"-I{data_folder('firmware') / 'dqt'}"]
    command = [*compiler(load_board(board_id), name), *COMMON, *WARNINGS, *includes, "-c", *map(str, paths)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert {path.stem for path in tmp_path.glob("*.o")} == {path.stem for path in paths}
    for path in tmp_path.glob("*_multiply*.o"):
        found = {n: value for n, value, _ in elf.symbols(path) if n.startswith("dqt_")}
        assert_loops_have_their_size(found, singles=load_board(board_id).cpu.core == "cortex-m4")


def assert_loops_have_their_size(symbols: dict[str, int], *, singles: bool) -> None:
    """The form's loop takes eight steps of what dqt_dsp_conv_pixels.c computes with, and a few instructions more.

    ``singles``: each load of two words is two instructions, so many more in a step, and one behind the steps.
    """
    for form, step, more, loads in (("wide", 48, 28, 2), ("packed", 24, 60, 2), ("long", 44, 28, 3)):
        if f"dqt_dsp_{form}_loop" in symbols:
            following = min(v for v in symbols.values() if v > symbols[f"dqt_dsp_{form}_loop"])
            size = 8 * (step + 4 * loads * singles) + more + 4 * singles
            assert following - symbols[f"dqt_dsp_{form}_loop"] == size, form
