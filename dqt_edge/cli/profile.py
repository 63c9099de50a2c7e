"""``dqt-edge profile``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option("--data", required=True, help="digits, cifar10, an .npz file or a folder of images.")
@click.option("--n", "count", type=click.IntRange(min=1), help="Number of test samples. Default: all.")
@click.option("--port", help="Serial port, or 'unicorn:' to emulate an STM32H7. Default: by the board's USB id.")
@click.option(
    "--policy",
    default="dynamic",
    show_default=True,
    help="'dynamic', 'dynamic:0.4' (a target of the model's dial), 'dial' (every point of it), one pair (8x8), "
    "or a vector (8x8,2x4,...).",
)
@click.option("--report", type=click.Path(path_type=Path), help="Folder for report.json, report.html and junit.xml.")
def profile(
    folder: Path | None, data: str, count: int | None, port: str | None, policy: str, report: Path | None
) -> None:
    """Run test samples on the device: accuracy, counts by layer, chosen widths; compared with the interpreter.

    QEMU and host boards are started by the command itself. Exit code 5 if any answer differs from the interpreter's.

    \b
    Examples:
      dqt-edge profile --data digits --n 360
      dqt-edge profile build/digits-stm32h7 --data digits --port /dev/ttyACM0 --policy 4x4
      dqt-edge profile --data digits --policy 8x8,4x4,2x4,2x4 --report build/report
      dqt-edge profile --data digits --policy dial --report build/report
    """
    import numpy as np
    from rich.console import Console
    from rich.progress import Progress

    from ..data.load import codes, load_data
    from ..device.connect import open_client
    from ..errors import MismatchError
    from ..graph.policy import dial_policies, parse_policy
    from ..measure.session import run_session
    from ..project.manifest import find_project
    from ..report import page as reports

    project = find_project(folder)
    graph = project.graph()
    dial = policy == "dial"
    chosen = dial_policies(graph, "--policy dial") if dial else (parse_policy(policy, graph),)
    if report is not None:
        reports.make_folder(report)
    test = load_data(data, shape=graph.tensor(graph.input).shape).test
    labels = test.labels[:count]
    inputs = codes(test.images(np.arange(len(labels))), graph)
    with (
        open_client(project.board, project.elf, project.model_hash, port) as client,
        Progress(transient=True) as bar,
    ):
        task = bar.add_task(f"{project.board.id} {policy}", total=len(inputs) * len(chosen))
        sessions = [
            run_session(
                client,
                graph,
                project.board,
                inputs,
                labels,
                one,
                counted=client.counted,
                progress=lambda: bar.advance(task),
            )
            for one in chosen
        ]
    if dial:
        reports.print_dial(sessions, Console())
    else:
        reports.print_session(sessions[0], Console())
    if report is not None:
        written = reports.write(sessions, report, dial=dial)
        click.echo(f"wrote {', '.join(str(path) for path in written)}")
    wrong = [session for session in sessions if session.mismatches]
    if wrong:
        raise MismatchError(
            f"{sum(s.mismatches for s in wrong)} of {sum(s.samples for s in sessions)} answers differ "
            "from the interpreter's",
            where=f"board {project.board.id!r}, policy {wrong[0].policy}: {wrong[0].first_difference}",
            next_step="rebuild and flash again; if it stays, report it with the model file",
        )
