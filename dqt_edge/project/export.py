"""An exported project on disk: written whole or not at all, and found again."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import __version__
from ..boards import Board, board_ids, load_board
from ..errors import BadFileError, DoesNotFitError, UsageError
from ..graph import Graph, checkpoint
from ..lowering.plan import Plan, make_plan
from ..system.files import read_capped, write_atomically
from ..system.show import Facts, Shown
from .footprint import Footprint, make_buffers, predict
from .render import render

MANIFEST = "manifest.json"
MODEL = "model.safetensors"
LAST = ".dqt-edge.json"
FORMAT = 1
MANIFEST_MAX = 4 << 20
HOST_RAM_MAX = 1 << 30


@dataclass(frozen=True, repr=False)
class Project(Shown):
    """An exported project. ``manifest`` is the content of its manifest.json."""

    folder: Path
    manifest: dict[str, Any]
    board: Board

    @property
    def elf(self) -> Path:
        """The image that ``dqt-edge build`` makes."""
        return self.folder / "build" / "model.elf"

    @property
    def model_hash(self) -> bytes:
        """SHA-256 of the model, as the device states it."""
        return bytes.fromhex(self.manifest["model"]["hash"])

    def facts(self) -> tuple[str, Facts]:
        """See :class:`Shown`."""
        sizes = self.manifest.get("predicted")
        return f"{self.manifest['model'].get('name')!r} for {self.board.id}", (
            ("folder", str(self.folder)),
            ("built", "yes" if self.elf.is_file() else "no"),
            ("predicted", "-" if not sizes else f"{sizes['flash']:,} bytes of flash, {sizes['ram']:,} of RAM"),
            ("model", self.model_hash.hex()[:16]),
        )

    def graph(self) -> Graph:
        """The model itself; raises BadFileError if it is not the exported one."""
        path = self.folder / MODEL
        graph = checkpoint.load(path)
        if checkpoint.model_hash(graph) != self.model_hash:
            raise BadFileError(
                "the model is not the one that was exported",
                where=str(path),
                next_step="run 'dqt-edge export' again",
            )
        return graph


def default_folder(checkpoint_file: Path, board: Board) -> Path:
    """``build/<checkpoint's name>-<board>`` below the current folder."""
    return Path("build") / f"{checkpoint_file.stem}-{board.id}"


def export(graph: Graph, board: Board, folder: Path) -> tuple[Project, Plan, Footprint | None]:
    """Write the C project of a graph for a board; an earlier export in the same folder is replaced.

    Returns:
        The project, its plan, and its predicted footprint (None for the host, which has no such limits).

    Raises:
        DoesNotFitError, UnsupportedError: The model cannot run on the board; nothing is written.
        UsageError: The folder holds something else than an export.
        BadFileError: The disk is full or not writable; nothing is left behind.
    """
    plan = make_plan(graph, board)
    buffers = make_buffers(plan)
    footprint = None if board.is_host else predict(plan)
    if board.is_host and buffers.total > HOST_RAM_MAX:
        raise DoesNotFitError(
            f"the model needs {buffers.total:,} bytes of RAM, more than {HOST_RAM_MAX:,}",
            where="board 'host'",
            next_step="use a smaller model",
        )
    files = render(plan, buffers, footprint)
    manifest = _manifest(graph, plan, footprint, sorted(files))
    files[MANIFEST] = json.dumps(manifest, indent=2, sort_keys=True) + "\n"
    _require_replaceable(folder)
    _write(graph, files, folder)
    return Project(folder, manifest, board), plan, footprint


def _require_replaceable(folder: Path) -> None:
    """Refuse a folder that holds anything else than an earlier export, so that no file of the user's can be lost."""
    try:
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            reason = "the output is a link or a file, not a folder"
        elif Path.cwd().is_relative_to(folder.resolve()):
            reason = "the output is the current folder or holds it"
        elif folder.exists() and (foreign := _foreign_file(folder)) is not None:
            reason = f"the folder holds {foreign!r}, which is no part of an earlier export"
        else:
            return
    except OSError as error:
        raise BadFileError(
            f"cannot look into the folder: {error.strerror or error}",
            where=str(folder),
            next_step="choose another `out`",
        ) from error
    raise UsageError(reason, where=f"`out` {folder}", next_step="choose another folder as `out`, or empty this one")


def _foreign_file(folder: Path) -> str | None:
    """A file that no export wrote, or None."""
    found = [str(p.relative_to(folder)) for p in sorted(folder.rglob("*")) if p.is_symlink() or not p.is_dir()]
    if not found:
        return None
    try:
        manifest = read_manifest(folder)
        own = {MANIFEST, MODEL, *map(str, manifest["files"])}
    except (BadFileError, KeyError, TypeError):
        own = set()
    return next((name for name in found if name not in own and not (own and name.startswith("build/"))), None)


