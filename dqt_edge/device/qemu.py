"""The firmware in QEMU, with a socket pair for a serial line."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path

from ..boards import Board
from ..errors import BadFileError, ToolchainError, UsageError
from .process import ProcessTransport

PROGRAM = "qemu-system-arm"


class QemuTransport(ProcessTransport):
    """Starts QEMU with an ELF file, as the board's ``qemu`` table says.

    With ``-icount`` an instruction takes 2^shift ns of virtual time, whatever this computer does meanwhile,
    so a counter of virtual time counts instructions. The serial line is one end of a socket pair: no path in
    the file system, and nothing is lost or waited for at start-up, as with QEMU's pty.

    Args:
        board: A board with a ``qemu`` table.
        elf: Its image.
        options: Further arguments of QEMU, such as a plugin.

    Raises:
        UsageError: The board is no QEMU machine.
        BadFileError: There is no such ELF file.
        ToolchainError: QEMU is absent or cannot be started.
    """

    def __init__(self, board: Board, elf: Path, options: Sequence[str] = ()) -> None:
        if board.qemu is None:
            raise UsageError(
                "the board is no QEMU machine",
                where=f"board {board.id!r}",
                next_step="choose a board such as qemu-m4",
            )
        if not elf.is_file():
            raise BadFileError("the ELF file does not exist", where=str(elf), next_step="run 'dqt-edge build' first")
        program = shutil.which(PROGRAM)
        if program is None:
            raise ToolchainError(
                f"{PROGRAM} is not installed",
                where="PATH",
                next_step="install it, on Debian with: apt-get install qemu-system-arm",
            )
        ours, theirs = socket.socketpair()
        command = [
            *(program, "-M", board.qemu.machine, "-kernel", str(elf.resolve())),
            *("-icount", f"shift={board.qemu.icount_shift},align=off,sleep=off"),
            *("-display", "none", "-monitor", "none", "-nodefaults"),
            *("-chardev", f"socket,id=line,fd={theirs.fileno()}", "-serial", "chardev:line"),
            *("-semihosting-config", "enable=on,target=native"),
            *options,
        ]
        line = os.dup(ours.fileno())
        ours.close()
        super().__init__(
            f"QEMU {board.qemu.machine}, {elf}",
            command,
            reader=line,
            writer=line,
            inherited=[theirs.detach()],
        )
