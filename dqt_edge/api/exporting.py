"""From a graph to a C project."""

from __future__ import annotations

from pathlib import Path

from ..boards import Board
from ..graph import Graph
from ..project.export import Project, default_folder
from ..project.export import export as export_project
from .given import FilePath, Model, board_of, graph_of


def export(model: Model, board: Board | FilePath, folder: FilePath | None = None) -> Project:
    """Write a self-contained C project: weights, kernels, model, app, build files, manifest.

    The same model gives the same bytes. An earlier export in the same folder is replaced, anything else is not.

    Args:
        model: A graph, or the path of its checkpoint.
        board: Id of a board, or a Board.
        folder: Where to; ``build/<name>-<board>`` if None.

    Returns:
        The project, for ``build``, ``flash``, ``connect`` and ``profile``.

    Raises:
        DoesNotFitError: The model needs more flash or RAM than the board has; nothing is written.
        UnsupportedError: A layer that the board's kernels cannot run; nothing is written.
        UsageError: No such board, or the folder holds something else than an export.
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
    graph = graph_of(model)
    name = graph.name if isinstance(model, Graph) else Path(model).stem
    where = default_folder(Path(name).with_suffix(".safetensors"), target) if folder is None else Path(folder)
    return export_project(graph, target, where)[0]
