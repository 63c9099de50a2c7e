"""``dqt-edge evaluate``."""

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
@click.option("--data", shell_complete=data_names, required=True, metavar="NAME|FILE", help="Its test part judges.")
@click.option(
    "--board",
    shell_complete=board_names,
    help="Compare at equal modelled cycles of this QEMU board.  [default: at equal BitOPs]",
)
@click.option(
    "--by",
    type=click.Choice(["agreement", "accuracy", "recall"]),
    help="What rivals are chosen by.  [default: what the model was tuned by]",
)
@click.option("--samples", "count", type=click.IntRange(min=2), help="Number of samples, at random.  [default: all]")
@sampling
@click.option(
    "--resamples", default=2000, show_default=True, type=click.IntRange(min=100), help="Of the paired bootstrap."
)
@click.option("--report", type=click.Path(path_type=Path), help="Folder for evaluation.json, .html and frontier.svg.")
@output
def evaluate(checkpoint: Path, data: str, **options: Any) -> None:  # noqa: ANN401 - by name
    """Judge a tuned model on test data, each point beside what costs as much.

    Beside each tuned point: the best fixed width vector within its mean cost, a plain cascade, the best small network
    (an early head with the layers before it), and stopping by chance at the same rates. Rivals are chosen by what tune
    wrote of the tuning samples, never on test data.

    \b
    Examples:
      dqt-edge evaluate ecg-tuned.safetensors --data ecg.npz
      dqt-edge evaluate ecg-tuned.safetensors --data ecg.npz --board qemu-m4 --report build/ecg
    """
    from .bars import bars

    shown = current()
    console = shown.console()
    with bars("reading") as progress:
        from ..api.evaluating import evaluate as run
        from ..report import evaluation as reports

        result = run(checkpoint, data, progress=progress, **options)
    if shown.result(lambda: {**result.as_json(), "files": [str(path) for path in result.files]}):
        return
    reports.show(result.facts_json, console)
    if result.files:
        echo(f"wrote {', '.join(map(str, result.files))}")
