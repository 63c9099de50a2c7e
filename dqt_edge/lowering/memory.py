"""Which way each layer is computed and where each tensor lies: chosen together, because both share the arena."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..boards import Board
from ..graph import Dense, Graph, Rearrange
from . import arena
from .kernels.catalogue import choices
from .kernels.kernel import Choice

RESERVE = 8192
"""Bytes of RAM that the planner leaves for stack, protocol buffers and variables."""


@dataclass(frozen=True)
class MemoryPlan:
    """By name: the kernel and way of each layer, the place of each tensor, and its bytes.

    ``views``: tensors that lie where another one does, because they are its first codes -> that one.
    """

    choices: Mapping[str, Choice]
    placement: arena.Arena
    sizes: Mapping[str, int]
    views: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Region:
    """Part of the arena at one step: a tensor, or the layer's scratch; offset and size in bytes."""

    what: str
    offset: int
    size: int


def plan_memory(
    graph: Graph, board: Board, kernels: Mapping[str, str] | None = None, *, arena_first: bool = False
) -> MemoryPlan:
    """Plan the arena: every layer in its fastest way first, then leaner ways for the layers that fill it most.

    As long as the board's RAM suffices, only ways that cost hardly any time are taken; beyond it, any.

    Args:
        graph: The network.
        board: Where it runs.
        kernels: Kernels to take, by the layers' names, whatever they cost.
        arena_first: Take any way that makes the arena smaller, though the RAM would suffice.
    """
    tensors, given = {t.name: t for t in graph.tensors}, kernels or {}
    ways = {x.name: choices(x, tensors, board.cpu, given.get(x.name)) for x in graph.all_layers}
    room = max((region.size for region in board.regions("ram")), default=0) - RESERVE
    taken = dict.fromkeys(ways, 0)
    best = _place(graph, ways, taken)
    while True:
        leaner = _leaner(graph, ways, taken, best, cheap=arena_first or best.placement.size <= room)
        if leaner is None and arena_first:
            leaner = _leaner(graph, ways, taken, best, cheap=False)
        if leaner is None:
            break
        taken, best = leaner
    return _regained(graph, ways, taken, best)


def _regained(
    graph: Graph, ways: Mapping[str, tuple[Choice, ...]], taken: Mapping[str, int], best: MemoryPlan
) -> MemoryPlan:
    """Faster ways again, of layers that decided the arena's size until others did, as far as it stays what it is."""
    now = dict(taken)
    for name, way in taken.items():
        for faster in range(way - 1, -1, -1):
            found = _place(graph, ways, {**now, name: faster})
            if found.placement.size > best.placement.size:
                break
            now[name], best = faster, found
    return best


def _leaner(
    graph: Graph, ways: Mapping[str, tuple[Choice, ...]], taken: Mapping[str, int], now: MemoryPlan, *, cheap: bool
) -> tuple[dict[str, int], MemoryPlan] | None:
    """Next leaner ways for the layers that decide the arena's size; None if the arena does not get smaller.

    ``cheap``: take only ways that cost hardly any time.
    """
    found, trial = now, dict(taken)
    while found.placement.size >= now.placement.size:
        following = {name: ways[name][trial[name] + 1 :] for name in _culprits(graph, found)}
        moved = [name for name, more in following.items() if more and (more[0].way.cheap or not cheap)]
        if not moved:
            return None
        for name in moved:
            trial[name] += 1
        found = _place(graph, ways, trial)
    for name in [name for name, n in trial.items() if n > taken[name]]:  # those that did not matter go back
        kept = _place(graph, ways, {**trial, name: taken[name]})
        if kept.placement.size <= found.placement.size:
            trial[name], found = taken[name], kept
    return trial, found


