"""What a command shows, and where: one place for --json, --quiet and --verbose.

Results go to standard output, notes to standard error. With --json, standard output holds one JSON object and nothing
else: the result, or where there is none ``{"error": ...}``; everything else goes to standard error.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .echo import echo

if TYPE_CHECKING:
    from ..errors import DqtError
    from .console import Console

Command = TypeVar("Command", bound=Callable[..., Any])
LOG = logging.getLogger("dqt_edge")
EVERYWHERE = ("as_json", "quiet", "verbose")
"""Parameters that :func:`output` gives to every command."""


@dataclass
class Output:
    """How one call of the command line speaks.

    Attributes:
        as_json: Standard output holds one JSON object.
        quiet: Only results, warnings and errors.
        verbose: Also what is done with which files and tools, on standard error.
        printed: Whether the JSON object has been printed.
    """

    as_json: bool = False
    quiet: bool = False
    verbose: bool = False
    printed: bool = False

    def result(self, made: Callable[[], Any]) -> bool:
        """Print the JSON object, if that is asked for; says whether it was.

        Args:
            made: Makes the object.
        """
        if self.as_json:
            self.printed = True
            echo(json.dumps(made(), indent=2))
        return self.as_json

    def error(self, error: DqtError) -> None:
        """Print an error: as text on standard error, and as the JSON object where there is no result."""
        echo(str(error), err=True)
        self._failed(
            {
                "kind": type(error).__name__,
                "what": error.what,
                "where": error.where,
                "next_step": error.next_step,
                "exit_code": error.exit_code,
            }
        )

    def end(self, what: str, exit_code: int) -> None:
        """Give the JSON object of an end that is none of our errors: an option that cannot be read, Ctrl-C."""
        kind = "Interrupted" if exit_code > 128 else "UsageError"
        where, next_step = ("the command", "run it again") if exit_code > 128 else ("the command line", "see --help")
        self._failed(
            {"kind": kind, "what": what, "where": where, "next_step": next_step, "exit_code": exit_code},
        )

    def _failed(self, error: dict[str, Any]) -> None:
        if not self.printed:
            self.result(lambda: {"error": error})

    def step(self, text: str) -> None:
        """Tell of what was done on the way to the result."""
        if not self.quiet:
            echo(text, err=self.as_json)

    def note(self, text: str) -> None:
        """Tell what should be known beside the result."""
        if not self.quiet:
            echo(text, err=True)

    def console(self, *, soft_wrap: bool = False) -> Console:
        """Where tables, bars and curves go."""
        from .console import Console

        return Console(soft_wrap=soft_wrap, stderr=self.as_json)


def current() -> Output:
    """That of the call that runs."""
    context = click.get_current_context(silent=True)
    if context is None:
        return Output()
    root = context.find_root()
    if not isinstance(root.obj, Output):
        root.obj = Output()
    return root.obj


def output(command: Command) -> Command:
    """Give a command, or the group of all, the options --json, --quiet and --verbose."""

    def keep(context: click.Context, parameter: click.Parameter, value: bool) -> None:
        if value:
            setattr(current(), str(parameter.name), True)

    options = (
        ("--json", "as_json", "Print one JSON object; all else goes to standard error."),
        ("--quiet", "quiet", "Print results, warnings and errors only."),
        ("--verbose", "verbose", "Also tell of files, tools and their command lines, on standard error."),
    )
    for name, parameter, meaning in reversed(options):
        names = [name] if parameter == "as_json" else [f"-{name[2]}", name]
        command = click.option(
            *names, parameter, is_flag=True, is_eager=True, expose_value=False, callback=keep, help=meaning
        )(command)
    return command


class _Told(logging.Handler):
    """Lines of --verbose."""

    def __init__(self, shown: Output) -> None:
        super().__init__(logging.INFO)
        self.shown = shown

    def emit(self, record: logging.LogRecord) -> None:
        if self.shown.verbose or record.levelno >= logging.WARNING:
            echo(record.getMessage(), err=True)


@contextmanager
def told(shown: Output) -> Iterator[None]:
    """Within, what the library logs is shown as the call wants it."""
    handler, level = _Told(shown), LOG.level
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
    try:
        yield
    finally:
        LOG.removeHandler(handler)
        LOG.setLevel(level)
