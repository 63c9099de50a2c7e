"""``dqt-edge doctor``."""

from __future__ import annotations

from pathlib import Path

import click

from .output import current, output


@click.command()
@click.option(
    "--bundle",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Also write what an issue needs: versions, this table, boards, the last project; no secrets of yours.",
)
@click.option("--log", type=click.Path(path_type=Path), help="Text whose last lines go into the bundle.")
@output
def doctor(bundle: Path | None, log: Path | None) -> None:
    """Say what this machine has and lacks: toolchain, QEMU, debug probes, serial ports, permissions, extras.

    Exit code 9 if something that 'export' and 'build' need is missing.

    \b
    Examples:
      dqt-edge doctor
      dqt-edge doctor --json
      dqt-edge doctor --bundle issue.json --log build.log
    """
    from rich.table import Table

    from ..errors import ToolchainError, UsageError
    from .bars import bars

    if log is not None and bundle is None:
        raise UsageError("a log goes into a bundle", where="--log", next_step="give --bundle too")
    shown = current()
    with bars("looking"):
        from ..system.doctor import examine

        findings = examine()
    if bundle is not None:
        from ..boards import board_ids
        from ..system.bundle import write_bundle

        write_bundle(bundle, findings, board_ids(), log)
        shown.note(f"wrote {bundle}: read it before you publish it")
    if not shown.result(lambda: {"findings": [vars(f) for f in findings]}):
        table = Table("what", "state", "found", "for", "to get it")
        for f in findings:
            table.add_row(f.name, "ok" if f.ok else "missing", f.found or "-", f.purpose, "" if f.ok else f.advice)
        shown.console().print(table)
    missing = [f.name for f in findings if f.required and not f.ok]
    if missing:
        raise ToolchainError(
            f"missing: {', '.join(missing)}", where="this machine", next_step="install them as the table says"
        )
