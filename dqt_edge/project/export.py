"""Writes a C project: whole or not at all, and never over a file that somebody has changed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .. import __version__
from ..boards import Board
from ..errors import BadFileError, DoesNotFitError, UsageError
from ..graph import Graph
from ..graph.checkpoint import save
from ..lowering.plan import Plan
from ..lowering.points import PlannedPoints
from .board_record import BOARD, board_text
from .footprint import Footprint, footprint_facts, make_buffers, predict
from .manifest import FORMAT, MANIFEST, Project, files_of_older_export, read_manifest
from .optimize import Optimize, plans_for
from .render import ModelNames, render

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
    graphs: Sequence[Graph], board: Board, folder: Path, *, force: bool = False, optimize: Optimize = "speed"
) -> ExportedTogether:
    """Write one C project with these models for a board; an earlier export in the same folder is replaced.

    The models share kernels and, in the serial app, one arena.

    Args:
        graphs: At least one; their names must differ.
        board: Where they run.
        folder: The project's.
        force: Replace files that were changed since the export.
        optimize: What is weighed most; see :mod:`.optimize`.

    Raises:
        DoesNotFitError, UnsupportedError: The models cannot run on the board; nothing is written.
        UsageError: The folder holds something else than an export, or changed files; or two models share a name.
        BadFileError: The disk is full or not writable; nothing is left behind.
    """
    plans = plans_for(graphs, board, optimize)
    names = [ModelNames.of(plan) for plan in plans]
    _require_distinct(names)
    buffers = make_buffers(plans)
    footprint = None if board.is_host else predict(plans)
    if board.is_host and buffers.total > HOST_RAM_MAX:
        raise DoesNotFitError(
            f"the model needs {buffers.total:,} bytes of RAM, more than {HOST_RAM_MAX:,}",
            where="board 'host'",
            next_step="use a smaller model",
        )
    files = render(plans, buffers, footprint) | {BOARD: board_text(board)}
    _require_replaceable(folder, force=force)
    manifest = _write(files, graphs, names, plans, footprint, folder)
    return ExportedTogether(Project(folder, manifest, board), plans, footprint)


def _require_distinct(names: Sequence[ModelNames]) -> None:
    """Refuse models that C could not tell apart; macros are upper case, so case does not count."""
    known: dict[str, str] = {}
    for name in names:
        if name.upper in known:
            raise UsageError(
                f"the models {known[name.upper]!r} and {name.name!r} have one name in C",
                where="`models`",
                next_step="give one of them another name, for instance by importing or training it again",
            )
        known[name.upper] = name.name


def _require_replaceable(folder: Path, *, force: bool) -> None:
    """Refuse a folder with anything of the user's in it, so that nothing can be lost."""
    next_step = "choose another folder as `out`, or empty this one"
    try:
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            reason = "the output is a link or a file, not a folder"
        elif Path.cwd().is_relative_to(folder.resolve()):
            reason = "the output is the current folder or holds it"
        elif not folder.exists():
            return
        elif (foreign := _foreign_file(folder)) is not None:
            reason = f"the folder holds {foreign!r}, which is no part of an earlier export"
        elif not force and (changed := _changed_file(folder)) is not None:
            reason = changed
            next_step = "choose another folder as `out`; `force` takes the change back"
        else:
            return
    except OSError as error:
        raise BadFileError(
            f"cannot look into the folder: {error.strerror or error}",
            where=str(folder),
            next_step="choose another `out`",
        ) from error
    raise UsageError(reason, where=f"`out` {folder}", next_step=next_step)


def _foreign_file(folder: Path) -> str | None:
    """A file that no export wrote, or None."""
    found = [p.relative_to(folder).as_posix() for p in sorted(folder.rglob("*")) if p.is_symlink() or not p.is_dir()]
    own = {MANIFEST, *_listed(folder)} if found else set()
    built = ("build/", "build-examples/")
    return next((name for name in found if name not in own and not (len(own) > 1 and name.startswith(built))), None)


def _listed(folder: Path) -> dict[str, str | None]:
    """Files of the export in a folder with their SHA-256, or None where an older program kept none."""
    try:
        return dict(read_manifest(folder)[0]["files"])
    except BadFileError:
        names = files_of_older_export(folder)
        return dict.fromkeys(names)


def _changed_file(folder: Path) -> str | None:
    """What would be lost, or None: a file that is no longer what was exported. A deleted one is no loss."""
    for name, digest in _listed(folder).items():
        path = folder / name
        if digest is None:
            return f"{str(folder)!r} holds an export of an older program, which kept no account of changes"
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            return f"{name!r} was changed since the export"
    return None


def _write(
    files: Mapping[str, str],
    graphs: Sequence[Graph],
    names: Sequence[ModelNames],
    plans: Sequence[Plan],
    footprint: Footprint | None,
    folder: Path,
) -> dict[str, Any]:
    """Fill a temporary folder beside the target, then swap it in; returns the manifest."""
    temporary: Path | None = None
    aside: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        temporary.chmod(0o755)
        digests = {}
        for name, text in files.items():
            digests[name] = _write_file(temporary / name, text.encode())
        for graph, model in zip(graphs, names, strict=True):
            path = temporary / checkpoint_path(model)
            save(graph, path)
            digests[checkpoint_path(model)] = hashlib.sha256(path.read_bytes()).hexdigest()
        manifest = _manifest(graphs, names, plans, footprint, digests)
        _write_file(temporary / MANIFEST, (json.dumps(manifest, indent=2, sort_keys=True) + "\n").encode())
        # The old export is moved aside and deleted last: at no moment is there neither the old one nor the new.
        aside = temporary.with_name(f"{temporary.name}.old")
        if folder.exists():
            folder.replace(aside)
        temporary.replace(folder)
        shutil.rmtree(aside, ignore_errors=True)
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL
        raise BadFileError(
            f"cannot write the project: {getattr(error, 'strerror', None) or error}",
            where=str(folder),
            next_step="check that the disk has free space and the folder is writable; nothing was left behind",
        ) from error
    finally:
        if aside is not None and aside.exists() and not folder.exists():
            aside.replace(folder)
        if temporary is not None and temporary.exists():
            shutil.rmtree(temporary, ignore_errors=True)
    return manifest


def _write_file(path: Path, content: bytes) -> str:
    """Write a file through to the disk; returns its SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    return hashlib.sha256(content).hexdigest()


def checkpoint_path(model: ModelNames) -> str:
    """Where a project keeps a model's checkpoint."""
    return f"model/{model.symbol}.safetensors"


def _manifest(
    graphs: Sequence[Graph],
    names: Sequence[ModelNames],
    plans: Sequence[Plan],
    footprint: Footprint | None,
    digests: Mapping[str, str],
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "dqt_edge": __version__,
        "board": plans[0].board.id,
        "models": [_model_facts(*each) for each in zip(graphs, names, plans, strict=True)],
        "predicted": None if footprint is None else footprint_facts(plans, footprint),
        "files": dict(digests),
    }


def _setting_facts(graph: Graph, points: PlannedPoints) -> dict[str, Any]:
    return {
        "points": [{"name": point.name, "after": point.after} for point in graph.points],
        "second_pass": points.second is not None,
        "tuned": [{"cost": point.cost, "agreement": point.agreement} for point in graph.tuned],
    }


def _model_facts(graph: Graph, names: ModelNames, plan: Plan) -> dict[str, Any]:
    return {
        "name": graph.name,
        "symbol": names.symbol,
        "hash": plan.model_hash.hex(),
        "checkpoint": checkpoint_path(names),
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
