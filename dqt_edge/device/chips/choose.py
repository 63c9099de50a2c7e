"""The chip that is modelled for a board."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from ...boards import Board
from ...errors import UsageError
from . import nrf52, rp2, stm32f4, stm32g0, stm32l4, stm32u5
from .boot import Boot
from .core import CoreRegisters
from .pin import Pin
from .stm32 import Stm32
from .stm32h7 import Stm32h7
from .uart import SerialLine
from .values import Reset, Watchdog


class Chip(Protocol):
    """What the emulator needs of a chip."""

    @property
    def cpu(self) -> str:
        """Unicorn's name of the core, ``UC_CPU_ARM_`` left out."""

    @property
    def pages(self) -> tuple[int, ...]:
        """4 KB pages in which registers are modelled; an access anywhere else is reported."""

    @property
    def status(self) -> int:
        """Address of the serial line's status register.

        Unicorn repeats the access in whose callback it was stopped; a status may be read twice.
        """

    @property
    def usart(self) -> SerialLine:
        """The serial line."""

    @property
    def trigger(self) -> Pin | None:
        """The pin that is high while the model runs; None: the image has none."""

    @property
    def watchdog(self) -> Watchdog | None:
        """What restarts a program that hangs; None: the image starts none."""

    @property
    def core(self) -> CoreRegisters:
        """Registers of the core."""

    def read(self, address: int) -> int:
        """Value of a 32-bit register; raises RuleError."""

    def write(self, address: int, value: int) -> None:
        """Write a 32-bit register; raises RuleError."""

    def reset(self, by: Reset = Reset.SOFTWARE) -> None:
        """Do a reset: bytes on the line stay."""

    def boot(self, read: Callable[[int, int], bytes]) -> Boot | None:
        """What a boot ROM does with the program, of which ``read`` gives bytes; None: the core starts from its vectors.

        Raises:
            RuleError: The boot ROM would not start it.
        """

    def arrived(self) -> None:
        """Called when a boot stage of :meth:`boot` starts the program; raises RuleError."""


CHIPS: Mapping[str, Callable[[Board], Chip]] = {
    "nrf52": nrf52.Nrf52,
    "rp2040": lambda board: rp2.Rp2(rp2.RP2040, board),
    "rp2350": lambda board: rp2.Rp2(rp2.RP2350, board),
    "stm32f4": lambda board: Stm32(stm32f4.family(board), board),
    "stm32l4": lambda board: Stm32(stm32l4.family(board), board),
    "stm32g0": lambda board: Stm32(stm32g0.family(board), board),
    "stm32u5": lambda board: Stm32(stm32u5.family(board), board),
    "stm32h7": Stm32h7,
}
"""Port -> the chip of a board that has it."""


def chip_of(board: Board) -> Chip:
    """A healthy chip, as after power-on; raises UsageError where none is modelled."""
    if board.port not in CHIPS:
        raise UsageError(
            f"no chip is modelled for board {board.id!r}",
            where="`port` unicorn:",
            next_step=f"use a board with port {', '.join(CHIPS)}; QEMU boards start their own emulator",
        )
    return CHIPS[board.port](board)
