"""What peers take for the layers of :mod:`benchmarks.shape_layers`: CMSIS-NN's figures, and BakeNN in the same run."""

from __future__ import annotations

import csv
import functools
import re
from pathlib import Path
from typing import Any

from rich.console import Console

from dqt_edge.errors import DqtError
from dqt_edge.graph import AveragePool2D, Conv2D, Dense, DepthwiseConv2D, MaxPool2D

from . import peer
from .peer_models import PeerModel, padding
from .shape_layers import LayerShape
from .shape_tables import Figure

FILE = Path(__file__).with_name("cmsis_nn_shapes.csv")
"""CMSIS-NN (commit 99f736a of 2026-07-15, -O3, gcc 12.2.1, the wrapper functions, zero wait states) in QEMU 7.2:
retired instructions, and modelled cycles by the timing table of the manual (M4) and llvm-mca 19. Random int8 data,
input offset 128; on M55 the kernel sums of dense layers are computed before."""


WITH_TARGET = tuple(core for core, kernels in peer.KERNELS.items() if kernels == "overlay")
"""Cores that BakeNN has a target for; on others it has portable C only."""


@functools.cache
def _cmsis_nn() -> dict[str, dict[str, str]]:
    with FILE.open(encoding="utf-8", newline="") as handle:
        return {row["layer"]: row for row in csv.DictReader(handle)}


def cmsis_nn(name: str, core: str) -> Figure | None:
    """CMSIS-NN's figure for a layer on a core; None if there is none."""
    row = _cmsis_nn().get(name, {})
    instructions = row.get(f"cmsis_nn_{core}_instructions")
    cycles = row.get(f"cmsis_nn_{core}_modelled_cycles")
    return Figure("", int(instructions), int(cycles) if cycles else None) if instructions else None


class Bakenn:
    """BakeNN, installed when first used; see :mod:`benchmarks.peer`."""

    def __init__(self, console: Console) -> None:
        self._python = peer.install(console)

    def model(self, shape: LayerShape) -> bytes | None:
        """The layer as a .tflite file; None where none is written for it."""
        layer = shape.layer
        source = shape.graph.tensor("input")
        if len(shape.graph.layers) > 1 or source.zero_point:
            return None
        if not isinstance(layer, Conv2D | DepthwiseConv2D | Dense | MaxPool2D | AveragePool2D):
            return None
        if not isinstance(layer, Dense) and (layer.window.dilated or padding(layer.window, source.shape) is None):
            return None
        return PeerModel(shape.graph).encode()

    def measure(self, name: str, model: bytes, core: str) -> dict[str, Any]:
        """Instructions of BakeNN's build on a core, or ``error``: also if it is wrong, which is no fault of ours."""
        try:
            return peer.measure(self._python, re.sub(r"\W", "_", name), model, core)
        except DqtError as error:
            return {"error": error.what}
