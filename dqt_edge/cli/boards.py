"""``dqt-edge boards``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .echo import echo
from .output import current, output

if TYPE_CHECKING:
    from rich.table import Table

    from ..boards import Board


@click.command()
@click.argument("file", metavar="[FILE]", required=False, type=click.Path(path_type=Path))
@click.option("--show", metavar="ID", help="Print the file of a shipped board, as a start for your own.")
@output
def boards(file: Path | None, show: str | None) -> None:
    """List the shipped boards, or check a board file of your own: values, port, and how its code sizes are known.

    \b
    Examples:
      dqt-edge boards
      dqt-edge boards --show qemu-m4 > mine.toml
      dqt-edge boards mine.toml
    """
    from ..errors import UsageError
    from .bars import bars

    shown = current()
    if show is not None:
        if file is not None or shown.as_json:
            raise UsageError(
                "--show prints a file and nothing else", where="--show", next_step="leave out FILE and --json"
            )
        from ..boards import shipped_file

        echo(shipped_file(show).read_text(encoding="utf-8"), nl=False)
        return
    with bars("reading"):
        from ..boards import board_ids, load_board
        from ..project.code_table import code_table
        from ..system.toml_record import as_table

        found = [load_board(name) for name in ([file] if file is not None else board_ids())]
    if shown.result(lambda: {"boards": [as_table(board) for board in found]}):
        return
    shown.console().print(_table(found))
    if file is not None and not found[0].is_host:
        echo(f"code sizes: {code_table(found[0]).basis}")
    if file is not None:
        echo(f"{file} is a valid board file")


def _table(found: list[Board]) -> Table:
    from rich.table import Table

    table = Table("board", "core", "clock", "flash", "RAM", "counts", "flash with", title="Boards")
    for board in found:
        sizes = [" + ".join(f"{r.size // 1024:,} KiB" for r in board.regions(kind)) or "-" for kind in ("flash", "ram")]
        clock = f"{board.cpu.hz / 1e6:g} MHz" if board.cpu.hz else "-"
        runners = ", ".join(r.name for r in board.runners) or ("QEMU" if board.qemu else "UF2" if board.uf2 else "-")
        table.add_row(board.id, board.cpu.core, clock, *sizes, board.counter.unit, runners)
    return table
