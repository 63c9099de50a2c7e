"""Each outlet's example, compiled as its ecosystem compiles it and run: on this computer, or on a Cortex-M4 in QEMU.

What cannot be had here is stood in for: an Arduino core, Zephyr's CMake functions, a C library for bare Arm. Every
answer is the interpreter's, bit for bit.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from dqt_edge.boards import load_board
from dqt_edge.graph import Graph, interpreter
from dqt_edge.precision.candidates import without_controller
from dqt_edge.project.library import ALIASING, Library, export_library
from dqt_edge.system.tools import find_tool
from tests.firmware.test_examples import made_up
from tests.firmware.test_library import GCC_M4, QEMU, SEMIHOSTING, run
from tests.support.kernel_cases import cases
from tests.support.random_graphs import random_graph
from tests.support.random_streams import random_stream

BARE = Path(__file__).parent / "library"
STUBS = Path(__file__).parent / "outlets"
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror")


def answer(graph: Graph) -> str:
    """The line that an example prints."""
    choices = [layer.candidates[0] for layer in graph.adaptive]
    policy = "dynamic" if graph.controller or not choices else choices
    output = interpreter.run(graph, made_up(graph), policy).outputs[0].ravel()
    return f"top {int(np.argmax(output))}, outputs {' '.join(map(str, output))}\n"


def library(graph: Graph, board_id: str, outlet: str, folder: Path) -> Library:
    return export_library([graph], load_board(board_id), outlet, folder / "we ird & (x)")


def cmake(source: Path, build: Path, *options: str) -> Path:
    program, ninja = find_tool("cmake", "cmake"), find_tool("ninja", "ninja-build")
    run(program, "-S", str(source), "-B", str(build), "-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}", *options)
    run(program, "--build", str(build))
    return build


def compile_host(sources: Sequence[Path], includes: Sequence[Path], flags: Sequence[str], folder: Path) -> list[str]:
    """Objects of C files, by one command."""
    folder.mkdir()
    command = ["cc", *flags, *(f"-I{path.resolve()}" for path in includes), "-c", *(str(p.resolve()) for p in sources)]
    subprocess.run(command, cwd=folder, check=True, timeout=300)
    return [str(path) for path in sorted(folder.glob("*.o"))]


def link_m4(objects: Sequence[str], flags: Sequence[str], folder: Path) -> str:
    """Link a bare image, and what it prints in QEMU."""
    image = folder / "image.elf"
    bare = [str(BARE / "start.c"), f"-I{BARE}", f"-T{BARE / 'link.ld'}", "-nostdlib", "-Wl,--gc-sections"]
    run("arm-none-eabi-gcc", *flags, *objects, *bare, "-lgcc", "-o", str(image))
    return run(*QEMU, *SEMIHOSTING, "-kernel", str(image))


def sketch(made: Library) -> str:
    """The sketch, as the IDE hands it to the compiler."""
    return "#include <Arduino.h>\n" + (made.folder / "examples" / made.id / f"{made.id}.ino").read_text()


# --- CMake ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["controller", "without", "stream"])
def test_cmake_builds_the_library_and_its_example(graph: Graph, kind: str, tmp_path: Path) -> None:
    graphs = {"controller": graph, "without": without_controller(random_graph(1)), "stream": random_stream(2)}
    made = library(graphs[kind], "host", "cmake", tmp_path)
    build = cmake(made.folder, tmp_path / "build")
    assert run(str(build / "dqt_example")) == answer(graphs[kind])


def test_cmake_in_a_product_builds_no_example(graph: Graph, tmp_path: Path) -> None:
    made = library(graph, "host", "cmake", tmp_path)
    shutil.copy(made.folder / "examples" / made.id / "main.c", tmp_path / "main.c")
    (tmp_path / "CMakeLists.txt").write_text(
        f'cmake_minimum_required(VERSION 3.20)\nproject(product C)\nadd_subdirectory("{made.folder.name}" dqt)\n'
        "add_executable(product main.c)\ntarget_link_libraries(product PRIVATE dqt::models)\n"
    )
    build = cmake(tmp_path, tmp_path / "build")
    assert run(str(build / "product")) == answer(graph)
    assert not (build / "dqt" / "dqt_example").exists()


# --- Arduino --------------------------------------------------------------------------------------------------


def test_arduino_compiles_all_of_src_and_the_sketch(graph: Graph, tmp_path: Path) -> None:
    made = library(graph, "host", "arduino", tmp_path)
    flags = ["-std=gnu11", "-Os", "-flto", *WARNINGS]
    objects = compile_host(sorted((made.folder / "src").rglob("*.[cS]")), [made.folder / "src"], flags, tmp_path / "o")
    (tmp_path / "sketch.cpp").write_text(sketch(made))
    build = ["c++", "-std=gnu++11", "-Os", "-flto", *WARNINGS, f"-I{made.folder / 'src'}", f"-I{STUBS}"]
    program = tmp_path / "sketch"
    run(*build, str(tmp_path / "sketch.cpp"), str(STUBS / "host_main.cpp"), *objects, "-o", str(program))
    assert run(str(program)) == answer(graph)


@pytest.mark.qemu
def test_arduino_on_cortex_m4_with_the_cores_own_flags(graph: Graph, tmp_path: Path) -> None:
    """Optimised for size, with strict aliasing, and hard floats: a library cannot change any of it."""
    made = library(graph, "qemu-m4", "arduino", tmp_path)
    core = [*GCC_M4[2:], "-Os", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16", "-ffunction-sections", "-fdata-sections"]
    (tmp_path / "sketch.cpp").write_text(sketch(made))
    plus = ["arm-none-eabi-g++", "-std=gnu++14", *core, "-ffreestanding", "-fno-exceptions", "-fno-rtti"]
    run(*plus, f"-I{made.folder / 'src'}", f"-I{STUBS}", "-c", str(tmp_path / "sketch.cpp"), "-o", f"{tmp_path}/s.o")
    sources = [str(path) for path in sorted((made.folder / "src").rglob("*.[cS]"))]
    assert any(name.endswith(".S") for name in sources)
    parts = [*sources, str(STUBS / "m4_sketch.c"), str(tmp_path / "s.o")]
    assert link_m4(parts, ["-std=gnu11", *core, *WARNINGS, f"-I{made.folder / 'src'}"], tmp_path) == answer(graph)


@pytest.mark.qemu
@pytest.mark.skipif(shutil.which("arduino-builder") is None, reason="arduino-builder is not installed")
def test_arduinos_own_builder_finds_and_compiles_the_library(tmp_path: Path) -> None:
    """The program behind Arduino's IDE finds it by the sketch's #include; the core is the test's own."""
    graph = cases("dense", 1, (1, 1, 33), 2)
    made = library(graph, "qemu-m4", "arduino", tmp_path)
    shutil.copytree(made.folder, tmp_path / "libraries" / made.id)
    platform = tmp_path / "hardware" / "test" / "arm"
    shutil.copytree(STUBS / "arduino_core", platform)
    shutil.copy(BARE / "link.ld", platform)
    for path in (STUBS / "Arduino.h", STUBS / "m4_sketch.c", BARE / "start.c", BARE / "start.h"):
        (platform / "cores" / "core").mkdir(parents=True, exist_ok=True)
        shutil.copy(path, platform / "cores" / "core")
    assert list((made.folder / "src").glob("*.S"))
    (tmp_path / "build").mkdir()
    command = ["arduino-builder", "-compile", "-fqbn", "test:arm:m4", "-tools", "/usr/bin", "-warnings", "all"]
    for option, path in (("hardware", "hardware"), ("libraries", "libraries"), ("build-path", "build")):
        command += [f"-{option}", str(tmp_path / path)]
    command += ["-hardware", "/usr/share/arduino-builder"]
    run(*command, str(tmp_path / "libraries" / made.id / "examples" / made.id / f"{made.id}.ino"))
    assert run(*QEMU, *SEMIHOSTING, "-kernel", str(tmp_path / "build" / "sketch.elf")) == answer(graph)


