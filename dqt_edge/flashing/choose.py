"""Which runner flashes a board: the one that was asked for, else the board's first that is installed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..boards import Board
from ..errors import ToolchainError, UsageError
from .base import Runner
from .dfu import DfuRunner
from .jlink import JlinkRunner
from .nrfutil import NrfutilRunner
from .openocd import OpenocdRunner
from .pyocd import PyocdRunner
from .stlink import StlinkRunner
from .stm32_uart import Stm32UartRunner

CONNECT = ("halt", "under-reset")
"""How a probe takes hold of the core: while it runs, or while the reset line is low."""

TAKEN = {
    "pyocd": ("serial", "connect_mode", "frequency"),
    "openocd": ("serial", "connect_mode", "frequency"),
    "st-flash": ("serial", "connect_mode", "frequency"),
    "dfu-util": ("serial",),
    "nrfutil": ("serial",),
    "jlink": ("serial", "frequency"),
    "stm32-uart": (),
}
"""Runner -> what of a user's wishes it can do."""


@dataclass(frozen=True)
class Wishes:
    """What the user says of the connection; it goes before the settings in the board's file.

    Attributes:
        probe: Serial number of the probe, or of the boot loader's USB device.
        connect: One of ``CONNECT``.
        frequency: Of the probe's clock, Hz.
        port: Serial port, of a boot loader that is reached by one.
    """

    probe: str | None = None
    connect: str | None = None
    frequency: int | None = None
    port: str | None = None

    def settings(self) -> dict[str, tuple[str, str]]:
        """Setting of the board's file -> the parameter here, and its value as text."""
        if self.connect is not None and self.connect not in CONNECT:
            raise UsageError(
                f"there is no way to connect {self.connect!r}",
                where="`connect`",
                next_step=f"choose from {', '.join(CONNECT)}",
            )
        if self.frequency is not None and self.frequency < 1000:
            raise UsageError(
                f"the frequency {self.frequency} is below 1000 Hz", where="`frequency`", next_step="state it in Hz"
            )
        frequency = None if self.frequency is None else str(self.frequency)
        given = {
            "serial": ("probe", self.probe),
            "connect_mode": ("connect", self.connect),
            "frequency": ("frequency", frequency),
        }
        return {key: (name, value) for key, (name, value) in given.items() if value is not None}


def runners(board: Board, wishes: Wishes | None = None) -> tuple[Runner, ...]:
    """The board's runners in order of preference.

    Raises:
        UsageError: The board has no flash to write, or its file names an unknown runner.
    """
    if not board.runners:
        if board.is_process:
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
    wishes = wishes or Wishes()
    given = {key: value for key, (_, value) in wishes.settings().items()}
    made: list[Runner] = []
    for runner in board.runners:
        if runner.name not in _MAKERS:
            raise UsageError(
                f"unknown runner {runner.name!r}", where=str(board.file), next_step=f"use {', '.join(_MAKERS)}"
            )
        made.append(_MAKERS[runner.name](board, {**runner.settings, **given}, wishes))
    return tuple(made)


def _page(board: Board) -> int:
    return max((region.page for region in board.regions("flash")), default=0) or 1


_MAKERS: dict[str, Callable[[Board, dict[str, str], Wishes], Runner]] = {
    "pyocd": lambda board, settings, wishes: PyocdRunner(settings),
    "openocd": lambda board, settings, wishes: OpenocdRunner(settings, _page(board)),
    "st-flash": lambda board, settings, wishes: StlinkRunner(settings),
    "dfu-util": lambda board, settings, wishes: DfuRunner(settings),
    "nrfutil": lambda board, settings, wishes: NrfutilRunner(settings),
    "jlink": lambda board, settings, wishes: JlinkRunner(settings),
    "stm32-uart": lambda board, settings, wishes: Stm32UartRunner(board, settings, wishes.port),
}


def choose(board: Board, name: str | None = None, wishes: Wishes | None = None) -> Runner:
    """The runner of that name, or the first that is installed.

    Raises:
        UsageError: The board has no such runner, or it cannot do what is wished.
        ToolchainError: No runner is installed.
    """
    known = runners(board, wishes)
    if name is not None:
        for runner in known:
            if runner.name == name:
                return _able(runner, wishes)
        raise UsageError(
            f"board {board.id!r} has no runner {name!r}",
            where="`runner`",
            next_step=f"choose from {', '.join(runner.name for runner in known)}",
        )
    reasons = []
    for runner in known:
        reason = runner.available()
        if reason is None:
            return _able(runner, wishes)
        reasons.append(reason)
    raise ToolchainError("no flash runner is installed", where=f"board {board.id!r}", next_step="; or: ".join(reasons))


def _able(runner: Runner, wishes: Wishes | None) -> Runner:
    for key, (name, _) in (wishes or Wishes()).settings().items():
        if key not in TAKEN.get(runner.name, (key,)):
            raise UsageError(
                f"the runner {runner.name} has no {name}", where=f"`{name}`", next_step=f"leave out the `{name}`"
            )
    return runner
