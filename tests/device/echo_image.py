"""Builds a small image of a board's real port and start-up, without a network; also of a port with a mistake in it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from dqt_edge.boards import Board
from dqt_edge.device.c_header import messages_header
from dqt_edge.project.render import c_environment
from dqt_edge.system.resources import data_folder

SOURCES = Path(__file__).parent.parent / "files" / "echo"
START_UP = ("dqt_startup.c", "dqt_memory.c", "dqt_restart.c", "dqt_seal.c", "dqt_protect.c")


def build(board: Board, folder: Path, change: tuple[str, str] | None = None) -> Path:
    """ELF of echo.c for the board. ``change``: text of port or start-up, there once, and what takes its place."""
    folder.mkdir(exist_ok=True)
    firmware = data_folder("firmware")
    constants = c_environment().get_template("project/dqt_board.h.j2").render(board=board)
    (folder / "dqt_board.h").write_text(constants)
    (folder / "dqt_config.h").write_text(constants)
    flash, ram = board.regions("flash")[0], board.regions("ram")[0]
    script = (SOURCES / "link.ld").read_text()
    (folder / "link.ld").write_text(
        script.replace("FLASH_START", hex(flash.start)).replace("RAM_START", hex(ram.start))
    )
    shared = firmware / "port" / "cortexm"
    port = {path.name: path.read_text() for path in sorted(board.port_folder.glob("*.[chS]"))}
    headers = {path.name: path.read_text() for path in shared.glob("*.h")}
    used = {name for text in port.values() for name in re.findall(r'#include "(dqt_\w+\.h)"', text) if name in headers}
    port |= {name: headers[name] for name in used} | {name: (shared / name).read_text() for name in START_UP}
    if change is not None:
        old, new = change
        assert sum(text.count(old) for text in port.values()) == 1, old
        port = {name: text.replace(old, new) for name, text in port.items()}
    for name, text in port.items():
        (folder / name).write_text(text)
    sources = [folder / name for name in port if name.endswith((".c", ".S"))]
    (folder / "dqt_messages.h").write_text(messages_header())
    elf = folder / "echo.elf"
    includes = [folder, *(firmware / part for part in ("app", "dqt", "port/cortexm"))]
    warnings = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]
    if change is not None:
        warnings = ["-D_Static_assert(holds,words)="]  # what the compiler would find, and something left unused
    command = ["arm-none-eabi-gcc", "-std=c11", "-O2", "-ffreestanding", "-nostdlib", *warnings]
    command += [*board.cpu.flags, *(f"-I{path}" for path in includes)]
    command += [
        SOURCES / "echo.c",
        *sources,
        firmware / "dqt" / "dqt_crc32.c",
        f"-T{folder / 'link.ld'}",
        "-lgcc",
        "-o",
        elf,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return elf
