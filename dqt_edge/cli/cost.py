"""``dqt-edge cost``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .completing import costed_names
from .output import current, output

if TYPE_CHECKING:
    from ..api.costing import CostResult
    from ..graph import Shape


@click.command()
@click.argument("model", shell_complete=costed_names)
@click.option(
    "--candidates",
    metavar="PAIRS",
    help="Width pairs, each for all layers at once.  [default: the checkpoint's own, else 8x8,4x8,4x4,2x8,2x4]",
)
@click.option("--policy", metavar="VECTOR", help="Also this width vector of a checkpoint.")
@click.option("--input", "input_shape", metavar="HxWxC", help="Input of a named model, instead of its usual one.")
@click.option("--classes", type=click.IntRange(min=1), help="Classes of a named model, instead of its usual ones.")
@click.option("--ends", is_flag=True, help="Narrow the first and the last layer too.")
@click.option("--layers", "show_layers", is_flag=True, help="Print the layers.")
@output
def cost(model: str, input_shape: str | None, show_layers: bool, **options: Any) -> None:  # noqa: ANN401 - by name
    """Count BitOPs and the work of switching widths, from a model's shapes alone.

    MODEL is a name (resnet50, resnet18-imagenet, resnet18-cifar, ...; any of 'train --model'), a checkpoint, or a
    .tflite, .onnx, .keras or .h5 file. The first and the last layer stay at 8x8 unless --ends is given; a checkpoint's
    own candidates say which layers may be narrow.

    \b
    Examples:
      dqt-edge cost resnet50
      dqt-edge cost resnet18-imagenet --candidates 8x8,4x4,2x2 --json
      dqt-edge cost digits.safetensors --policy 8x8,4x4,2x4,4x4
    """
    from .bars import bars

    with bars("reading"):
        from ..api.costing import cost as count

        found = count(model, input_shape=None if input_shape is None else _shape(input_shape), **options)
    if not current().result(found.as_json):
        _print(found, show_layers)


def _shape(text: str) -> Shape:
    from ..errors import UsageError

    parts = text.lower().split("x")
    if len(parts) != 3 or not all(part.isdecimal() and 0 < int(part) <= 32768 for part in parts):
        raise UsageError(f"{text!r} is no input shape", where="--input", next_step="write it as 224x224x3")
    return (int(parts[0]), int(parts[1]), int(parts[2]))


def _print(found: CostResult, show_layers: bool) -> None:
    from rich import box
    from rich.table import Table

    from ..precision.cost import DEFINITIONS, PAPER

    console = current().console()
    if show_layers:
        table = Table("layer", "kind", "MAC", "weights", "input elements", box=box.SIMPLE_HEAD)
        for layer in found.layers:
            name = layer.name if layer.adaptive else f"{layer.name} (8x8)"
            table.add_row(name, layer.kind, f"{layer.macs:,}", f"{layer.weights:,}", f"{layer.inputs:,}")
        console.print(table)
    fixed = [layer.name for layer in found.layers if not layer.adaptive]
    totals = f"{found.macs:,} MAC, {found.weights:,} weights, {found.inputs:,} input elements"
    console.print(f"{len(found.layers)} layers, {totals}")
    console.print(f"always at 8x8: {', '.join(fixed) or 'none'}", highlight=False)
    table = Table("widths", "BitOPs, M", "of 8x8", "T", "2T", "device", title=found.model, box=box.SIMPLE_HEAD)
    for name, row in found.costs.items():
        counts = [f"{value:,}" for value in (row.transitions, row.dequantising, row.device)]
        table.add_row(name, f"{row.bitops / 1e6:,.1f}", f"{row.bitops_ratio:.4f}", *counts)
    console.print(table)
    for name, text in DEFINITIONS.items():
        console.print(f"{name}: {text}.", highlight=False)
    console.print(PAPER, highlight=False)
