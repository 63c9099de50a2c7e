"""``dqt-edge tune``."""

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
    help="Its validation part chooses, never its test part.",
)
@click.option(
    "--board",
    shell_complete=board_names,
    help="Count costs in modelled cycles of this QEMU board, such as qemu-m4.  [default: BitOPs]",
)
@click.option(
    "--agree",
    metavar="LIST",
    help="Promises: least shares of the full network's answers.  [default: 0.999,0.995,0.99,0.98,0.95]",
)
@click.option("--costs", metavar="LIST", help="Promises: most mean costs, of the full network's, such as 0.3,0.5.")
@click.option(
    "--by",
    type=click.Choice(["agreement", "accuracy", "recall"]),
    default="agreement",
    show_default=True,
    help="What is best within a cost.",
)
@click.option(
    "--mask",
    "--stops",
    "stops",
    metavar="NAMES",
    help="Classes that may be answered early; 'common' is the most frequent one.  [default: all]",
)
@click.option(
    "--widths",
    metavar="VECTORS",
    help="What inferences may begin with: '4x4;8x8,4x4,2x4', 'dynamic', 'search'.  [default: the widest, each pair "
    "for all layers, the trained vector, the controller]",
)
@click.option(
    "--part",
    type=click.Choice(["validation", "training", "both"]),
    default="validation",
    show_default=True,
    help="Part of the data that chooses.",
)
@click.option("--validation", type=float, help="Share of the training samples that is validation, as in training.")
@click.option("--samples", default=5000, show_default=True, type=click.IntRange(min=2), help="Most samples.")
@sampling
@click.option("--second-pass/--no-second-pass", default=True, help="Whether an answer may be computed again, wider.")
@click.option("--confidence", type=float, help="Keep promises by a lower bound of this confidence, such as 0.95.")
@click.option("--out", type=click.Path(path_type=Path), help="Checkpoint to write.")
@output
def tune(checkpoint: Path, data: str, **options: Any) -> None:  # noqa: ANN401 - by name
    """Find the cheapest settings of decision points and widths that keep promises, without training.

    Records margins and answers of the samples once, searches the thresholds over that record, and writes the settings
    into OUT as tuned points: policies such as agree:0.995 and dynamic:0.4 name them. The record is kept beside OUT,
    so that other promises are found at once.

    \b
    Examples:
      dqt-edge tune ecg.safetensors --data ecg.npz --out ecg-tuned.safetensors
      dqt-edge tune ecg.safetensors --data ecg.npz --board qemu-m4 --agree 0.995,0.99 --out ecg-tuned.safetensors
      dqt-edge tune ecg.safetensors --data ecg.npz --costs 0.25,0.4 --by recall --stops N --out ecg-tuned.safetensors
    """
    from .bars import bars

    shown = current()
    console = shown.console()
    with bars("reading") as progress:
        from ..api.tuning import tune as run
        from ..report import tuning as reports

        result = run(checkpoint, data, progress=progress, **options)
    for promise in result.dropped:
        shown.note(f"note: {promise}: left out, another setting costs less and agrees as often")
    found = result.as_json()
    if shown.result(lambda: {**found, "files": [str(path) for path in result.files]}):
        return
    reports.show(found["points"], found, [point.name for point in result.graph.points], console)
    for line in reports.notes(found):
        console.print(line, highlight=False)
    if result.files:
        echo(f"wrote {', '.join(map(str, result.files))}")
