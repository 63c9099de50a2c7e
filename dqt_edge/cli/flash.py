"""``dqt-edge flash``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from ..flashing.base import FlashPlan, Runner


@click.command()
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option("--runner", "runner_name", metavar="NAME", help="pyocd or openocd. Default: the first installed one.")
@click.option("--port", help="Serial port for the check afterwards. Default: by the board's USB id.")
@click.option("--dry-run", is_flag=True, help="Print what would be erased, written and run; touch nothing.")
@click.option("--no-hello", is_flag=True, help="Do not ask the board for its model afterwards.")
def flash(folder: Path | None, runner_name: str | None, port: str | None, dry_run: bool, no_hello: bool) -> None:
    """Write the built image to the board, read it back, reset, and check that the right model answers.

    \b
    Examples:
      dqt-edge flash --dry-run
      dqt-edge flash
      dqt-edge flash build/digits-stm32h7 --runner openocd --port /dev/ttyACM0
    """
    from rich.console import Console
    from rich.progress import Progress

    from ..flashing import base
    from ..flashing.choose import choose, runners
    from ..project.manifest import find_project

    project = find_project(folder)
    known = runners(project.board)
    planned = base.plan(project.elf, project.board)
    # A preview needs no tool: without one it shows what the first choice would do.
    installed = any(runner.available() is None for runner in known)
    runner = choose(project.board, runner_name) if installed or runner_name or not dry_run else known[0]
    console = Console(soft_wrap=True)
    _preview(console, planned, runner, project.elf)
    if dry_run:
        for command in runner.commands(planned):
            console.print(command, markup=False, highlight=False)
        reason = runner.available()
        console.print(f"dry run: nothing was touched{f' ({reason})' if reason else ''}", markup=False)
        return
    with Progress(console=console, transient=True) as bar:
        tasks = {step: bar.add_task(step, total=None) for step in ("erase", "write", "verify")}
        base.flash(planned, runner, lambda step, done, total: bar.update(tasks[step], completed=done, total=total))
    console.print(f"wrote and verified {planned.write_bytes:,} bytes with {runner.name}", highlight=False)
    if no_hello:
        return
    from ..device.connect import open_client

    with open_client(project.board, project.elf, project.model_hash, port):
        console.print(f"the board answers with model {project.model_hash.hex()[:16]}", highlight=False)


def _preview(console: Console, planned: FlashPlan, runner: Runner, elf: Path) -> None:
    from rich.table import Table

    console.print(f"{elf} -> {planned.board.name}, runner {runner.name}", markup=False, highlight=False)
    table = Table("step", "from", "to", "bytes")
    for sector in planned.sectors:
        table.add_row("erase", *_span(sector.address, sector.size))
    for segment in planned.segments:
        table.add_row("write", *_span(segment.address, len(segment.data)))
    console.print(table)


def _span(address: int, size: int) -> tuple[str, str, str]:
    return f"0x{address:08x}", f"0x{address + size - 1:08x}", f"{size:,}"
