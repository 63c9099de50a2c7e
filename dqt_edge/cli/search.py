"""``dqt-edge search``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .completing import board_names, data_names
from .echo import echo
from .output import current, output
from .sampling import sampling


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option(
    "--data",
    shell_complete=data_names,
    required=True,
    metavar="NAME|FILE",
    help="Test data; its training part, if any, calibrates.",
)
@click.option("--calibration", metavar="NAME|FILE", help="Data that chooses the widths, instead.")
@click.option("--samples", default=512, show_default=True, type=click.IntRange(min=2), help="Calibration samples.")
@click.option("--n", "count", type=click.IntRange(min=1), help="Number of held-out samples, at random. Default: all.")
@sampling
@click.option(
    "--candidates",
    metavar="PAIRS",
    help="Pairs offered to every layer; 0x0: skip residual branches. Default: the checkpoint's own.",
)
@click.option(
    "--budget",
    metavar="LIST",
    help="Parts of the 8x8 BitOPs, such as 0.5 or 0.8,0.5,0.3; 'spread': four, down to the least.  "
    "[default: 0.8,0.6,0.5,0.4,0.3]",
)
@click.option(
    "--instructions", metavar="LIST", help="Budgets in counts of --board instead, or in parts of those at 8x8."
)
@click.option(
    "--cycles", metavar="LIST", help="Budgets in modelled cycles of --board, a QEMU board, or in parts of those at 8x8."
)
@click.option(
    "--board",
    shell_complete=board_names,
    help="Board of these budgets: an id such as qemu-m4, or a board file (.toml).",
)
@click.option(
    "--loss",
    type=click.Choice(["kl", "mse"]),
    help="kl: between class scores; mse: of other outputs.  [default: by the model's task]",
)
@click.option(
    "--trials", default=24, show_default=True, type=click.IntRange(min=0), help="Neighbours tried for each budget."
)
@click.option("--biases/--no-biases", default=True, help="Give a width a bias of its own where that helps.")
@click.option("--out", type=click.Path(path_type=Path), help="Checkpoint to write, fixed at the first budget's widths.")
@click.option("--keep-widths", is_flag=True, help="Let OUT keep all widths, to be chosen with --policy.")
@click.option("--report", type=click.Path(path_type=Path), help="Folder for search.json, search.svg and search.png.")
@output
def search(checkpoint: Path, data: str, **options: Any) -> None:  # noqa: ANN401 - handed on by name
    """Find the best fixed widths within a budget, without training.

    Narrows each layer alone on calibration samples, without labels; picks a width for each layer so that the losses add
    up to the least within the budget; tries neighbours of that; and prints how good the model is against budget, on
    held-out samples.

    \b
    Examples:
      dqt-edge search resnet8.safetensors --data test.npz --candidates 8x8,4x8,4x4 --budget 0.5 --out half.safetensors
      dqt-edge search resnet8.safetensors --data test.npz --candidates 8x8,4x4 --board qemu-m4 --instructions 0.9,0.8
      dqt-edge search kws.safetensors --data kws.npz --candidates 8x8,4x4,2x4 --board qemu-m4 --cycles 0.9,3.4e6
      dqt-edge search kws.safetensors --data kws.npz --budget 0.8,0.6,0.4,0.3 --report build/kws
    """
    from .bars import bars

    shown, out = current(), options["out"]
    with bars("reading") as progress:
        from ..api.searching import search as run
        from ..report import search as reports

        result = run(checkpoint, data, progress=progress, **options)
    if result.found.overlap:
        most = result.found.calibration_samples
        shown.note(
            f"note: no training data and no --calibration, so {most} of the held-out samples choose the widths, "
            "and the others judge them"
        )
    if shown.result(result.as_json):
        if result.interrupted:
            raise click.Abort
        return
    reports.show(result.found, shown.console())
    reported = [path for path in result.files if path != out]
    if reported:
        echo(f"wrote {', '.join(map(str, reported))}")
    if result.best is not None:
        echo(f"widths for --policy: {result.policy}")
        if out is not None:
            echo(f"wrote {out}")
    if result.interrupted:
        raise click.Abort
