"""``dqt-edge export``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from .completing import board_names, outlet_names
from .echo import echo
from .output import current, output

if TYPE_CHECKING:
    from ..project.library import Library
    from ..project.outlets import OutletName


@click.command()
@click.argument("checkpoints", metavar="CHECKPOINT...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--board",
    required=True,
    shell_complete=board_names,
    help="Board id, or a board file (.toml); 'dqt-edge boards' lists ids.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write. Default: build/<checkpoint>-<board>.")
@click.option(
    "--optimize",
    type=click.Choice(["speed", "flash", "ram"]),
    default="speed",
    show_default=True,
    help="What is weighed most; 'dqt-edge check' takes it too, and shows what it gives.",
)
@click.option(
    "--as",
    "outlet",
    metavar="OUTLET",
    shell_complete=outlet_names,
    help="Write the library alone, for another build system: cmake, arduino, zephyr, platformio, cmsis-pack or "
    "stm32cube. No serial server; nothing for 'build' and 'profile'.",
)
@click.option(
    "--text-protocol",
    metavar="NAME",
    help="Let the serial server speak MLPerf Tiny's text protocol too, and call the model so: ic01, vww01, kws01, or "
    "any other name. Takes some KB of flash, and RAM for a second input.",
)
@click.option(
    "--trigger-pin",
    metavar="[PIN]",
    is_flag=False,
    flag_value="default",
    help="A pin that is high while the model runs, for a power analyser: the one in the board's file, or another, such "
    "as PA8.",
)
@click.option(
    "--watchdog",
    metavar="SECONDS",
    type=float,
    help="Let the chip's watchdog restart a program that hangs for so long: at least as long as the model's longest "
    "layer may take.",
)
@click.option("--force", is_flag=True, help="Replace files that were changed since the last export.")
@output
def export(
    checkpoints: tuple[Path, ...],
    board: str,
    out: Path | None,
    optimize: Literal["speed", "flash", "ram"],
    outlet: OutletName | None,
    text_protocol: str | None,
    trigger_pin: str | None,
    watchdog: float | None,
    force: bool,
) -> None:
    """Write a self-contained C project: library, weights, kernels, serial server, CMakeLists, examples, manifest.

    Several checkpoints become one project whose models share kernels. The folder becomes the default of 'build',
    'flash' and 'profile' in this folder.

    \b
    Examples:
      dqt-edge export digits.safetensors --board stm32h7
      dqt-edge export digits.safetensors --board qemu-m4 --out firmware-m4
      dqt-edge export digits.safetensors --board qemu-m4 --optimize flash
      dqt-edge export digits.safetensors keywords.safetensors --board qemu-m4 --out both
      dqt-edge export digits.safetensors --board boards/mine.toml
      dqt-edge export digits.safetensors --board qemu-m4 --as arduino
      dqt-edge export resnet8.safetensors --board nucleo-l4r5zi --text-protocol ic01
      dqt-edge export digits.safetensors --board nucleo-l4r5zi --trigger-pin
      dqt-edge export digits.safetensors --board stm32h7 --watchdog 2
    """
    from ..errors import UsageError
    from .bars import bars

    if outlet is not None and text_protocol is not None:
        raise UsageError(
            "a library has no serial server that could speak a text protocol",
            where="--text-protocol",
            next_step="leave out --as, or --text-protocol",
        )
    if outlet is not None and trigger_pin is not None:
        raise UsageError(
            "a library has no server that could drive a pin",
            where="--trigger-pin",
            next_step="leave out --as, or --trigger-pin; or drive a pin around dqt_run() yourself",
        )
    if outlet is not None and watchdog is not None:
        raise UsageError(
            "a library starts no watchdog: it is the application's",
            where="--watchdog",
            next_step="leave out --as, or --watchdog; or feed a watchdog of your own in the hook of dqt_run()",
        )
    shown = current()
    with bars("planning"):
        from ..api.exporting import export as run
        from ..api.exporting import export_library
        from ..project.manifest import remember

        if outlet is not None:
            library = export_library(checkpoints, board, outlet, out, force=force, optimize=optimize)
        else:
            project = run(
                checkpoints,
                board,
                out,
                force=force,
                optimize=optimize,
                text_protocol=text_protocol,
                trigger_pin=trigger_pin,
                watchdog=watchdog,
            )
            remember(project)
    if outlet is not None:
        if not shown.result(library.as_json):
            _show_library(library)
        return
    if shown.result(project.as_json):
        return
    names = ", ".join(model.name for model in project.models)
    echo(f"exported {names} for {project.board.name} to {project.folder}")
    _show_models([model.facts for model in project.models])
    if trigger_pin is not None:
        trigger = project.manifest["trigger"]
        echo(f"  trigger: {trigger['pin']} ({trigger['where']}) is high while the model runs")
    if watchdog is not None:
        dog = project.manifest["watchdog"]
        spread = f"{dog['soonest']:.4g} to {dog['latest']:.4g} s, by its clock"
        exact = dog["soonest"] == dog["latest"]
        echo(f"  watchdog: {dog['name']} restarts it after {dog['seconds']:g} s" + ("" if exact else f" ({spread})"))
    sizes = project.manifest["predicted"]
    if sizes is not None:
        predicted = "predicted" if sizes["exact"] else "predicted at most"
        echo(f"  flash:   {sizes['flash']:,} bytes {predicted}, {sizes['weights']:,} of them weights")
        echo(f"  RAM:     {sizes['ram']:,} bytes {predicted}, {sizes['arena']:,} of them arena")
        if not sizes["exact"]:
            echo(f"  sizes:   {sizes['basis']}")
    echo("next: dqt-edge build")


def _show_models(models: Sequence[dict[str, Any]]) -> None:
    """Kernels, and of each model its header, arena and ends."""
    kernels = sorted({layer["kernel"] for model in models for layer in model["layers"]})
    echo(f"  kernels: {', '.join(kernels)}")
    for model in models:
        echo(f"  model:   dqt_{model['symbol']}.h, arena of {model['arena']:,} bytes")
        for kind in ("inputs", "outputs"):
            shown = (f"{end['name']} {'x'.join(map(str, end['shape']))}" for end in model[kind])
            echo(f"  {kind + ':':<8} {', '.join(shown)}")
        if model["states"]:
            echo(f"  states:  {model['states']}, kept in the arena between inferences")


def _show_library(library: Library) -> None:
    """What was written for another build system, and what to do with it."""
    names = ", ".join(model["name"] for model in library.models)
    echo(f"exported {names} for {library.board.cpu.core} as {library.id} ({library.outlet}) to {library.folder}")
    _show_models(library.models)
    needs = library.manifest["predicted"]
    if needs is not None:
        at_most = "" if needs["exact"] else "at most "
        echo(f"  flash:   {needs['weights']:,} bytes of weights, {needs['tables']:,} of tables, and the code")
        echo(f"  stack:   {at_most}{needs['run_stack']:,} bytes for dqt_run()")
    echo(f"next: {library.next_step}")
