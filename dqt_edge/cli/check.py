"""``dqt-edge check``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

if TYPE_CHECKING:
    from rich.table import Table

    from ..lowering.plan import Plan


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--board", required=True, help="Board id, or a board file (.toml); 'dqt-edge boards' lists ids.")
@click.option(
    "--optimize",
    type=click.Choice(["speed", "flash", "ram"]),
    default="speed",
    show_default=True,
    help="speed: the fastest kernels that the RAM allows. flash: fewer and smaller ones, at up to 1.25 of the "
    "estimated cycles. ram: the smallest arena.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(checkpoint: Path, board: str, optimize: Literal["speed", "flash", "ram"], as_json: bool) -> None:
    """Say whether a checkpoint fits a board, before anything is compiled. Exit code 3 if it does not.

    Sizes are predictions to the byte for the whole image, code and stack included. "bound" is the largest value an
    accumulator of the layer can reach on any input, as a share of what int32 holds. "cycles" are estimated, at the
    first of the layer's widths; 'dqt-edge profile' models them from a run.

    \b
    Examples:
      dqt-edge check digits.safetensors --board stm32h7
      dqt-edge check digits.safetensors --board qemu-m4 --json
      dqt-edge check digits.safetensors --board qemu-m4 --optimize flash
    """
    import json

    from rich import box
    from rich.console import Console
    from rich.table import Table

    from ..api.planning import plan as make_report

    report = make_report(checkpoint, board, optimize=optimize)
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=2))
        report.require_fit()
        return
    plan, footprint, facts, spare = report.plans[0], report.footprint, report.predicted, report.spare
    table = Table(title=plan.name, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in ("layer", "output", "MAC", "cycles", "flash", "RAM out", "scratch", "widths", "bound"):
        # In a narrow terminal lists of widths break; names of layers and numbers stay whole.
        table.add_column(column, overflow="fold", no_wrap=column != "widths")
    for layer in plan.layers:
        table.add_row(
            layer.name,
            "x".join(map(str, layer.shape)),
            f"{layer.macs:,}",
            "-" if layer.cycles[0] is None else f"{layer.cycles[0]:,.0f}",
            f"{layer.weight_bytes:,}",
            f"{layer.output_size:,}",
            f"{layer.scratch:,}",
            " ".join(f"{w}x{a}" for w, a in layer.widths) if layer.macs else "-",
            f"{layer.bound / 2**31:.2%}" if layer.bound else "-",
        )
    peak = facts["peaks"][0]
    console = Console(emoji=False)
    console.print(table)
    console.print(_ends(plan))
    needed = "needed" if footprint.exact else "at most"
    total = Table("bytes", needed, "board has", "to spare", "made of", title=report.board.name)
    total.add_row(
        "flash",
        f"{footprint.flash:,}",
        f"{footprint.flash_region.size:,}",
        f"{spare['flash']:,}",
        f"code {facts['code']:,}, weights {facts['weights']:,}, tables {facts['tables']:,}",
    )
    total.add_row(
        f"RAM ({footprint.ram_region.name})",
        f"{footprint.ram:,}",
        f"{footprint.ram_region.size:,}",
        f"{spare['ram']:,}",
        f"arena {facts['arena']:,} (tensors {peak['tensors']:,}, scratch {peak['scratch']:,}; together at least "
        f"{peak['lower_bound']:,}), "
        f"stack {facts['stack']:,}, buffers {facts['buffers']:,}, variables {facts['static']:,}",
    )
    console.print(total)
    console.print(_memory_map(plan))
    if report.dial:
        click.echo(f"dial: {len(report.dial)} points, {report.dial[0]:.3f} to {report.dial[-1]:.3f} of the 8x8 BitOPs")
    click.echo(report.estimate)
    for sentence in report.decisions:
        click.echo(sentence)
    click.echo(f"code sizes: {footprint.basis}")
    report.require_fit()
    click.echo(f"{plan.name} fits {report.board.id}")


def _ends(plan: Plan) -> Table:
    """Inputs and outputs, with what their codes stand for, and states."""
    from rich.table import Table

    table = Table("what", "tensor", "shape", "bytes", "scale", "zero point", title="inputs and outputs")
    for kind, terminals in (("input", plan.inputs), ("output", plan.outputs)):
        for terminal in terminals:
            scale, zero = f"{terminal.scale:.6g}", str(terminal.zero_point)
            table.add_row(kind, terminal.name, terminal.text, f"{terminal.size:,}", scale, zero)
    if plan.states:
        kept = sum(4 * state.words for state in plan.states)
        table.add_row("states", f"{len(plan.states)} kept", "", f"{kept:,}", "", "")
    return table


def _memory_map(plan: Plan) -> Table:
    """What lies in the arena when it is fullest; regions overlap where an output takes over its input."""
    from rich.table import Table

    table = Table("bytes", "from", "to", title=f"arena during layer {plan.peak}, when it is fullest")
    for region in plan.peak_regions:
        table.add_row(region.what, f"{region.offset:,}", f"{region.offset + region.size:,}")
    return table
