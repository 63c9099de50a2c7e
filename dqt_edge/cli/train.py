"""``dqt-edge train``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from ..graph import Graph
    from ..training.distribution import Kind

# The defaults stand in training/options.py too, which would load NumPy here; a test holds the two together.


@click.command()
@click.option(
    "--data",
    default="digits",
    show_default=True,
    metavar="NAME|FILE|DIR",
    help="digits, cifar10, an .npz with x and y, or a folder of images.",
)
@click.option("--model", default="tiny", show_default=True, help="tiny or tiny-plain.")
@click.option(
    "--candidates",
    default="8x8,4x4,2x4",
    show_default=True,
    help="Weight x activation bits of the adaptive layers.",
)
@click.option("--budget", default=0.5, show_default=True, help="Mean BitOPs allowed, as a part of everything at 8x8.")
@click.option("--epochs", default=150, show_default=True, help="Passes over the training set.")
@click.option("--seed", default=1, show_default=True, help="The same seed repeats a run on the same machine.")
@click.option("--batch", default=64, show_default=True, help="Samples of a step.")
@click.option("--learning-rate", default=3e-3, show_default=True, help="Peak of the cosine schedule.")
@click.option("--beta", default=2.0, show_default=True, help="Weight of the budget; 0 enforces none, as in the paper.")
@click.option("--consistency", default=1.0, show_default=True, help="Weight of the fixed-width passes.")
@click.option("--focus", default=0.3, show_default=True, help="Reward for precision where narrowing hurts.")
@click.option("--diversity", default=0.05, show_default=True, help="Reward for choices that differ between inputs.")
@click.option(
    "--shift",
    type=int,
    help="Largest random shift of a training image.  [default: digits 1, others 0 pixels]",
)
@click.option("--image-size", type=int, help="Height and width that the images of a folder get, pixels.")
@click.option("--channels", default=3, show_default=True, help="Of the images of a folder: 1 for grey, 3 for colour.")
@click.option(
    "--crop-area",
    default=1.0,
    show_default=True,
    help="Least part of a folder's training image that a random crop shows; 1 crops none.",
)
@click.option(
    "--distribute",
    type=click.Choice(["auto", "none", "mirrored", "workers"]),
    default="auto",
    show_default=True,
    help="One device, all GPUs, or the workers of TF_CONFIG.",
)
@click.option(
    "--save-every",
    type=click.FloatRange(min=0),
    default=5.0,
    show_default=True,
    help="Minutes between savings of the state within an epoch.",
)
@click.option("--resume", is_flag=True, help="Go on where a stopped run left off.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Checkpoint to write, .safetensors.")
def train(
    out: Path,
    resume: bool,
    candidates: str,
    distribute: Kind,
    save_every: float,
    **values: Any,  # noqa: ANN401 - for Options
) -> None:
    """Train a model whose precision adapts to each input.

    Beside the checkpoint OUT come a log of all epochs (OUT with the suffix .csv) and a folder OUT.state, from
    which --resume goes on after Ctrl-C, a kill or a power cut, with the result of a run that was never stopped.

    \b
    Examples:
      dqt-edge train --data digits --model tiny --candidates 8x8,4x4,2x4 --budget 0.5 --out digits.safetensors
      dqt-edge train --data my.npz --model tiny --epochs 80 --seed 7 --out my.safetensors
      dqt-edge train --data digits --model tiny --out digits.safetensors --resume
    """
    from rich.console import Console

    from ..checkpoint import save
    from ..training.options import Options, parse_candidates
    from ..training.start import start_tensorflow

    options = Options(candidates=parse_candidates(candidates), **values)
    check_output(out)
    console = Console()
    with console.status("starting TensorFlow"):
        start_tensorflow()
    from ..training.distribution import find_devices

    devices = find_devices(distribute)  # before anything else of TensorFlow
    from ..training.loop import train as run_training
    from ..training.progress import Progress
    from ..training.report import finished_graph, write_log

    if not devices.chief:
        run_training(options, out, resume=resume, devices=devices, save_every=save_every)
        return
    with Progress(console, options) as progress:
        outcome = run_training(
            options, out, resume=resume, on_epoch=progress.epoch, devices=devices, save_every=save_every
        )
    graph = finished_graph(outcome, options)
    write_log(out.with_suffix(".csv"), outcome.log)
    save(graph, out)
    _print_results(console, graph)
    _warn_of_budget(graph, options.budget)
    click.echo(f"wrote {out} (best epoch {outcome.best_epoch}), log {out.with_suffix('.csv')}")


def _warn_of_budget(graph: Graph, budget: float) -> None:
    dynamic = graph.provenance["keras"].get("dynamic")
    if dynamic is not None and dynamic["bitops_ratio"] > budget:
        click.echo(
            f"note: the dynamic cost {dynamic['bitops_ratio']:.3f} is above the budget {budget:g}; "
            "a larger --beta or more --epochs enforces it",
            err=True,
        )


def check_output(out: Path) -> None:
    """Refuse an output that could not be written, before the work and not after it."""
    from ..errors import BadFileError, UsageError

    if out.suffix != ".safetensors":
        raise UsageError(
            f"the checkpoint's name {out.name!r} does not end in .safetensors",
            where="option --out",
            next_step=f"use --out {out.with_suffix('.safetensors')}",
        )
    if not out.parent.is_dir() or out.is_dir():
        raise BadFileError(
            "the output is a folder" if out.is_dir() else "the folder of the output does not exist",
            where=str(out),
            next_step="create the folder first, or choose another --out",
        )


def _print_results(console: Console, graph: Graph) -> None:
    from rich.table import Table

    table = Table("policy", "accuracy", "BitOPs", "widths", title="Held-out samples, integer evaluation")
    for name, facts in graph.provenance["keras"].items():
        vectors = facts.get("width_vectors", {})
        widths = "; ".join(f"{count} x {vector}" for vector, count in list(vectors.items())[:3])
        more = f"; {len(vectors) - 3} more" if len(vectors) > 3 else ""
        table.add_row(
            name,
            f"{facts['accuracy']:.2%}",
            f"{facts['bitops_ratio']:.3f}",
            facts.get("vector", widths + more),
        )
    console.print(table)
