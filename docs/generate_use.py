"""Blocks of the pages on commands and training, and of what a checkpoint holds."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import Any

import click
from generate_table import HAND, PACKAGE, Cell, Table, code, constant, number

from dqt_edge import errors, graph
from dqt_edge.architectures.models import MODELS
from dqt_edge.cli import COMMANDS, cli
from dqt_edge.cli.output import EVERYWHERE
from dqt_edge.cli.train import train
from dqt_edge.graph import checkpoint, dial, layers, policy, values
from dqt_edge.training.options import Options

# --- Commands -------------------------------------------------------------------------------------------------


def commands() -> Table:
    """Commands in the order of the work."""
    rows = [[code(f"dqt-edge {name}"), what, HAND] for name, what in COMMANDS.items()]
    return Table(("command", "what it does", "page"), rows, "command")


def command_options() -> str:
    """A section for each command: its usage, and a table of its options."""
    text = []
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        context = click.Context(command, info_name=f"dqt-edge {name}")
        usage = " ".join(command.collect_usage_pieces(context))
        text.append(
            f"\n## {name}\n\n{COMMANDS[name]}\n\n    dqt-edge {name} {usage}\n\n| option | meaning |\n|---|---|\n"
        )
        text += _options(context, [p for p in command.params if p.name not in EVERYWHERE])
    return "".join(text)


def every_command() -> str:
    """Options that all commands have."""
    context = click.Context(cli, info_name="dqt-edge")
    shared = [parameter for parameter in cli.params if parameter.name in EVERYWHERE]
    return "".join(["\n| option | meaning |\n|---|---|\n", *_options(context, shared)])


def _options(context: click.Context, parameters: Sequence[click.Parameter]) -> list[str]:
    """Rows of a table; arguments, which have no help of their own, stand in the usage."""
    rows = []
    for parameter in parameters:
        record = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
        if record is not None:
            option, meaning = (" ".join(part.split()).replace("|", "\\|") for part in record)
            rows.append(f"| `{option}` | {_escaped(meaning)} |\n")
    return rows


def _escaped(text: str) -> str:
    """A help text as Markdown: what would be markup stays text."""
    return re.sub(r"([<>*_\[\]])", r"\\\1", text)


def exit_codes() -> Table:
    """Codes with which a command ends."""
    bases: list[type[errors.DqtError]] = [errors.DqtError]
    bases += [cls for cls in errors.DqtError.__subclasses__() if cls.__module__ == errors.__name__]
    found: dict[int, list[type[Any]]] = {0: []}
    for cls in bases:
        found.setdefault(cls.exit_code, []).append(cls)
    source = (PACKAGE / "cli" / "__init__.py").read_text(encoding="utf-8")
    for text in re.findall(r"sys\.exit\((\d+)\)", source):
        found.setdefault(int(text), [])
    rows: list[list[Cell]] = []
    for exit_code, classes in sorted(found.items()):
        kinds = [kind for cls in classes if cls is not errors.DqtError for kind in cls.__subclasses__()]
        shown = (", ".join(code(cls.__name__) for cls in part) for part in (classes, kinds))
        rows.append([str(exit_code), *shown, HAND])
    return Table(("code", "error", "kinds", "meaning"), rows, "code")


def train_options() -> Table:
    """Options of ``train``, with the defaults of the command and the ranges of the library."""
    limits, rows = Options().limits, []
    for option in train.params:
        assert isinstance(option, click.Option)
        if option.name in EVERYWHERE:
            continue
        name, kind, default = str(option.name), option.type, option.default
        span = ""
        if name in limits:
            span = "..".join(map(number, limits[name]))
        elif isinstance(kind, click.Choice):
            span = ", ".join(map(code, kind.choices))
        elif isinstance(kind, click.FloatRange):
            span = f"from {number(kind.min or 0)}"
        elif option.metavar:
            span = option.metavar.replace("|", " or ")
        if option.required:
            shown = "required"
        elif option.is_flag or default is False:
            shown = "off"
        elif isinstance(default, str):
            shown = code(default)
        else:
            shown = number(default) if isinstance(default, (int, float)) else ""
        rows.append([code(option.opts[0]), shown, span, HAND])
    return Table(("option", "default", "range", "meaning"), rows, "option")


def models() -> Table:
    """Networks that are known by name."""
    return Table(("name", "layers"), [[code(name), HAND] for name in MODELS], "name")


def log_columns() -> Table:
    """Columns of a training run's log."""
    rows = [[code(name), HAND] for name in constant("training/finish.py", "COLUMNS")]
    return Table(("column", "meaning"), rows, "column")


