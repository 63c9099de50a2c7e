"""Modelled cycles of each layer of a project on an emulated core: a few inferences under the counting plugin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..boards import Board
from ..errors import ToolchainError
from ..graph import Graph
from ..graph.policy import Policy
from ..project.manifest import Project
from .counting import CountedDevice, Counts, build_plugin
from .cycles.model import CycleModel, model_of, title, why_none
from .session import Codes, run_session

SAMPLES = 4
"""Inferences whose mean is taken: cycles of a layer hardly depend on the data, but a controller's choices do."""


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


def modelled_cycles(made: Project, graph: Graph, model_hash: bytes, codes: Codes, policy: Policy) -> Modelled:
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
    with CountedDevice(made, histogram=True, model_hash=model_hash) as device:
        run_session(device, graph, made.board, codes[:SAMPLES], None, policy)
        layers = tuple(mean_cycles(model, device.history))
    return Modelled(title(model, made.board.flash), layers)


def mean_cycles(model: CycleModel, inferences: Sequence[Counts]) -> list[float]:
    """Modelled cycles of each layer, the mean over some inferences."""
    found = np.array([model.cycles(counts.histograms) for counts in inferences])
    return [float(mean) for mean in found.mean(axis=0)]
