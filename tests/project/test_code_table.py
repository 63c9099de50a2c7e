"""Sizes of code: shipped tables are current; what they lack is measured once, or bounded; ports of one's own."""

from __future__ import annotations

import functools
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from dqt_edge.boards import CORES, Board, board_ids, load_board
from dqt_edge.errors import BadFileError, DoesNotFitError, ToolchainError
from dqt_edge.lowering.plan import make_plan
from dqt_edge.project import code_table as tables
from dqt_edge.project.build import build
from dqt_edge.project.code_parts import FOLDER, Part, as_json, read_sizes
from dqt_edge.project.export import export
from dqt_edge.project.footprint import Footprint, predict
from dqt_edge.project.measure_code import FLAGS, measure_core, measure_port
from dqt_edge.system.tools import ARM_GCC, compiler_version, find_tool

OWN_BOARD = Path(__file__).parents[1] / "files" / "own_board"
CROSS_BOARDS = [b for b in board_ids() if b != "host"]
HARD = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "dqt-edge" / "code_sizes"


@pytest.fixture
def no_compiler(monkeypatch) -> None:
    monkeypatch.setattr(tables, "installed_version", lambda: None)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A copy of the test's own board; its port may be changed."""
    return Path(shutil.copytree(OWN_BOARD, tmp_path / "own")) / "netduinoplus2.toml"


def other_compiler(folder: Path, version: str, then: str = 'exec "$real" "$@"') -> Path:
    """A folder for PATH with a compiler of another version, which notes each file that it compiles."""
    folder.mkdir()
    program = folder / ARM_GCC
    program.write_text(
        f'#!/bin/sh\nreal={find_tool(ARM_GCC, "")}\n[ "$1" = -dumpfullversion ] && echo {version} && exit\n'
        f'echo "$@" >> {folder}/calls\n{then}\n'
    )
    program.chmod(0o755)
    return folder


def with_flags(board_id: str, *flags: str) -> Board:
    board = load_board(board_id)
    return replace(board, cpu=replace(board.cpu, flags=flags))


def sizes(board: Board, graph) -> Footprint:
    return predict([make_plan(graph, board)], check=False)


@functools.cache
def core_of(core: str, flags: tuple[str, ...]) -> Part:
    """Code of a core and its flags, measured once: no board has one of its own."""
    boards = map(load_board, CROSS_BOARDS)
    return measure_core(next(b for b in boards if (b.cpu.core, b.cpu.flags) == (core, flags)))


# --- Shipped tables -------------------------------------------------------------------------------------------------


@pytest.mark.cross
@pytest.mark.parametrize("board_id", CROSS_BOARDS)
def test_the_shipped_tables_are_current(board_id: str) -> None:
    """Firmware or kernels changed: run 'make code-sizes'."""
    board = load_board(board_id)
    fitting = [t for t in map(read_sizes, FOLDER.glob("*.json")) if t.fits(board.cpu.core, board.cpu.flags)]
    assert fitting, "every shipped board has a table"
    table = next((t for t in fitting if t.compiler == compiler_version()), None)
    if table is None:
        pytest.skip("the tables are for another compiler version")
    assert core_of(board.cpu.core, board.cpu.flags) == table.part
    wanted = (board.port, board.cpu.hz, board.serial.baud, board.constants)
    (port,) = [p for p in table.ports if p.key == wanted]
    assert measure_port(board) == port.part


def test_a_table_is_named_after_what_it_holds_and_can_be_read_again(tmp_path: Path) -> None:
    for path in sorted(FOLDER.iterdir()):
        table = read_sizes(path)
        assert path.name == table.file_name
        assert as_json(table) == path.read_text()


def test_shipped_boards_need_no_compiler(no_compiler, graph, cache: Path) -> None:
    for board_id in CROSS_BOARDS:
        footprint = sizes(load_board(board_id), graph)
        assert footprint.exact
        assert footprint.basis == f"measured with arm-none-eabi-gcc {footprint.compiler}"
    assert not cache.exists()


@pytest.mark.parametrize("board_id", ["qemu-m0", "qemu-m55"])
def test_the_id_changes_no_size(no_compiler, graph, board_id: str) -> None:
    board = load_board(board_id)
    for other in ("x", "fifteen-letters"):
        renamed = replace(board, id=other)
        assert sizes(renamed, graph) == sizes(board, graph)


@pytest.mark.cross
def test_the_id_changes_no_size_of_an_image_either(graph, tmp_path: Path) -> None:
    images = [
        build(export(graph, replace(load_board("qemu-m3"), id=name), tmp_path / name)[0].folder, cross=True)
        for name in ("x", "fifteen-letters")
    ]
    assert images[0].flash == images[1].flash
    assert images[0].ram == images[1].ram


