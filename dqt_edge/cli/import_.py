"""``dqt-edge import``."""

from __future__ import annotations

from pathlib import Path

import click

from .completing import data_names
from .echo import echo
from .output import current, output
from .sampling import sampling


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
@sampling
@click.option(
    "--data",
    shell_complete=data_names,
    metavar="NAME|FILE",
    help="Test data to report on how good the model is at 8x8.",
)
@click.option(
    "--task",
    type=click.Choice(["classifier", "binary", "regression", "reconstruction", "map", "outputs"]),
    help="What the outputs stand for.  [default: what they look like]",
)
@click.option(
    "--threshold",
    metavar="NUMBER|NAME|FILE",
    help="Of task binary: the output above which the answer is 1, or data that chooses it.  [default: a chance of 1/2]",
)
@output
def import_(
    model: Path,
    out: Path,
    candidates: str,
    calibration: str | None,
    seed: int,
    first: bool,
    data: str | None,
    task: str | None,
    threshold: str | None,
) -> None:
    """Import a model of TFLite (.tflite), ONNX (.onnx) or Keras (.keras, .h5).

    An int8 or uint8 model keeps its weights and scales. A floating-point model needs --calibration: a few hundred
    typical inputs. If a layer cannot be imported, all such layers are listed, nothing is written, and the exit code
    is 4.

    \b
    Examples:
      dqt-edge import resnet8_int8.tflite --out resnet8.safetensors --candidates 8x8,4x8,4x4 --data test.npz
      dqt-edge import vision_qdq.onnx --out vision.safetensors
      dqt-edge import kws.keras --calibration train.npz --out kws.safetensors
    """
    from .bars import bars

    shown, found = current(), None
    with bars("reading") as progress:
        from ..api.files import save
        from ..api.given import checkpoint_path
        from ..api.importing import import_model
        from ..api.validating import validate
        from ..graph import MacLayer, vector_text
        from ..graph.policy import parse_pairs

        checkpoint_path(out)
        graph = import_model(
            model,
            calibration=calibration,
            seed=seed,
            first=first,
            candidates=candidates,
            task=task,
            threshold=_number(threshold),
        )
        if data is not None:
            found = validate(graph, data, policy="8x8", progress=progress)
    if calibration is not None and "calibration" not in graph.provenance:
        shown.note("note: the model brings its own scales; --calibration is not used")
    save(graph, out)
    weights = sum(layer.weights.size for layer in graph.layers if isinstance(layer, MacLayer))
    pairs = vector_text(parse_pairs(candidates, "candidates"))
    facts = {
        "model": graph.name,
        "task": graph.task,
        "layers": len(graph.layers),
        "adaptive_layers": len(graph.adaptive),
        "macs": graph.total_macs,
        "weights": weights,
        "candidates": pairs,
        "channels_last": list(graph.provenance.get("channels_last", ())),
        "score": None if found is None else {"samples": found.samples, **found.score.as_json()},
        "files": [str(out)],
    }
    if shown.result(lambda: facts):
        return
    echo(f"imported {graph.name}: {len(graph.layers)} layers, {graph.total_macs:,} MAC, {weights:,} weights")
    echo(f"  adaptive layers: {len(graph.adaptive)}, candidates {pairs}")
    echo(f"  task: {graph.task}")
    for tensor in (graph.tensor(name) for name in graph.provenance.get("channels_last", ())):
        shape = "x".join(str(n) for n in tensor.shape)
        echo(f"  {tensor.name} takes {shape}, channels last, though the file has them first")
    if found is not None:
        echo(f"  at 8x8, {found.samples:,} samples:")
        for figure in found.score.figures:
            echo(f"    {figure.title}: {figure.full_text}")
    echo(f"wrote {out}")


def _number(text: str | None) -> float | str | None:
    """The number that a text is, or else the text."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return text
