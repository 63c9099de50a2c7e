"""Options of the commands that take a part of a data set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def sampling(command: Command) -> Command:
    """Give a command the options --seed and --first."""
    command = click.option("--first", is_flag=True, help="Take the first samples, in the order of the file.")(command)
    return click.option("--seed", default=1, show_default=True, help="Of the choice of samples.")(command)
