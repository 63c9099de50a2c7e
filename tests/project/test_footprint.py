"""Predicted sizes equal the ELF's to the byte; the stack is worst-case; the linked image is clean."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dqt_edge.boards import load_board
from dqt_edge.errors import DoesNotFitError
from dqt_edge.lowering.plan import make_plan
from dqt_edge.project.build import FORBIDDEN, build, forbidden_symbols
from dqt_edge.project.export import export
from dqt_edge.project.footprint import predict, worst_stack
from dqt_edge.system.elf import section_sizes, symbols
from tests.support.core_boards import CORE_BOARDS
from tests.support.random_graphs import random_graph

CROSS_BOARDS = [b for b in CORE_BOARDS if b != "host"]


@pytest.mark.cross
@pytest.mark.parametrize("board_id", CROSS_BOARDS)
def test_prediction_equals_the_elf(graph, board_id: str, tmp_path: Path) -> None:
    made, _, footprint = export(graph, load_board(board_id), tmp_path / "p")
    image = build(made.folder, cross=True)
    assert footprint is not None
    assert footprint.exact, "measured, if no table has this compiler"
    assert (image.flash, image.ram) == (footprint.flash, footprint.ram)
    assert forbidden_symbols(image.elf) == ()
    names = [name for name, _, _ in symbols(image.elf)]
    assert not [name for name in names if name.startswith(("__aeabi", "__gnu"))], "the compiler's library"
    for name in ("model.hex", "model.bin", "model.map", "compile_commands.json"):
        assert (made.folder / "build" / name).stat().st_size > 0
    assert (made.folder / "build" / "model.bin").stat().st_size == image.flash


@pytest.mark.cross
@pytest.mark.parametrize(("seed", "board_id"), [*((seed, "qemu-m4") for seed in range(5)), (2, "qemu-m0")])
def test_prediction_equals_the_elf_for_random_networks(seed: int, board_id: str, tmp_path: Path) -> None:
    made, _, footprint = export(random_graph(seed), load_board(board_id), tmp_path / "p")
    image = build(made.folder, cross=True)
    assert footprint is not None
    assert footprint.exact
    assert (image.flash, image.ram) == (footprint.flash, footprint.ram)


@pytest.mark.cross
def test_the_image_has_no_writable_constant_data(graph, tmp_path: Path) -> None:
    """Weights stay in flash: initialised variables take nothing."""
    made, plan, _ = export(graph, load_board("qemu-m4"), tmp_path / "p")
    elf = build(made.folder, cross=True).elf
    sections = section_sizes(elf)
    assert sections.get(".data", 0) == 0
    assert sections[".text"] >= sum(c.values.nbytes for c in plan.constants)


def test_forbidden_symbols_are_recognised() -> None:
    bad = ["malloc", "_malloc_r", "free", "printf", "snprintf", "_vfprintf_r", "__aeabi_fadd", "__aeabi_dmul", "_sbrk",
           "__aeabi_i2f", "__adddf3", "__mulsf3", "__floatsisf", "__fixsfsi", "__aeabi_f2iz"]  # fmt: skip
    good = ["main", "dqt_printer", "memcpy", "__aeabi_lmul", "free_list", "dqt_model", "print"]
    assert [name for name in bad if not FORBIDDEN.fullmatch(name)] == []
    assert [name for name in good if FORBIDDEN.fullmatch(name)] == []


def test_worst_stack_follows_calls_and_kernel_pointers() -> None:
    sections = {
        "main": {"stack": 8, "kind": "code", "refs": ["run", "print", "table"]},
        "run": {"stack": 32, "kind": "code", "refs": ["helper"]},
        "helper": {"stack": 16, "kind": "code", "refs": []},
        "print": {"stack": 40, "kind": "code", "refs": []},
        "table": {"stack": 0, "kind": "constant", "refs": ["big"]},
        "kernel": {"stack": 100, "kind": "code", "refs": ["helper"]},
        "big": {"stack": 999, "kind": "code", "refs": []},
    }
    assert worst_stack(sections, "main", {"run": ["kernel"]}) == 8 + 32 + 100 + 16
    assert worst_stack(sections, "main", {}) == 8 + 32 + 16


def test_a_model_that_is_too_large_is_refused_with_the_missing_bytes(graph) -> None:
    board = load_board("qemu-m4")
    small = replace(board, memory=(replace(board.memory[0], size=12_000), board.memory[1]))
    with pytest.raises(DoesNotFitError, match=r"bytes of flash, [\d,]+ more than the board has"):
        predict([make_plan(graph, small)])
    small = replace(board, memory=(board.memory[0], replace(board.memory[1], size=2_000)))
    with pytest.raises(DoesNotFitError, match=r"bytes of RAM, [\d,]+ more"):
        predict([make_plan(graph, small)])


def test_ram_goes_to_the_first_region_that_holds_it(graph) -> None:
    board = load_board("stm32h7")
    assert predict([make_plan(graph, board)]).ram_region.name == board.regions("ram")[0].name
    first, *rest = board.regions("ram")
    tight = replace(board, memory=(*board.regions("flash"), replace(first, size=1000), *rest))
    assert predict([make_plan(graph, tight)]).ram_region.name == rest[0].name
