"""``dqt-edge export``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("checkpoints", metavar="CHECKPOINT...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--board", required=True, help="Board id, or a board file (.toml); 'dqt-edge boards' lists ids.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write. Default: build/<checkpoint>-<board>.")
@click.option("--force", is_flag=True, help="Replace files that were changed since the last export.")
def export(checkpoints: tuple[Path, ...], board: str, out: Path | None, force: bool) -> None:
    """Write a self-contained C project: library, weights, kernels, serial server, CMakeLists, examples, manifest.

    Several checkpoints become one project whose models share kernels. The folder becomes the default of 'build',
    'flash' and 'profile' in this folder.

    \b
    Examples:
      dqt-edge export digits.safetensors --board stm32h7
      dqt-edge export digits.safetensors --board qemu-m4 --out firmware-m4
      dqt-edge export digits.safetensors keywords.safetensors --board qemu-m4 --out both
      dqt-edge export digits.safetensors --board boards/mine.toml
    """
    from ..boards import load_board
    from ..graph.checkpoint import load
    from ..project.export import default_folder, export_together
    from ..project.manifest import remember

    target = load_board(board)
    graphs = [load(checkpoint) for checkpoint in checkpoints]
    folder = out or default_folder(checkpoints[0], target)
    written, plans, footprint = export_together(graphs, target, folder, force=force)
    remember(written)
    click.echo(f"exported {', '.join(graph.name for graph in graphs)} for {target.name} to {folder}")
    click.echo(f"  kernels: {', '.join(sorted({kernel for plan in plans for kernel in plan.kernels}))}")
    for model, plan in zip(written.models, plans, strict=True):
        click.echo(f"  model:   dqt_{model.symbol}.h, arena of {plan.arena_size:,} bytes")
    if footprint is not None:
        predicted = "predicted" if footprint.exact else "predicted at most"
        click.echo(f"  flash:   {footprint.flash:,} bytes {predicted}, {footprint.weights:,} of them weights")
        click.echo(f"  RAM:     {footprint.ram:,} bytes {predicted}, {footprint.buffers.arena:,} of them arena")
        if not footprint.exact:
            click.echo(f"  sizes:   {footprint.basis}")
    click.echo("next: dqt-edge build")
