"""``dqt-edge cost``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..graph import Shape
    from ..precision.cost import CostLayer


@click.command()
@click.argument("model")
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
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def cost(model: str, **options: Any) -> None:  # noqa: ANN401 - handed on by name
    """Count BitOPs and the work of switching widths, from a model's shapes alone.

    MODEL is a name (resnet50, resnet18-imagenet, resnet18-cifar, ...; any of 'train --model'), a checkpoint, or a
    .tflite, .keras or .h5 file. The first and the last layer stay at 8x8 unless --ends is given; a checkpoint's own
    candidates say which layers may be narrow.

    \b
    Examples:
      dqt-edge cost resnet50
      dqt-edge cost resnet18-imagenet --candidates 8x8,4x4,2x2 --json
      dqt-edge cost digits.safetensors --policy 8x8,4x4,2x4,4x4
    """
    _cost(model, **options)


def _cost(
    model: str,
    candidates: str | None,
    policy: str | None,
    input_shape: str | None,
    classes: int | None,
    ends: bool,
    show_layers: bool,
    as_json: bool,
) -> None:
    import dataclasses
    import json

    from ..errors import UsageError
    from ..graph import pair_text
    from ..graph.policy import parse_pairs
    from ..precision import cost as costs
    from ..precision.cost import DEFINITIONS, PAPER

    own = None if candidates is None else parse_pairs(candidates, "--candidates")
    layers, pairs, vector = _layers(model, own, policy, input_shape, classes, ends)
    if not layers:
        raise UsageError("the model has no layer with weights", where=model, next_step="give another model")
    rows = {pair_text(pair): costs.uniform(layers, pair) for pair in pairs}
    if vector is not None:
        rows[policy or ""] = costs.cost(layers, vector)
    if as_json:
        content = {
            "model": model,
            "definitions": DEFINITIONS,
            "paper": PAPER,
            "macs": sum(layer.macs for layer in layers),
            "weights": sum(layer.weights for layer in layers),
            "inputs": sum(layer.inputs for layer in layers),
            "layers": [dataclasses.asdict(layer) for layer in layers],
            "costs": {name: dataclasses.asdict(row) for name, row in rows.items()},
        }
        click.echo(json.dumps(content, indent=2))
        return
    _print(model, layers, rows, show_layers)


def _layers(
    model: str,
    pairs: tuple[tuple[int, int], ...] | None,
    policy: str | None,
    input_shape: str | None,
    classes: int | None,
    ends: bool,
) -> tuple[tuple[CostLayer, ...], tuple[tuple[int, int], ...], list[tuple[int, int]] | None]:
    """Layers, width pairs to count, and the pair of each layer under the policy."""
    from ..architectures.published import architecture
    from ..errors import UsageError
    from ..graph import MacLayer, interpreter
    from ..graph.checkpoint import load
    from ..importers.files import SUFFIXES, read_model
    from ..precision import cost as costs

    path = Path(model)
    default = ((8, 8), (4, 8), (4, 4), (2, 8), (2, 4))
    if path.suffix == ".safetensors":
        if input_shape is not None or classes is not None:
            raise UsageError(
                "a checkpoint has its own shapes", where="--input, --classes", next_step="leave these options out"
            )
        graph = load(path)
        layers = costs.of_graph(graph, all_adaptive=pairs is not None)
        layers = layers if ends or pairs is None else costs.fix_ends(layers)
        found = tuple(dict.fromkeys(pair for layer in graph.adaptive for pair in layer.candidates)) or ((8, 8),)
        if policy is None:
            return layers, pairs or found, None
        choices = iter(interpreter.fixed_choices(graph, _vector(policy)))
        adaptive = {layer.name: layer.candidates[next(choices)] for layer in graph.adaptive}
        vector = [adaptive.get(x.name, x.candidates[0]) for x in graph.layers if isinstance(x, MacLayer)]
        return layers, pairs or found, vector
    if policy is not None:
        raise UsageError("a width vector needs a checkpoint", where="--policy", next_step="leave the option out")
    if path.suffix in SUFFIXES:
        layers = costs.of_network(read_model(path))
        return layers if ends else costs.fix_ends(layers), pairs or default, None
    make, shape, usual = architecture(model)
    layers = costs.of_spec(make(classes or usual), _shape(input_shape) if input_shape else shape)
    layers = tuple(_free(layer) for layer in layers)
    return layers if ends else costs.fix_ends(layers), pairs or default, None


def _free(layer: CostLayer) -> CostLayer:
    import dataclasses

    return dataclasses.replace(layer, adaptive=True)


def _vector(policy: str) -> tuple[tuple[int, int], ...]:
    from ..graph.policy import parse_pairs

    return parse_pairs(policy, "--policy")


def _shape(text: str) -> Shape:
    from ..errors import UsageError

    parts = text.lower().split("x")
    if len(parts) != 3 or not all(part.isdecimal() and 0 < int(part) <= 32768 for part in parts):
        raise UsageError(f"{text!r} is no input shape", where="--input", next_step="write it as 224x224x3")
    return (int(parts[0]), int(parts[1]), int(parts[2]))


def _print(model: str, layers: tuple[CostLayer, ...], rows: dict[str, Any], show_layers: bool) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from ..precision.cost import DEFINITIONS, PAPER

    console = Console()
    if show_layers:
        table = Table("layer", "kind", "MAC", "weights", "input elements", box=box.SIMPLE_HEAD)
        for layer in layers:
            name = layer.name if layer.adaptive else f"{layer.name} (8x8)"
            table.add_row(name, layer.kind, f"{layer.macs:,}", f"{layer.weights:,}", f"{layer.inputs:,}")
        console.print(table)
    fixed = [layer.name for layer in layers if not layer.adaptive]
    totals = [f"{sum(getattr(x, part) for x in layers):,}" for part in ("macs", "weights", "inputs")]
    console.print(f"{len(layers)} layers, {totals[0]} MAC, {totals[1]} weights, {totals[2]} input elements")
    console.print(f"always at 8x8: {', '.join(fixed) or 'none'}", highlight=False)
    table = Table("widths", "BitOPs, M", "of 8x8", "T", "2T", "device", title=model, box=box.SIMPLE_HEAD)
    for name, row in rows.items():
        counts = [f"{value:,}" for value in (row.transitions, row.dequantising, row.device)]
        table.add_row(name, f"{row.bitops / 1e6:,.1f}", f"{row.bitops_ratio:.4f}", *counts)
    console.print(table)
    for name, text in DEFINITIONS.items():
        console.print(f"{name}: {text}.", highlight=False)
    console.print(PAPER, highlight=False)