def _culprits(graph: Graph, memory: MemoryPlan) -> list[str]:
    """Layers that decide the arena's size: those that run when it is fullest, and those whose scratch is in the way.

    A scratch is in the way if it is the largest during the life of a tensor that is needed when the arena is fullest:
    it keeps that tensor from lying lower.
    """
    placement, layers = memory.placement, graph.all_layers
    full = [i for i, extent in enumerate(placement.extents) if extent == placement.size]
    there = {name for i in full for name in placement.live[i]}
    near = [i for i, live in enumerate(placement.live) if i in full or there.intersection(live)]
    scratch = {i: memory.choices[layers[i].name].scratch for i in near}
    most = max(scratch.values(), default=0)
    return [layers[i].name for i in near if i in full or scratch[i] == most]


def _place(graph: Graph, ways: Mapping[str, tuple[Choice, ...]], taken: Mapping[str, int]) -> MemoryPlan:
    chosen = {name: ways[name][n] for name, n in taken.items()}
    tensors = {t.name: t for t in graph.tensors}
    sizes = {t.name: t.size for t in graph.tensors}
    views = _views(graph)
    steps = []
    for layer in graph.all_layers:
        if isinstance(layer, Dense) and layer.requantize is None:
            sizes[layer.output] = 4 * layer.channels
        choice = chosen[layer.name]
        rules = {} if layer.output in views else choice.overlaps(layer, tensors)
        steps.append(_seen_through(views, arena.Step(layer.inputs, layer.output, rules, choice.scratch)))
    reads, writes = [state.read for state in graph.states], [state.write for state in graph.states]
    given, wanted = [*graph.inputs, *reads], [*graph.outputs, *reads, *writes, *graph.kept_for_second_pass]
    placement = arena.place(sizes, steps, given, [views.get(name, name) for name in wanted])
    offsets = {**placement.offsets, **{name: placement.offsets[whole] for name, whole in views.items()}}
    return MemoryPlan(chosen, replace(placement, offsets=offsets), sizes, views)


def _views(graph: Graph) -> dict[str, str]:
    """Tensors that need no memory of their own -> those whose it is.

    Never a state's: between two inferences it becomes another one, and what was made of it may be an output.
    """
    kept = {state.read for state in graph.states}
    found: dict[str, str] = {}
    for layer in graph.all_layers:
        if isinstance(layer, Rearrange) and layer.is_view and layer.input not in kept:
            found[layer.output] = found.get(layer.input, layer.input)
    return found


def _seen_through(views: Mapping[str, str], step: arena.Step) -> arena.Step:
    """The step, of tensors with memory of their own. One under several names may be overwritten as all of them may."""
    rules: dict[str, arena.Overlap] = {}
    unsafe = {views.get(name, name) for name in step.reads if name not in step.overlaps}
    for name, rule in step.overlaps.items():
        whole = views.get(name, name)
        if whole not in unsafe:
            rules[whole] = rules[whole].joined(rule) if whole in rules else rule
    reads = tuple(views.get(name, name) for name in step.reads)
    return arena.Step(reads, views.get(step.writes, step.writes), rules, step.scratch)


def regions_by_layer(memory: MemoryPlan, layers: tuple[str, ...]) -> tuple[tuple[Region, ...], ...]:
    """What lies in the arena while each of ``layers`` runs, by offset."""
    placement, sizes = memory.placement, memory.sizes
    found = []
    for name, live in zip(layers, placement.live, strict=True):
        regions = [Region(tensor, placement.offsets[tensor], sizes[tensor]) for tensor in live]
        if memory.choices[name].scratch:
            regions.append(Region("scratch", 0, memory.choices[name].scratch))
        found.append(tuple(sorted(regions, key=lambda region: (region.offset, region.what))))
    return tuple(found)


def fullest(memory: MemoryPlan, regions: tuple[tuple[Region, ...], ...]) -> int:
    """Index of the layer during which the arena is fullest, given what lies in it while each layer runs."""
    needs = [
        (extent, sum(region.size for region in live))
        for extent, live in zip(memory.placement.extents, regions, strict=True)
    ]
    return max(range(len(needs)), key=needs.__getitem__)