def test_what_c_files_say_of_aliasing_holds(tmp_path: Path) -> None:
    """The same function, optimised: with strict aliasing it returns what it wrote first, without what is there."""
    text = "int f(int *a, short *b) {\n    *a = 1;\n    *b = 2;\n    return *a;\n}\n"
    main = "int f(int *a, short *b);\nint main(void) { int x; return f(&x, (short *)(void *)&x); }\n"
    (tmp_path / "main.c").write_text(main)
    found = []
    for head in ("", ALIASING):
        (tmp_path / "f.c").write_text(head + text)
        program = tmp_path / "f"
        run("gcc", "-O2", str(tmp_path / "f.c"), str(tmp_path / "main.c"), "-o", str(program))
        found.append(subprocess.run([program], check=False).returncode)
    assert found == [1, 2]


@pytest.mark.cross
@pytest.mark.parametrize(
    ("board_id", "wrong", "words"),
    [
        ("qemu-m4", "cortex-m3", "DSP extension"),
        ("qemu-m55", "cortex-m4", "MVE"),
        ("qemu-m3", "cortex-m0", "Thumb 2"),
    ],
)
def test_another_core_is_refused_in_words(board_id: str, wrong: str, words: str, tmp_path: Path) -> None:
    made = library(random_graph(4), board_id, "arduino", tmp_path)
    command = ["arm-none-eabi-gcc", "-std=gnu11", "-mthumb", "-c", str(made.folder / "src" / "dqt_core.c")]
    own = load_board(board_id).cpu.flags
    run(*command, *own, "-o", str(tmp_path / "o"))
    refused = subprocess.run(
        [*command, f"-mcpu={wrong}", "-o", "/dev/null"], capture_output=True, text=True, check=False
    )
    assert refused.returncode != 0
    assert words in refused.stderr


