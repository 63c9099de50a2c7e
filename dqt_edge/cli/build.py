"""``dqt-edge build``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option("--sanitize", is_flag=True, help="Native builds: add the address and undefined-behaviour sanitizers.")
def build(folder: Path | None, sanitize: bool) -> None:
    """Compile an exported project to ELF, HEX, BIN, map and compile_commands.json, and compare sizes with the plan.

    \b
    Examples:
      dqt-edge build
      dqt-edge build build/digits-stm32h7
    """
    from rich.console import Console
    from rich.table import Table

    from ..errors import MismatchError, UsageError
    from ..project.build import build as build_project
    from ..project.build import forbidden_symbols
    from ..project.manifest import find_project
    from ..system.tools import compiler_version

    project = find_project(folder)
    cross = not project.board.is_host
    if sanitize and cross:
        raise UsageError(
            "the sanitizers need an operating system", where="--sanitize", next_step="use it with a host project"
        )
    definitions = [] if cross else [f"DQT_SANITIZE={'ON' if sanitize else 'OFF'}"]
    image = build_project(project.folder, cross=cross, definitions=definitions)
    click.echo(f"built {image.elf}")
    if not cross:
        return
    banned = forbidden_symbols(image.elf)
    if banned:
        raise MismatchError(
            f"the image links {', '.join(banned)}: heap, printf or soft-float",
            where=str(image.elf),
            next_step="report this: an exported project must not need them",
        )
    predicted = project.manifest["predicted"]
    exact = predicted.get("exact", True)
    table = Table("bytes", "predicted" if exact else "predicted at most", "ELF", "difference")
    for name, key, measured in (("flash", "flash", image.flash), ("RAM", "ram", image.ram)):
        table.add_row(name, f"{predicted[key]:,}", f"{measured:,}", f"{measured - predicted[key]:+,}")
    Console().print(table)
    if not exact:
        if image.flash > predicted["flash"] or image.ram > predicted["ram"]:
            raise MismatchError(
                f"the image is larger than the upper bound, built with arm-none-eabi-gcc {compiler_version()}",
                where=str(image.elf),
                next_step="export again where this compiler is installed; if no source was edited, report this",
            )
        click.echo(f"sizes were predicted without a compiler: {predicted['basis']}")
    elif (image.flash, image.ram) != (predicted["flash"], predicted["ram"]):
        version = compiler_version()
        reason = f"your compiler is {version}" if version != predicted["compiler"] else "the same compiler was used"
        click.echo(f"note: code sizes were predicted for arm-none-eabi-gcc {predicted['compiler']}; {reason}")
        click.echo("      export again where your compiler is installed: sizes and the stack's are then its own")
