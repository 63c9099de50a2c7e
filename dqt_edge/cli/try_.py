"""``dqt-edge try``."""

from __future__ import annotations

from pathlib import Path

import click

from .completing import board_names, data_names
from .output import current, output

WIDTH = 71
"""Characters of a line behind the seconds."""


@click.command("try")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--data",
    shell_complete=data_names,
    metavar="NAME|FILE",
    help="Typical inputs, best with labels. Default: random numbers.",
)
@click.option(
    "--board",
    shell_complete=board_names,
    help="Where it runs: a QEMU board, or host.  [default: qemu-m4; host where that cannot be]",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the page.  [default: MODEL-try]")
@click.option("--candidates", metavar="PAIRS", help="Widths offered in the search.  [default: 8x8,4x8,4x4,2x4]")
@click.option("--n", "count", type=click.IntRange(min=4), help="Number of samples.  [default: 16 to 256, by size]")
@click.option(
    "--task",
    type=click.Choice(["classifier", "binary", "regression", "reconstruction", "map", "outputs"]),
    help="What the outputs stand for.  [default: what they look like]",
)
@click.option("--seed", default=1, show_default=True, help="Of the choice of samples, and of random numbers.")
@output
def try_(
    model: Path,
    data: str | None,
    board: str | None,
    out: Path | None,
    candidates: str | None,
    count: int | None,
    task: str | None,
    seed: int,
) -> None:
    """Say all that can be said of a model file, as one page: a .tflite, .onnx, .keras, .h5 or a checkpoint.

    Which boards it fits, with bytes to spare, estimated cycles and ms; built and run in QEMU, every answer compared
    with the interpreter; beside the file's own runtime where that is installed; cost by layer; what narrow widths would
    cost and how good they are. The page is one file that loads nothing. What cannot be done is left out, and said. Exit
    code 5 if any answer differs from the interpreter's.

    \b
    Examples:
      dqt-edge try resnet8_int8.tflite
      dqt-edge try kws.keras --data kws.npz --board qemu-m55
      dqt-edge try digits.safetensors --data digits --out build/digits
    """
    import textwrap
    import time

    start = time.monotonic()
    shown = current()
    shown.step(f"trying {model}")

    from ..api.trying import WIDTHS, try_model
    from ..report.trying import board_table
    from .bars import bars

    def say(text: str) -> None:
        lines = textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)
        shown.step(f"{time.monotonic() - start:5.1f} s  " + f"\n{'':9}".join(lines))

    with bars() as progress:
        found = try_model(
            model,
            data,
            board=board,
            out=out,
            candidates=WIDTHS if candidates is None else candidates,
            count=count,
            task=task,
            seed=seed,
            say=say,
            progress=progress,
        )
    if not shown.result(found.trial.as_json):
        shown.step("")
        shown.console().print(board_table(found.trial))
    found.require_agreement()