# --- Zephyr ---------------------------------------------------------------------------------------------------


def test_zephyr_sample_builds_against_its_functions(graph: Graph, tmp_path: Path) -> None:
    made = library(graph, "host", "zephyr", tmp_path)
    sample = made.folder / "samples" / made.id
    build = cmake(sample, tmp_path / "build", f"-DZephyr_DIR={STUBS / 'zephyr_stub'}")
    assert run(str(build / "app")) == answer(graph)


@pytest.mark.skipif("ZEPHYR_BASE" not in os.environ, reason="ZEPHYR_BASE is not set: there is no Zephyr here")
def test_zephyr_sample_builds_in_the_real_tree(graph: Graph, tmp_path: Path) -> None:
    made = library(graph, "qemu-m4", "zephyr", tmp_path)
    build = cmake(made.folder / "samples" / made.id, tmp_path / "build", "-DBOARD=mps2/an386")
    assert (build / "zephyr" / "zephyr.elf").is_file()


# --- PlatformIO -----------------------------------------------------------------------------------------------


def test_platformio_compiles_by_its_manifest(graph: Graph, tmp_path: Path) -> None:
    made = library(graph, "host", "platformio", tmp_path)
    build = json.loads((made.folder / "library.json").read_text())["build"]
    source = made.folder / build["srcDir"]
    flags = ["-std=gnu11", *(flag for flag in ("-Os", "-g") if flag not in build["unflags"]), *build["flags"]]
    objects = compile_host(sorted(source.rglob("*.[cS]")), [source], [*flags, *WARNINGS], tmp_path / "o")
    main = made.folder / "examples" / made.id / "src" / "main.cpp"
    run("c++", "-std=gnu++17", f"-I{source}", str(main), *objects, "-o", str(tmp_path / "main"))
    assert run(str(tmp_path / "main")) == answer(graph)


def test_platformio_example_for_a_chip_is_a_sketch(graph: Graph, tmp_path: Path) -> None:
    made = library(graph, "qemu-m4", "platformio", tmp_path)
    main = made.folder / "examples" / made.id / "src" / "main.cpp"
    run("c++", "-std=gnu++17", "-fsyntax-only", *WARNINGS, f"-I{made.folder / 'src'}", f"-I{STUBS}", str(main))


# --- CMSIS pack and STM32Cube ---------------------------------------------------------------------------------


@pytest.mark.qemu
def test_cmsis_pack_compiles_from_its_list_of_files(graph: Graph, tmp_path: Path) -> None:
    """What the zip archive holds, and nothing that its description does not list."""
    made = library(graph, "qemu-m4", "cmsis-pack", tmp_path)
    (pack,) = made.folder.glob("*.pack")
    (tmp_path / "installed").mkdir()
    zipfile.ZipFile(pack).extractall(tmp_path / "installed")
    (description,) = (tmp_path / "installed").glob("*.pdsc")
    files = ET.parse(description).getroot().findall("./components/component/files/file")
    listed = [(file.get("category"), description.parent / str(file.get("name"))) for file in files]
    sources = [str(path) for category, path in listed if category in ("sourceC", "sourceAsm")]
    includes = [f"-I{path}" for category, path in listed if category == "include"]
    flags = [*GCC_M4[1:], "-O3", *WARNINGS, *includes, f"-I{STUBS / 'freestanding'}"]
    assert link_m4([*sources, str(STUBS / "m4_program.c")], flags, tmp_path) == answer(graph)


@pytest.mark.qemu
def test_stm32cube_compiles_from_its_written_list(graph: Graph, tmp_path: Path) -> None:
    made = library(graph, "qemu-m4", "stm32cube", tmp_path)
    parts: dict[str, list[str]] = {}
    for line in (made.folder / "compile.txt").read_text().splitlines():
        if line.startswith("["):
            parts[line.strip("[]")] = []
        elif line and not line.startswith("#"):
            parts[list(parts)[-1]].append(line)
    assert list(parts) == ["include paths", "defines", "options", "sources"]
    flags = [f"-I{made.folder / path}" for path in parts["include paths"]]
    flags += [f"-D{name}" for name in parts["defines"]] + parts["options"]
    sources = [str(made.folder / path) for path in parts["sources"]]
    program = [str(made.folder / "Example" / f"{made.id}_example.c"), str(STUBS / "m4_program.c")]
    own = [f"-DENTRY={made.id}_example", f"-I{STUBS / 'freestanding'}"]
    assert link_m4([*sources, *program], [*GCC_M4[1:], *WARNINGS, *flags, *own], tmp_path) == answer(graph)
