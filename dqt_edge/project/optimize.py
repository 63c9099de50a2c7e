"""Plans for what a user weighs most: speed, flash or RAM."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, get_args

from ..boards import Board
from ..errors import UsageError
from ..graph import Graph
from ..lowering.kernels.catalogue import kernels_of
from ..lowering.plan import Plan, as_lowered, make_plan
from .footprint import predict

Optimize = Literal["speed", "flash", "ram"]
OPTIMIZE: tuple[Optimize, ...] = get_args(Optimize)

SLOWDOWN = 1.25
"""Estimated cycles of a network that is optimised for flash, at most, of those at the best speed."""

Choice = dict[str, str]
"""Kernels by the names of layers."""


def plans_for(graphs: Sequence[Graph], board: Board, optimize: Optimize = "speed") -> tuple[Plan, ...]:
    """Lower graphs, which will share an image.

    - ``speed``: every layer in the kernel of the fewest estimated cycles, leaner ones only where the RAM is short.
    - ``ram``: the smallest arena, whatever it costs in time.
    - ``flash``: kernels are left out of the image, one by one, whose layers others can take, as long as the image gets
      smaller and the network takes at most ``SLOWDOWN`` of its estimated cycles.

    Raises:
        UsageError: Another word than these.
        UnsupportedError, ToolchainError: As planning and prediction say.
    """
    if optimize not in OPTIMIZE:
        raise UsageError(
            f"{optimize!r} is nothing to optimise for",
            where="parameter `optimize`",
            next_step=f"choose from {', '.join(OPTIMIZE)}",
        )
    plans = tuple(make_plan(graph, board, arena_first=optimize == "ram") for graph in graphs)
    if optimize == "flash" and not board.is_host:
        return _smaller(graphs, board, plans)
    return plans


def _smaller(graphs: Sequence[Graph], board: Board, plans: tuple[Plan, ...]) -> tuple[Plan, ...]:
    """Leave out one kernel after the other, each time that which saves most."""
    fastest = [plan.estimated_cycles() for plan in plans]
    now, flash = plans, predict(plans, check=False).flash
    while True:
        best: tuple[int, tuple[Plan, ...]] | None = None
        for kernel in sorted({name for plan in now for name in plan.kernels}):
            trial = tuple(_without(kernel, graph, board, plan) for graph, plan in zip(graphs, now, strict=True))
            if any(plan is None for plan in trial):
                continue
            found = tuple(plan for plan in trial if plan is not None)
            if any(plan.estimated_cycles() > SLOWDOWN * most for plan, most in zip(found, fastest, strict=True)):
                continue
            size = predict(found, check=False).flash
            if size < (flash if best is None else best[0]):
                best = (size, found)
        if best is None:
            return now
        flash, now = best


def _without(kernel: str, graph: Graph, board: Board, plan: Plan) -> Plan | None:
    """The plan with the layers of a kernel in others; None if one of them, there or in all others, has no estimate."""
    taken: Choice = {layer.name: layer.kernel for layer in plan.layers}
    moved = [name for name, now in taken.items() if now == kernel]
    if not moved:
        return plan
    others = set(plan.kernels) - {kernel}
    for name, known in _estimates(graph, board, moved).items():
        if kernel not in known:
            return None
        able = {other: cycles for other, cycles in known.items() if other != kernel}
        if not able:
            return None
        there = {other: cycles for other, cycles in able.items() if other in others}
        wanted = there or able
        taken[name] = min(wanted, key=lambda other: wanted[other])
    return make_plan(graph, board, taken)


def _estimates(graph: Graph, board: Board, names: Sequence[str]) -> Mapping[str, dict[str, float]]:
    """Estimated cycles of layers in every kernel that has an estimate."""
    lowered = as_lowered(graph)
    tensors = {t.name: t for t in lowered.tensors}
    layers = {layer.name: layer for layer in lowered.all_layers}

    def known(name: str) -> Iterator[tuple[str, float]]:
        layer = layers[name]
        for kernel in kernels_of(board.cpu):
            if kernel.takes(layer, tensors):
                way = kernel.choices(layer, tensors)[0].way
                cycles = kernel.estimate(layer, way, tensors, board.cpu.core)
                if cycles is not None:
                    yield kernel.name, cycles

    return {name: dict(known(name)) for name in names}
