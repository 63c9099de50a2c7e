"""``dqt-edge compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .completing import data_names
from .echo import echo
from .output import current, output
from .sampling import sampling

if TYPE_CHECKING:
    from ..importers.comparison import Comparison


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.argument("model", metavar="MODEL", type=click.Path(path_type=Path))
@click.option("--data", shell_complete=data_names, metavar="NAME|FILE", help="Test data. Default: random inputs.")
@click.option("--n", "count", type=click.IntRange(min=1), help="Number of samples, at random. Default: all, or 100.")
@sampling
@output
def compare(checkpoint: Path, model: Path, data: str | None, count: int | None, seed: int, first: bool) -> None:
    """Run an imported checkpoint at 8x8 beside the runtime of its file: TFLite's reference kernels, or ONNX Runtime.

    For each layer: the largest difference in codes when it reads the runtime's tensors ("alone"), and when both
    networks run from their input ("network"). Then answers that differ, and how good both are by the model's task.

    \b
    Examples:
      dqt-edge compare resnet8.safetensors resnet8_int8.tflite --data test.npz
      dqt-edge compare vww.safetensors vww_int8.tflite --n 50 --json
    """
    from .bars import bars

    with bars("reading") as progress:
        from ..api.comparing import compare as run_comparison

        result = run_comparison(checkpoint, model, data, count=count, seed=seed, first=first, progress=progress)
    if not current().result(result.as_json):
        _print(result)


def _print(result: Comparison) -> None:
    from rich.table import Table

    table = Table("layer", "alone", "codes that differ", "network", title=f"{result.model} beside {result.runtime}")
    for layer in result.layers:
        table.add_row(layer.name, str(layer.alone), f"{layer.alone_share:.3%}", str(layer.network))
    current().console().print(table)
    for layer in result.layers:
        if layer.note:
            echo(f"{layer.name}: {layer.note}")
    echo(f"largest difference of a layer, given equal inputs: {result.largest_alone} codes")
    first = next((layer for layer in result.layers if layer.name == result.first_difference), None)
    size = "" if first is None else f", by up to {first.network} code{'s' * (first.network != 1)}"
    echo(f"first layer that differs: {result.first_difference or 'none'}{size}")
    echo(f"{result.samples} samples, {result.agreement}")
    for title, text in result.goodness:
        echo(f"{title}: {text}")
