"""An exported project on disk: its manifest, its models, and where the last one is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..boards import Board
from ..errors import BadFileError, UsageError
from ..graph import Graph, checkpoint
from ..system.files import read_capped, write_atomically
from ..system.plain_json import read_json
from ..system.show import Facts, Shown
from .board_record import recorded_board
from .manifest_checks import check_files, check_manifest, check_project

MANIFEST = "manifest.json"
LAST = ".dqt-edge.json"
FORMAT = 2
"""1 held one model, no digests of files, and its board by name only."""
EXPORTED = ("models", "predicted")
"""What commands print of a manifest as JSON."""
OPTIONAL = ("trigger", "watchdog")
"""What they print besides of a project's, which has it where it was asked for."""
OUTLET = "outlet"
"""Key of a manifest that belongs to a library, see :mod:`.outlets`."""
MANIFEST_MAX = 4 << 20
AGAIN = "run 'dqt-edge export' again"


@dataclass(frozen=True)
class ExportedModel:
    """A model of a project.

    Attributes:
        name: The model's own name.
        symbol: Its name in C: ``model/dqt_<symbol>.h`` declares it.
        digest: SHA-256 of what a device computes with, as the device states it.
        checkpoint: The model itself, below the project's folder.
        facts: All that the manifest says of it.
    """

    name: str
    symbol: str
    digest: bytes
    checkpoint: Path
    facts: dict[str, Any]


@dataclass(frozen=True, repr=False)
class Project(Shown):
    """An exported project. ``manifest`` is the content of its manifest.json."""

    folder: Path
    manifest: dict[str, Any]
    board: Board

    @property
    def elf(self) -> Path:
        """The image that ``build`` makes."""
        return self.folder / "build" / "model.elf"

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values: the folder, the board, its manifest's models and sizes, trigger and watchdog or None."""
        found = {name: self.manifest[name] for name in EXPORTED}
        found |= {name: self.manifest.get(name) for name in OPTIONAL}
        return {"folder": str(self.folder), "board": self.board.id, **found}

    def facts(self) -> tuple[str, Facts]:
        """See :class:`Shown`."""
        sizes = self.manifest.get("predicted")
        names = ", ".join(repr(model.name) for model in self.models)
        return f"{names} for {self.board.id}", (
            ("folder", str(self.folder)),
            ("built", "yes" if self.elf.is_file() else "no"),
            ("predicted", "-" if not sizes else f"{sizes['flash']:,} bytes of flash, {sizes['ram']:,} of RAM"),
            ("model", ", ".join(model.digest.hex()[:16] for model in self.models)),
        )

    @property
    def models(self) -> tuple[ExportedModel, ...]:
        """Its models, in the order of the export; at least one."""
        return tuple(
            ExportedModel(
                facts["name"], facts["symbol"], bytes.fromhex(facts["hash"]), self.folder / facts["checkpoint"], facts
            )
            for facts in self.manifest["models"]
        )

    def model(self, name: str | None = None) -> ExportedModel:
        """The model of that name; without a name, the first.

        Raises:
            UsageError: There is none of that name.
        """
        known = {model.name: model for model in self.models}
        if name is None:
            return self.models[0]
        if name not in known:
            raise UsageError(
                f"the project has no model {name!r}",
                where="parameter `model`",
                next_step=f"choose from {', '.join(known)}",
            )
        return known[name]

    @property
    def model_hash(self) -> bytes:
        """SHA-256 of the first model."""
        return self.model().digest

    def graph(self, name: str | None = None) -> Graph:
        """A model itself, by name; raises BadFileError if it is not the exported one."""
        model = self.model(name)
        graph = checkpoint.load(model.checkpoint)
        if checkpoint.model_hash(graph) != model.digest:
            raise BadFileError(
                "the model is not the one that was exported", where=str(model.checkpoint), next_step=AGAIN
            )
        return graph


def remember(project: Project) -> None:
    """Make the project the default of later commands in this folder."""
    note = json.dumps({"last_export": str(project.folder)}) + "\n"
    write_atomically(Path(LAST), note.encode())


def find_project(folder: Path | None = None) -> Project:
    """The project in a folder, or the last one exported from here.

    Raises:
        UsageError: No folder given, and nothing was exported from here.
        BadFileError: The folder holds no usable project, or a library of an outlet.
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
    return Project(folder, *read_manifest(folder))


def read_manifest(folder: Path) -> tuple[dict[str, Any], Board]:
    """The checked manifest of a project folder, and its board; raises BadFileError."""
    path = folder / MANIFEST
    try:
        manifest = check_manifest(read_json(read_capped(path, MANIFEST_MAX)), FORMAT)
        if OUTLET in manifest:
            raise _no_project(folder, manifest[OUTLET])
        board = recorded_board(folder, manifest)
        check_project(manifest, sized=not board.is_host)
    except OSError as error:
        raise BadFileError(
            f"no exported project: {error.strerror or error}",
            where=str(path),
            next_step="run 'dqt-edge export' first, or name its folder",
        ) from error
    except ValueError as error:
        raise BadFileError(f"the manifest is damaged: {error}", where=str(path), next_step=AGAIN) from error
    return manifest, board


def _no_project(folder: Path, outlet: object) -> BadFileError:
    return BadFileError(
        f"the folder holds a library for {outlet!s:.40}, and no project that can be built or run by dqt-edge",
        where=str(folder),
        next_step="its README.md says how to build it; 'dqt-edge export' without an outlet makes a project",
    )


def listed_files(folder: Path) -> dict[str, str]:
    """Files of the project or library in a folder, with their SHA-256; raises BadFileError if it holds neither."""
    path = folder / MANIFEST
    try:
        manifest = check_manifest(read_json(read_capped(path, MANIFEST_MAX)), FORMAT)
        if OUTLET in manifest:
            if not isinstance(manifest[OUTLET], str):
                raise ValueError(f"{OUTLET} is {manifest[OUTLET]!r:.80}, must be text")
            return check_files(manifest)
    except (OSError, ValueError) as error:
        raise BadFileError(f"no manifest: {error}", where=str(path), next_step=AGAIN) from error
    return dict(read_manifest(folder)[0]["files"])


def files_of_older_export(folder: Path) -> tuple[str, ...]:
    """Names that a manifest of format 1 lists, and the checkpoint that it did not list; none if it is no such one."""
    try:
        manifest = json.loads(read_capped(folder / MANIFEST, MANIFEST_MAX))
        if manifest["format"] == 1 and "dqt_edge" in manifest:
            return ("model.safetensors", *map(str, manifest["files"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    return ()
