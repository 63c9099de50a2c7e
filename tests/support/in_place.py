"""Projects in which each layer overwrites the input that all layers read, at a distance of our choice."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dqt_edge.boards import Board
from dqt_edge.graph import (
    AveragePool2D,
    Graph,
    Lookup,
    MaxPool2D,
    Pad,
    Rearrange,
    Resize,
    Softmax,
    Tensor,
    nested,
    window_counts,
)
from dqt_edge.lowering import plan as lowering
from dqt_edge.lowering.arena import Arena, Overlap, aligned
from dqt_edge.lowering.memory import MemoryPlan, plan_memory
from dqt_edge.project.export import export as export_project
from dqt_edge.project.manifest import Project

from .kernel_cases import window_of
from .random_graphs import random_requantize
from .random_unweighted import random_order

CALL = "        layer->run(layer, tensors, tensors, candidate); /* scratch lies at the start of the arena */\n"
RESTORED = """        for (uint32_t k = 0; k < model->inputs[0].size; ++k) {
            tensors[model->inputs[0].offset + k] = saved[k];
        }
"""
SAVED = """    static uint8_t saved[INPUT_SIZE];
    for (uint32_t k = 0; k < model->inputs[0].size; ++k) {
        saved[k] = tensors[model->inputs[0].offset + k];
    }
"""
BEGIN = "    if (given && !dqt_take_choices(model, tensors, how->choices)) {\n"


def pools(seed: int, shape: tuple[int, int, int], count: int, average: bool) -> Graph:
    """Pooling layers that all read the input."""
    rng = np.random.default_rng((seed, 11))
    source = Tensor("input", shape, 0.02, 3)
    tensors, layers = [source], []
    for i in range(count):
        window = window_of(rng, shape)
        name = f"pool{i}"
        tensors.append(Tensor(f"{name}.out", (*window.output_size(*shape[:2]), shape[2]), 0.02, 3))
        if average:
            counts = tuple(sorted({int(c) for c in window_counts(window, *shape[:2]).ravel()}))
            rq = random_requantize(rng, len(counts), 0.5 / max(counts))
            bias = rng.integers(-300, 300, len(counts)).astype(np.int32)
            layers.append(AveragePool2D(name, "input", f"{name}.out", window, counts, bias, rq))
        else:
            layers.append(MaxPool2D(name, "input", f"{name}.out", window))
    return Graph(f"pools{seed}", tuple(tensors), tuple(layers), "input", tensors[-1].name)


def unweighted(seed: int, shape: tuple[int, int, int]) -> Graph:
    """Layers without weights that all read the input, of every kind with one input."""
    rng = np.random.default_rng((seed, 12))
    source = Tensor("input", shape, 1 / 256, 0)
    tensors, layers = [source], list[Any]()

    def add(make: Callable[[str, str], Any], target: tuple[int, int, int]) -> None:
        name = f"layer{len(layers)}"
        tensors.append(Tensor(f"{name}.out", target, source.scale, source.zero_point))
        layers.append(make(name, f"{name}.out"))

    for turn in range(12):
        target, *order = random_order(rng, shape, signal=False)
        add(lambda name, out, order=order: Rearrange(name, "input", out, *order), target)
        before = tuple(int(n) for n in rng.integers(0, 3, 3))
        pad = Pad("p", "input", "y", before, (1 + turn % 2, 1 + turn // 2 % 2), 7)  # type: ignore[arg-type]
        padded = tuple(int(n + rng.integers(0, 3)) for n in pad.least_shape(shape))
        add(lambda name, out, pad=pad: replace(pad, name=name, output=out), padded)  # type: ignore[arg-type]
        sizes = [int(n) for n in rng.integers(1, 10, 2)]
        tables = [
            np.stack([np.sort(rng.integers(0, n, size)), rng.integers(0, 1025, size)], axis=1).astype(np.int32)
            for n, size in zip(shape, sizes, strict=False)
        ]
        add(lambda name, out, tables=tables: Resize(name, "input", out, *tables), (*sizes, shape[2]))
    for tables in (1, shape[2]):
        codes = rng.integers(0, 256, (tables, 256)).astype(np.uint8)
        add(lambda name, out, codes=codes: Lookup(name, "input", out, codes), shape)
    add(lambda name, out: Softmax(name, "input", out, nested.exponentials(0.03)), shape)
    return Graph(f"unweighted{seed}", tuple(tensors), tuple(layers), "input", tensors[-1].name)


def distances(graph: Graph, memory: MemoryPlan) -> dict[str, tuple[Overlap, int]]:
    """By layer that may overlap its input: the rule, and the least distance that keeps to it."""
    tensors = {t.name: t for t in graph.tensors}
    found = {}
    for layer in graph.layers:
        rule = memory.choices[layer.name].overlaps(layer, tensors).get(graph.input)
        if rule is not None:
            least = max(rule.distance, -tensors[graph.input].size)
            found[layer.name] = rule, least + -least % rule.step
    return found


def overlapping(shift: Callable[[Overlap], int]) -> Callable[..., MemoryPlan]:
    """A planner that puts each output the least distance, less ``shift`` of the rule, before the end of the scratch."""

    def plan(graph: Graph, board: Board, *_: object, **__: object) -> MemoryPlan:
        memory = plan_memory(graph, board)
        least = distances(graph, memory)
        scratch = aligned(max(choice.scratch for choice in memory.choices.values()))
        most = max([0, *(distance for _, distance in least.values())]) + max(memory.sizes.values())
        start = scratch + aligned(most)
        offsets = {graph.input: start}
        free = aligned(start + 2 * max(memory.sizes.values()) + 64)
        for layer in graph.layers:
            offsets[layer.output] = free
            if layer.name in least:
                rule, distance = least[layer.name]
                offsets[layer.output] = start - distance + shift(rule)
        extents = (free + max(memory.sizes.values()),) * len(graph.layers)
        live = ((graph.input,),) * len(graph.layers)
        return MemoryPlan(memory.choices, Arena(offsets, extents[0], 0, extents, live), memory.sizes)

    return plan


def export(
    graph: Graph, board: Board, folder: Path, patch: pytest.MonkeyPatch, shift: Callable[[Overlap], int]
) -> Project:
    """Write the project; the input is restored before each layer."""
    patch.setattr(lowering, "plan_memory", overlapping(shift))
    made, _, _ = export_project(graph, board, folder)
    patch.undo()
    run = folder / "dqt" / "dqt_run.c"
    text = run.read_text()
    assert text.count(CALL) == text.count(BEGIN) == 1
    size = math.prod(graph.tensor(graph.input).shape)
    text = text.replace(CALL, RESTORED + CALL).replace(BEGIN, SAVED + BEGIN)
    run.write_text(f"#define INPUT_SIZE {size}u\n" + text)
    return made
