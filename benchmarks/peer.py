"""BakeNN, a peer that a benchmark can install, beside dqt-edge: same topologies, same plugin, same run.

Run by ``make bench-peer``. Installs BakeNN from PyPI into an environment of its own below ``build/bench``, lets it
compile the four topologies (random int8 weights; :mod:`benchmarks.peer_models`), checks its output against its own
integer reference, and counts its instructions with our plugin. On Cortex-M4, M7 and M33 it uses CMSIS-NN where it can;
on M0, M3 and M55, for which it has no target, its portable C. Writes ``build/bench/peer.json``. A network that BakeNN
refuses has a row that says why, and the exit code is then 4.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from dqt_edge.boards import load_board
from dqt_edge.errors import DqtError, MismatchError, ToolchainError
from dqt_edge.measure.counting import CountFile
from dqt_edge.system import elf
from dqt_edge.system.files import write_atomically
from dqt_edge.system.resources import data_folder
from dqt_edge.system.tools import ARM_GCC, find_tool, run
from tests.support.rig.kernel_rig import RIG, firmware_headers
from tests.support.topologies import TOPOLOGIES

from .measuring import measure as measure_ours
from .networks import FOLDER, PAIRS, POLICIES, WIDTH
from .peer_models import PeerModel

REQUIREMENT = "bakenn[tflite]==1.0.0"
ENVIRONMENT = FOLDER / "bakenn-venv"
KERNELS = {"m0": "portable", "m3": "portable", "m4": "overlay", "m7": "overlay", "m33": "overlay", "m55": "portable"}
MACHINES = {"m0": "mps2-an385"}
"""Machines with more memory than the core's board has."""
SOFT = "-mfloat-abi=soft"
FLAGS = {
    "m0": ["-mcpu=cortex-m0", "-mthumb", SOFT],
    "m3": ["-mcpu=cortex-m3", "-mthumb", SOFT],
    "m4": ["-mcpu=cortex-m4", "-mthumb", SOFT],
    "m7": ["-mcpu=cortex-m7", "-mthumb", SOFT],
    "m33": ["-mcpu=cortex-m33", "-mthumb", SOFT],
    "m55": ["-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard"],
}
TIMEOUT = 300
TITLE = "Instructions for an inference: BakeNN, then ours by width pair; bytes of BakeNN, then ours"
HEADERS = {
    "math.h": "",
    "string.h": """#include <stddef.h>
void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *a, const void *b, size_t size);
""",
}
"""What CMSIS-NN asks of a C library; the functions are those of our firmware, so no C library is needed."""
LINK = """ENTRY(reset)
SECTIONS {{
    .text {code:#x} : {{ KEEP(*(.vectors)) *(.text*) *(.rodata*) }}
    .ARM.exidx : {{ *(.ARM.exidx*) }}
    __data_load = ALIGN(4);
    .data {ram:#x} : AT(__data_load) {{ __data_start = .; *(.data*) . = ALIGN(4); __data_end = .; }}
    .bss : {{ __bss_start = .; *(.bss*) *(COMMON) . = ALIGN(4); __bss_end = .; end = .; }}
    __stack_top = {ram:#x} + 0x200000;
}}
"""


def main() -> None:
    """Install, compile, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cores", nargs="+", default=["m4", "m7"], choices=list(KERNELS))
    parser.add_argument("--networks", nargs="+", default=list(TOPOLOGIES), choices=list(TOPOLOGIES))
    options = parser.parse_args()
    console = Console(width=WIDTH)
    found: dict[str, dict[str, dict[str, Any]]] = {}
    try:
        python = install(console)
        for core in options.cores:
            found[core] = {}
            for name in options.networks:
                console.print(f"{name} on {core}")
                graph = TOPOLOGIES[name]()
                peer = measure(python, name, PeerModel(graph).encode(), core)
                ours = measure_ours(graph, core, FOLDER / f"{name}-{core}", POLICIES)
                found[core][name] = {"bakenn": peer, "dqt_edge": ours}
    except DqtError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    write_atomically(FOLDER / "peer.json", (json.dumps(found, indent=1) + "\n").encode())
    refused = show(console, found)
    sys.exit(4 if refused else 0)


def install(console: Console) -> Path:
    """Python of an environment that has BakeNN.

    Raises:
        ToolchainError: It cannot be made or installed.
    """
    python = ENVIRONMENT.resolve() / "bin" / "python"
    stamp = ENVIRONMENT / f"{REQUIREMENT}.installed"
    if not stamp.exists():
        console.print(f"installing {REQUIREMENT} into {ENVIRONMENT}", markup=False)
        FOLDER.mkdir(parents=True, exist_ok=True)
        run([sys.executable, "-m", "venv", str(ENVIRONMENT)])
        run([str(python), "-m", "pip", "install", "--quiet", REQUIREMENT])
        stamp.touch()
    return python


def measure(python: Path, name: str, model: bytes, core: str) -> dict[str, Any]:
    """Instructions, flash and arena of BakeNN's build of a model on a core, or ``error``.

    Raises:
        MismatchError: Its output is not what its own reference computes.
        ToolchainError: Compiler or QEMU failed.
    """
    folder = (FOLDER / f"bakenn-{name}-{KERNELS[core]}").resolve()
    facts = generate(python, name, model, folder, KERNELS[core])
    if "error" in facts:
        return facts
    image = compile_image(folder, name, core)
    counts = CountFile(image, ["begin_region", "end_region"])
    board = load_board(f"qemu-{core}")
    assert board.qemu is not None
    command = [
        "qemu-system-arm",
        "-M",
        MACHINES.get(core, board.qemu.machine),
        "-kernel",
        str(image),
        "-display",
        "none",
    ]
    command += ["-monitor", "none", "-serial", "none", "-semihosting-config", "enable=on,target=native"]
    done = subprocess.run(
        [*command, *counts.options],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    visits = [visit.executed for visit in counts.read()]
    counts.close()
    said = (done.stdout + done.stderr).strip()
    if done.returncode != 0 or len(visits) != 6:
        raise ToolchainError(f"the image stopped: {said[-200:]}", where=str(image), next_step="run it in QEMU by hand")
    if int(said.split()[-1], 16) != facts["crc"]:
        raise MismatchError(
            f"BakeNN's {name} on {core} differs from its own reference", where=str(image), next_step="report this"
        )
    empty, first, second = (b - a for a, b in zip(visits[::2], visits[1::2], strict=True))
    flash, _ = elf.occupied(image)
    return {"instructions": second - empty, "first": first - empty, "flash": flash, "arena": facts["arena"]}


def generate(python: Path, name: str, model: bytes, folder: Path, kernels: str) -> dict[str, Any]:
    """BakeNN's C of a model, and what it says of it; what is there already is left as it is."""
    file, told = folder.with_suffix(".tflite"), folder.with_suffix(".json")
    if not (told.exists() and file.exists() and file.read_bytes() == model):
        told.unlink(missing_ok=True)
        file.write_bytes(model)
        shutil.rmtree(folder, ignore_errors=True)
        script = str(Path(__file__).with_name("peer_bakenn.py"))
        said = run([str(python), script, str(file), str(folder), name, kernels])
        write_atomically(told, said.splitlines()[-1].encode())
    facts: dict[str, Any] = json.loads(told.read_text(encoding="utf-8"))
    return facts


