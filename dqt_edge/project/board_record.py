"""The board of an exported project, kept in the project: it is found again wherever the folder goes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ..boards import Board, board_ids, load_board, read_board
from ..system.toml_record import to_toml

BOARD = "board.toml"
PORT = "./port"
"""Where a project has the sources of its port."""

WITHOUT_RECORD = 1
"""Format of manifests whose projects have no board file: they name a shipped board."""


def board_text(board: Board) -> str:
    """The project's board file; a port of the user's own is the one in the project."""
    return "# Board of this project, as it was exported.\n" + to_toml(
        replace(board, port=PORT) if board.has_own_port else board
    )


def recorded_board(folder: Path, manifest: dict[str, Any]) -> Board:
    """Board of the project in a folder.

    Raises:
        BadFileError: Its board file is missing or invalid.
        ValueError: Manifest and board file do not agree, or the board is unknown.
    """
    stated = manifest["board"]
    if manifest["format"] == WITHOUT_RECORD:
        if stated not in board_ids():
            raise ValueError(f"unknown board {stated!r}")
        return load_board(stated)
    board = read_board(folder / BOARD)
    if board.id != stated:
        raise ValueError(f"it names board {stated!r}, and {BOARD} states {board.id!r}")
    return board
