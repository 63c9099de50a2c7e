"""Writes the library alone, models, kernels and ``firmware/dqt``, as a build system wants it: an outlet."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import __version__
from ..boards import Board
from ..errors import DoesNotFitError
from ..graph import Graph
from ..lowering.plan import Plan
from ..system.resources import license_text
from ..system.show import Facts, Shown
from .export import HOST_RAM_MAX, default_folder, model_facts, require_distinct
from .footprint import Footprint, predict
from .manifest import EXPORTED, FORMAT
from .optimize import Optimize, plans_for
from .outlets import NEEDS_CORES, PLATFORM_WORDS, VENDOR, LibraryNames, Outlet, needs_of, outlet_of
from .render import ModelNames, c_environment, library_files
from .writing import require_replaceable, write_folder

ALIASING = """#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-strict-aliasing") /* bytes are read as words, whatever options this build has */
#endif
"""
"""What a C file begins with where its build system cannot be told flags."""
PACK_TIME = (1980, 1, 1, 0, 0, 0)
"""Of every file in a pack: the first that a zip archive can state."""
FOLDERS = {
    "dqt": "`dqt.h`, and what runs a model",
    "model": "weights and tables; `dqt_<model>.h` has sizes, scales, names",
    "kernels": "the kernels that these models use",
    "src": "`dqt.h`, the models, their kernels, and what runs them",
    "Inc": "`dqt.h`, `dqt_<model>.h`, and headers of the kernels",
    "Src": "the models, their kernels, and what runs them",
    "zephyr": "what makes it a module: build file and option",
}
"""What the README says of folders; of others that they hold an example."""


@dataclass(frozen=True, repr=False)
class Library(Shown):
    """A library that :func:`export_library` wrote.

    Attributes:
        folder: Where.
        outlet: The build system that it is for.
        id: Its name there, ``dqt_<model>``.
        board: For whose core the kernels are.
        manifest: The content of its manifest.json.
        next_step: What to do with the folder.
    """

    folder: Path
    outlet: str
    id: str
    board: Board
    manifest: dict[str, Any]
    next_step: str

    @property
    def models(self) -> tuple[dict[str, Any], ...]:
        """What the manifest says of each model, in the order of the export."""
        return tuple(self.manifest["models"])

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values: the folder, the board and its manifest's models and sizes."""
        return {
            "folder": str(self.folder),
            "board": self.board.id,
            "outlet": self.outlet,
            "id": self.id,
            "next_step": self.next_step,
            **{name: self.manifest[name] for name in EXPORTED},
        }

    def facts(self) -> tuple[str, Facts]:
        """See :class:`Shown`."""
        needs = self.manifest["predicted"]
        return f"{self.id} for {self.outlet}", (
            ("folder", str(self.folder)),
            ("models", ", ".join(model["name"] for model in self.models)),
            ("kernels", f"for {self.board.cpu.core}"),
            ("arena", ", ".join(f"{model['arena']:,} bytes" for model in self.models)),
            ("stack", "-" if needs is None else f"{needs['run_stack']:,} bytes"),
        )


def default_library_folder(checkpoint_file: Path, board: Board, outlet: str) -> Path:
    """``build/<checkpoint's name>-<board>-<outlet>`` below the current folder."""
    folder = default_folder(checkpoint_file, board)
    return folder.parent / f"{folder.name}-{outlet}"


def export_library(
    graphs: Sequence[Graph],
    board: Board,
    outlet_name: str,
    folder: Path,
    *,
    force: bool = False,
    optimize: Optimize = "speed",
) -> Library:
    """Write one library with these models, laid out for a build system; an earlier one in the same folder is replaced.

    Args:
        graphs: At least one; their names must differ.
        board: For whose core and memory.
        outlet_name: The build system.
        folder: The library's.
        force: Replace files that were changed since the export.
        optimize: What is weighed most; see :mod:`.optimize`.

    Raises:
        DoesNotFitError, UnsupportedError: The models cannot run on the board; nothing is written.
        UsageError: No such outlet, or none for this board; the folder holds something else than an export, or changed
            files; or two models share a name.
        BadFileError: The disk is full or not writable; nothing is left behind.
    """
    outlet = outlet_of(outlet_name, board)
    plans = plans_for(graphs, board, optimize)
    models = [ModelNames.of(plan, PLATFORM_WORDS) for plan in plans]
    require_distinct(models, plans)
    footprint = None if board.is_host else predict(plans, check=False)
    _require_fit(plans, board, footprint)
    names = LibraryNames.of(models)
    files = {path: text.encode() for path, text in _render(outlet, names, plans, models, footprint).items()}
    if outlet.name == "cmsis-pack":
        files[f"{VENDOR}.{names.id}.{names.version}.pack"] = _pack(files)
    require_replaceable(folder, force=force)
    facts = {
        "format": FORMAT,
        "dqt_edge": __version__,
        "outlet": outlet.name,
        "board": board.id,
        "models": [model_facts(*each) for each in zip(graphs, models, plans, strict=True)],
        "predicted": None if footprint is None else _needs(plans, footprint),
    }
    manifest = write_folder(folder, files, facts)
    return Library(folder, outlet.name, names.id, board, manifest, outlet.next_step.format(id=names.id))