# --- Upper bounds ---------------------------------------------------------------------------------------------------


@pytest.mark.cross
def test_other_flags_are_bounded_without_a_compiler_and_measured_with_one(graph, monkeypatch) -> None:
    board = with_flags("qemu-m4", *HARD)
    exact = sizes(board, graph)
    assert exact.exact
    assert exact.basis == f"measured with arm-none-eabi-gcc {compiler_version()}"
    monkeypatch.setattr(tables, "installed_version", lambda: None)
    bound = sizes(board, graph)
    assert not bound.exact
    assert bound.basis.startswith(f"an upper bound, because code for {' '.join(HARD)} and port 'mps2' at 25,000,000 Hz")
    assert "no arm-none-eabi-gcc is installed" in bound.basis
    assert bound.flash > exact.flash
    assert bound.stack > exact.stack


def test_a_port_with_other_constants_is_another_port(no_compiler, graph) -> None:
    board = load_board("pyboard")
    assert sizes(board, graph).exact
    bound = sizes(replace(board, constants={**board.constants, "usart": 2}), graph)
    assert not bound.exact
    assert "port 'stm32f4' at 168,000,000 Hz and 115,200 baud with {'hse_hz': 12000000" in bound.basis


@pytest.mark.parametrize("level", ["-O1", *(pytest.param(level, marks=pytest.mark.slow) for level in ("-Os", "-O3"))])
@pytest.mark.cross
def test_a_bound_holds_for_code_of_another_optimiser(level: str, graph, monkeypatch) -> None:
    board = with_flags("qemu-m55", *load_board("qemu-m55").cpu.flags, "-mtune=cortex-m33")
    monkeypatch.setattr(tables, "installed_version", lambda: None)
    bound = sizes(board, graph)
    assert not bound.exact
    options = [level if flag == "-O2" else flag for flag in FLAGS]
    core, port = measure_core(board, options), measure_port(board, options)
    monkeypatch.setattr(tables, "installed_version", lambda: "99")
    monkeypatch.setattr(tables, "_cached", lambda board, version, kind, measure: core if kind == "core" else port)
    other = sizes(board, graph)
    assert other.exact
    assert other.code <= bound.code
    assert other.stack <= bound.stack
    assert other.static <= bound.static


def test_another_clock_of_a_shipped_port_bounds_the_port_alone(no_compiler, graph) -> None:
    board = load_board("qemu-m3")
    known, bound = sizes(board, graph), sizes(replace(board, cpu=replace(board.cpu, hz=50_000_000)), graph)
    assert not bound.exact
    assert "because port 'mps2' at 50,000,000 Hz and 115,200 baud has not been measured" in bound.basis
    assert known.code < bound.code < known.code + 1000
    assert known.stack <= bound.stack < known.stack + 200


def test_every_core_has_a_table() -> None:
    assert {read_sizes(path).core for path in FOLDER.iterdir()} == set(CORES) - {"host"}


@pytest.mark.parametrize("board", [OWN_BOARD / "netduinoplus2.toml", "qemu-m4"])
def test_a_port_that_nobody_measured_is_not_guessed(no_compiler, graph, board) -> None:
    found = load_board(board)
    unknown = found if found.has_own_port else replace(found, port="stm32h7")
    with pytest.raises(ToolchainError, match="has never been measured, and no arm-none-eabi-gcc is installed"):
        sizes(unknown, graph)


def test_a_bound_that_does_not_fit_says_that_it_is_a_bound(no_compiler, graph) -> None:
    board = load_board("qemu-m3")
    board = replace(
        board, cpu=replace(board.cpu, hz=1), memory=(replace(board.memory[0], size=10_000), board.memory[1])
    )
    with pytest.raises(DoesNotFitError, match=r"may need up to [\d,]+ bytes of flash") as caught:
        predict([make_plan(graph, board)])
    assert "install arm-none-eabi-gcc to know exactly" in caught.value.next_step


# --- Another compiler -----------------------------------------------------------------------------------------------


