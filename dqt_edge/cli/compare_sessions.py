"""``dqt-edge compare-sessions``."""

from __future__ import annotations

from pathlib import Path

import click

from .output import current, output


@click.command("compare-sessions")
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option("--thresholds", type=click.Path(path_type=Path), help="TOML file. Default: no difference, nothing else.")
@output
def compare_sessions(before: Path, after: Path, thresholds: Path | None) -> None:
    """Compare two reports of sessions. Exit code 5 if a number is worse than the thresholds allow.

    BEFORE and AFTER are a report.json of 'dqt-edge profile --report', a try.json, or a folder with one; of the same
    board, task, policies and number of samples.

    \b
    Examples:
      dqt-edge compare-sessions main/report build/report
      dqt-edge compare-sessions main/report.json build/report.json --thresholds thresholds.toml
    """
    from rich.table import Table

    from .bars import bars

    with bars("reading"):
        from ..api.comparing_sessions import compare_sessions as run

        found = run(before, after, thresholds)
    if not current().result(found.as_json):
        table = Table("policy", "what", "before", "after", "change", "allowed")
        for change in found.changes:
            share = f"{100 * (change.after / change.before - 1):+.2f} %" if change.before else "-"
            allowed = "-" if change.allowed is None else f"{change.allowed:,.6g}"
            told = (f"{change.before:,.6g}", f"{change.after:,.6g}", share, allowed)
            table.add_row(change.policy, change.name, *told, style="bold red" if change.beyond else "")
        current().console().print(table)
    found.require_within()
