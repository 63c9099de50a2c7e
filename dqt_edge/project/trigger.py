"""A pin of the board that is high while the model runs: a power analyser tells an inference by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..boards import PIN, Board, Trigger
from ..errors import UsageError

DEFAULT = "default"
"""The pin that the board's file names."""

PORT, NUMBER = "trigger_port", "trigger_pin"
"""The constants that the firmware is compiled with; without them it has no trigger."""

UNITS = ("app/dqt_server.c", "app/dqt_text.c")
"""Sources of the app that are other code with a trigger."""

DEBUG = {(0, 13): "SWDIO", (0, 14): "SWCLK"}
"""Pins of STM32 chips that a debug probe needs."""


def has_trigger(board: Board) -> bool:
    """Whether an image of the board drives a pin."""
    return NUMBER in board.constants


def with_trigger(board: Board, wanted: str = DEFAULT) -> Board:
    """The board with a trigger.

    Args:
        board: Its file names a pin, under ``[trigger]``.
        wanted: Another pin of its chip, or ``"default"``.

    Raises:
        UsageError: The board has no pin for it, or not this one.
    """
    known = board.trigger
    if known is None:
        raise _refused(board, _why_none(board), "choose a board of silicon, or measure at the board's supply alone")
    name = known.pin if wanted == DEFAULT else wanted.upper()
    pin, like = pin_numbers(name), pin_numbers(known.pin)
    if pin is None or like is None or pin[0] != like[0]:
        raise _refused(board, f"there is no pin {wanted!r}", f"name it as the chip's manual does, such as {known.pin}")
    _, port, number = pin
    if (port, number) in serial_pins(board.constants):
        raise _refused(board, f"the pin {name} is the serial line's", f"use another one, such as {known.pin}")
    if pin[0] == "letter" and (port, number) in DEBUG:
        raise _refused(board, f"the pin {name} is {DEBUG[port, number]}", f"use another one, such as {known.pin}")
    where = known.where if name == known.pin else "see the board's manual"
    constants = {**board.constants, PORT: port, NUMBER: number}
    return replace(board, trigger=Trigger(name, where), constants=constants)


def pin_numbers(name: str) -> tuple[str, int, int] | None:
    """How a pin is named (``letter``, ``port`` or ``flat``), its port from 0 on, and its number there; None: no pin."""
    found = PIN.fullmatch(name)
    if found is None:
        return None
    if found["letter"]:
        kind, port, number, most = "letter", ord(found["letter"]) - ord("A"), int(found["a"]), 15
    elif found["port"]:
        kind, port, number, most = "port", int(found["port"]), int(found["b"]), 31 if found["port"] == "0" else 15
    else:
        kind, port, number, most = "flat", 0, int(found["c"]), 29
    return (kind, port, number) if number <= most and (kind != "port" or port <= 1) else None


def serial_pins(constants: Mapping[str, int]) -> set[tuple[int, int]]:
    """Port and number of the pins that the serial line is on, as far as the board's constants say it."""
    shared = constants.get("gpio_port", 0)
    return {(constants.get(f"{end}_port", shared), constants[end]) for end in ("tx", "rx") if end in constants}


def _why_none(board: Board) -> str:
    if board.is_host:
        return "this computer has no pin"
    if board.qemu is not None:
        return f"board {board.id!r} is emulated, and QEMU has no pin that anything could be connected to"
    return f"the file of board {board.id!r} names no pin, under [trigger]"


def _refused(board: Board, what: str, next_step: str) -> UsageError:
    return UsageError(what, where=f"`trigger_pin`, {board.file}", next_step=next_step)
