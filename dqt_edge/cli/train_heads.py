"""``dqt-edge train --heads-only``: its options, and what it prints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from .echo import echo
from .output import EVERYWHERE, current

if TYPE_CHECKING:
    from ..api.heads import Heads
    from .console import Console

Command = TypeVar("Command", bound=Callable[..., Any])
OWN = ("head_grid", "head_hidden", "widths", "labels", "samples")
"""Options that only a training of heads has."""
SHARED = (
    "data", "init", "out", "points", "epochs", "seed", "batch", "learning_rate", "balance", "shift", "flip",
    "validation",
)  # fmt: skip
"""Options of ``train`` that it takes too; those with another default only where they are given."""
LINES = 5
"""Lines for each kind of work where no terminal shows a bar."""


def heads(command: Command) -> Command:
    """Give ``train`` the options of a training of heads."""
    for option in reversed(
        (
            click.option("--heads-only", is_flag=True, help="Train heads alone: early answers of the network --init."),
            click.option(
                "--head-grid", metavar="RxC", help="Of --heads-only: what a head pools to.  [default: by size]"
            ),
            click.option(
                "--head-hidden", type=int, help="Of --heads-only: hidden units of a head.  [default: by size]"
            ),
            click.option(
                "--widths", metavar="PAIRS", help="Of --heads-only: widths to learn from.  [default: all candidates]"
            ),
            click.option(
                "--labels",
                type=click.Choice(["given", "none"]),
                default="given",
                show_default=True,
                help="Of --heads-only: none learns from the full network's answers alone.",
            ),
            click.option("--samples", type=int, help="Of --heads-only: training samples at most.  [default: all]"),
        )
    ):
        command = option(command)
    return command


def refuse_others(context: click.Context, heads_only: bool) -> None:
    """Raise UsageError for an option that was given and that this kind of training does not have."""
    from ..errors import UsageError

    foreign = [
        p.name for p in context.command.params if p.name not in (*OWN, *SHARED, *EVERYWHERE, "heads_only", "recipe")
    ]
    for name in foreign if heads_only else OWN:
        if given(context, str(name)):
            raise UsageError(
                "a training of heads alone does not have it" if heads_only else "only a training of heads has it",
                where=f"parameter `{name}`",
                next_step="leave it out" if heads_only else "leave it out, or add `heads_only`",
            )


def given(context: click.Context, name: str) -> bool:
    """Whether the command line or a recipe gives an option."""
    return context.get_parameter_source(name) not in (ParameterSource.DEFAULT, None)


def train_heads(context: click.Context, out: Path, options: Mapping[str, Any]) -> None:
    """Train heads, and print what each point is worth."""
    from ..errors import UsageError
    from .bars import bars

    if options["init"] is None:
        raise UsageError(
            "heads need a finished network",
            where="parameter `init`",
            next_step="give a checkpoint, or an integer .tflite or .onnx file",
        )
    names = [name for name in (*OWN, *SHARED) if name in OWN or given(context, name)]
    chosen = {name: options[name] for name in names if name not in ("init", "out", "data")}
    if "points" in chosen:
        layers = chosen.pop("points")
        chosen |= {} if isinstance(layers, bool) else {"points": ",".join(layers)}
    speech = current()
    console = speech.console()
    lines = not console.is_terminal and not speech.quiet
    shown: dict[str, int] = {}
    with bars() as bar:

        def stage(name: str) -> None:
            bar.stage(name)
            if lines:
                console.print(name)

        def progress(what: str, done: int, total: int) -> None:
            bar(what, done, total)
            step = LINES * done // total
            if lines and step > shown.get(what, 0):
                shown[what] = step
                console.print(f"{what}: {done:,} of {total:,}", soft_wrap=True)

        def on_epoch(row: Mapping[str, Any]) -> None:
            epochs = row["epochs"]
            bar(row["point"], row["epoch"], epochs)
            if lines and row["epoch"] % max(1, epochs // LINES) == 0:
                text = f"{row['phase']}: loss {row['loss']:.3f}, validation {row['val_loss']:.3f}"
                console.print(f"{row['point']} epoch {row['epoch']}/{epochs} {text}", soft_wrap=True)

        from ..api.heads import train_heads as run

        made = run(
            options["init"], options["data"], out=out, progress=progress, on_stage=stage, on_epoch=on_epoch, **chosen
        )
    if speech.result(made.as_json):
        return
    show(made, console)
    echo(f"wrote {out}")


def show(made: Heads, console: Console) -> None:
    """Where the points lie and why, and what each answers alone."""
    from rich.table import Table

    from ..system.show import percent
    from ..training.heads.figures import AGREEMENTS
    from ..training.heads.shape import SHARE_MAX

    for point in made.points:
        console.print(
            f"{point['name']} behind {point['after']}, {percent(point['macs_before'])} of the MACs: {point['why']}; "
            f"head {point['head']}",
            soft_wrap=True,
        )
    asked, share = made.results["options"]["points"], made.results["macs_share"]
    if isinstance(asked, int) and asked > len(made.points):
        console.print(f"no other layer is one that all paths lead through, so {asked} points became {len(made.points)}")
    more = f", more than {SHARE_MAX:.0%}: --head-grid and --head-hidden make them smaller" if share > SHARE_MAX else ""
    console.print(f"all heads: {percent(share)} of the network's MACs{more}", soft_wrap=True)
    full, results = made.results["full"], made.results
    table = Table("point", "widths", "accuracy", "recall", "agrees", *(f"{least:.0%}" for least in AGREEMENTS))
    table.title = f"Each point alone, {results['data']['validation']:,} validation samples, in integers"
    table.caption = "recall: mean over the classes. 99%: samples that stop, and the margin, where so many answers agree"
    table.add_row("full network", "widest", percent(full.get("accuracy")), percent(full.get("mean_recall")))
    for point in made.points:
        shown: list[Any] = []
        for pair, found in point["figures"].items():
            if found in shown:  # no adaptive layer lies before the point
                continue
            shown.append(found)
            stops = {stop["agreement_at_least"]: f"{stop['share']:.1%} ({stop['margin']})" for stop in found["stops"]}
            table.add_row(
                point["name"],
                pair,
                percent(found.get("accuracy")),
                percent(found.get("mean_recall")),
                percent(found["agreement"]),
                *(stops.get(least, "none") for least in AGREEMENTS),
            )
    console.print(table)
