"""The exported model, its kernels and firmware/dqt, and nothing else of ours, in programs of somebody else's own.

They are compiled for this computer (C and C++) and for a Cortex-M4 in QEMU, at every optimisation level, by hand: no
CMake, no start-up code and no linker script of the project. Every answer is the interpreter's.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from dqt_edge.boards import load_board
from dqt_edge.graph import Graph, interpreter
from dqt_edge.lowering.plan import Plan
from dqt_edge.project.export import export_together
from dqt_edge.system import elf
from tests.support.random_graphs import random_codes, random_graph

HERE = Path(__file__).parent / "library"
INPUTS = 3
LEVELS = ("-O0", "-Og", "-O2", "-O3", "-Os")
MAIN = """
int main(void) {
    run_tests();
    return 0;
}
void print(const char *text) {
    fputs(text, stdout);
}
"""
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror")
QEMU = ("qemu-system-arm", "-M", "mps2-an386", "-icount", "shift=7", "-display", "none", "-monitor", "none")
SEMIHOSTING = ("-serial", "none", "-semihosting-config", "enable=on,target=native")


@dataclass(frozen=True)
class Library:
    """What a product takes over: folders of C, the first model's symbols, and what a program must print."""

    folder: Path
    plans: tuple[Plan, ...]
    symbols: tuple[str, ...]
    expected: list[str]

    @property
    def sources(self) -> list[str]:
        return [str(p) for part in ("dqt", "kernels", "model") for p in sorted((self.folder / part).glob("*.[cS]"))]

    @property
    def includes(self) -> list[str]:
        return [f"-I{self.folder / part}" for part in ("dqt", "kernels", "model")]


def second_graph() -> Graph:
    return random_graph(4)


def c_rows(rows: list[bytes]) -> str:
    return ",\n".join("    {" + ", ".join(map(str, row)) + "}" for row in rows)


def make_library(folder: Path, graph: Graph, board_id: str) -> Library:
    """Export two models and keep the three folders; write the cases that a program runs."""
    second = second_graph()
    made, plans, _ = export_together([graph, second], load_board(board_id), folder / "exported")
    library = folder / "library"
    for part in ("dqt", "kernels", "model"):
        shutil.copytree(made.folder / part, library / part)
    shutil.rmtree(made.folder)
    codes = random_codes(3, graph, INPUTS)
    lines, vectors, first = [], [], None
    policies: list = [None, *([tuple(layer.candidates[-1] for layer in graph.adaptive)] * 1)]
    for policy in policies:
        for sample in codes:
            result = interpreter.run(graph, sample[None], "dynamic" if policy is None else policy)
            chosen, output = bytes(result.choices[0].astype(np.uint8)), result.outputs[0].tobytes()
            first = first or output
            vectors.append(None if policy is None else chosen)
            top = int(np.argmax(result.outputs[0]))
            lines.append(f"00 {top:02x} {chosen.hex()} {output.hex()} ")
    name, other = (model.symbol for model in made.models)
    vector = interpreter.run(second, random_codes(5, second, 1), [x.candidates[-1] for x in second.adaptive])
    chosen = "\n".join(
        f"static const uint8_t choices_{i}[] = {{{', '.join(map(str, v))}}};" for i, v in enumerate(vectors) if v
    )
    table = ", ".join(f"choices_{i}" if v else "NULL" for i, v in enumerate(vectors))
    (library / "cases.h").write_text(
        f"""#include "dqt_{name}.h"
#include "dqt_{other}.h"
#define MODEL {name}
#define ARENA_SIZE {name.upper()}_ARENA_SIZE
#define INPUT_SIZE {name.upper()}_INPUT_SIZE
#define SECOND {other}
#define SECOND_ARENA_SIZE {other.upper()}_ARENA_SIZE
#define SECOND_INPUT_SIZE {other.upper()}_INPUT_SIZE
#define INPUTS {INPUTS}u
#define CASES {len(vectors)}u
static const uint8_t case_inputs[INPUTS][INPUT_SIZE] = {{
{c_rows([sample.tobytes() for sample in codes])}
}};
{chosen}
static const uint8_t *const case_choices[CASES] = {{{table}}};
#ifdef WITH_SECOND
static const uint8_t first_output[] = {{{", ".join(map(str, first or b""))}}};
static const uint8_t second_input[] = {{{", ".join(map(str, random_codes(5, second, 1)[0].tobytes()))}}};
static const uint8_t second_choices[] = {{{", ".join(map(str, vector.choices[0])) or 0}}};
static const uint8_t second_output[] = {{{", ".join(map(str, vector.outputs[0]))}}};
#endif
"""
    )
    return Library(library, plans, (name, other), lines)


