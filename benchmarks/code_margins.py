"""How much larger code and stack get under other compilers and levels: ``python -m benchmarks.code_margins``.

Sizes that nobody measured are bounded by ``SIZE_MARGIN`` and ``STACK_MARGIN`` of ``dqt_edge.project.code_table``, and
this is what they rest on. For each core, images of firmware and every choice of kernels are compared with those of
arm-none-eabi-gcc at -O2, which is what the exported CMakeLists.txt asks for: the choice with the largest ratio counts.
``--clang COMMAND`` adds a clang for Arm; units that it cannot compile are left to gcc.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from dqt_edge.boards import Board, load_board
from dqt_edge.lowering.arena import aligned
from dqt_edge.lowering.kernels.catalogue import kernels_of
from dqt_edge.project import measure_code
from dqt_edge.project.code_parts import Part, joined
from dqt_edge.project.footprint import reachable, worst_stack
from dqt_edge.system.tools import ARM_GCC, find_tool

BOARDS = ("qemu-m0", "qemu-m3", "qemu-m4", "qemu-m55", "stm32h7")
LEVELS = ("-O1", "-Os", "-O3")
LIBRARY = re.compile(r"__aeabi_\w+|__gnu_\w+|__\w+[sd]i[234]")
"""Calls of the compiler's library, which this project's own images have none of: left out of a foreign compiler's."""


def image(board: Board, options: list[str]) -> Part:
    """All code of a board under other options."""
    outside = re.compile(f"{measure_code.PORT_SYMBOL.pattern}|{LIBRARY.pattern}")
    parts = []
    for part in (measure_code.measure_core(board, options, outside), measure_code.measure_port(board, options)):
        sections = {
            name: {**s, "refs": [ref for ref in s["refs"] if not LIBRARY.fullmatch(ref)]}
            for name, s in part.sections.items()
        }
        parts.append(Part(sections, part.symbols))
    core, port = parts
    return joined(core, port, board.id)


def code_and_stack(part: Part, kernels: tuple[str, ...]) -> tuple[int, int]:
    """Bytes of code and of the deepest stack of an image with these kernels."""
    sections, symbols = dict(part.sections), part.symbols
    roots = tuple(symbols[f"dqt_{kernel}"] for kernel in kernels)
    vectors = [name for name in sections if name.endswith(":.vectors")]
    kept = reachable(sections, [symbols["dqt_reset_handler"], *vectors, *roots])
    code = sum(aligned(sections[name]["size"], 4) for name in kept if sections[name]["kind"] != "bss")
    by_pointer = {symbols["dqt_run"]: (*roots, symbols["dqt_measure_layer"])}
    return code, worst_stack(sections, symbols["dqt_reset_handler"], by_pointer)


def largest_ratios(base: Part, other: Part, kernels: tuple[str, ...]) -> tuple[float, float]:
    """Largest ratio of code, and of stack, over choices of kernels: grown from each kernel while the ratio grows."""

    def ratios(chosen: tuple[str, ...]) -> tuple[float, float]:
        (code, stack), (code_was, stack_was) = code_and_stack(other, chosen), code_and_stack(base, chosen)
        return code / code_was, stack / stack_was

    stack = max(ratios((kernel,))[1] for kernel in kernels)
    best: tuple[str, ...] = max(((kernel,) for kernel in kernels), key=lambda chosen: ratios(chosen)[0])
    while True:
        more = [(*best, kernel) for kernel in kernels if kernel not in best]
        grown = max(more, key=lambda chosen: ratios(chosen)[0], default=best)
        if ratios(grown)[0] <= ratios(best)[0]:
            return ratios(best)[0], stack
        best = grown


def compiler_script(folder: Path, clang: str) -> Path:
    """A compiler that is clang, or gcc for what clang refuses."""
    script = folder / ARM_GCC
    gcc = shlex.quote(find_tool(ARM_GCC, "gcc-arm-none-eabi"))
    script.write_text(f'#!/bin/sh\n{clang} -w "$@" 2>/dev/null || exec {gcc} "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    return script


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clang", action="append", default=[], metavar="COMMAND", help="such as a path with --target")
    parser.add_argument("--board", action="append", metavar="ID")
    options = parser.parse_args()
    console = Console(width=120)
    table = Table("core", "options", "code, at most", "stack, at most", title="Relative to arm-none-eabi-gcc -O2")
    path = os.environ["PATH"]
    for board in map(load_board, options.board or BOARDS):
        kernels = tuple(kernel.name for kernel in kernels_of(board.cpu))
        base = image(board, measure_code.FLAGS)
        for level in LEVELS:
            changed = [level if flag == "-O2" else flag for flag in measure_code.FLAGS]
            code, stack = largest_ratios(base, image(board, changed), kernels)
            table.add_row(board.id, f"gcc {level}", f"{code:.2f}", f"{stack:.2f}")
        for clang in options.clang:
            with tempfile.TemporaryDirectory() as folder:
                compiler_script(Path(folder), clang)
                os.environ["PATH"] = f"{folder}:{path}"
                code, stack = largest_ratios(base, image(board, measure_code.FLAGS), kernels)
                os.environ["PATH"] = path
            table.add_row(board.id, f"{Path(clang.split()[0]).name} -O2", f"{code:.2f}", f"{stack:.2f}")
    console.print(table)


if __name__ == "__main__":
    main()
