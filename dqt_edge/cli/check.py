"""``dqt-edge check``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from .completing import board_names
from .echo import echo
from .output import current, output

if TYPE_CHECKING:
    from rich.table import Table

    from ..api.ranking import BoardFit
    from ..lowering.plan import Plan

ALL = "all"
"""In place of a board: all shipped ones."""


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option(
    "--board",
    multiple=True,
    shell_complete=board_names,
    help="Board id, or a board file (.toml); 'dqt-edge boards' lists ids. Several, or all, are ranked.  [default: all]",
)
@click.option(
    "--optimize",
    type=click.Choice(["speed", "flash", "ram"]),
    default="speed",
    show_default=True,
    help="speed: the fastest kernels that the RAM allows. flash: fewer and smaller ones, at up to 1.25 of the "
    "estimated cycles. ram: the smallest arena.",
)
@click.option("--text-protocol", metavar="NAME", help="With MLPerf Tiny's text protocol in the image, as of 'export'.")
@output
def check(
    checkpoint: Path,
    board: tuple[str, ...],
    optimize: Literal["speed", "flash", "ram"],
    text_protocol: str | None,
) -> None:
    """Say whether a checkpoint fits a board, or which of all boards, before anything is compiled.

    Exit code 3 if it does not, or none. Without --board all shipped boards are ranked: those that it fits by time, the
    others by what is missing, with what to change.

    Sizes are predictions to the byte for the whole image, code and stack included. "bound" is the largest value an
    accumulator of the layer can reach on any input, as a share of what int32 holds. "cycles" are estimated, at the
    first of the layer's widths; 'dqt-edge profile' models them from a run.

    \b
    Examples:
      dqt-edge check digits.safetensors
      dqt-edge check digits.safetensors --board stm32h7
      dqt-edge check digits.safetensors --board all --board my-board.toml
      dqt-edge check digits.safetensors --board qemu-m4 --json
      dqt-edge check digits.safetensors --board qemu-m4 --optimize flash
    """
    from rich import box
    from rich.table import Table

    from .bars import bars

    shown = current()
    if len(board) != 1 or board[0] == ALL:
        _rank(checkpoint, board, optimize, text_protocol)
        return
    with bars("planning"):
        from ..api.planning import plan as make_report

        report = make_report(checkpoint, board[0], optimize=optimize, text_protocol=text_protocol)
    if shown.result(report.as_json):
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
    console = shown.console()
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
        echo(f"dial: {len(report.dial)} points, {report.dial[0]:.3f} to {report.dial[-1]:.3f} of the 8x8 BitOPs")
    echo(report.estimate)
    for sentence in report.decisions:
        echo(sentence)
    echo(f"code sizes: {footprint.basis}")
    report.require_fit()
    echo(f"{plan.name} fits {report.board.id}")


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


def _rank(
    checkpoint: Path,
    boards: tuple[str, ...],
    optimize: Literal["speed", "flash", "ram"],
    text_protocol: str | None,
) -> None:
    """Print the boards in the order of their rank, and what to change."""
    from .bars import bars

    shown = current()
    with bars("planning"):
        from ..api.ranking import rank_boards, shipped_boards

        named = [name for each in boards or (ALL,) for name in (shipped_boards() if each == ALL else (each,))]
        ranking = rank_boards(checkpoint, list(dict.fromkeys(named)), optimize=optimize, text_protocol=text_protocol)
    if shown.result(ranking.as_json):
        ranking.require_fit()
        return
    shown.console().print(_ranks(ranking.name, ranking.boards))
    for fit in ranking.boards:
        for sentence in (fit.reason, *fit.changes):
            if sentence:
                echo(f"{fit.board.id}: {sentence}")
    echo("cycles: estimated for the first widths of every layer, at 0 wait states; +: without some layers")
    if any(fit.report is not None and not fit.report.footprint.exact for fit in ranking.boards):
        echo("*: at most; install arm-none-eabi-gcc to know exactly")
    ranking.require_fit()
    echo(f"{ranking.name} fits {len(ranking.fitting)} of {len(ranking.boards)} boards")


def _ranks(name: str, fits: tuple[BoardFit, ...]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=f"{name} on boards", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in ("board", "core", "fits", "flash free", "RAM free", "cycles", "time"):
        text = column in ("board", "core", "fits")
        table.add_column(column, justify="left" if text else "right", overflow="fold")
    for fit in fits:
        report = fit.report
        mark = "" if report is None or report.footprint.exact else "*"
        spare = ["-", "-"] if report is None else [f"{report.spare[kind]:,}{mark}" for kind in ("flash", "ram")]
        cycles = "-" if fit.cycles is None else f"{fit.cycles / 1e6:,.3f} M{'+' if fit.unknown else ''}"
        time = "-" if fit.milliseconds is None else _time(fit.milliseconds)
        table.add_row(
            fit.board.id, fit.board.cpu.core.removeprefix("cortex-"), "yes" if fit.fits else "no", *spare, cycles, time
        )
    return table


def _time(milliseconds: float) -> str:
    return f"{milliseconds:.2f} ms" if milliseconds < 100 else f"{milliseconds:,.0f} ms"