@pytest.fixture(scope="module")
def for_m4(graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> Library:
    return make_library(tmp_path_factory.mktemp("m4"), graph, "qemu-m4")


@pytest.fixture(scope="module")
def for_host(graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> Library:
    return make_library(tmp_path_factory.mktemp("host"), graph, "host")


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def build_m4(
    library: Library, program: str, folder: Path, compiler: list[str], *, link: list[str] | None = None
) -> Path:
    """Compile the library and a program with one command line each, as a makefile of somebody else's would."""
    image = folder / f"{program}.elf"
    sources = [*library.sources, str(HERE / "start.c"), str(HERE / f"{program}.c")]
    command = [*compiler, *WARNINGS, "-fno-strict-aliasing", "-ffunction-sections", "-fdata-sections"]
    command += [*library.includes, f"-I{library.folder}", f"-I{HERE}"]
    objects = []
    for source in sources:
        objects.append(str(folder / f"{Path(source).stem}.o"))
        extra = ["-DWITH_SECOND"] if program == "two_models" and Path(source).stem == program else []
        run(*command, *extra, "-c", source, "-o", objects[-1])
    linker = link or [part for part in compiler if part != "-std=c11"]
    script = [f"-T{HERE / 'link.ld'}", "-nostdlib", "-lgcc", "-Wl,--gc-sections", f"-Wl,-Map={folder / 'map'}"]
    run(*linker, *objects, *script, "-o", str(image))
    return image


GCC_M4 = ["arm-none-eabi-gcc", "-std=c11", "-mcpu=cortex-m4", "-mthumb"]


@pytest.mark.qemu
@pytest.mark.parametrize("level", LEVELS)
def test_own_main_on_cortex_m4(for_m4: Library, level: str, tmp_path: Path) -> None:
    image = build_m4(for_m4, "one_model", tmp_path, [*GCC_M4, level])
    assert run(*QEMU, *SEMIHOSTING, "-kernel", str(image)).splitlines() == for_m4.expected


@pytest.mark.qemu
@pytest.mark.parametrize(
    "flags",
    [
        ["-O2", "-fno-omit-frame-pointer"],
        ["-O2", "-flto"],
        ["-O1", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"],
        ["-O2", "-ffixed-r9"],
    ],
    ids=" ".join,
)
def test_own_main_with_other_flags(for_m4: Library, flags: list[str], tmp_path: Path) -> None:
    image = build_m4(for_m4, "one_model", tmp_path, [*GCC_M4, *flags])
    assert run(*QEMU, *SEMIHOSTING, "-kernel", str(image)).splitlines() == for_m4.expected


@pytest.mark.qemu
@pytest.mark.parametrize("level", ["-O0", "-O2"])
def test_own_main_by_clang(for_m4: Library, level: str, tmp_path: Path) -> None:
    clang = ["clang", "--target=arm-none-eabi", "-std=c11", "-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=soft", level]
    clang += ["-ffreestanding"]
    image = build_m4(for_m4, "one_model", tmp_path, clang, link=GCC_M4)
    assert run(*QEMU, *SEMIHOSTING, "-kernel", str(image)).splitlines() == for_m4.expected


@pytest.mark.qemu
@pytest.mark.parametrize("level", ["-O0", "-O2"])
def test_two_models_inside_one_another(for_m4: Library, level: str, tmp_path: Path) -> None:
    image = build_m4(for_m4, "two_models", tmp_path, [*GCC_M4, level])
    right, hook_wrong, interrupt_wrong, hooks, interrupts = (
        int(word, 16) for word in run(*QEMU, *SEMIHOSTING, "-kernel", str(image)).split()
    )
    assert (right, hook_wrong, interrupt_wrong) == (4, 0, 0)
    assert hooks == 4 * len(for_m4.plans[0].layers)
    assert interrupts > 10 * 4


@pytest.mark.qemu
def test_ram_is_the_arena_and_what_the_map_says(for_m4: Library, tmp_path: Path) -> None:
    """No byte of RAM belongs to the library: all of it is the program's, and of that the arena has its stated size."""
    image = build_m4(for_m4, "one_model", tmp_path, [*GCC_M4, "-O2"])
    arena = for_m4.plans[0].arena_size
    long_names = re.compile(r"^( \.\S+)\n +", re.MULTILINE)
    linked = long_names.sub(r"\1 ", (tmp_path / "map").read_text())
    parts = re.findall(r"^ \.(?:bss|data)\S*\s+0x[0-9a-f]+\s+0x([0-9a-f]+) (\S+)$", linked, re.MULTILINE)
    used = {Path(name).name: int(size, 16) for size, name in parts if int(size, 16)}
    assert used == {"one_model.o": arena}
    assert elf.occupied(image)[1] == arena


@pytest.mark.parametrize(("compiler", "standard"), [("cc", "c11"), ("c++", "c++17")])
def test_own_main_on_this_computer(for_host: Library, compiler: str, standard: str, tmp_path: Path) -> None:
    build = ["cc", "-std=c11", "-O2", *WARNINGS, "-fno-strict-aliasing", *for_host.includes]
    objects = []
    for source in for_host.sources:
        objects.append(str(tmp_path / f"{Path(source).stem}.o"))
        run(*build, "-c", source, "-o", objects[-1])
    program = tmp_path / f"main.{'c' if compiler == 'cc' else 'cpp'}"
    program.write_text(f"#include <stdio.h>\n{(HERE / 'one_model.c').read_text()}{MAIN}")
    command = [compiler, f"-std={standard}", "-O2", *WARNINGS, *for_host.includes, f"-I{for_host.folder}", f"-I{HERE}"]
    run(*command, str(program), *objects, "-o", str(tmp_path / "main"))
    assert run(str(tmp_path / "main")).splitlines() == for_host.expected


@pytest.mark.parametrize(
    "compiler",
    [
        ["c++", "-std=c++17"],
        pytest.param(["arm-none-eabi-g++", "-std=c++17", "-mcpu=cortex-m4", "-mthumb"], marks=pytest.mark.cross),
        pytest.param(["arm-none-eabi-gcc", "-std=c11", "-mcpu=cortex-m0", "-mthumb"], marks=pytest.mark.cross),
        ["cc", "-std=c11"],
    ],
    ids=" ".join,
)
def test_headers_stand_alone_in_either_language(compiler: list[str], for_host: Library, tmp_path: Path) -> None:
    """Each public header, alone and twice; as C++, too, on cores where the sizes of tables are asserted."""
    source = tmp_path / ("alone.cpp" if "++" in compiler[0] else "alone.c")
    for header in ("dqt.h", f"dqt_{for_host.symbols[0]}.h"):
        source.write_text(f'#include "{header}"\n#include "{header}"\nextern int unused;\n')
        flags = ["-ffreestanding", *WARNINGS, "-pedantic", *for_host.includes[::2]]
        run(*compiler, *flags, "-c", str(source), "-o", str(tmp_path / "o.o"))


def test_the_library_is_built_by_the_compiler_alone(tmp_path: Path) -> None:
    """firmware/dqt includes nothing outside itself."""
    folder = Path(__file__).parents[2] / "firmware" / "dqt"
    build = ["cc", "-std=c11", "-O2", "-ffreestanding", *WARNINGS, "-pedantic"]
    for source in sorted(folder.glob("*.c")):
        run(*build, "-c", str(source), "-o", str(tmp_path / "o"))
