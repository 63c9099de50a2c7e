"""Writes a C project."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from .. import __version__
from ..boards import Board
from ..errors import DoesNotFitError, UsageError
from ..graph import Graph
from ..graph.checkpoint import save
from ..lowering.plan import Plan
from ..lowering.points import PlannedPoints
from .board_record import BOARD, board_text
from .footprint import Footprint, footprint_facts, make_buffers, predict
from .manifest import FORMAT, Project
from .optimize import Optimize, plans_for
from .outlets import PLATFORM_WORDS
from .render import ModelNames, header_names, render
from .text_protocol import text_protocol
from .trigger import with_trigger
from .watchdog import require_time, watchdog_facts, with_watchdog
from .writing import Content, require_replaceable, write_folder

HOST_RAM_MAX = 1 << 30


class Exported(NamedTuple):
    """What :func:`export` wrote: the project, its plan, its predicted footprint (None for the host)."""

    project: Project
    plan: Plan
    footprint: Footprint | None


class ExportedTogether(NamedTuple):
    """What :func:`export_together` wrote: as :class:`Exported`, with a plan for each model."""

    project: Project
    plans: tuple[Plan, ...]
    footprint: Footprint | None


def default_folder(checkpoint_file: Path, board: Board) -> Path:
    """``build/<checkpoint's name>-<board>`` below the current folder."""
    return Path("build") / f"{checkpoint_file.stem}-{board.id}"


def export(graph: Graph, board: Board, folder: Path, *, force: bool = False) -> Exported:
    """:func:`export_together` for one model."""
    project, plans, footprint = export_together([graph], board, folder, force=force)
    return Exported(project, plans[0], footprint)


def export_together(
    graphs: Sequence[Graph],
    board: Board,
    folder: Path,
    *,
    force: bool = False,
    optimize: Optimize = "speed",
    text: str | None = None,
    trigger: str | None = None,
    watchdog: float | None = None,
) -> ExportedTogether:
    """Write one C project with these models for a board; an earlier export in the same folder is replaced.

    The models share kernels and, in the serial app, one arena.

    Args:
        graphs: At least one; their names must differ.
        board: Where they run.
        folder: The project's.
        force: Replace files that were changed since the export.
        optimize: What is weighed most; see :mod:`.optimize`.
        text: What MLPerf Tiny's text protocol calls the first model; None: the serial app speaks frames only.
        trigger: The pin that is high while the model runs, ``"default"`` or None; see :mod:`.trigger`.
        watchdog: Seconds after which a program that hangs is restarted, or None; see :mod:`.watchdog`.

    Raises:
        DoesNotFitError, UnsupportedError: The models cannot run on the board; nothing is written.
        UsageError: The folder holds something else than an export, or changed files; two models share a name; or the
            board has not that pin or that watchdog.
        BadFileError: The disk is full or not writable; nothing is left behind.
    """
    board = board if trigger is None else with_trigger(board, trigger)
    board = board if watchdog is None else with_watchdog(board, watchdog)
    plans = plans_for(graphs, board, optimize)
    names = [ModelNames.of(plan, PLATFORM_WORDS) for plan in plans]
    require_distinct(names, plans)
    spoken = None if text is None else text_protocol(text, plans, board)
    buffers = make_buffers(plans, spoken)
    footprint = None if board.is_host else predict(plans, text=spoken)
    if watchdog is not None and footprint is not None:
        require_time(board, plans, footprint.flash)
    if board.is_host and buffers.total > HOST_RAM_MAX:
        raise DoesNotFitError(
            f"the model needs {buffers.total:,} bytes of RAM, more than {HOST_RAM_MAX:,}",
            where="board 'host'",
            next_step="use a smaller model",
        )
    files = render(plans, names, buffers, footprint, spoken) | {BOARD: board_text(board)}
    require_replaceable(folder, force=force)
    contents: dict[str, Content] = {name: content.encode() for name, content in files.items()}
    contents |= {checkpoint_path(model): partial(save, graph) for graph, model in zip(graphs, names, strict=True)}
    facts = _manifest(graphs, names, plans, footprint)
    if text is not None:
        facts["text_protocol"] = text
    if trigger is not None and board.trigger is not None:
        facts["trigger"] = {"pin": board.trigger.pin, "where": board.trigger.where}
    if watchdog is not None:
        facts["watchdog"] = watchdog_facts(board)
    manifest = write_folder(folder, contents, facts)
    return ExportedTogether(Project(folder, manifest, board), plans, footprint)


def require_distinct(names: Sequence[ModelNames], plans: Sequence[Plan]) -> None:
    """Refuse models that C could not tell apart; macros are upper case, so case does not count.

    Names may differ and what is derived from them not: with decision points, a model ``a`` has a macro A_HEAD_LAYERS,
    and so has any model ``a_head``.
    """
    known: dict[str, str] = {}
    for name in names:
        if name.upper in known:
            raise UsageError(
                f"the models {known[name.upper]!r} and {name.name!r} have one name in C",
                where="`models`",
                next_step="give one of them another name, for instance by importing or training it again",
            )
        known[name.upper] = name.name
    if len(names) > 1:
        owners: dict[str, str] = {}
        for name, plan in zip(names, plans, strict=True):
            for derived in header_names(plan, name):
                if derived in owners:
                    raise UsageError(
                        f"the models {owners[derived]!r} and {name.name!r} both have a {derived} in C",
                        where="`models`",
                        next_step="give one of them another name, for instance by importing or training it again",
                    )
                owners[derived] = name.name


def checkpoint_path(model: ModelNames) -> str:
    """Where a project keeps a model's checkpoint."""
    return f"model/{model.symbol}.safetensors"


def _manifest(
    graphs: Sequence[Graph],
    names: Sequence[ModelNames],
    plans: Sequence[Plan],
    footprint: Footprint | None,
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "dqt_edge": __version__,
        "board": plans[0].board.id,
        "models": [
            {**model_facts(graph, model, plan), "checkpoint": checkpoint_path(model)}
            for graph, model, plan in zip(graphs, names, plans, strict=True)
        ],
        "predicted": None if footprint is None else footprint_facts(plans, footprint),
    }


def _setting_facts(graph: Graph, points: PlannedPoints) -> dict[str, Any]:
    return {
        "points": [{"name": point.name, "after": point.after} for point in graph.points],
        "second_pass": points.second is not None,
        "tuned": [{"cost": point.cost, "agreement": point.agreement} for point in graph.tuned],
    }


def model_facts(graph: Graph, names: ModelNames, plan: Plan) -> dict[str, Any]:
    """What a manifest says of a model, as plain JSON values."""
    return {
        "name": graph.name,
        "symbol": names.symbol,
        "hash": plan.model_hash.hex(),
        "arena": plan.arena_size,
        "inputs": [terminal.facts for terminal in plan.inputs],
        "outputs": [terminal.facts for terminal in plan.outputs],
        "states": len(plan.states),
        "classes": list(graph.classes),
        "dial": list(graph.dial_targets),
        **({} if plan.points is None else {"settings": _setting_facts(graph, plan.points)}),
        "layers": [
            {
                "name": layer.name,
                "kernel": layer.kernel,
                "shape": list(layer.shape),
                "macs": layer.macs,
                "adaptive": layer.adaptive,
                "controller": layer.controller,
                **({} if layer.point is None else {"point": layer.point}),
                "candidates": [f"{w}x{a}" for w, a in layer.widths],
                "accumulator_bound": layer.bound,
            }
            for layer in plan.layers
        ],
    }
