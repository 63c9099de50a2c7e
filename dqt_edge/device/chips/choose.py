"""The chip that is modelled for a board."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from ...boards import Board
from ...errors import UsageError
from . import stm32f4
from .core import CoreRegisters
from .stm32 import Stm32
from .stm32h7 import Stm32h7
from .uart import ShiftUsart, Usart


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
    def usart(self) -> Usart | ShiftUsart:
        """The serial line."""

    @property
    def core(self) -> CoreRegisters:
        """Registers of the core."""

    def read(self, address: int) -> int:
        """Value of a 32-bit register; raises RuleError."""

    def write(self, address: int, value: int) -> None:
        """Write a 32-bit register; raises RuleError."""

    def reset(self) -> None:
        """Do a system reset: bytes on the line stay."""


CHIPS: Mapping[str, Callable[[Board], Chip]] = {
    "stm32f4": lambda board: Stm32(stm32f4.family(board), board),
    "stm32h7": lambda board: Stm32h7(board.serial.baud),
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
