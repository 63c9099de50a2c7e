"""``dqt-edge export``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--board", required=True, help="Board id, or a board file (.toml); 'dqt-edge boards' lists ids.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write. Default: build/<checkpoint>-<board>.")
def export(checkpoint: Path, board: str, out: Path | None) -> None:
    """Write a self-contained C project: weights, kernels, model, app, linker script, CMakeLists, manifest.

    The folder becomes the default of 'build', 'flash' and 'profile' in this folder.

    \b
    Examples:
      dqt-edge export digits.safetensors --board stm32h7
      dqt-edge export digits.safetensors --board qemu-m4 --out firmware-m4
      dqt-edge export digits.safetensors --board boards/mine.toml
    """
    from ..boards import load_board
    from ..graph.checkpoint import load
    from ..project.export import default_folder, remember
    from ..project.export import export as export_project

    target = load_board(board)
    graph = load(checkpoint)
    folder = out or default_folder(checkpoint, target)
    written, plan, footprint = export_project(graph, target, folder)
    remember(written)
    click.echo(f"exported {graph.name} for {target.name} to {folder}")
    click.echo(f"  kernels: {', '.join(plan.kernels)}")
    if footprint is not None:
        predicted = "predicted" if footprint.exact else "predicted at most"
        click.echo(f"  flash:   {footprint.flash:,} bytes {predicted}, {footprint.weights:,} of them weights")
        click.echo(
            f"  RAM:     {footprint.ram:,} bytes {predicted}, {footprint.buffers.memory:,} of them arena and scratch"
        )
        if not footprint.exact:
            click.echo(f"  sizes:   {footprint.basis}")
    click.echo("next: dqt-edge build")
