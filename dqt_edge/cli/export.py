"""``dqt-edge export``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--board", required=True, help="Board id; 'dqt-edge boards' lists them.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write. Default: build/<checkpoint>-<board>.")
def export(checkpoint: Path, board: str, out: Path | None) -> None:
    """Write a self-contained C project: weights, kernels, model, app, linker script, CMakeLists, manifest.

    The folder becomes the default of 'build', 'flash' and 'profile' in this folder.

    \b
    Examples:
      dqt-edge export digits.safetensors --board stm32h7
      dqt-edge export digits.safetensors --board qemu-m4 --out firmware-m4
    """
    from .. import project
    from ..boards import load_board
    from ..checkpoint import load

    target = load_board(board)
    graph = load(checkpoint)
    folder = out or project.default_folder(checkpoint, target)
    written, plan, footprint = project.export(graph, target, folder)
    project.remember(written)
    click.echo(f"exported {graph.name} for {target.name} to {folder}")
    click.echo(f"  kernels: {', '.join(plan.kernels)}")
    if footprint is not None:
        click.echo(f"  flash:   {footprint.flash:,} bytes predicted, {footprint.weights:,} of them weights")
        click.echo(
            f"  RAM:     {footprint.ram:,} bytes predicted, {footprint.buffers.memory:,} of them arena and scratch"
        )
    click.echo("next: dqt-edge build")