@pytest.mark.cross
def test_another_compiler_is_measured_once(graph, tmp_path: Path, monkeypatch, caplog, cache: Path) -> None:
    known = sizes(load_board("qemu-m3"), graph)
    folder = other_compiler(tmp_path / "bin", "99.1.0")
    monkeypatch.setenv("PATH", f"{folder}:{tmp_path}:/usr/bin:/bin")
    first = sizes(load_board("qemu-m3"), graph)
    assert first == replace(known, compiler="99.1.0", basis="measured with arm-none-eabi-gcc 99.1.0")
    assert [record.getMessage() for record in caplog.records] == [
        f"measuring the {kind} code for board 'qemu-m3' with arm-none-eabi-gcc 99.1.0, once"
        for kind in ("core", "port")
    ]
    calls = (folder / "calls").read_text()
    assert len(list(cache.iterdir())) == 2
    assert sizes(load_board("qemu-m3"), graph) == first
    assert (folder / "calls").read_text() == calls
    for path in cache.iterdir():
        path.write_text("{")
    assert sizes(load_board("qemu-m3"), graph) == first
    assert (folder / "calls").read_text() != calls


@pytest.mark.cross
def test_a_compiler_that_cannot_measure_leaves_an_upper_bound(graph, tmp_path: Path, monkeypatch) -> None:
    known = sizes(load_board("qemu-m3"), graph)
    folder = other_compiler(tmp_path / "bin", "99.2.0", "echo 'internal compiler error' >&2; exit 1")
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    bound = sizes(load_board("qemu-m3"), graph)
    assert not bound.exact
    assert "arm-none-eabi-gcc 99.2.0 cannot measure it: the source does not compile: internal compiler" in bound.basis
    assert bound.flash > known.flash


@pytest.mark.cross
def test_a_cache_that_cannot_be_written_costs_time_only(graph, tmp_path: Path, monkeypatch, own: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert sizes(load_board(own), graph).exact


# --- Ports of one's own ---------------------------------------------------------------------------------------------


@pytest.mark.cross
def test_a_port_of_ones_own_is_measured_again_when_it_changes(graph, own: Path, tmp_path: Path) -> None:
    before = sizes(load_board(own), graph)
    source = own.parent / "stm32f405" / "f405_port.c"
    source.write_text(
        source.read_text().replace("    TIM2->cr1 = TIM_CR1_CEN;\n", "    TIM2->cr1 = TIM_CR1_CEN;\n" * 9)
    )
    made, _, after = export(graph, load_board(own), tmp_path / "p")
    assert after is not None
    assert after.code > before.code
    image = build(made.folder, cross=True)
    assert (image.flash, image.ram) == (after.flash, after.ram)


@pytest.mark.cross
def test_a_port_that_does_not_compile_is_named(graph, own: Path) -> None:
    source = own.parent / "stm32f405" / "f405_port.c"
    source.write_text(source.read_text() + "int x = ;\n")
    with pytest.raises(ToolchainError, match="expected expression") as caught:
        sizes(load_board(own), graph)
    assert str(source) in caught.value.where


@pytest.mark.cross
def test_a_port_that_lacks_a_function_is_refused(graph, own: Path) -> None:
    source = own.parent / "stm32f405" / "f405_port.c"
    source.write_text(source.read_text().replace("void dqt_port_wait(", "void wait_for_input("))
    with pytest.raises(ToolchainError, match="needs 'dqt_port_wait', which no source defines") as caught:
        sizes(load_board(own), graph)
    assert caught.value.where == str(own.parent / "stm32f405")


@pytest.mark.cross
def test_a_port_may_bring_a_start_up_of_its_own(graph, own: Path, tmp_path: Path) -> None:
    """A larger vector table, for interrupts: the port's dqt_startup.c takes the place of the shared one."""
    shared = load_board("qemu-m4").port_folder.parent / "cortexm" / "dqt_startup.c"
    text = shared.read_text().replace("VECTOR_COUNT 16u", "VECTOR_COUNT 98u")
    (own.parent / "stm32f405" / "dqt_startup.c").write_text(text)
    made, _, footprint = export(graph, load_board(own), tmp_path / "p")
    image = build(made.folder, cross=True)
    assert footprint is not None
    assert (image.flash, image.ram) == (footprint.flash, footprint.ram)
    with image.elf.open("rb") as handle:
        (vectors,) = ELFFile(handle).get_section_by_name(".symtab").get_symbol_by_name("dqt_vectors")
    assert vectors["st_size"] == 98 * 4


def test_a_header_with_a_shared_ones_name_is_refused(graph, own: Path, tmp_path: Path) -> None:
    (own.parent / "stm32f405" / "dqt_cortexm.h").write_text("/* mine */\n")
    with pytest.raises(BadFileError, match="another header with the name of a shared one"):
        export(graph, load_board(own), tmp_path / "p")


def test_a_source_that_is_no_text_is_refused(graph, own: Path, tmp_path: Path) -> None:
    (own.parent / "stm32f405" / "table.c").write_bytes(b"\xff\xfe")
    with pytest.raises(BadFileError, match="cannot read the sources"):
        export(graph, load_board(own), tmp_path / "p")
