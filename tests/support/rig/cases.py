"""Random layers planned for the kernel rig: which cores there are, where each layer's tensors lie, what failed.

Half of the layers have their tensors at any byte of the arena, though the planner aligns them to 8. Red zones lie
between tensors and round the scratch, which has the size that the plan promises.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np

from dqt_edge.boards import Board, board_ids, load_board
from dqt_edge.graph import (
    Add,
    AveragePool2D,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Graph,
    Layer,
    Lookup,
    Maximum,
    MaxPool2D,
    Minimum,
    Multiply,
    Pad,
    Rearrange,
    Resize,
    Softmax,
    pair_text,
)
from dqt_edge.lowering.kernels import catalogue, dsp_dense
from dqt_edge.lowering.kernels.kernel import Kernel
from dqt_edge.lowering.plan import Plan, make_plan

from .kernel_layers import DENSE_PAIRS, make_case
from .kernel_rig import Failure, Job, Rig
from .layer_case import Case
from .unweighted_layers import UNWEIGHTED

_folder = tempfile.TemporaryDirectory(prefix="dqt-rigs-")
"""Of this process: two that built the same rig in one folder would disturb each other."""


@dataclass(frozen=True)
class Core:
    """Where kernels run: a board's compiler flags, the board they are planned for, a QEMU machine if not its own.

    ``family``: of the kernels that are counted; others that a plan falls back to run too.
    """

    board: str
    planned_for: str
    family: str
    machine: str | None = None


CORES = {
    "plain": Core("qemu-m3", "host", "plain"),
    "plain-m0": Core("qemu-m0", "host", "plain", machine="mps2-an385"),
    "m3": Core("qemu-m3", "qemu-m3", "scalar"),
    "m0": Core("qemu-m0", "qemu-m0", "scalar", machine="mps2-an385"),
    "m4": Core("qemu-m4", "qemu-m4", "dsp"),
    "m7": Core("qemu-m7", "qemu-m7", "dsp"),
    "m33": Core("qemu-m33", "qemu-m33", "dsp"),
    "m55": Core("qemu-m55", "qemu-m55", "mve"),
}
CORES = {name: core for name, core in CORES.items() if core.board in board_ids()}
WITHOUT_PAIRS = ("add", "max_pool", "average_pool", "concat", *UNWEIGHTED)
"""Kinds of layers without weights."""

MOVED = ("rearrange", "pad")
"""Kinds whose codes are copied and not computed."""

OPERATORS: dict[str, type[Layer]] = {
    "conv": Conv2D,
    "residual": Conv2D,
    "three": Conv2D,
    "three_residual": Conv2D,
    "nine": Conv2D,
    "depthwise": DepthwiseConv2D,
    "dense": Dense,
    "dense_bytes": Dense,
    "dense_nibbles": Dense,
    "accumulate": Dense,
    "add": Add,
    "max_pool": MaxPool2D,
    "average_pool": AveragePool2D,
    "concat": Concat,
    "dilated": Conv2D,
    "dilated_residual": Conv2D,
    "dilated_depthwise": DepthwiseConv2D,
    "broadcast": Add,
    "multiply": Multiply,
    "maximum": Maximum,
    "minimum": Minimum,
    "lookup": Lookup,
    "softmax": Softmax,
    "rearrange": Rearrange,
    "pad": Pad,
    "resize": Resize,
}
"""Kind -> class of its layers."""

Key = tuple[str, str, str]
"""Core, kernel, pair."""


def own_kernels(kind: str, core: str) -> set[str]:
    """Kernels for a kind's operator of a core's own family, and of those that take four codes as a word.

    Plain ones too for kinds that are moved: their copies go by what the core has.
    """
    families = {CORES[core].family, "words", *(("plain",) if kind in MOVED else ())}
    families &= set(load_board(CORES[core].planned_for).cpu.families)
    kernels = (kernel for family in families for kernel in catalogue.FAMILIES[family])
    return {kernel.name for kernel in kernels if OPERATORS[kind] in kernel.operators}


def runs_on(kind: str, core: str) -> bool:
    """Whether a core has kernels of its own for a kind, or moves its codes: other plain ones run on the plain core."""
    best = [family for family in load_board(CORES[core].planned_for).cpu.families if family != "plain"]
    kernels = (kernel for family in best or ["plain"] for kernel in catalogue.FAMILIES[family])
    return kind in MOVED or any(OPERATORS[kind] in kernel.operators for kernel in kernels)


_rigs: dict[str, Rig] = {}


def make_rig(core: str) -> Rig:
    """The rig of a core, built once a process."""
    if core not in _rigs:
        chosen = CORES[core]
        _rigs[core] = Rig(chosen.board, chosen.planned_for, Path(_folder.name) / core, chosen.machine)
    return _rigs[core]


def run_chunk(part: tuple[str, int, int, tuple[str, ...]]) -> tuple[Counter[Key], list[str]]:
    """Run some layers of a kind on cores: how often each kernel ran at each pair, and failures."""
    kind, first, size, cores = part
    cases = {number: make_case(kind, number) for number in range(first, first + size)}
    counts: Counter[Key] = Counter()
    failures: list[str] = []
    for core in cores:
        rig = make_rig(core)
        jobs = [job for number, case in cases.items() for job in plan_case(rig, number, case)]
        _, found = rig.run(jobs)
        failures += [describe(failure, core, kind, jobs) for failure in found]
        for job in jobs:
            for row, (w, a) in zip(job.expected, job.layer.widths, strict=True):
                counts[core, job.layer.kernel, pair_text((w, a))] += len(row)
    return counts, failures


def plan_case(rig: Rig, number: int, case: Case) -> Iterator[Job]:
    """Jobs of a layer on a rig: planned for the rig's board, tensors placed at random with red zones between.

    Three of four layers get the first kernel of the catalogue that serves them, whatever estimates say: random layers
    are small, and on the smallest a plain kernel is the fastest.
    """
    rng = np.random.default_rng(number)
    for turn, graph in enumerate(case.graphs):
        planes = number % 2 and graph.name not in DENSE_PAIRS
        with patch.object(Kernel, "estimate", return_value=None) if number % 4 else nullcontext():
            plan = plan_on_planes(graph, rig.planned_for) if planes else make_plan(graph, rig.planned_for)
        layer = next(planned for planned in plan.layers if planned.name == case.name)
        sizes = [operand.shape[1] for operand in case.operands]
        shared = case.in_place and rng.random() < 0.5
        align = 8 if rng.random() < 0.5 or not rig.unaligned or layer.output_size != np.prod(layer.shape) else 1
        offsets, arena = place(rng, [*sizes, *([] if shared else [layer.output_size])], align)
        if shared:
            offsets = (*offsets, offsets[-1])
        expected = case.expected if len(case.graphs) == 1 else case.expected[turn : turn + 1]
        scratch = 64 + 8 * int(rng.integers(8))
        yield Job(number, layer, plan.constants, case.operands, expected, offsets, arena, scratch)


def plan_on_planes(graph: Graph, board: Board) -> Plan:
    """A plan whose dense layers have planes A, B and L on cores with DSP, whatever their candidates gain from that."""
    with patch.object(dsp_dense, "dense_kind", return_value="planes"):
        return make_plan(graph, board)


def place(rng: np.random.Generator, sizes: list[int], align: int) -> tuple[tuple[int, ...], int]:
    """Offsets of tensors in an arena, in random order, 32 to 95 bytes apart; and the arena's size."""
    offsets = [0] * len(sizes)
    end = 0
    for i in rng.permutation(len(sizes)):
        offsets[i] = -(-(end + 32 + int(rng.integers(56))) // align) * align
        end = offsets[i] + sizes[i]
    return tuple(offsets), -(-(end + 64) // 8) * 8


def describe(failure: Failure, core: str, kind: str, jobs: list[Job]) -> str:
    """A failure, and how to see it again."""
    job = jobs[failure.job]
    layer, pair = job.layer, pair_text(job.layer.widths[failure.candidate])
    return (
        f"{core} {layer.kernel}: {failure} (layer {job.number}, {pair}, input {failure.input}); again: "
        f"python -m benchmarks.fuzz_kernels --cores {core} --kinds {kind} --first {job.number} --cases 1"
    )
