"""An export holds the kernel sources and headers that its image uses, by the linker's own account, and no other."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dqt_edge.boards import load_board
from dqt_edge.graph import Graph
from dqt_edge.lowering.kernels.catalogue import kernels_of, sources
from dqt_edge.project.build import build
from dqt_edge.project.export import export
from dqt_edge.project.footprint import reachable
from dqt_edge.project.manifest import Project
from dqt_edge.project.measure_code import measure_core
from tests.support.core_boards import CORE_BOARDS
from tests.support.in_place import pools, unweighted
from tests.support.kernel_cases import cases
from tests.support.random_graphs import random_graph

pytestmark = pytest.mark.cross

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


GRAPHS: dict[str, Callable[[], Graph]] = {
    "dense": lambda: cases("dense", 1, (1, 1, 33), 2),
    "conv": lambda: cases("conv", 1, (5, 6, 4), 2),
    "depthwise": lambda: with_candidates(cases("depthwise", 5, (7, 7, 8), 6), (8, 8), (4, 4)),
    "pooling": lambda: pools(1, (6, 6, 8), 2, average=True),
    "without weights": lambda: unweighted(1, (4, 5, 8)),
    "of every kind": lambda: random_graph(3, every=True),
}
"""Networks of one kind of layer only."""
CROSS = [board_id for board_id in CORE_BOARDS if board_id not in ("host", "qemu-m7")]  # which is an stm32h7


def with_candidates(graph: Graph, *pairs: tuple[int, int]) -> Graph:
    """The graph with the same widths for all layers."""
    return replace(graph, layers=tuple(replace(layer, candidates=pairs) for layer in graph.layers))


def units_in_map(path: Path) -> set[str]:
    """Stems of the object files of which the linker kept a section that is not empty."""
    text = path.read_text(encoding="utf-8")
    text = text[text.index("Linker script and memory map") :]
    text = re.sub(r"^( \.\S+)\n\s+", r"\1 ", text, flags=re.MULTILINE)  # a long name stands on a line of its own
    kept = re.finditer(r"^ (\.\S+)\s+0x[0-9a-f]+\s+0x([0-9a-f]+)\s+(\S+)$", text, re.MULTILINE)
    in_memory = (m for m in kept if m[1].startswith((".text", ".rodata", ".data", ".bss")) and int(m[2], 16))
    return {re.split(r"[(/]", m[3])[-1].split(".")[0] for m in in_memory}


def sources_of(made: Project) -> set[str]:
    return {path.stem for path in (made.folder / "kernels").iterdir() if path.suffix in (".c", ".S")}


@pytest.mark.parametrize("kind", GRAPHS)
@pytest.mark.parametrize("board_id", CROSS)
def test_an_export_holds_no_kernel_source_that_the_image_does_not_use(board_id: str, kind: str, tmp_path: Path) -> None:
    made, plan, _ = export(GRAPHS[kind](), load_board(board_id), tmp_path / "p")
    linked = units_in_map(build(made.folder, cross=True).elf.with_suffix(".map"))
    assert {"dqt_startup", f"dqt_{made.model().symbol}"} <= linked
    assert {f"dqt_{kernel}" for kernel in plan.kernels} <= sources_of(made)
    assert sources_of(made) <= linked


@pytest.mark.parametrize("kind", GRAPHS)
@pytest.mark.parametrize("board_id", CORE_BOARDS)
def test_an_export_holds_the_kernel_headers_that_its_sources_include(board_id: str, kind: str, tmp_path: Path) -> None:
    made, _, _ = export(GRAPHS[kind](), load_board(board_id), tmp_path / "p")
    texts = [path.read_text(encoding="utf-8") for path in made.folder.rglob("*.[chS]")]
    included = {name for text in texts for name in INCLUDE.findall(text)}
    assert {path.name for path in (made.folder / "kernels").glob("*.h")} <= included
    assert included <= {path.name for path in made.folder.rglob("*.h")}


@pytest.mark.parametrize("board_id", CROSS)
def test_a_kernel_names_the_sources_that_its_code_refers_to(board_id: str) -> None:
    """All of them and no other, by the relocations of the compiled objects."""
    cpu = load_board(board_id).cpu
    part = measure_core(load_board(board_id))
    sections = {
        name: {**section, "refs": [r for r in section["refs"] if r in part.sections]}
        for name, section in part.sections.items()
    }
    kernels = [kernel.name for kernel in kernels_of(cpu)]
    known = {source.name for source in sources(kernels, cpu)}
    for kernel in kernels:
        reached = reachable(sections, [part.symbols[f"dqt_{kernel}"]])
        referred = {Path(name.split(":")[0]).name.removeprefix("dqt_") for name in reached} & known
        assert referred == {source.name for source in sources([kernel], cpu)}, kernel


def test_a_unit_that_nothing_calls_is_not_in_the_map(tmp_path: Path) -> None:
    """The account above can fail: a source that no one needs is thrown away by the linker."""
    made, _, _ = export(GRAPHS["dense"](), load_board("qemu-m4"), tmp_path / "p")
    spare = made.folder / "kernels" / "dqt_spare.c"
    spare.write_text("int dqt_spare(void);\nint dqt_spare(void) {\n    return 1;\n}\n")
    listed = made.folder / "CMakeLists.txt"
    model = f'    "model/dqt_{made.model().symbol}.c"\n'
    assert model in listed.read_text()
    listed.write_text(listed.read_text().replace(model, f'{model}    "kernels/dqt_spare.c"\n'))
    linked = units_in_map(build(made.folder, cross=True).elf.with_suffix(".map"))
    assert sources_of(made) - linked == {"dqt_spare"}
