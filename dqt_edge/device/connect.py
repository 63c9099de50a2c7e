"""From a board and a built project to an open transport, and to a client whose model has been checked."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ..boards import Board
from ..errors import UsageError
from .client import Client, Retries, Timeouts
from .transport import Transport

LOG = logging.getLogger(__name__)

UNICORN = "unicorn:"
RATES = (2_000_000, 1_000_000, 921_600, 460_800, 230_400)
"""Rates of a serial line that ``auto`` tries, of those that the board allows, the highest first."""
RATE_TRIES = 3
"""Most of them that are tried."""
IMAGE = Path("build") / "model.elf"
CYCLES_A_MAC = 20
"""More than the slowest core takes."""
QEMU_HZ = 20_000_000
HOST_HZ = 500_000_000
"""Instructions a second that an emulated core, or this computer, does at least."""


def image_of(project: Path) -> Path:
    """Path of the image in a project folder; a path to a file is taken as the image itself."""
    return project / IMAGE if project.is_dir() else project


def open_device(board: Board, project: Path, port: str | None = None) -> Transport:
    """Reach a device that runs the project.

    Args:
        board: The board that the project was exported for.
        project: Project folder, or the image itself.
        port: Serial port or pyserial URL, or ``unicorn:`` to emulate the image; None: start the host's or
            QEMU's process, or find the board by its USB id.

    Raises:
        PortError: The port is missing, busy or not permitted; or no board, or several, are connected.
        BadFileError: The image has not been built.
        ToolchainError: QEMU or Unicorn is not installed.
        UsageError: ``unicorn:`` cannot emulate this board.
    """
    # Imported where needed: pyserial for a port, nothing of it for a process.
    if port is not None and port.startswith(UNICORN):
        if board.is_host:
            raise UsageError(
                "the host's own program cannot be emulated",
                where=f"`port` {port}",
                next_step="leave out the `port`",
            )
        from .chips.unicorn import UnicornTransport  # noqa: PLC0415

        return UnicornTransport(board, image_of(project))
    if port is not None:
        from .serial_port import SerialTransport  # noqa: PLC0415

        if board.serial.baud == 0:
            raise UsageError(
                "the board has no serial line",
                where=f"board {board.id!r}, `port` {port}",
                next_step="leave out the `port`",
            )
        return SerialTransport(port, board.serial.baud)
    if board.is_host:
        from .native import NativeTransport  # noqa: PLC0415

        return NativeTransport(image_of(project))
    if board.qemu is not None:
        from .qemu import QemuTransport  # noqa: PLC0415

        return QemuTransport(board, image_of(project))
    from .serial_port import SerialTransport, find_port  # noqa: PLC0415

    return SerialTransport(find_port(board), board.serial.baud)


def thought_seconds(board: Board, macs: int) -> float:
    """How long an inference of so many multiply-accumulates may take, generously."""
    rate = HOST_HZ if board.is_host else QEMU_HZ if board.qemu is not None else board.cpu.hz
    return CYCLES_A_MAC * macs / rate if rate else 0.0


def rates_of(board: Board, baud: int | Literal["auto"]) -> tuple[int, ...]:
    """Rates to try for a board's line, above its own.

    Raises:
        UsageError: The board does not allow this one.
    """
    own, most = board.serial.baud, board.serial.max_baud
    if baud == "auto":
        return tuple(rate for rate in RATES if own < rate <= most)[:RATE_TRIES]
    if baud == own:
        return ()
    if not own < baud <= most:
        allowed = f"from {own:,} to {most:,}" if most > own else f"{own:,} alone" if own else "no rate"
        raise UsageError(
            f"{baud:,} baud are not possible: the board's serial line has {allowed}",
            where=f"`baud`, board {board.id!r}",
            next_step="give 'auto' or a rate that the board allows",
        )
    return (baud,)


def raise_rate(client: Client, rates: Sequence[int]) -> None:
    """Give the line the first of the rates that works; the board's own if none does, or if there is no such line."""
    for rate in rates if client.baud else ():
        reason = client.raise_baud(rate)
        if not reason:
            return
        LOG.warning("the line stays at %s baud, not %s: %s", f"{client.baud:,}", f"{rate:,}", reason)


def open_client(
    board: Board,
    project: Path,
    model_hash: bytes,
    port: str | None = None,
    *,
    macs: int = 0,
    layers: Sequence[str] = (),
    timeouts: Timeouts | None = None,
    retries: Retries | None = None,
    baud: int | Literal["auto"] | None = None,
) -> Client:
    """:func:`open_device`, and make sure that it is the board and runs the model.

    ``macs`` of an inference say how long the first one may take; ``layers`` are the names of the layers by their number
    on the device (``Graph.device_layers``), for messages of faults. ``baud``: rate of a serial line, or the
    highest that works; None is the board's. Where it does not work, or there is no such line, all goes on without.

    Raises:
        WrongModelError: It is another board or runs another model; or any error of open_device() and HELLO.
    """
    rates = () if baud is None else rates_of(board, baud)
    client = Client(open_device(board, project, port), timeouts, retries)
    try:
        client.expect(model_hash, board.id)
        client.expect_run(thought_seconds(board, macs))
        client.name_layers(layers)
        raise_rate(client, rates)
    except BaseException:
        client.close()
        raise
    return client
