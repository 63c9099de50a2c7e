"""An exported project as a firmware engineer meets it: plain CMake, odd folders, examples that run, debug paths."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dqt_edge.boards import load_board
from dqt_edge.graph import NEVER, Graph, Setting, TunedPoint, interpreter
from dqt_edge.graph.points import widest_choices
from dqt_edge.precision.candidates import without_controller
from dqt_edge.project.export import export_together
from dqt_edge.system.tools import find_tool
from tests.support.compiler_cache import LAUNCHERS
from tests.support.random_graphs import random_graph
from tests.support.random_streams import random_stream
from tests.support.trained_points import pointed_digits

QEMU_BOARDS = ["qemu-m0", "qemu-m3", "qemu-m4", "qemu-m55"]
ODD = "we ird [dir] & it's (x)"


def second_graph() -> Graph:
    return random_graph(4)


def run(*command: str, folder: Path, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def configure(folder: Path, *options: str, build: str = "build", **environment: str) -> None:
    ninja = ("-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={find_tool('ninja', 'ninja-build')}")
    generator = ninja if "make" not in options else ()
    options = tuple(option for option in options if option != "make")
    cmake = find_tool("cmake", "cmake")
    run(cmake, "-S", ".", "-B", build, *generator, *options, folder=folder, **environment)
    run(cmake, "--build", build, folder=folder, **environment)


def made_up(graph: Graph) -> dict[str, np.ndarray]:
    """The inputs of the examples."""
    shapes = {name: graph.tensor(name).shape for name in graph.inputs}
    return {name: (37 * np.arange(np.prod(s)) + 11).astype(np.uint8).reshape(1, *s) for name, s in shapes.items()}


def top(graph: Graph) -> int:
    choices = [layer.candidates[0] for layer in graph.adaptive]
    policy = "dynamic" if graph.controller or not choices else choices
    return int(interpreter.run(graph, made_up(graph), policy).outputs[0].argmax())


def on_qemu(board_id: str, image: Path) -> str:
    """The first line that an image sends; virtual time goes with instructions, however busy this computer is."""
    board = load_board(board_id)
    assert board.qemu is not None
    command = [
        "qemu-system-arm",
        "-M",
        board.qemu.machine,
        "-icount",
        "shift=7,align=off,sleep=off",
        "-display",
        "none",
    ]
    command += ["-monitor", "none", "-serial", "stdio", "-kernel", str(image)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.kill()
    return line.strip()


@pytest.mark.qemu
@pytest.mark.parametrize("board_id", QEMU_BOARDS)
def test_examples_run_on_boards(graph: Graph, board_id: str, tmp_path: Path) -> None:
    second = second_graph()
    made, _, _ = export_together([graph, second], load_board(board_id), tmp_path / ODD)
    configure(made.folder, "-DDQT_EXAMPLES=ON", CFLAGS="-march=native -fno-such-flag", LDFLAGS="-lnowhere")
    build = made.folder / "build"
    assert on_qemu(board_id, build / "own_main.elf") == f"class {top(graph)}"
    assert on_qemu(board_id, build / "two_models.elf") == f"classes {top(graph)} {top(second)}"
    assert on_qemu(board_id, build / "task.elf") == f"class {top(graph)}, equal 20, switched often"


@pytest.mark.parametrize("generator", ["make", "ninja"])
def test_examples_run_on_this_computer(graph: Graph, generator: str, tmp_path: Path) -> None:
    second = second_graph()
    made, _, _ = export_together([graph, second], load_board("host"), tmp_path / ODD)
    configure(made.folder, "-DDQT_EXAMPLES=ON", *(["make"] if generator == "make" else []))
    assert run(str(made.folder / "build" / "own_main.elf"), folder=tmp_path) == f"class {top(graph)}\n"
    assert (
        run(str(made.folder / "build" / "two_models.elf"), folder=tmp_path) == f"classes {top(graph)} {top(second)}\n"
    )


def test_a_model_without_a_controller_has_examples_too(tmp_path: Path) -> None:
    graph = without_controller(random_graph(1))
    assert graph.adaptive
    made, _, _ = export_together([graph], load_board("host"), tmp_path / "p")
    configure(made.folder, "-DDQT_EXAMPLES=ON")
    assert run(str(made.folder / "build" / "own_main.elf"), folder=tmp_path) == f"class {top(graph)}\n"


@pytest.mark.qemu
@pytest.mark.parametrize(
    ("board_id", "exits"), [("host", (0, NEVER)), ("host", (NEVER, 0)), ("qemu-m4", (NEVER, NEVER))]
)
def test_a_tuned_model_has_an_example_that_decides(board_id: str, exits: tuple[int, ...], tmp_path: Path) -> None:
    graph = pointed_digits()
    again = 256 if exits == (NEVER, NEVER) else 0
    narrow = Setting((1,) * len(graph.adaptive), exits, (0, 0), again=again)
    dear = Setting(widest_choices(graph), (NEVER, NEVER), (0, 0))
    points = (TunedPoint(0.45, 0.9, narrow), TunedPoint(0.9, 1.0, dear))
    graph = replace(graph, tuned=points, second_pass=bool(again))
    told = interpreter.run(graph, made_up(graph)[graph.input], narrow)
    names = [*(point.name for point in graph.points), "the end"]
    made, _, _ = export_together([graph], load_board(board_id), tmp_path / "p")
    configure(made.folder, "-DDQT_EXAMPLES=ON")
    image = made.folder / "build" / "decide.elf"
    line = run(str(image), folder=tmp_path).strip() if board_id == "host" else on_qemu(board_id, image)
    assert line == f"class {told.outputs[0].argmax()}, answered at {names[told.points[0]]}, passes {told.passes[0]}"


def test_models_with_several_inputs_and_states_have_examples_too(tmp_path: Path) -> None:
    graph, second = random_stream(2), random_stream(11, inputs=3)
    made, _, _ = export_together([graph, second], load_board("host"), tmp_path / "p")
    configure(made.folder, "-DDQT_EXAMPLES=ON")
    build = made.folder / "build"
    assert run(str(build / "own_main.elf"), folder=tmp_path) == f"class {top(graph)}\n"
    assert run(str(build / "two_models.elf"), folder=tmp_path) == f"classes {top(graph)} {top(second)}\n"


@pytest.mark.qemu
def test_the_task_of_a_model_with_states_begins_a_stream_each_time(tmp_path: Path) -> None:
    graph = random_stream(2)
    made, _, _ = export_together([graph], load_board("qemu-m4"), tmp_path / "p")
    configure(made.folder, "-DDQT_EXAMPLES=ON")
    line = on_qemu("qemu-m4", made.folder / "build" / "task.elf")
    assert line.startswith(f"class {top(graph)}, equal 20, switched ")


def test_a_product_takes_the_library_by_add_subdirectory(graph: Graph, tmp_path: Path) -> None:
    made, _, _ = export_together([graph], load_board("host"), tmp_path / "product" / "dqt files")
    product = made.folder.parent
    (product / "main.c").write_text(
        '#include "dqt_tiny.h"\nint main(void) { return dqt_check_weights(&tiny) == DQT_OK ? 0 : 1; }\n'
    )
    (product / "CMakeLists.txt").write_text(
        'cmake_minimum_required(VERSION 3.20)\nproject(product C)\nadd_subdirectory("dqt files")\n'
        "add_executable(product main.c)\ntarget_link_libraries(product PRIVATE dqt::models)\n"
    )
    configure(product)
    run(str(product / "build" / "product"), folder=product)
    assert not list((product / "build").rglob("model.elf")), "the product did not ask for the serial server"


@pytest.mark.cross
def test_debuggers_find_the_sources(graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From any folder, and from a copy of the image elsewhere."""
    for launcher in LAUNCHERS:
        monkeypatch.delenv(launcher, raising=False)
    made, _, _ = export_together([graph], load_board("qemu-m4"), tmp_path / ODD)
    configure(made.folder)
    image = tmp_path / "elsewhere.elf"
    shutil.copy(made.elf, image)
    listing = run("arm-none-eabi-objdump", "-S", "--disassemble=dqt_run", str(image), folder=Path("/"))
    assert "scratch lies at the start of the arena" in listing
    listing = run("arm-none-eabi-objdump", "-S", "--disassemble=dqt_server_run", str(image), folder=Path("/"))
    assert "handle(request, server.decoder.size);" in listing


def test_presets_build(graph: Graph, tmp_path: Path) -> None:
    made, _, _ = export_together([graph], load_board("host"), tmp_path / "p")
    cmake = find_tool("cmake", "cmake")
    run(cmake, "--preset", "examples", folder=made.folder)
    run(cmake, "--build", "--preset", "examples", folder=made.folder)
    assert (made.folder / "build-examples" / "own_main.elf").exists()
