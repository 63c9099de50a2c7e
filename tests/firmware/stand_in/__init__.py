"""What stand_in/dqt_model.c computes, and how it is built for each port with the real firmware."""

from __future__ import annotations

import random
import subprocess
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

from dqt_edge.boards import Board, load_board
from dqt_edge.device.c_header import messages_header
from dqt_edge.project.render import Linking, c_environment
from dqt_edge.system.resources import data_folder

INPUT_SIZE = 700
OUTPUT_SIZE = 6
LAYERS = 4
CANDIDATES = (3, 2)
MODEL_HASH = bytes(range(0xA0, 0xC0))
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")

_HERE = Path(__file__).parent
RATED = {
    "defines": ("STAND_IN_BAUD_MAX=10000000",),
    "more": (
        str(_HERE / "rated.c"),
        *(f"-Wl,--wrap=dqt_port_{name}" for name in ("read", "can_write", "write", "wait", "baud", "set_baud")),
    ),
    "baud": 115_200,
}
"""Options of ``build`` for the host: a line whose rate can be changed, see tests/support/rated_line.py."""
_LOOP_AT = 8


@dataclass(frozen=True)
class Expected:
    """Result of the stand-in for an input."""

    choices: tuple[int, ...]
    output: bytes
    checksums: tuple[int, ...]


def make_input(generator: random.Random, loops: int = 1) -> bytes:
    """Random codes whose loop layer iterates ``loops`` times."""
    codes = bytearray(generator.randbytes(INPUT_SIZE))
    codes[_LOOP_AT : _LOOP_AT + 4] = loops.to_bytes(4, "little")
    return bytes(codes)


def expected(codes: bytes, choices: tuple[int, ...] | None = None, bias: tuple[int, ...] = (0, 0, 0)) -> Expected:
    """The stand-in in Python; no choices: its controller decides, with a bias on its logits."""
    first = 0
    if choices is None:
        logits = b"".join(value.to_bytes(4, "little") for value in codes[:5]) + (1 << 31).to_bytes(4, "little")
        first = zlib.crc32(logits)
        rows = (codes[:3], (*codes[3:5], -(1 << 31)))
        choices = tuple(max(range(3), key=lambda k, row=row: row[k] + bias[k]) for row in rows)  # type: ignore[misc]
    scaled = bytearray(OUTPUT_SIZE)
    for i in range(OUTPUT_SIZE):
        total = choices[0]
        for code in codes[i::OUTPUT_SIZE]:
            total = (total * 31 + code) & 0xFFFFFFFF
        scaled[i] = (total ^ (total >> 8)) & 0xFF
    output = bytes(value ^ (17 * (choices[1] + 1)) for value in scaled)
    return Expected(choices, output, (first, zlib.crc32(scaled), zlib.crc32(scaled), zlib.crc32(output)))


def firmware_sources(port: str) -> list[Path]:
    """C files of the firmware for a port."""
    firmware = data_folder("firmware")
    folders = ["app", "dqt", f"port/{port}", *([] if port == "native" else ["port/cortexm"])]
    return [path for folder in folders for path in sorted((firmware / folder).glob("*.c"))]


def build(
    folder: Path,
    board_id: str,
    *,
    sanitize: bool = False,
    defines: tuple[str, ...] = (),
    more: tuple[str, ...] = (),
    baud: int | None = None,
) -> Path:
    """Compile the firmware round the stand-in; warnings are errors. Returns the executable or ELF file.

    Args:
        folder: Where to.
        board_id: For which board.
        sanitize: With AddressSanitizer and UndefinedBehaviorSanitizer.
        defines: ``NAME`` or ``NAME=VALUE``.
        more: Further arguments of the compiler, sources among them.
        baud: Rate of the line; None is the board's.
    """
    board = load_board(board_id)
    if baud is not None:
        board = replace(board, serial=replace(board.serial, baud=baud))
    (folder / "dqt_messages.h").write_text(messages_header())
    (folder / "dqt_board.h").write_text(c_environment().get_template("project/dqt_board.h.j2").render(board=board))
    sources = [*firmware_sources(board.port), _HERE / "dqt_model.c"]
    includes = [f"-I{folder}", *(f"-I{path}" for path in sorted({str(s.parent) for s in sources}))]
    image = folder / "model.elf"
    command = [
        "gcc" if board.is_host else "arm-none-eabi-gcc",
        *("-std=c11", "-O2", "-g", *WARNINGS, *includes, *(f"-D{define}" for define in defines)),
        *(SANITIZERS if sanitize else ()),
        *(() if board.is_host else _cross_flags(folder, board)),
        *map(str, sources),
        *more,
        *("-o", str(image)),
        *(() if board.is_host else ("-lgcc",)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"
    return image


def _cross_flags(folder: Path, board: Board) -> list[str]:
    flash, ram = board.regions("flash")[0], board.regions("ram")[0]
    script = c_environment().get_template("project/link.ld.j2")
    text = script.render(
        title="stand-in",
        board=board,
        linking=Linking(flash.start, flash.size, ram.start, ram.size, 4096),
    )
    (folder / "link.ld").write_text(text)
    return [
        *board.cpu.flags,
        *("-ffreestanding", "-ffunction-sections", "-fdata-sections", "-fno-common"),
        *(f"-T{folder / 'link.ld'}", "-nostdlib", "-Wl,--gc-sections", "-Wl,--fatal-warnings"),
    ]