def _needs(plans: Sequence[Plan], footprint: Footprint) -> dict[str, Any]:
    """Bytes that the models take, whatever else is in the product."""
    return {
        "weights": footprint.weights,
        "tables": footprint.tables,
        "arena": max(plan.arena_size for plan in plans),
        "run_stack": footprint.run_stack,
        **({} if footprint.decide_stack is None else {"decide_stack": footprint.decide_stack}),
        "compiler": footprint.compiler,
        "exact": footprint.exact,
        "basis": footprint.basis,
    }


def _require_fit(plans: Sequence[Plan], board: Board, footprint: Footprint | None) -> None:
    """Refuse models that no product on the board has room for: constants beyond its flash, an arena beyond its RAM."""
    arena = max(plan.arena_size for plan in plans)
    limits = [("RAM", arena, max((region.size for region in board.regions("ram")), default=HOST_RAM_MAX))]
    if footprint is not None:
        limits.append(("flash", footprint.weights + footprint.tables, footprint.flash_region.size))
    for kind, needed, size in limits:
        if needed > size:
            raise DoesNotFitError(
                f"the model needs {needed:,} bytes of {kind}, {needed - size:,} more than the board has",
                where=f"board {board.id!r}",
                next_step="use a smaller model or a larger board; 'dqt-edge check' shows the bytes of each layer",
            )


def _render(
    outlet: Outlet,
    names: LibraryNames,
    plans: Sequence[Plan],
    models: Sequence[ModelNames],
    footprint: Footprint | None,
) -> dict[str, str]:
    """All text files of the library by path, the manifest excepted."""
    env, board = c_environment(), plans[0].board
    needs = needs_of(board)
    facts: dict[str, Any] = {"board": board, "needs": needs}
    library = library_files(plans, models)
    library["kernels/dqt_core.c"] = env.get_template("outlets/dqt_core.c.j2").render(facts)
    files = {outlet.place(path): _sourced(path, text, outlet) for path, text in sorted(library.items())}
    assert len(files) == len(library), "two files of one name"
    sources = sorted(path for path in files if path.endswith((".c", ".S")))
    example = outlet.example.format(id=names.id)
    paths = {template: path.format(id=names.id) for template, path in outlet.templates.items()}
    folders = sorted({path.partition("/")[0] for path in (*files, *paths.values()) if "/" in path})
    facts |= {
        "outlet": outlet,
        "library": names,
        "models": models,
        "plans": plans,
        "footprint": footprint,
        "sources": sources,
        "assembly": any(path.endswith(".S") for path in sources),
        "example": example,
        "folders": [(f"{folder}/", FOLDERS.get(folder, "a program round the first model")) for folder in folders],
        "vendor": VENDOR,
        "cores": [core.replace("cortex-m", "Cortex-M").replace("plus", "+") for core in NEEDS_CORES[needs]],
        "description": f"A neural network in integers, with its kernels, made by dqt-edge: {names.title}"[:256],
    }
    for template, path in {**paths, "README.md": "README.md"}.items():
        files[path] = env.get_template(f"outlets/{template}.j2").render(facts)
    files["LICENSE"] = license_text()
    return files


def _sourced(path: str, text: str, outlet: Outlet) -> str:
    """A source as the outlet needs it: behind the comment with its licence comes what its build cannot be told."""
    if outlet.sets_flags or not path.endswith(".c"):
        return text
    head, end, rest = text.partition("*/\n")
    assert end, path
    return f"{head}{end}{ALIASING}{rest}"


def _pack(files: Mapping[str, bytes]) -> bytes:
    """A CMSIS pack: a zip archive, not compressed, so that its bytes depend on nothing but the files."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(files):
            entry = zipfile.ZipInfo(path, PACK_TIME)
            entry.create_system = 3  # as on Unix, wherever it was made
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, files[path])
    return made.getvalue()
