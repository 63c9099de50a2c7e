"""``dqt-edge check``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.table import Table

    from ..lowering.plan import Plan


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--board", required=True, help="Board id, or a board file (.toml); 'dqt-edge boards' lists ids.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(checkpoint: Path, board: str, as_json: bool) -> None:
    """Say whether a checkpoint fits a board, before anything is compiled. Exit code 3 if it does not.

    Sizes are predictions to the byte for the whole image, code and stack included, or an upper bound where this core,
    compiler or port has not been measured; the last line says which. "bound" is the largest value an
    accumulator of the layer can reach on any input, as a share of what int32 holds.

    \b
    Examples:
      dqt-edge check digits.safetensors --board stm32h7
      dqt-edge check digits.safetensors --board qemu-m4 --json
      dqt-edge check digits.safetensors --board boards/mine.toml
    """
    import json

    from rich import box
    from rich.console import Console
    from rich.table import Table

    from ..boards import load_board
    from ..errors import UsageError
    from ..graph.checkpoint import load
    from ..lowering.plan import make_plan
    from ..project.export import footprint_facts
    from ..project.footprint import predict, require_fit

    target = load_board(board)
    if target.is_host:
        raise UsageError(
            "the host has no flash and RAM limits to check",
            where="--board host",
            next_step="choose another board",
        )
    graph = load(checkpoint)
    plan = make_plan(graph, target)
    footprint = predict([plan], check=False)
    facts = footprint_facts([plan], footprint)
    if as_json:
        layers = [
            {
                "name": layer.name,
                "kernel": layer.kernel,
                "shape": layer.shape,
                "macs": layer.macs,
                "flash": layer.weight_bytes,
                "ram": layer.output_size,
                "scratch": layer.scratch,
                "candidates": [f"{w}x{a}" for w, a in layer.widths],
                "bound": layer.bound,
            }
            for layer in plan.layers
        ]
        spare = {
            "flash": footprint.flash_region.size - footprint.flash,
            "ram": footprint.ram_region.size - footprint.ram,
        }
        found = {"board": target.id, "predicted": facts, "spare": spare, "dial": graph.dial_targets, "layers": layers}
        click.echo(json.dumps(found, indent=2))
        require_fit(target, footprint)
        return
    table = Table(title=plan.name, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in ("layer", "output", "MAC", "flash", "RAM out", "scratch", "widths", "bound"):
        # In a narrow terminal lists of widths break; names of layers and numbers stay whole.
        table.add_column(column, overflow="fold", no_wrap=column != "widths")
    for layer in plan.layers:
        table.add_row(
            layer.name,
            "x".join(map(str, layer.shape)),
            f"{layer.macs:,}",
            f"{layer.weight_bytes:,}",
            f"{layer.output_size:,}",
            f"{layer.scratch:,}",
            " ".join(f"{w}x{a}" for w, a in layer.widths) if layer.macs else "-",
            f"{layer.bound / 2**31:.2%}" if layer.bound else "-",
        )
    peak = facts["peaks"][0]
    console = Console()
    console.print(table)
    total = Table(
        "bytes", "needed" if footprint.exact else "at most", "board has", "to spare", "made of", title=f"{target.name}"
    )
    total.add_row(
        "flash",
        f"{footprint.flash:,}",
        f"{footprint.flash_region.size:,}",
        f"{footprint.flash_region.size - footprint.flash:,}",
        f"code {facts['code']:,}, weights {facts['weights']:,}, tables {facts['tables']:,}",
    )
    total.add_row(
        f"RAM ({footprint.ram_region.name})",
        f"{footprint.ram:,}",
        f"{footprint.ram_region.size:,}",
        f"{footprint.ram_region.size - footprint.ram:,}",
        f"arena {facts['arena']:,} (tensors {peak['tensors']:,}, scratch {peak['scratch']:,}; together at least "
        f"{peak['lower_bound']:,}), "
        f"stack {facts['stack']:,}, buffers {facts['buffers']:,}, variables {facts['static']:,}",
    )
    console.print(total)
    console.print(_memory_map(plan))
    if graph.dial_targets:
        low, high = graph.dial_targets[0], graph.dial_targets[-1]
        click.echo(f"dial: {len(graph.dial_targets)} points, {low:.3f} to {high:.3f} of the 8x8 BitOPs")
    click.echo(f"code sizes: {footprint.basis}")
    require_fit(target, footprint)
    click.echo(f"{plan.name} fits {target.id}")


def _memory_map(plan: Plan) -> Table:
    """What lies in arena and scratch when they are fullest; an output may take over its input as it is read."""
    from rich.table import Table

    table = Table("bytes", "from", "to", title=f"memory during layer {plan.peak}, when it is fullest")
    for region in plan.peak_regions:
        table.add_row(region.what, f"{region.offset:,}", f"{region.offset + region.size:,}")
    return table