def compile_image(folder: Path, name: str, core: str) -> Path:
    """BakeNN's sources and the harness, at -O3, for a core."""
    build = FOLDER.resolve() / f"bakenn-build-{name}-{core}"  # BakeNN's own folder may hold nothing else
    image, script = build / "peer.elf", build / "link.ld"
    (build / "headers").mkdir(parents=True, exist_ok=True)
    for header, text in HEADERS.items():
        (build / "headers" / header).write_text(text, encoding="utf-8")
    code, ram = (load_board(f"qemu-{core}").regions(kind)[0].start for kind in ("flash", "ram"))
    script.write_text(LINK.format(code=code, ram=ram), encoding="utf-8")
    prefix = f"BKNN_{name.upper()}_"
    defines = {
        "PEER_HEADER": f'"bknn_{name}.h"',
        "PEER_INFER": f"bknn_{name}_infer",
        "PEER_INPUT": f"{prefix}INPUT_SIZE",
        "PEER_OUTPUT": f"{prefix}OUTPUT_SIZE",
        "PEER_ARENA": f"{prefix}ARENA_SIZE",
    }
    sources = [str(path) for path in sorted(folder.rglob("*.c"))]
    headers = (folder, build / "headers", RIG, *sorted(folder.rglob("Include")), *firmware_headers())
    includes = [f"-I{path}" for path in headers]
    flags = [*FLAGS[core], "-std=c11", "-O3", "-ffunction-sections", "-fdata-sections", "-w"]
    linking = ["-Wl,--gc-sections", f"-T{script}", "-nostdlib", "-lgcc", "-o", str(image)]
    compiler = find_tool(ARM_GCC, "gcc-arm-none-eabi")
    own = [
        str(Path(__file__).parent / "native" / "peer_main.c"),
        str(data_folder("firmware") / "port" / "cortexm" / "dqt_memory.c"),
    ]
    macros = [f"-D{key}={value}" for key, value in defines.items()]
    run([compiler, *flags, *macros, *includes, *sources, *own, *linking], build)
    return image


def show(console: Console, found: dict[str, dict[str, dict[str, Any]]]) -> bool:
    """Table of instructions in millions, flash and arena; returns whether BakeNN refused a network."""
    table = Table("core", "network", "BakeNN", *PAIRS, "flash", "arena", "flash", "arena + scratch", title=TITLE)
    refused = []
    for core, networks in found.items():
        for name, row in networks.items():
            peer, ours = row["bakenn"], row["dqt_edge"]
            if "error" in peer:
                refused.append(f"BakeNN refuses {name} on {core}: {peer['error']}")
            known = "error" not in peer
            whole = ours["8x8"]
            table.add_row(
                core,
                name,
                f"{peer['instructions'] / 1e6:.3f} M" if known else "refused",
                *(f"{ours[pair]['instructions'] / 1e6:.3f} M" for pair in PAIRS),
                *(f"{peer[k]:,}" if known else "" for k in ("flash", "arena")),
                f"{whole['flash']:,}",
                f"{whole['arena'] + whole['scratch']:,}",
            )
    console.print(table)
    for line in refused:
        console.print(line, markup=False, highlight=False)
    return bool(refused)


if __name__ == "__main__":
    main()
