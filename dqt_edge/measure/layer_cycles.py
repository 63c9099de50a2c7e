"""Modelled cycles of every layer at each of its candidates, those of decision points and of the controller included."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..boards import Board
from ..errors import ToolchainError, UsageError
from ..graph import Dense, Graph, Layer, Requantize, Tensor, nested
from ..graph.points import widest_choices
from ..precision.layer_costs import LayerCosts
from ..project.build import build
from ..project.export import export
from .counting import CountedDevice
from .cycles.model import model_of, title
from .modelled import mean_cycles, why_not

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
    """Build and run the network with all its layers, each adaptive layer at each of its candidates.

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
    inlined = with_all_layers(graph)
    made, plan, _ = export(inlined, board, folder)
    build(made.folder, cross=True)
    reason = why_not(board, made.elf.parent)
    if reason is not None:
        raise ToolchainError(
            reason, where=f"`board` {board.id}", next_step="install it, or leave the board out: BitOPs need none"
        )
    model = model_of(board.cpu.core, made.elf)
    vectors = _vectors(inlined)
    found: dict[str, list[float]] = {layer.name: [] for layer in inlined.layers}
    with CountedDevice(made, histogram=True) as client:
        for done, vector in enumerate(vectors, 1):
            client.history.clear()
            for i, sample in enumerate(codes[:SAMPLES]):
                client.infer(sample.tobytes(), vector, counts=True, start=i == 0)
            cycles = dict(zip((x.name for x in plan.layers), mean_cycles(model, client.history), strict=True))
            chosen = dict(zip((layer.name for layer in inlined.adaptive), vector, strict=True))
            for name, values in found.items():
                if chosen.get(name, 0) == len(values):
                    values.append(cycles[name])
            progress(done, len(vectors))
    return LayerCosts(title(model, board.flash), {name: tuple(values) for name, values in found.items()})


def _vectors(graph: Graph) -> list[tuple[int, ...]]:
    """Width vectors in which each layer has each of its options in turn; skips in one of their own, the last."""
    most = max((len(layer.candidates) for layer in graph.adaptive), default=1)
    widest = widest_choices(graph)
    found = [
        tuple(k if k < len(layer.candidates) else w for layer, w in zip(graph.adaptive, widest, strict=True))
        for k in range(most)
    ]
    if any(layer.skip_bias is not None for layer in graph.adaptive):
        found.append(
            tuple(
                w if layer.skip_bias is None else len(layer.candidates)
                for layer, w in zip(graph.adaptive, widest, strict=True)
            )
        )
    return found


def with_all_layers(graph: Graph) -> Graph:
    """The network with the layers of its controller and points among its own, where they run.

    What leaves accumulators leaves codes instead, and each becomes an output.
    """
    tensors, layers, outputs = list(graph.tensors), [], []
    for layer in graph.all_layers:
        if isinstance(layer, Dense) and layer.requantize is None:
            tensors.append(Tensor(layer.output, (1, 1, layer.channels), 1.0))
            outputs.append(layer.output)
        layers.append(_with_codes(layer))
    return replace(
        graph,
        tensors=tuple(tensors),
        layers=tuple(layers),
        classes=(),
        controller=None,
        task="outputs" if outputs else graph.task,
        more_outputs=tuple(outputs),
        points=(),
        tuned=(),
        second_pass=False,
    )


def _with_codes(layer: Layer) -> Layer:
    if not isinstance(layer, Dense) or layer.requantize is not None:
        return layer
    multiplier, shift = nested.quantize_multiplier(2.0**-12)
    size = layer.channels
    return replace(layer, requantize=Requantize(np.full(size, multiplier, np.int32), np.full(size, shift, np.uint8)))
