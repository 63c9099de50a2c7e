"""``dqt-edge import``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ..graph import Graph


@click.command("import")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Checkpoint to write, .safetensors.")
@click.option(
    "--candidates",
    default="8x8",
    show_default=True,
    help="Weight x activation bits offered to each layer.",
)
@click.option("--calibration", metavar="NAME|FILE", help="Data whose values set the scales of a floating-point model.")
@click.option("--data", metavar="NAME|FILE", help="Test data to report the accuracy at 8x8 on.")
def import_(model: Path, out: Path, candidates: str, calibration: str | None, data: str | None) -> None:
    """Import a model of TFLite (.tflite) or Keras (.keras, .h5).

    An int8 or uint8 model keeps its weights and scales. A floating-point model needs --calibration: a few hundred
    typical inputs. If a layer cannot be imported, all such layers are listed, nothing is written, and the exit code
    is 4.

    \b
    Examples:
      dqt-edge import resnet8_int8.tflite --out resnet8.safetensors --candidates 8x8,4x8,4x4 --data test.npz
      dqt-edge import kws.keras --calibration train.npz --out kws.safetensors
    """
    from ..data.load import load_data
    from ..errors import UsageError
    from ..graph import MacLayer, vector_text
    from ..graph.checkpoint import save
    from ..importers.assemble import assemble
    from ..importers.calibrate import calibrate
    from ..importers.files import read_model
    from ..training.options import parse_candidates
    from .train import check_output

    pairs = parse_candidates(candidates)
    check_output(out)
    test = None if data is None else load_data(data)
    network = read_model(model)
    if not network.integer:
        if calibration is None:
            raise UsageError(
                "the model has no scales, because it computes in floating point",
                where=str(model),
                next_step="give --calibration with a few hundred typical inputs",
            )
        samples = load_data(calibration)
        inputs = samples.x_train if len(samples.x_train) else samples.x_test
        network = calibrate(network, inputs)
    elif calibration is not None:
        click.echo("note: the model brings its own scales; --calibration is not used", err=True)
    graph = assemble(network, pairs)
    accuracy = None if test is None else _accuracy(graph, test.x_test, test.y_test)
    save(graph, out)
    macs = sum(graph.macs(layer) for layer in graph.layers)
    weights = sum(layer.weights.size for layer in graph.layers if isinstance(layer, MacLayer))
    click.echo(f"imported {graph.name}: {len(graph.layers)} layers, {macs:,} MAC, {weights:,} weights")
    click.echo(f"  adaptive layers: {len(graph.adaptive)}, candidates {vector_text(pairs)}")
    if accuracy is not None and test is not None:
        click.echo(f"  accuracy at 8x8: {accuracy:.2%} of {len(test.y_test):,} samples")
    click.echo(f"wrote {out}")


def _accuracy(graph: Graph, x: object, y: object) -> float:
    """Share of right classes at 8x8, by the interpreter."""
    import numpy as np
    from rich.progress import Progress

    from ..data.load import codes
    from ..graph import FULL
    from ..graph.interpreter import run

    inputs, labels = codes(np.asarray(x), graph), np.asarray(y)
    right = 0
    with Progress(transient=True) as bar:
        task = bar.add_task("accuracy at 8x8", total=len(inputs))
        for start in range(0, len(inputs), 100):
            part = inputs[start : start + 100]
            answers = run(graph, part, (FULL,) * len(graph.adaptive)).outputs.argmax(axis=1)
            right += int((answers == labels[start : start + 100]).sum())
            bar.advance(task, len(part))
    return right / len(inputs)
