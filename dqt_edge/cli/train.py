"""``dqt-edge train``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .completing import data_names, model_names
from .echo import above, echo
from .output import EVERYWHERE, current, output
from .train_heads import OWN, heads, refuse_others, train_heads

if TYPE_CHECKING:
    from ..api.training import Trained
    from .console import Console


class Points(click.ParamType):  # type: ignore[type-arg]
    """True for the usual decision points, or names of layers as ``"conv1,sum"``; recipes give lists and numbers too."""

    name = "points"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - what a recipe holds
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> bool | tuple[str, ...]:
        """Read a value of the command line or a recipe."""
        if isinstance(value, bool):
            return value
        from ..training.options import parse_points

        if isinstance(value, int):
            value = str(value)
        listed = isinstance(value, list | tuple) and all(isinstance(name, str) for name in value)
        if not (listed or isinstance(value, str)):
            self.fail(f"{value!r} is neither true nor false, nor names of layers", param, ctx)
        return parse_points(value)


def read_recipe(context: click.Context, _: click.Parameter, path: Path | None) -> None:
    """Make a recipe's values the defaults of this call."""
    if path is None:
        return
    from ..errors import BadFileError, UsageError
    from ..system.files import read_toml

    try:
        values = read_toml(path)
    except (OSError, ValueError) as error:
        raise BadFileError(
            f"cannot read the recipe: {error}", where=str(path), next_step="give a TOML file such as those in recipes/"
        ) from error
    known = {p.name for p in context.command.params if p.name not in ("recipe", "resume", "help", *EVERYWHERE)}
    for name in values:
        if name not in known:
            raise UsageError(
                f"the recipe sets {name!r}, which is no option of train",
                where=str(path),
                next_step=f"choose from {', '.join(sorted(filter(None, known)))}",
            )
    context.default_map = {**(context.default_map or {}), **values}


# The defaults stand in training/options.py too, which would load NumPy here; a test holds the two together.


