"""Kernels of one kind in an image for an emulated board, compared with the interpreter layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from dqt_edge.boards import load_board
from dqt_edge.device.connect import open_client
from dqt_edge.graph import Graph
from dqt_edge.lowering.plan import Plan
from dqt_edge.measure.session import layer_checksums
from dqt_edge.project.build import build
from dqt_edge.project.export import export
from dqt_edge.project.manifest import Project

from .kernel_cases import cases, extreme_codes

Change = Callable[[Path, Plan], None]


def differing(made: Project, graph: Graph, samples: Iterable[np.ndarray], turns: int) -> list[str]:
    """Runs a built project on samples, ``turns`` times each, in turn ``t`` at candidate t of every layer.

    Returns:
        A line for each layer, sample and turn whose output is not the interpreter's.
    """
    wrong = []
    with open_client(made.board, made.elf, made.model_hash) as client:
        for number, sample in enumerate(samples):
            for turn in range(turns):
                vector = [layer.candidates[turn % len(layer.candidates)] for layer in graph.adaptive]
                choices = tuple(turn % len(layer.candidates) for layer in graph.adaptive)
                got = client.infer(sample.tobytes(), choices, checksums=True).checksums or ()
                want = layer_checksums(graph, sample, vector)
                for layer, a, b in zip(graph.layers, got, want, strict=True):
                    if a != b:
                        wrong.append(f"{layer.name}, vector {vector}, sample {number}: {layer}"[:400])
    return wrong


def assert_cases_agree(
    board_id: str,
    kernel: str,
    kind: str,
    shape: tuple[int, int, int],
    count: int,
    zero: int,
    folder: Path,
    change: Change | None = None,
) -> None:
    """``count`` layers of a kind at up to three width pairs on three inputs.

    Args:
        kernel: One that the plan must contain.
        change: Alters the project's sources before they are compiled.
    """
    seed = sum(shape) + zero
    graph = cases(kind, seed, shape, count, zero=zero)
    made, plan, _ = export(graph, load_board(board_id), folder)
    assert kernel in {layer.kernel for layer in plan.layers}
    if change is not None:
        change(made.folder, plan)
    build(made.folder, cross=True)
    wrong = differing(made, graph, extreme_codes(seed, shape, 3), 3)
    assert not wrong, f"seed {seed}: {len(wrong)} outputs differ, first {wrong[0]}"
