"""What each layer takes at each of its options on a board, measured: one image, each option once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..boards import Board
from ..device.connect import open_client
from ..device.replies import in_units
from ..errors import MismatchError, ToolchainError, UsageError
from ..graph import SKIP, Graph, Pair, interpreter
from ..graph.points import option_vectors
from ..precision.counts import Counts
from ..precision.skips import saved_by_skips
from ..project.build import build
from ..project.export import export
from ..tasks import every_output
from .counting import CountedDevice
from .cycles.model import model_of, title
from .modelled import mean_cycles, why_not

SAMPLES = 2
"""Counts depend on the data a little, where a kernel branches on it."""


def measure(
    graph: Graph,
    board: Board,
    folder: Path,
    codes: npt.NDArray[np.uint8],
    progress: Callable[[], None] = lambda: None,
    *,
    cycles: bool = False,
) -> Counts:
    """Export, build and run a graph with all its candidates.

    Args:
        graph: The network, without a controller.
        board: Where it runs; its counter must count.
        folder: The project's folder.
        codes: Inputs; the first two are used.
        progress: Called after each run; there are :func:`runs`.
        cycles: Modelled cycles of a QEMU board instead of what its counter counts.

    Raises:
        UsageError: The board counts nothing; or cycles of one that is not QEMU's.
        DoesNotFitError, ToolchainError, PortError: As export, build and device say.
        MismatchError: An answer differs from the interpreter's.
    """
    if board.is_host:
        raise UsageError(
            "the host's counter measures time, which does not repeat",
            where=f"`board` {board.id}",
            next_step="choose a QEMU board, such as qemu-m4",
        )
    if cycles and board.qemu is None:
        raise UsageError(
            "cycles are modelled of code that runs in QEMU",
            where=f"`board` {board.id}",
            next_step=f"choose a QEMU board with a {board.cpu.core}, or budgets in its own counts with `instructions`",
        )
    made, plan, _ = export(graph, board, folder)
    build(made.folder, cross=True)
    if cycles and (reason := why_not(board, made.elf.parent)) is not None:
        raise ToolchainError(reason, where=f"`board` {board.id}", next_step="install it, or give `instructions`")
    model = model_of(board.cpu.core, made.elf) if cycles else None
    counts: dict[tuple[str, Pair], float] = {}
    fixed: dict[str, float] = {}
    with CountedDevice(made, histogram=True) if model else open_client(board, made.elf, made.model_hash) as client:
        for k, options in enumerate(option_vectors(graph)):
            vector = tuple(x.options[option] for x, option in zip(graph.adaptive, options, strict=True))
            want = interpreter.run(graph, codes[:SAMPLES], vector)
            rows: list[list[float]] = []
            for i, sample in enumerate(codes[:SAMPLES]):
                choices = tuple(int(c) for c in want.choices[i])
                answer = client.infer(sample.tobytes(), choices, counts=True, start=i == 0)
                if answer.output != every_output(want)[i].tobytes():
                    raise MismatchError(
                        f"the answer at width vector {k} differs from the interpreter's",
                        where=f"board {board.id!r}, model {graph.name!r}",
                        next_step="report it with the model file",
                    )
                if model is None:
                    rows.append([in_units(ticks, board.counter) for ticks in answer.counts or ()])
                else:
                    assert isinstance(client, CountedDevice)
                    rows.append(mean_cycles(model, client.history[-1:]))
            mean = np.array(rows, np.float64).mean(axis=0)
            by_name = {layer.name: float(mean[layer.number]) for layer in plan.layers}
            for layer, pair in zip(graph.adaptive, vector, strict=True):
                counts.setdefault((layer.name, pair), by_name.pop(layer.name))
            fixed = fixed or by_name  # of the first vector, which skips nothing
            progress()
    for name, saved in saved_by_skips(graph, fixed).items():
        counts[name, SKIP] -= saved
    return Counts(title(model, board.flash) if model else board.counter.unit, sum(fixed.values()), counts)


def runs(graph: Graph) -> int:
    """Number of width vectors that :func:`measure` runs."""
    return len(option_vectors(graph))
