"""``dqt-edge build``."""

from __future__ import annotations

from pathlib import Path

import click

from .echo import echo
from .output import current, output


@click.command()
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option("--sanitize", is_flag=True, help="Native builds: add the address and undefined-behaviour sanitizers.")
@output
def build(folder: Path | None, sanitize: bool) -> None:
    """Compile an exported project to ELF, HEX, BIN, map and compile_commands.json, and compare sizes with the plan.

    \b
    Examples:
      dqt-edge build
      dqt-edge build build/digits-stm32h7
    """
    from rich.table import Table

    from .bars import bars

    shown = current()
    with bars("building"):
        from ..api.building import build as run
        from ..api.given import project_of
        from ..system.tools import compiler_version

        project = project_of(folder)
        image = run(project, sanitize=sanitize)
    if shown.result(lambda: {**image.as_json(), "predicted": project.manifest["predicted"]}):
        return
    echo(f"built {image.elf}")
    if project.board.is_host:
        return
    predicted = project.manifest["predicted"]
    exact = predicted["exact"]
    table = Table("bytes", "predicted" if exact else "predicted at most", "ELF", "difference")
    for name, key, measured in (("flash", "flash", image.flash), ("RAM", "ram", image.ram)):
        table.add_row(name, f"{predicted[key]:,}", f"{measured:,}", f"{measured - predicted[key]:+,}")
    shown.console().print(table)
    if not exact:
        echo(f"note: sizes were predicted without a compiler: {predicted['basis']}")
    elif (image.flash, image.ram) != (predicted["flash"], predicted["ram"]):
        version = compiler_version()
        reason = f"your compiler is {version}" if version != predicted["compiler"] else "the same compiler was used"
        echo(f"note: code sizes were predicted for arm-none-eabi-gcc {predicted['compiler']}; {reason}")
