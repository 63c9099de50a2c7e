"""``dqt-edge profile``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from ..errors import DqtError
from .completing import data_names, policy_names
from .echo import echo
from .output import current, output
from .sampling import sampling

if TYPE_CHECKING:
    from ..api.profiling import ProfileResult


def rate(ctx: click.Context, option: click.Parameter, value: str | None) -> int | Literal["auto"] | None:
    """A rate as an option."""
    del ctx, option
    if value is None:
        return None
    if value == "auto":
        return "auto"
    if not (value.isascii() and value.isdigit() and int(value) > 0):
        raise click.BadParameter(f"{value!r} is neither 'auto' nor a number of bits a second")
    return int(value)


@click.command()
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--data", shell_complete=data_names, required=True, help="digits, cifar10, an .npz file or a folder of images."
)
@click.option("--n", "count", type=click.IntRange(min=1), help="Number of held-out samples, at random. Default: all.")
@sampling
@click.option("--port", help="Serial port, or 'unicorn:' to emulate the chip. Default: by the board's USB id.")
@click.option(
    "--baud", metavar="auto|RATE", callback=rate, help="Rate of the serial line, or the highest. Default: the board's."
)
@click.option(
    "--policy",
    default="dynamic",
    shell_complete=policy_names,
    show_default=True,
    help="'dynamic', 'dynamic:0.4' (a target of the model's dial, or the cost of a tuned setting), 'agree:0.995' (of a "
    "tuned setting), 'dial' (every point of it), one pair (8x8), or a vector (8x8,2x4,...).",
)
@click.option("--model", help="Name of a model, of a project with several. Default: the first.")
@click.option("--stream", is_flag=True, help="The data is a recording: run it in order, and tell what happened when.")
@click.option("--events", help="Of a stream, classes to be found: NAME,NAME,... Default: all but the most frequent.")
@click.option("--window", type=float, help="Of a stream, seconds (samples without t) over which cost is averaged.")
@click.option("--report", type=click.Path(path_type=Path), help="Folder for report.json, report.html and junit.xml.")
@click.option(
    "--log", type=click.Path(path_type=Path), help="File that gets a record of each sample as it is answered."
)
@click.option("--resume", is_flag=True, help="Go on with the --log of an interrupted session, at the next sample.")
@click.option(
    "--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Host or QEMU devices that work at once."
)
@click.option("--fleet", metavar="dask://HOST:PORT", help="Spread the samples over the workers of a Dask scheduler.")
@click.option("--force", is_flag=True, help="Replace the --log of another session.")
@output
def profile(
    folder: Path | None,
    data: str,
    count: int | None,
    seed: int,
    first: bool,
    port: str | None,
    baud: int | Literal["auto"] | None,
    policy: str,
    model: str | None,
    stream: bool,
    events: str | None,
    window: float | None,
    report: Path | None,
    log: Path | None,
    resume: bool,
    force: bool,
    jobs: int,
    fleet: str | None,
) -> None:
    """Run held-out samples on the device: how good it is, counts by layer, widths; compared with the interpreter.

    QEMU and host boards are started by the command itself. Exit code 5 if any answer differs from the interpreter's.

    \b
    Examples:
      dqt-edge profile --data digits --n 360
      dqt-edge profile build/digits-stm32h7 --data digits --port /dev/ttyACM0 --policy 4x4
      dqt-edge profile --data digits --port /dev/ttyACM0 --baud auto
      dqt-edge profile --data digits --policy 8x8,4x4,2x4,2x4 --report build/report
      dqt-edge profile --data digits --policy dial --report build/report
      dqt-edge profile --data day.npz --stream --events yes,no --report build/report
      dqt-edge profile --data digits --log build/digits.jsonl --resume
      dqt-edge profile --data digits --jobs 2
      dqt-edge profile --data digits --fleet dask://10.0.0.5:8786
    """
    from .bars import bars
    from .terminated import terminable

    try:
        with terminable(), bars() as progress:
            from ..api.profiling import profile as run

            result = run(
                folder,
                data,
                policy=policy,
                count=count,
                seed=seed,
                first=first,
                port=port,
                baud=baud,
                model=model,
                stream=stream,
                events=[name.strip() for name in events.split(",")] if events else (),
                window=window,
                report=report,
                log=log,
                resume=resume,
                force=force,
                jobs=jobs,
                fleet=fleet,
                progress=progress,
            )
    except DqtError as error:
        if error.partial is not None:
            _show(error.partial)
        raise
    _show(result)
    result.require_agreement()


def _show(result: ProfileResult) -> None:
    """Print what was measured, and which files were written."""
    shown = current()
    if shown.result(result.as_json):
        return
    from ..report import page
    from ..report import stream as stream_report

    console = shown.console()
    if result.dial:
        page.print_dial(result.sessions, console)
    else:
        page.print_session(result.session, console)
    for session in result.sessions:
        stream_report.print_stream(session, console)
    files = [*result.files, *([] if result.log is None else [result.log])]
    if files:
        echo(f"wrote {', '.join(map(str, files))}")
