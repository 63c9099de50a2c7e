"""Placement: tensors that are needed together never overlap, and in-place reuse is taken where it is safe."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dqt_edge.boards import load_board
from dqt_edge.lowering.arena import ALIGNMENT, Step, place
from dqt_edge.lowering.plan import make_plan
from tests.support.random_graphs import random_graph


def lifetimes(steps: list[Step], model_input: str, model_output: str) -> dict[str, tuple[int, int]]:
    first = {model_input: -1} | {s.writes: i for i, s in enumerate(steps)}
    last = dict(first)
    for i, step in enumerate(steps):
        for name in step.reads:
            last[name] = i
    last[model_output] = len(steps)
    return {name: (first[name], last[name]) for name in first}


@pytest.mark.parametrize("seed", range(60))
def test_no_two_live_tensors_overlap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names, steps = ["in"], []
    sizes = {"in": int(rng.integers(1, 200))}
    for i in range(int(rng.integers(1, 14))):
        reads = tuple(rng.choice(names, min(len(names), int(rng.integers(1, 3))), replace=False).tolist())
        name = f"t{i}"
        same = tuple(r for r in reads if rng.random() < 0.5)
        sizes[name] = sizes[same[0]] if same else int(rng.integers(1, 200))
        steps.append(Step(reads, name, same))
        names.append(name)
    arena = place(sizes, steps, "in", names[-1])
    spans = lifetimes(steps, "in", names[-1])
    may_share = {(s.writes, r) for s in steps for r in s.in_place}
    for a, b in itertools.combinations(names, 2):
        if spans[a][0] > spans[b][1] or spans[b][0] > spans[a][1]:
            continue
        apart = arena.offsets[a] + sizes[a] <= arena.offsets[b] or arena.offsets[b] + sizes[b] <= arena.offsets[a]
        # In place: the output begins in the step in which the input is read for the last time.
        handed_over = (b, a) in may_share and spans[a][1] == spans[b][0]
        assert apart or handed_over, (a, b)
    assert all(offset % ALIGNMENT == 0 for offset in arena.offsets.values())
    assert arena.lower_bound <= arena.size
    assert max(arena.offsets[n] + sizes[n] for n in names) <= arena.size


def test_a_residual_block_needs_no_third_buffer() -> None:
    """x -> conv -> m; conv(m) + x written over x."""
    steps = [Step(("x",), "m"), Step(("m", "x"), "y", ("x",)), Step(("y",), "out")]
    arena = place({"x": 100, "m": 100, "y": 100, "out": 10}, steps, "x", "out")
    assert arena.offsets["y"] == arena.offsets["x"]
    assert arena.size == 208


@pytest.mark.parametrize("seed", range(20))
def test_plans_of_random_networks_stay_near_the_lower_bound(seed: int) -> None:
    plan = make_plan(random_graph(seed), load_board("host"))
    assert plan.arena_lower_bound <= plan.arena_size <= 1.5 * plan.arena_lower_bound
