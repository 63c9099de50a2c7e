"""``dqt-edge boards``."""

from __future__ import annotations

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def boards(as_json: bool) -> None:
    """List the supported boards: core, clock, memory, what is counted, how it is flashed.

    \b
    Examples:
      dqt-edge boards
      dqt-edge boards --json
    """
    import dataclasses
    import json

    from rich.console import Console
    from rich.table import Table

    from ..boards import board_ids, load_board

    found = [load_board(board_id) for board_id in board_ids()]
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(board) for board in found], indent=2))
        return
    table = Table("board", "core", "clock", "flash", "RAM", "counts", "flash with", title="Boards")
    for board in found:
        sizes = [" + ".join(f"{r.size // 1024:,} KiB" for r in board.regions(kind)) or "-" for kind in ("flash", "ram")]
        clock = f"{board.cpu.hz / 1e6:g} MHz" if board.cpu.hz else "-"
        runners = ", ".join(r.name for r in board.runners) or ("QEMU" if board.qemu else "-")
        table.add_row(board.id, board.cpu.core, clock, *sizes, board.counter.unit, runners)
    Console().print(table)
