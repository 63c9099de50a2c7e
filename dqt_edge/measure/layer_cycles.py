"""Modelled cycles of every layer at each of its candidates, those of decision points and of the controller included."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..boards import Board
from ..errors import ToolchainError, UsageError
from ..graph import Graph, Setting
from ..graph.points import WATCH, option_vectors
from ..graph.policy import Policy
from ..precision.layer_costs import LayerCosts
from ..project.build import build
from ..project.export import export
from .asking import by_layer
from .counting import CountedDevice
from .cycles.model import model_of, title
from .modelled import mean_cycles, why_not
from .session import run_session

SAMPLES = 2
"""Cycles depend on the data a little, where a kernel branches on it."""


def require_cycles(board: Board) -> None:
    """Refuse a board whose cycles cannot be modelled; raises UsageError unless it is one of QEMU's."""
    if board.qemu is None:
        raise UsageError(
            "cycles are modelled of code that runs in QEMU",
            where=f"`board` {board.id}",
            next_step="choose a QEMU board, such as qemu-m4, or leave it out: the cost is in BitOPs then",
        )


def measure(
    graph: Graph,
    board: Board,
    folder: Path,
    codes: npt.NDArray[np.uint8],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> LayerCosts:
    """Build the network and run all its layers, each adaptive layer at each of its options.

    Args:
        graph: The network.
        board: A QEMU board.
        folder: The project's folder.
        codes: Inputs; the first two are used.
        progress: Called with the runs done and their number.

    Raises:
        UsageError: See :func:`require_cycles`.
        ToolchainError: What models its core is not installed.
        DoesNotFitError: The network with all its heads does not fit.
    """
    require_cycles(board)
    graph = replace(graph, tuned=(), second_pass=False)
    made, _, _ = export(graph, board, folder)
    build(made.folder, cross=True)
    reason = why_not(board, made.elf.parent)
    if reason is not None:
        raise ToolchainError(
            reason, where=f"`board` {board.id}", next_step="install it, or leave the board out: BitOPs need none"
        )
    model = model_of(board.cpu.core, made.elf)
    asked = _runs(graph)
    found: dict[str, list[float]] = {layer.name: [] for layer in graph.all_layers}
    with CountedDevice(made, histogram=True, graph=graph) as client:
        for done, setting in enumerate(asked, 1):
            client.history.clear()
            run_session(client, graph, board, codes[:SAMPLES], None, _as_policy(graph, setting))
            cycles = by_layer(graph, mean_cycles(model, client.history))
            chosen = dict(zip((layer.name for layer in graph.adaptive), setting.widths or (), strict=False))
            for layer, count in zip(graph.all_layers, cycles, strict=True):
                values = found[layer.name]
                if count and chosen.get(layer.name, 0) == len(values):
                    values.append(count)
            progress(done, len(asked))
    return LayerCosts(title(model, board.flash), {name: tuple(values) for name, values in found.items()})


def _as_policy(graph: Graph, setting: Setting) -> Policy:
    """The setting, or what is the same to a network without points, whose image knows no settings."""
    if graph.points:
        return setting
    if setting.widths is None:
        return "dynamic"
    return [layer.options[k] for layer, k in zip(graph.adaptive, setting.widths, strict=True)]


def _runs(graph: Graph) -> list[Setting]:
    """Settings that together run every layer at each of its options, and the controller; every head runs in each."""
    count = len(graph.points)
    found = [Setting(vector, (WATCH,) * count, (0,) * count) for vector in option_vectors(graph)]
    return [*found, *([] if graph.controller is None else [Setting(None, (WATCH,) * count, (0,) * count)])]
