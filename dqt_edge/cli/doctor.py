"""``dqt-edge doctor``."""

from __future__ import annotations

import click

from .echo import echo


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(as_json: bool) -> None:
    """Say what this machine has and lacks: toolchain, QEMU, debug probes, serial ports, permissions, extras.

    Exit code 9 if something that 'export' and 'build' need is missing.

    \b
    Examples:
      dqt-edge doctor
      dqt-edge doctor --json
    """
    import json

    from rich.table import Table

    from ..errors import ToolchainError
    from ..system.doctor import examine
    from .console import Console

    findings = examine()
    if as_json:
        echo(json.dumps([vars(f) for f in findings], indent=2))
    else:
        table = Table("what", "state", "found", "for", "to get it")
        for f in findings:
            table.add_row(f.name, "ok" if f.ok else "missing", f.found or "-", f.purpose, "" if f.ok else f.advice)
        Console().print(table)
    missing = [f.name for f in findings if f.required and not f.ok]
    if missing:
        raise ToolchainError(
            f"missing: {', '.join(missing)}", where="this machine", next_step="install them as the table says"
        )
