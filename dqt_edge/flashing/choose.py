"""Which runner flashes a board: the one that was asked for, else the board's first that is installed."""

from __future__ import annotations

from ..boards import Board
from ..errors import ToolchainError, UsageError
from .base import Runner
from .openocd import OpenocdRunner
from .pyocd import PyocdRunner


def runners(board: Board) -> tuple[Runner, ...]:
    """The board's runners in order of preference.

    Raises:
        UsageError: The board has no flash to write, or its file names an unknown runner.
    """
    if not board.runners:
        if board.is_host or board.qemu is not None:
            raise UsageError(
                f"board {board.id!r} has no flash to write",
                where="flashing",
                next_step="run `dqt-edge profile`: it starts this board's program itself",
            )
        raise UsageError(
            f"no runner is known for board {board.id!r}",
            where="flashing",
            next_step="write model.hex by your probe's own tool, then run `dqt-edge profile` with its serial port",
        )
    made: list[Runner] = []
    for runner in board.runners:
        if runner.name == "pyocd":
            made.append(PyocdRunner(runner.settings))
        elif runner.name == "openocd":
            made.append(OpenocdRunner(runner.settings))
        else:
            raise UsageError(
                f"unknown runner {runner.name!r}",
                where=str(board.file),
                next_step="use pyocd or openocd",
            )
    return tuple(made)


def choose(board: Board, name: str | None = None) -> Runner:
    """The runner of that name, or the first that is installed.

    Raises:
        UsageError: The board has no such runner.
        ToolchainError: No runner is installed.
    """
    known = runners(board)
    if name is not None:
        for runner in known:
            if runner.name == name:
                return runner
        raise UsageError(
            f"board {board.id!r} has no runner {name!r}",
            where="`runner`",
            next_step=f"choose from {', '.join(runner.name for runner in known)}",
        )
    reasons = []
    for runner in known:
        reason = runner.available()
        if reason is None:
            return runner
        reasons.append(reason)
    raise ToolchainError("no flash runner is installed", where=f"board {board.id!r}", next_step="; or: ".join(reasons))
