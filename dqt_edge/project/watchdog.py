"""The chip's watchdog, which restarts a device whose program hangs: its time-out, and what a time-out must cover."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..boards import Board, Watchdog
from ..errors import UsageError
from ..lowering.plan import Plan, PlannedLayer

CONSTANT = "watchdog_ms"
"""The constant that the firmware is compiled with; without it it starts no watchdog."""

UNITS = ("app/dqt_measure.c", "app/dqt_server.c", "app/dqt_text.c")
"""Sources of the app that are other code with a watchdog."""

LEAST_MS = 10
"""Shortest time-out: a byte on the line takes a fraction of it."""

MARGIN = 10
"""Estimates know neither of serial flash whose cache a layer overruns, which may take five times as long, nor of a
board whose crystal fails and which stays at the clock after reset."""

CRC_CYCLES = 20
"""Of the CRC-32 for each byte: 9 to 17 instructions."""

UNKNOWN_CYCLES = 64
"""Of a layer that no estimate exists for, for each multiply-accumulate or output."""


def has_watchdog(board: Board) -> bool:
    """Whether an image of the board starts its watchdog."""
    return CONSTANT in board.constants


def with_watchdog(board: Board, seconds: float) -> Board:
    """The board with its watchdog started.

    Args:
        board: Its file says what its watchdog can do, under ``[watchdog]``.
        seconds: Time-out at the nominal rate of the watchdog's clock; rounded to milliseconds.

    Raises:
        UsageError: The board has no watchdog, or not this time-out.
    """
    known = board.watchdog
    if known is None:
        raise _refused(board, _why_none(board), _who_has_one(board))
    if not (math.isfinite(seconds) and LEAST_MS <= round(1000 * seconds) <= known.longest_ms):
        raise _refused(
            board,
            f"{known.name} cannot wait for {seconds:g} s",
            f"give {in_seconds(LEAST_MS)} to {in_seconds(known.longest_ms)} seconds",
        )
    return replace(board, constants={**board.constants, CONSTANT: round(1000 * seconds)})


def require_time(board: Board, plans: Sequence[Plan], flash: int) -> None:
    """Refuse a time-out that a healthy device might miss.

    The firmware feeds the watchdog behind each layer, and does not while it checks its image.

    Args:
        board: With its watchdog.
        plans: Of all models of the image.
        flash: Bytes of the image.

    Raises:
        UsageError: A layer, or the check of the image, may take longer.
    """
    known = board.watchdog
    assert known is not None, "with_watchdog() has looked"
    times = {f"the check of {flash:,} bytes of flash": float(CRC_CYCLES * flash)}
    for plan in plans:
        for layer in plan.layers:
            times[f"layer {layer.name!r} of model {plan.name!r}"] = _cycles(layer)
    slowest = max(times, key=lambda what: times[what])
    takes = 1000 * times[slowest] / _hz(board)
    least = math.ceil(MARGIN * takes * 100 / (100 - known.early))
    if board.constants[CONSTANT] >= least:
        return
    what = f"{slowest} is estimated to take {takes:.1f} ms, and the watchdog needs {MARGIN} times that"
    if least > known.longest_ms:
        raise _refused(board, f"{what}, more than {known.name} can wait", "export without a watchdog")
    raise _refused(board, what, f"give {in_seconds(least)} to {in_seconds(known.longest_ms)} seconds")


def watchdog_facts(board: Board) -> dict[str, Any]:
    """What a manifest says of it: its name, and its time-out in seconds, nominal, at the soonest and at the latest."""
    known, ms = board.watchdog, board.constants[CONSTANT]
    assert known is not None, "with_watchdog() has looked"
    soonest, latest = spread(known, ms)
    return {"name": known.name, "seconds": ms / 1000, "soonest": soonest, "latest": latest}


def spread(known: Watchdog, ms: int) -> tuple[float, float]:
    """Seconds after which a time-out of ``ms`` ends at the soonest and at the latest."""
    return ms * (100 - known.early) / 100_000, ms * (100 + known.late) / 100_000


def in_seconds(ms: int) -> str:
    """Milliseconds as people write seconds: 32.768, 2."""
    return f"{ms / 1000:.3f}".rstrip("0").rstrip(".")


def _cycles(layer: PlannedLayer) -> float:
    """Of the layer's slowest candidate, and of the CRC of its output, which a host may ask for."""
    known = [cycles for cycles in layer.cycles if cycles is not None]
    if not known or len(known) < len(layer.cycles):
        known.append(float(UNKNOWN_CYCLES * max(layer.macs, layer.output_size)))
    return max(known) + CRC_CYCLES * layer.output_size


def _hz(board: Board) -> float:
    """Cycles a second; of an emulated board, instructions."""
    return 1e9 / (1 << board.qemu.icount_shift) if board.qemu is not None else float(board.cpu.hz)


def _why_none(board: Board) -> str:
    if board.is_host:
        return "a process of this computer has no watchdog"
    if board.qemu is not None:
        return f"board {board.id!r} has no watchdog that QEMU models"
    return f"the file of board {board.id!r} names no watchdog, under [watchdog]"


def _who_has_one(board: Board) -> str:
    if board.is_process:
        return "choose a board of silicon, or an emulated one that has one, such as qemu-m4"
    return "see docs/boards.md for what a port needs, or export without a watchdog"


def _refused(board: Board, what: str, next_step: str) -> UsageError:
    return UsageError(what, where=f"`watchdog`, {board.file}", next_step=next_step)
