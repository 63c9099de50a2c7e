"""From a graph to a C project, or to a library for another build system."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ..boards import Board
from ..graph import Graph
from ..project.export import default_folder, export_together
from ..project.library import Library, default_library_folder
from ..project.library import export_library as write_library
from ..project.manifest import Project
from ..project.outlets import OutletName
from .given import FilePath, Model, board_of, graphs_of


def export(
    model: Model | Sequence[Model],
    board: Board | FilePath,
    folder: FilePath | None = None,
    *,
    force: bool = False,
    optimize: Literal["speed", "flash", "ram"] = "speed",
    text_protocol: str | None = None,
    trigger_pin: str | None = None,
    watchdog: float | None = None,
) -> Project:
    """Write a self-contained C project: library, weights, kernels, serial server, build files, examples, manifest.

    The same model gives the same bytes. An earlier export in the same folder is replaced, anything else is not.

    Args:
        model: A graph, or the path of its checkpoint; or several, which become one project with shared kernels.
        board: Id of a board, or a Board.
        folder: Where to; ``build/<name>-<board>``, by the first model, if None.
        force: Replace files that were changed since the last export; nothing else is.
        optimize: What is weighed most, as in ``plan``.
        text_protocol: Let the serial server speak MLPerf Tiny's text protocol too, and call the first model so:
            ``"ic01"``, ``"vww01"`` and ``"kws01"`` are tasks of the runner. None: it speaks frames only.
        trigger_pin: A pin that is high while the model runs, for a power analyser: ``"default"`` is the one in the
            board's file, others are named as in the chip's manual, such as ``"PA8"``. None: no pin, no byte.
        watchdog: Seconds after which the chip's watchdog restarts a program that hangs, 0.01 up to what the chip can
            wait. It must cover the model's longest layer. None: no watchdog, no byte.

    Returns:
        The project, for ``build``, ``flash``, ``connect`` and ``profile``.

    Raises:
        DoesNotFitError: The model needs more flash or RAM than the board has; nothing is written.
        UnsupportedError: A layer that the board's kernels cannot run, or a model that the text protocol has no words
            for; nothing is written.
        UsageError: No such board, the folder holds something else than an export, or a file
            that was changed; two models share a name; the text protocol for a board whose counter is no clock; or
            the board has not that pin, or has no watchdog that could wait for so long, or would have to wait longer.
        BadFileError: The checkpoint is damaged, or the folder cannot be written.

    Example:
        ```python
        import dqt_edge as dqt

        graph = dqt.load("digits.safetensors")
        project = dqt.export(graph, "qemu-m4", "digits-m4")
        print(project)
        print(project.manifest["predicted"]["flash"])
        ```
    """
    target = board_of(board)
    graphs = graphs_of(model)
    where = default_folder(_named(model, graphs), target) if folder is None else Path(folder)
    return export_together(
        graphs,
        target,
        where,
        force=force,
        optimize=optimize,
        text=text_protocol,
        trigger=trigger_pin,
        watchdog=watchdog,
    ).project


def export_library(
    model: Model | Sequence[Model],
    board: Board | FilePath,
    outlet: OutletName,
    folder: FilePath | None = None,
    *,
    force: bool = False,
    optimize: Literal["speed", "flash", "ram"] = "speed",
) -> Library:
    """Write the C library alone, laid out for the build system of a product: models, kernels, ``dqt.h``, an example.

    There is no serial server and no start-up code in it, so it is nothing for ``build`` and ``profile``: that is what
    ``export`` is for. The same model gives the same bytes. An earlier export in the same folder is replaced, anything
    else is not.

    Args:
        model: A graph, or the path of its checkpoint; or several, which become one library with shared kernels.
        board: Id of a board, or a Board: for whose core the kernels are. Boards with the same core get the same.
        outlet: The build system: ``cmake``, ``arduino``, ``zephyr``, ``platformio``, ``cmsis-pack`` or ``stm32cube``.
        folder: Where to; ``build/<name>-<board>-<outlet>``, by the first model, if None.
        force: Replace files that were changed since the last export; nothing else is.
        optimize: What is weighed most, as in ``plan``.

    Returns:
        The library.

    Raises:
        DoesNotFitError: The model's constants or its arena are larger than the board's memory; nothing is written.
        UnsupportedError: A layer that the board's kernels cannot run; nothing is written.
        UsageError: No such board or outlet, an outlet that makes no sense for the board, the folder holds something
            else than an export, or a file that was changed; or two models share a name.
        BadFileError: The checkpoint is damaged, or the folder cannot be written.

    Example:
        ```python
        import dqt_edge as dqt

        graph = dqt.load("digits.safetensors")
        library = dqt.export_library(graph, "qemu-m4", "arduino", "dqt_digits")
        print(library)
        print(library.next_step)
        ```
    """
    target = board_of(board)
    graphs = graphs_of(model)
    where = default_library_folder(_named(model, graphs), target, outlet) if folder is None else Path(folder)
    return write_library(graphs, target, outlet, where, force=force, optimize=optimize)


def _named(model: Model | Sequence[Model], graphs: Sequence[Graph]) -> Path:
    """The first checkpoint, or what the first graph's would be called."""
    first = model if isinstance(model, Graph | str | os.PathLike) else next(iter(model), None)
    name = graphs[0].name if first is None or isinstance(first, Graph) else Path(first).stem
    return Path(name).with_suffix(".safetensors")
