"""The command line. Commands load when they are used, so that ``--help`` is instant."""

from __future__ import annotations

import importlib
import io
import keyword
import re
import sys
import warnings
from typing import Any, TextIO

import click

from .. import __version__
from ..errors import DataWarning, DqtError
from .echo import echo
from .output import Output, output, told
from .terminated import Terminated

COMMANDS = {
    "try": "Say all that can be said of a model file, as one page.",
    "train": "Train a model whose precision adapts to each input.",
    "import": "Import a model of TFLite, ONNX or Keras.",
    "compare": "Run an imported model beside its original, layer by layer.",
    "search": "Find the best fixed widths within a budget.",
    "tune": "Find the cheapest settings that keep promises, without training.",
    "evaluate": "Judge a tuned model on test data, beside what costs as much.",
    "cost": "Count BitOPs and the work of switching widths.",
    "check": "Say whether a checkpoint fits a board, layer by layer.",
    "export": "Write a self-contained C project for a board.",
    "build": "Compile an exported project.",
    "flash": "Write an image to a board and verify that it answers.",
    "profile": "Run samples on a device: how good it is, counts, widths.",
    "compare-sessions": "Compare two reports; fail if something got worse than thresholds allow.",
    "boards": "List the shipped boards, or check one of your own.",
    "doctor": "Say what this machine has and lacks.",
}


class LazyGroup(click.Group):
    """A group whose commands live in modules of their own name, imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return None
        name = f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name.replace("-", "_")
        command = getattr(importlib.import_module(f"{__name__}.{name}"), name)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - what the command returns
        """Run a command; its errors name the options."""
        try:
            return super().invoke(ctx)
        except DqtError as error:
            command = self.get_command(ctx, ctx.invoked_subcommand or "")
            if command is not None:
                name_options(error, command)
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One line for each command, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def name_options(error: DqtError, command: click.Command) -> None:
    """Put the command's options where the library's texts name parameters: `policy` becomes --policy.

    A name that the command has no option for keeps its backticks; so does what is no name of a parameter.
    """
    options = {option.name: option.opts[-1] for option in command.params if isinstance(option, click.Option)}

    def option(match: re.Match[str]) -> str:
        found = options.get(match[2])
        if found is None:
            return match[0]
        return f"option {found}" if match[1] else found

    for part in ("what", "where", "next_step"):
        setattr(error, part, re.sub(r"(parameter )?`(\w+)`", option, getattr(error, part)))


def show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print our warnings as errors are printed, and others as Python prints them."""
    ours = issubclass(category, DataWarning)
    text = str(message) if ours else warnings.formatwarning(message, category, filename, lineno, line)
    echo(text, err=True, file=file)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="dqt-edge")
@output
def cli() -> None:
    """Put a neural network whose precision adapts to each input onto a microcontroller.

    \b
    Examples:
      dqt-edge train --data digits --model tiny --candidates 8x8,4x4,2x4 --budget 0.5 --out digits.safetensors
      dqt-edge export digits.safetensors --board qemu-m4
      dqt-edge build
      dqt-edge profile --data digits --n 360
    """


def main(arguments: list[str] | None = None) -> Any:  # noqa: ANN401 - never returns
    """Entry point: prints typed errors on standard error and exits with their code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without box-drawing characters still gets the words
    shown = Output()
    try:
        with warnings.catch_warnings(), told(shown):
            warnings.simplefilter("always", DataWarning)
            warnings.showwarning = show_warning
            cli(arguments, standalone_mode=False, obj=shown)
        sys.stdout.flush()
    except DqtError as error:
        shown.error(error)
        if isinstance(error.__cause__, Terminated):
            sys.exit(143)
        sys.exit(error.exit_code)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        text = io.StringIO()
        error.show(text)
        echo(text.getvalue(), nl=False, err=True)
        wanted = "--json" in (sys.argv[1:] if arguments is None else arguments)
        shown.as_json = shown.as_json or wanted  # what cannot be parsed sets no option
        shown.end(error.format_message(), error.exit_code)
        sys.exit(error.exit_code)
    except Terminated:
        echo("terminated", err=True)
        shown.end("terminated", 143)
        sys.exit(143)
    except (click.Abort, KeyboardInterrupt):
        echo("interrupted", err=True)
        shown.end("interrupted", 130)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    except OSError as error:
        # What a command reads and writes has errors of its own; what is left is standard output itself.
        echo(f"error: cannot write the output: {error.strerror or error}", err=True)
        echo("  where: standard output\n  next:  free some space, or write somewhere else", err=True)
        sys.stdout = None  # or Python would try, and fail, to flush it again
        sys.exit(8)
    sys.exit(0)