@click.command()
@click.option(
    "--recipe",
    type=click.Path(path_type=Path),
    is_eager=True,
    expose_value=False,
    callback=read_recipe,
    help="TOML file with values for any of these options; what the command line gives wins.",
)
@click.option(
    "--data",
    shell_complete=data_names,
    default="digits",
    show_default=True,
    metavar="NAME|FILE|DIR",
    help="digits, cifar10, an .npz with x and y, or a folder of images.",
)
@click.option(
    "--model",
    shell_complete=model_names,
    default="tiny",
    show_default=True,
    metavar="NAME|FILE",
    help="tiny, resnet8, ecg, ... or a .keras, .h5, float .onnx or .tflite file.",
)
@click.option(
    "--init",
    metavar="FILE",
    help="Weights to start with: a .keras, .h5, .onnx or .tflite file, or the .safetensors of an earlier run.",
)
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
@click.option("--full-weight", default=1.0, show_default=True, help="Weight of the 8-bit pass among those.")
@click.option("--balance", default=0.0, show_default=True, help="0 weighs all samples alike, 1 all classes.")
@click.option("--focus", default=0.3, show_default=True, help="Reward for precision where narrowing hurts.")
@click.option("--diversity", default=0.05, show_default=True, help="Reward for choices that differ between inputs.")
@click.option(
    "--shift",
    type=int,
    help="Largest random shift of a training image.  [default: digits 1, others 0 pixels]",
)
@click.option("--flip", is_flag=True, default=False, help="Mirror training images at random.")
@click.option("--warmup", type=int, help="Epochs in floating point first.  [default: a quarter, with --init none]")
@click.option(
    "--validation", default=0.15, show_default=True, help="Part of the training samples that is kept to choose by."
)
@click.option(
    "--narrow-share", default=0.4, show_default=True, help="Part of each batch that narrow passes see; less is faster."
)
@click.option(
    "--view",
    type=click.Choice(["centred", "paper", "plain"]),
    default="centred",
    show_default=True,
    help="How narrow views are made; the last two only for comparison, without a checkpoint.",
)
@click.option(
    "--scales",
    type=click.Choice(["learned", "ema"]),
    default="learned",
    show_default=True,
    help="Trained scales and clips, or averages of what is seen.",
)
@click.option(
    "--task",
    default=None,
    type=click.Choice(["classifier", "binary", "regression", "reconstruction", "map"]),
    help="What the outputs stand for.  [default: by the targets and the network]",
)
@click.option(
    "--loss",
    default=None,
    type=click.Choice(["cross-entropy", "binary", "mse", "mae"]),
    help="What is minimised.  [default: the task's usual one]",
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
    "--points",
    type=Points(),
    is_flag=False,
    flag_value=True,
    default=False,
    metavar="[LAYERS|NUMBER]",
    help="Decision points: where they suit the model, or behind these layers; a number with --heads-only.",
)
@click.option("--point-weight", default=0.5, show_default=True, help="Weight of each point's loss.")
@click.option(
    "--controller",
    type=click.Choice(["auto", "own", "none"]),
    default="auto",
    show_default=True,
    help="auto: the model's own, and none beside decision points.",
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
@click.option(
    "--tensorboard",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Also write the figures of each epoch for TensorBoard, in a folder of DIR with the name of OUT.",
)
@click.option("--resume", is_flag=True, help="Go on where a stopped run left off.")
@heads
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Checkpoint to write, .safetensors.")
@output
@click.pass_context
def train(context: click.Context, /, out: Path, heads_only: bool, **options: Any) -> None:  # noqa: ANN401 - handed on
    """Train a model whose precision adapts to each input.

    Beside the checkpoint OUT come a log of all epochs and a picture of them (OUT with the suffixes .csv and .svg;
    the picture needs the extra report), and a folder OUT.state, from which --resume goes on after Ctrl-C, a kill or a
    power cut, with the result of a run that was never stopped.

    With --heads-only the network --init stays what it is, and only decision points behind its layers learn.

    \b
    Examples:
      dqt-edge train --data digits --model tiny --candidates 8x8,4x4,2x4 --budget 0.5 --out digits.safetensors
      dqt-edge train --data my.npz --model tiny --epochs 80 --seed 7 --out my.safetensors
      dqt-edge train --data cifar10 --model resnet8.keras --flip --shift 3 --epochs 16 --out resnet8.safetensors
      dqt-edge train --recipe recipes/ecg.toml --data ecg.npz --out ecg.safetensors
      dqt-edge train --data digits --model tiny --points conv1,sum --out early.safetensors
      dqt-edge train --data digits --model tiny --out digits.safetensors --resume
      dqt-edge train --init digits.safetensors --heads-only --data digits --out early.safetensors
    """
    refuse_others(context, heads_only)
    if heads_only:
        train_heads(context, out, options)
        return
    from ..training.progress import Progress

    options = {name: value for name, value in options.items() if name not in OWN}
    shown = current()
    console = shown.console()
    with above(console), Progress(console, options["epochs"], quiet=shown.quiet) as progress:
        progress.stage("starting")
        from ..api.training import train as run

        trained = run(out=out, on_stage=progress.stage, on_step=progress.step, on_epoch=progress.epoch, **options)
    if not trained.chief:
        return
    if trained.over_budget:
        cost = trained.results["dynamic"]["bitops_ratio"]
        shown.note(
            f"note: the dynamic cost {cost:.3f} is above the budget {trained.budget:g}; "
            "a smaller --budget or more --validation samples keeps it below"
        )
    if shown.result(trained.as_json):
        return
    log = next(path for path in trained.files if path.suffix == ".csv")
    if trained.lowered is None:
        echo(f"views of kind {options['view']} have no integer path: no checkpoint; log {log}")
        return
    _print_results(shown.console(), trained)
    echo(f"wrote {out} (best epoch {trained.best_epoch}), log {log}")


def _print_results(console: Console, trained: Trained) -> None:
    from rich.table import Table

    from ..tasks import stated

    titles = [figure.title for figure in stated(next(iter(trained.results.values())))]
    table = Table("policy", *titles, "BitOPs", "widths", title="Held-out samples, integer evaluation")
    for name, facts in trained.results.items():
        vectors = facts.get("width_vectors", {})
        widths = "; ".join(f"{count} x {vector}" for vector, count in list(vectors.items())[:3])
        more = f"; {len(vectors) - 3} more" if len(vectors) > 3 else ""
        table.add_row(
            name,
            *(figure.text for figure in stated(facts)),
            f"{facts['bitops_ratio']:.3f}",
            facts.get("vector", widths + more),
        )
    console.print(table)
