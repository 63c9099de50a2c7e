"""What a board's constants add to the serial app: sources that are other code than those of a plain image."""

from __future__ import annotations

from ..boards import Board
from . import trigger, watchdog


def other_units(board: Board) -> tuple[str, ...]:
    """Sources of the app that are other code in an image of this board, by path in the project, sorted."""
    driven = trigger.UNITS if trigger.has_trigger(board) else ()
    fed = watchdog.UNITS if watchdog.has_watchdog(board) else ()
    return tuple(sorted({*driven, *fed}))