NUMBERS: tuple[tuple[str, str, str, Callable[[Any], str]], ...] = (
    ("learning rate of the network in nested training, in parts of the controller's", "training/steps.py",
     "NESTED_RATE", number),
    ("training images of the calibration pass, at most", "training/loop.py", "CALIBRATION_SAMPLES", number),
    ("temperature of the Gumbel sample, from and to", "training/loop.py", "TAU",
     lambda tau: " and ".join(map(number, tau))),
    ("smoothing of labels", "training/losses.py", "SMOOTHING", number),
    ("span of the dial's bias, in logits", "training/dial.py", "SPAN", number),
    ("part of the budget that the dial's setting keeps", "training/validation.py", "DIAL_FILL", number),
    ("decay of tracked ranges", "training/quantizers.py", "EMA_RATE", lambda rate: number(1 - rate)),
    ("percentile of magnitudes that ranges track", "training/quantizers.py", "PERCENTILE_REST",
     lambda rest: number(100 - 100 * rest)),
    ("clip that a weight starts with, in standard deviations", "training/quantizers.py", "CLIP_SIGMAS", number),
    ("static vectors that are all tried, at most", "precision/static.py", "EXHAUSTIVE_MAX", number),
    ("held-out samples of `digits`", "data/load.py", "DIGITS_TEST", number),
    ("held-out part of data that has none of its own", "data/dataset.py", "TEST_SHARE", number),
)  # fmt: skip


def method_numbers() -> Table:
    """Constants of the method; those that an option sets are in the table of options."""
    rows = [(what, show(constant(path, name)), f"`{name}`, `{path}`") for what, path, name, show in NUMBERS]
    return Table(("number", "value", "in the code"), rows, "number")


# --- Checkpoint -----------------------------------------------------------------------------------------------


def fields_of(cls: type[Any]) -> Callable[[], Table]:
    """Fields of a part of a checkpoint's manifest."""
    return lambda: Table(("field", "value"), [[code(f.name), HAND] for f in dataclasses.fields(cls)], "field")


def layer_types() -> Table:
    """Layers by their names on disk."""
    rows: list[list[Cell]] = []
    for cls, name in layers.LAYER_NAMES.items():
        names = [f.name for f in dataclasses.fields(cls) if f.name not in ("name", "output")]
        rows.append([code(name), ", ".join(map(code, names)), HAND])
    return Table(("type", "fields besides `name`, `output`", "shapes"), rows, "type")


def checkpoint_limits() -> Table:
    """What a reader refuses by size."""
    rows = [
        ("formats", f"{checkpoint.FORMATS[0]} to {checkpoint.FORMATS[-1]}"),
        ("file", f"{checkpoint.FILE_MAX >> 20} MiB"),
        ("header", f"{checkpoint.MANIFEST_MAX >> 20} MiB, and not longer than the file"),
        ("layers in a list", str(checkpoint.LAYERS_MAX)),
        ("weights of a layer", f"{graph.WEIGHTS_MAX:,}"),
        ("inputs of a concatenation", str(graph.CONCAT_MAX)),
        ("a side of a tensor", f"1..{graph.DIMENSION_MAX}"),
        ("kernel and stride", f"1..{values.WINDOW_MAX}; padding less than the kernel, dilation counted"),
        ("dilation", f"1..{graph.DIMENSION_MAX}"),
        ("loops of a `Rearrange`", f"1..{graph.LOOPS_MAX}"),
        ("candidates of a layer", f"1..{policy.CANDIDATES_MAX}"),
        ("inputs, outputs, states", f"{graph.TERMINALS_MAX} of each"),
        ("points of a dial", f"{dial.POINTS_MAX}; targets a thousandth or more apart"),
        ("names", "a letter or `_`, then up to 63 of letters, digits, `_`, `.`, `-`"),
        ("accumulators, and logits with a bias of the dial", "must fit 32 bits on every input"),
    ]
    return Table(("limit", "value", "checked"), [[*row, HAND] for row in rows], "limit")