def _write(graph: Graph, files: dict[str, str], folder: Path) -> None:
    """Fill a temporary folder beside the target, then swap it in."""
    temporary: Path | None = None
    aside: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        temporary.chmod(0o755)
        for name, text in files.items():
            path = temporary / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("w", encoding="utf-8", newline="\n") as handle:
                handle.write(text)
                handle.flush()
                os.fsync(handle.fileno())
        checkpoint.save(graph, temporary / MODEL)
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


def _manifest(graph: Graph, plan: Plan, footprint: Footprint | None, files: list[str]) -> dict[str, Any]:
    source = graph.tensor(graph.input)
    target = graph.tensor(graph.output)
    return {
        "format": FORMAT,
        "dqt_edge": __version__,
        "board": plan.board.id,
        "model": {
            "name": graph.name,
            "hash": plan.model_hash.hex(),
            "input": {"shape": list(source.shape), "scale": source.scale, "zero_point": source.zero_point},
            "output": {"size": target.size, "scale": target.scale, "zero_point": target.zero_point},
            "classes": list(graph.classes),
            "dial": list(graph.dial_targets),
        },
        "layers": [
            {
                "name": layer.name,
                "kernel": layer.kernel,
                "shape": list(layer.shape),
                "macs": layer.macs,
                "adaptive": layer.adaptive,
                "controller": layer.controller,
                "candidates": [f"{w}x{a}" for w, a in layer.widths],
                "accumulator_bound": layer.bound,
            }
            for layer in plan.layers
        ],
        "predicted": None if footprint is None else footprint_facts(plan, footprint),
        "files": files,
    }


def footprint_facts(plan: Plan, footprint: Footprint) -> dict[str, Any]:
    """A footprint as plain JSON values, in bytes."""
    return {
        "flash": footprint.flash,
        "ram": footprint.ram,
        "code": footprint.code,
        "weights": footprint.weights,
        "tables": footprint.tables,
        "arena": plan.arena_size,
        "scratch": plan.scratch_size,
        "memory_lower_bound": plan.memory_lower_bound,
        "peak": {
            "layer": plan.peak,
            "map": [{"what": r.what, "offset": r.offset, "size": r.size} for r in plan.peak_regions],
        },
        "stack": footprint.stack,
        "static": footprint.static,
        "buffers": footprint.buffers.total - footprint.buffers.memory,
        "compiler": footprint.compiler,
    }


def remember(project: Project) -> None:
    """Make the project the default of later commands in this folder."""
    note = json.dumps({"last_export": str(project.folder)}) + "\n"
    write_atomically(Path(LAST), note.encode())


def find_project(folder: Path | None = None) -> Project:
    """The project in a folder, or the last one exported from here.

    Raises:
        UsageError: No folder given, and nothing was exported from here.
        BadFileError: The folder holds no usable project.
    """
    if folder is None:
        try:
            folder = Path(json.loads(Path(LAST).read_text(encoding="utf-8"))["last_export"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise UsageError(
                "no project given, and none was exported from this folder",
                where=str(Path.cwd()),
                next_step="run 'dqt-edge export' with a checkpoint and a board first, or name the project's folder",
            ) from error
    manifest = read_manifest(folder)
    return Project(folder, manifest, load_board(manifest["board"]))


def read_manifest(folder: Path) -> dict[str, Any]:
    """The checked manifest of a project folder; raises BadFileError."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(read_capped(path, MANIFEST_MAX))
        if manifest["format"] != FORMAT:
            raise ValueError(f"format {manifest['format']!r}, this program reads {FORMAT}")
        if manifest["board"] not in board_ids():
            raise ValueError(f"unknown board {manifest['board']!r}")
        if len(bytes.fromhex(manifest["model"]["hash"])) != 32:
            raise ValueError("the model's hash has not 32 bytes")
        predicted = manifest["predicted"]
        if manifest["board"] != "host" and not all(type(predicted[k]) is int for k in ("flash", "ram", "stack")):
            raise ValueError("the predicted sizes are no numbers")
    except OSError as error:
        raise BadFileError(
            f"no exported project: {error.strerror or error}",
            where=str(path),
            next_step="run 'dqt-edge export' first, or name its folder",
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadFileError(
            f"the manifest is damaged ({type(error).__name__}: {error})",
            where=str(path),
            next_step="run 'dqt-edge export' again",
        ) from error
    assert isinstance(manifest, dict)
    return manifest
