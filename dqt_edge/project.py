"""An exported project on disk: written whole or not at all, and found again."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import __version__, checkpoint
from .boards import Board, load_board
from .emit.render import render
from .errors import BadFileError, UsageError
from .graph import Graph
from .lowering.footprint import Footprint, make_buffers, predict
from .lowering.plan import Plan, make_plan

MANIFEST = "manifest.json"
MODEL = "model.safetensors"
LAST = ".dqt-edge.json"
FORMAT = 1
MANIFEST_MAX = 4 << 20


@dataclass(frozen=True)
class Project:
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
    footprint = None if board.is_host else predict(plan)
    files = render(plan, make_buffers(plan), footprint)
    manifest = _manifest(graph, plan, footprint, sorted(files))
    files[MANIFEST] = json.dumps(manifest, indent=2, sort_keys=True) + "\n"
    if folder.exists() and not _may_replace(folder):
        raise UsageError(
            "the folder exists and is no earlier export",
            where=str(folder),
            next_step="choose another with --out, or empty it",
        )
    _write(graph, files, folder)
    return Project(folder, manifest, board), plan, footprint


def _may_replace(folder: Path) -> bool:
    return folder.is_dir() and ((folder / MANIFEST).is_file() or not any(folder.iterdir()))


def _write(graph: Graph, files: dict[str, str], folder: Path) -> None:
    """Fill a temporary folder beside the target, then swap it in."""
    temporary: Path | None = None
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
        if folder.exists():
            shutil.rmtree(folder)
        temporary.replace(folder)
    except OSError as error:
        raise BadFileError(
            f"cannot write the project: {error.strerror or error}",
            where=str(folder),
            next_step="check that the disk has free space and the folder is writable; nothing was left behind",
        ) from error
    finally:
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
        "arena": footprint.buffers.arena,
        "arena_lower_bound": plan.arena_lower_bound,
        "scratch": footprint.buffers.scratch,
        "stack": footprint.stack,
        "static": footprint.static,
        "buffers": footprint.buffers.total - footprint.buffers.arena - footprint.buffers.scratch,
        "compiler": footprint.compiler,
    }


def remember(project: Project) -> None:
    """Make the project the default of later commands in this folder."""
    note = json.dumps({"last_export": str(project.folder)}) + "\n"
    checkpoint.write_atomically(Path(LAST), note.encode())


def find_project(folder: Path | None = None) -> Project:
    """The project in a folder, or the last one exported from here.

    Raises:
        UsageError: No folder given, and nothing was exported from here.
        BadFileError: The folder holds no usable project.
    """
    if folder is None:
        try:
            folder = Path(json.loads(Path(LAST).read_text(encoding="utf-8"))["last_export"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(
                "no project given, and none was exported from this folder",
                where=str(Path.cwd()),
                next_step="run 'dqt-edge export CHECKPOINT --board BOARD', or name the project's folder",
            ) from error
    path = folder / MANIFEST
    try:
        if path.stat().st_size > MANIFEST_MAX:
            raise ValueError(f"larger than {MANIFEST_MAX} bytes")
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT:
            raise ValueError(f"format {manifest['format']!r}, this program reads {FORMAT}")
        board = load_board(manifest["board"])
        bytes.fromhex(manifest["model"]["hash"])
    except OSError as error:
        raise BadFileError(
            f"no exported project: {error.strerror or error}",
            where=str(path),
            next_step="run 'dqt-edge export' first, or name its folder",
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise BadFileError(
            f"the manifest is damaged ({type(error).__name__}: {error})",
            where=str(path),
            next_step="run 'dqt-edge export' again",
        ) from error
    return Project(folder, manifest, board)
