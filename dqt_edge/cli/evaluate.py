"""``dqt-edge evaluate``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from .completing import board_names
from .echo import echo
from .sampling import sampling


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--data", required=True, metavar="NAME|FILE", help="Its test part judges.")
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
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write everything that was found there.")
def evaluate(checkpoint: Path, data: str, json_file: Path | None, **options: Any) -> None:  # noqa: ANN401 - by name
    """Judge a tuned model on test data, each point beside what costs as much.

    Beside each tuned point: the best fixed width vector within its mean cost, a plain cascade, the best small network
    (an early head with the layers before it), and stopping by chance at the same rates. Rivals are chosen by what tune
    wrote of the tuning samples, never on test data.

    \b
    Examples:
      dqt-edge evaluate ecg-tuned.safetensors --data ecg.npz
      dqt-edge evaluate ecg-tuned.safetensors --data ecg.npz --board qemu-m4 --report build/ecg
    """
    from ..api.evaluating import evaluate as run
    from ..report import evaluation as reports
    from ..system.files import write_atomically
    from .bars import bars
    from .console import Console

    console = Console()
    with bars(console) as progress:
        result = run(checkpoint, data, progress=progress, **options)
    reports.show(result.facts_json, console)
    if json_file is not None:
        write_atomically(json_file, (json.dumps(result.as_json(), indent=2) + "\n").encode())
    written = [*result.files, *([] if json_file is None else [json_file])]
    if written:
        echo(f"wrote {', '.join(map(str, written))}")
