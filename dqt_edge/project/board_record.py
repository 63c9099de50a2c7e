"""The board of an exported project, kept in the project: it is found again wherever the folder goes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ..boards import Board, read_board
from ..system.toml_record import to_toml

BOARD = "board.toml"
PORT = "./port"
"""Where a project has the sources of its port."""


def board_text(board: Board) -> str:
    """The project's board file; a port of the user's own is the one in the project."""
    return "# Board of this project, as it was exported.\n" + to_toml(
        replace(board, port=PORT) if board.has_own_port else board
    )


def recorded_board(folder: Path, manifest: dict[str, Any]) -> Board:
    """Board of the project in a folder.

    Raises:
        BadFileError: Its board file is missing or invalid.
        ValueError: Manifest and board file do not agree.
    """
    if "board" not in manifest:
        raise ValueError("board is missing")
    stated = manifest["board"]
    board = read_board(folder / BOARD)
    if board.id != stated:
        raise ValueError(f"it names board {stated!r}, and {BOARD} states {board.id!r}")
    return board
