"""Plain lines of the commands. Text from files, tools and devices is shown with its control characters escaped."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import click

from ..errors import plain

if TYPE_CHECKING:
    from rich.console import Console

_SHOWING: list[Console] = []
"""Consoles that show bars now, which know how to write a line above them."""


def echo(text: str = "", *, nl: bool = True, err: bool = False, file: IO[Any] | None = None) -> None:
    """Print text, on standard error if ``err``; in a terminal that shows bars, above them."""
    stream = file or (sys.stderr if err else sys.stdout)
    if _SHOWING and nl and stream.isatty():
        _SHOWING[-1].print(plain(text), soft_wrap=True, highlight=False)
        return
    click.echo(plain(text), nl=nl, err=err, file=file)


@contextmanager
def above(console: Console) -> Iterator[None]:
    """Within, the console shows bars, and lines are written above them."""
    _SHOWING.append(console)
    try:
        yield
    finally:
        _SHOWING.remove(console)
