"""Modelled cycles of each layer of a project on an emulated core: a few inferences under the counting plugin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..boards import Board
from ..errors import ToolchainError
from ..graph import Graph
from ..graph.policy import Policy
from ..project.manifest import Project
from .asking import by_layer
from .counting import CountedDevice, Counts, build_plugin
from .cycles.model import CycleModel, model_of, title, why_none
from .session import Inferences, Pieces, run_session

SAMPLES = 4
"""Inferences whose mean is taken: cycles of a layer hardly depend on the data, but a controller's choices do."""
PATHS_MAX = 64
"""Ways through a network whose cycles are modelled one by one."""


@dataclass(frozen=True)
class Modelled:
    """Cycles of an inference.

    Attributes:
        title: What they are, as in ``modelled cycles (cortex-m4, trm-1, 0 wait states)``; or why there are none.
        layers: Of each layer, the controller's included, the mean over some inferences; None: not modelled.
    """

    title: str
    layers: tuple[float, ...] | None

    @property
    def total(self) -> float | None:
        """Of all layers."""
        return None if self.layers is None else sum(self.layers)


def why_not(board: Board, folder: Path) -> str | None:
    """Why cycles of a QEMU board cannot be modelled on this computer, in words; None if they can.

    Args:
        board: The board.
        folder: Where the plugin is compiled.
    """
    reason = why_none(board.cpu.core)
    if reason is None:
        try:
            build_plugin(folder)
        except ToolchainError as error:
            reason = f"modelled cycles need QEMU's counting plugin, but {error.what}"
    return reason


def modelled_cycles(made: Project, graph: Graph, model_hash: bytes, codes: Pieces, policy: Policy) -> Modelled:
    """Run the first samples under the plugin, if the board is one of QEMU's.

    Args:
        made: A built project.
        graph: One of its models.
        model_hash: Of that model, by which the device runs it.
        codes: Input codes.
        policy: See ``graph.policy``.

    Raises:
        MismatchError: Plugin and device count differently.
        DeviceError: QEMU does not answer.
    """
    reason = why_not(made.board, made.elf.parent)
    if reason is not None:
        return Modelled(reason, None)
    model = model_of(made.board.cpu.core, made.elf)
    with CountedDevice(made, histogram=True, model_hash=model_hash, graph=graph) as device:
        run_session(device, graph, made.board, codes[:SAMPLES], None, policy)
        layers = tuple(by_layer(graph, mean_cycles(model, device.history)))
    return Modelled(title(model, made.board.flash), layers)


def modelled_mean(
    made: Project, graph: Graph, model_hash: bytes, codes: Pieces, policy: Policy, each: Inferences | None
) -> Modelled:
    """Mean of all inferences of a session where they take several paths; of the first ones where these stand for all.

    Takes and raises what :func:`modelled_each` does; of more than ``PATHS_MAX`` paths the first samples must do.
    """
    if each is not None and 1 < len(np.unique(path_of(each), axis=0)) <= PATHS_MAX:
        what, found = modelled_each(made, graph, model_hash, codes, policy, each)
        if found is not None:
            return Modelled(what, tuple(found.mean(axis=0).tolist()))
    return modelled_cycles(made, graph, model_hash, codes, policy)


def modelled_each(
    made: Project, graph: Graph, model_hash: bytes, codes: Pieces, policy: Policy, each: Inferences
) -> tuple[str, npt.NDArray[np.float64] | None]:
    """Modelled cycles of every inference of a session; None: not modelled.

    Inferences of one path, that is with the same widths, the same point and as many passes, take the cycles of the
    first of them, which is run under the plugin.

    Args:
        made: A built project.
        graph: One of its models.
        model_hash: Of that model.
        codes: Input codes of all samples.
        policy: Of the session.
        each: Its inferences.

    Returns:
        What they are, or why there are none; and float64 [samples, layers].

    Raises:
        MismatchError, DeviceError: As :func:`modelled_cycles`.
    """
    reason = why_not(made.board, made.elf.parent)
    if reason is not None:
        return reason, None
    paths = path_of(each)
    _, first, number = np.unique(paths, axis=0, return_index=True, return_inverse=True)
    if len(first) > PATHS_MAX:
        return f"the samples take {len(first)} paths through the network, and {PATHS_MAX} at most are modelled", None
    model = model_of(made.board.cpu.core, made.elf)
    with CountedDevice(made, histogram=True, model_hash=model_hash, graph=graph) as device:
        again = run_session(device, graph, made.board, codes[first], None, policy).each
        each_layer = [by_layer(graph, model.cycles(counts.histograms)) for counts in device.history]
        found = np.array(each_layer, np.float64)
    if again is None or (path_of(again) != paths[first]).any():
        return "alone, without the samples before them, some take another path through the network", None
    return title(model, made.board.flash), np.asarray(found[number.reshape(-1)], np.float64)


def path_of(each: Inferences) -> npt.NDArray[np.int64]:
    """What an inference's cycles follow from: its widths, point and passes, int64 [samples, ...]."""
    return np.column_stack([each.choices, each.points, each.passes])


def mean_cycles(model: CycleModel, inferences: Sequence[Counts]) -> list[float]:
    """Modelled cycles of each layer by its number on the device, the mean over some inferences."""
    found = np.array([model.cycles(counts.histograms) for counts in inferences])
    return [float(mean) for mean in found.mean(axis=0)]
