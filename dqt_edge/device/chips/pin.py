"""A pin that a firmware drives, as a power analyser sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ...boards import Board
from .values import checked


@dataclass
class Pin:
    """The board's trigger: low at first. ``edges``: what it became, one after another; ``name``: for messages."""

    name: str
    is_output: Callable[[], bool]
    high: bool = False
    edges: list[bool] = field(default_factory=list)

    def drive(self, high: bool) -> None:
        """Set its level; RuleError if it is raised while it is no output."""
        checked(not high or self.is_output(), f"the pin {self.name} is raised before it is an output")
        if high != self.high:
            self.edges.append(high)
        self.high = high


def trigger_of(board: Board, is_output: Callable[[], bool]) -> Pin | None:
    """The pin that the board's constants name, if there is one."""
    if "trigger_pin" not in board.constants:
        return None
    return Pin(f"{board.constants['trigger_port']}.{board.constants['trigger_pin']}", is_output)
