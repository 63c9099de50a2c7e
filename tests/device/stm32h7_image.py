"""Builds a small image of the real STM32H7 port and start-up, without a network."""

from __future__ import annotations

import subprocess
from pathlib import Path

from dqt_edge.boards import Board
from dqt_edge.system.resources import data_folder

SOURCES = Path(__file__).parent.parent / "files" / "stm32h7"


def build(board: Board, folder: Path, defines: tuple[str, ...] = ()) -> Path:
    """ELF of echo.c for the board."""
    firmware = data_folder("firmware")
    constants = f"#define DQT_UART_BAUD {board.serial.baud}u\n#define DQT_CORE_HZ {board.cpu.hz}u\n"
    for name in ("dqt_config.h", "dqt_board.h"):
        (folder / name).write_text(constants)
    port = sorted((firmware / "port" / "stm32h7").glob("*.c"))
    start = [firmware / "port" / "cortexm" / name for name in ("dqt_startup.c", "dqt_memory.c")]
    elf = folder / "echo.elf"
    includes = [folder, firmware / "app", firmware / "port" / "cortexm", firmware / "port" / "stm32h7"]
    warnings = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]
    command = ["arm-none-eabi-gcc", "-std=c11", "-O2", "-ffreestanding", "-nostdlib", *warnings]
    command += [*board.cpu.flags, *defines, *(f"-I{path}" for path in includes)]
    command += [SOURCES / "echo.c", *port, *start, f"-T{SOURCES / 'link.ld'}", "-lgcc", "-o", elf]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return elf
