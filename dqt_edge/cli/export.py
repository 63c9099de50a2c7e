"""``dqt-edge export``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click


@click.command()
@click.argument("checkpoints", metavar="CHECKPOINT...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--board", required=True, help="Board id, or a board file (.toml); 'dqt-edge boards' lists ids.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write. Default: build/<checkpoint>-<board>.")
@click.option(
    "--optimize",
    type=click.Choice(["speed", "flash", "ram"]),
    default="speed",
    show_default=True,
    help="What is weighed most; 'dqt-edge check' takes it too, and shows what it gives.",
)
@click.option("--force", is_flag=True, help="Replace files that were changed since the last export.")
def export(
    checkpoints: tuple[Path, ...], board: str, out: Path | None, optimize: Literal["speed", "flash", "ram"], force: bool
) -> None:
    """Write a self-contained C project: library, weights, kernels, serial server, CMakeLists, examples, manifest.

    Several checkpoints become one project whose models share kernels. The folder becomes the default of 'build',
    'flash' and 'profile' in this folder.

    \b
    Examples:
      dqt-edge export digits.safetensors --board stm32h7
      dqt-edge export digits.safetensors --board qemu-m4 --out firmware-m4
      dqt-edge export digits.safetensors --board qemu-m4 --optimize flash
      dqt-edge export digits.safetensors keywords.safetensors --board qemu-m4 --out both
      dqt-edge export digits.safetensors --board boards/mine.toml
    """
    from ..api.exporting import export as run
    from ..project.manifest import remember

    project = run(checkpoints, board, out, force=force, optimize=optimize)
    remember(project)
    names = ", ".join(model.name for model in project.models)
    kernels = sorted({layer["kernel"] for model in project.models for layer in model.facts["layers"]})
    click.echo(f"exported {names} for {project.board.name} to {project.folder}")
    click.echo(f"  kernels: {', '.join(kernels)}")
    for model in project.models:
        click.echo(f"  model:   dqt_{model.symbol}.h, arena of {model.facts['arena']:,} bytes")
        for kind in ("inputs", "outputs"):
            shown = (f"{end['name']} {'x'.join(map(str, end['shape']))}" for end in model.facts[kind])
            click.echo(f"  {kind + ':':<8} {', '.join(shown)}")
        if model.facts["states"]:
            click.echo(f"  states:  {model.facts['states']}, kept in the arena between inferences")
    sizes = project.manifest["predicted"]
    if sizes is not None:
        predicted = "predicted" if sizes["exact"] else "predicted at most"
        click.echo(f"  flash:   {sizes['flash']:,} bytes {predicted}, {sizes['weights']:,} of them weights")
        click.echo(f"  RAM:     {sizes['ram']:,} bytes {predicted}, {sizes['arena']:,} of them arena")
        if not sizes["exact"]:
            click.echo(f"  sizes:   {sizes['basis']}")
    click.echo("next: dqt-edge build")
