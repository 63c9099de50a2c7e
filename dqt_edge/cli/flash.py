"""``dqt-edge flash``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .output import current, output

if TYPE_CHECKING:
    from ..api.flashing import Flashed
    from .console import Console


@click.command()
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option("--runner", metavar="NAME", help="One of the board's. Default: its first that is installed.")
@click.option("--probe", metavar="SERIAL", help="Serial number of the debug probe, where several are connected.")
@click.option("--connect", metavar="HOW", help="halt or under-reset. Default: as the board's file says.")
@click.option(
    "--frequency", metavar="HZ", type=int, help="Clock of the debug probe. Default: as the board's file says."
)
@click.option(
    "--port", help="Serial port for the check afterwards, and of a boot loader. Default: by the board's USB id."
)
@click.option("--volume", type=click.Path(path_type=Path), metavar="DIR", help="Drive of the board's UF2 boot loader.")
@click.option("--dry-run", is_flag=True, help="Print what would be erased, written and run; touch no board.")
@click.option("--no-hello", is_flag=True, help="Do not ask the board for its model afterwards.")
@output
def flash(
    folder: Path | None,
    runner: str | None,
    probe: str | None,
    connect: str | None,
    frequency: int | None,
    port: str | None,
    volume: Path | None,
    dry_run: bool,
    no_hello: bool,
) -> None:
    """Write the built image to the board, read it back, reset, and check that the right model answers.

    \b
    Examples:
      dqt-edge flash --dry-run
      dqt-edge flash
      dqt-edge flash --volume /media/me/RPI-RP2 --port /dev/ttyACM0
      dqt-edge flash build/digits-stm32h7 --runner openocd --port /dev/ttyACM0
    """
    from .bars import bars

    shown = current()
    console = shown.console(soft_wrap=True)
    with bars() as progress:
        from ..api.flashing import flash as write

        done = write(
            folder,
            runner=runner,
            probe=probe,
            connect=connect,
            frequency=frequency,
            port=port,
            volume=volume,
            dry_run=dry_run,
            hello=not no_hello,
            on_plan=lambda planned: None if shown.quiet else _preview(console, planned),
            on_hand=lambda what: console.print(f"now {what}", highlight=False),
            progress=progress,
        )
    if shown.result(done.as_json):
        return
    if dry_run:
        for command in done.commands:
            console.print(command, highlight=False)
        reason = f" ({done.missing})" if done.missing else ""
        console.print(f"dry run: nothing was touched{reason}")
        return
    verb = "wrote" if done.runner == "uf2" else "wrote and verified"
    console.print(f"{verb} {done.plan.write_bytes:,} bytes with {done.runner}", highlight=False)
    if done.model is not None:
        console.print(f"the board answers with model {done.model.hex()[:16]}", highlight=False)


def _preview(console: Console, planned: Flashed) -> None:
    from rich.table import Table

    target = planned.plan.board.name
    console.print(f"{planned.image} -> {target}, runner {planned.runner}", highlight=False)
    table = Table("step", "from", "to", "bytes")
    for sector in planned.plan.sectors:
        table.add_row("erase", *_span(sector.address, sector.size))
    for segment in planned.plan.segments:
        table.add_row("write", *_span(segment.address, len(segment.data)))
    console.print(table)


def _span(address: int, size: int) -> tuple[str, str, str]:
    return f"0x{address:08x}", f"0x{address + size - 1:08x}", f"{size:,}"
