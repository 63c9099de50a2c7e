"""Plain lines of the commands. Text from files, tools and devices is shown with its control characters escaped."""

from __future__ import annotations

from typing import IO, Any

import click

from ..errors import plain


def echo(text: str = "", *, nl: bool = True, err: bool = False, file: IO[Any] | None = None) -> None:
    """Print text, on standard error if ``err``."""
    click.echo(plain(text), nl=nl, err=err, file=file)
