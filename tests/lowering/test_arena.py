"""Placement: tensors that are needed together keep apart, or to the rule of the layer that hands one over."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dqt_edge.boards import load_board
from dqt_edge.lowering import arena
from dqt_edge.lowering.arena import ALIGNMENT, Overlap, Step, aligned, place
from dqt_edge.lowering.memory import RESERVE, plan_memory
from dqt_edge.lowering.plan import make_plan
from tests.support.random_graphs import random_graph
from tests.support.topologies import TOPOLOGIES


def lifetimes(steps: list[Step], given: list[str], wanted: list[str]) -> dict[str, tuple[int, int]]:
    first = dict.fromkeys(given, -1) | {s.writes: i for i, s in enumerate(steps)}
    last = dict(first)
    for i, step in enumerate(steps):
        for name in step.reads:
            last[name] = i
    for name in wanted:
        last[name] = len(steps)
    return {name: (first[name], last[name]) for name in first}


@st.composite
def networks(draw):
    given = [f"in{i}" for i in range(draw(st.integers(1, 4)))]
    names, sizes, steps = list(given), {name: draw(st.integers(1, 200)) for name in given}, []
    for i in range(draw(st.integers(1, 12))):
        reads = tuple(draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True)))
        overlaps = {
            name: Overlap(draw(st.integers(-250, 80)), draw(st.sampled_from([1, 3, 8, 12])))
            for name in reads
            if draw(st.booleans())
        }
        sizes[f"t{i}"] = draw(st.integers(1, 200))
        steps.append(Step(reads, f"t{i}", overlaps, draw(st.integers(0, 90))))
        names.append(f"t{i}")
    wanted = [names[-1], *draw(st.lists(st.sampled_from(names[:-1]), max_size=3, unique=True))]
    return sizes, steps, given, wanted


@given(networks())
@settings(max_examples=300)
def test_tensors_keep_apart_or_to_the_rule(network) -> None:
    """Several tensors are there at the start, several are wanted at the end; what is both, as a state, is so always."""
    sizes, steps, given, wanted = network
    arena = place(sizes, steps, given, wanted)
    spans = lifetimes(steps, given, wanted)
    rules = {(name, s.writes): rule for s in steps for name, rule in s.overlaps.items()}
    for a, b in itertools.permutations(sizes, 2):
        if spans[a][0] > spans[b][1] or spans[b][0] > spans[a][1] or spans[a][0] > spans[b][0]:
            continue
        apart = arena.offsets[a] + sizes[a] <= arena.offsets[b] or arena.offsets[b] + sizes[b] <= arena.offsets[a]
        handed_over = (
            (a, b) in rules and spans[a][1] == spans[b][0] and rules[a, b].allows(arena.offsets[a], arena.offsets[b])
        )
        assert apart or handed_over, (a, b)
    for i, step in enumerate(steps):
        for name, (first, last) in spans.items():
            assert not first <= i <= last or arena.offsets[name] >= step.scratch, (name, i)
    assert all(offset % ALIGNMENT == 0 for offset in arena.offsets.values())
    assert (
        arena.lower_bound
        <= arena.size
        == max(*(aligned(arena.offsets[n] + sizes[n]) for n in sizes), *(aligned(s.scratch) for s in steps))
    )


def test_a_residual_block_needs_no_third_buffer() -> None:
    """x -> conv -> m; conv(m) + x written over x."""
    steps = [Step(("x",), "m"), Step(("m", "x"), "y", {"x": Overlap(0)}), Step(("y",), "out")]
    arena = place({"x": 100, "m": 100, "y": 100, "out": 10}, steps, ["x"], ["out"])
    assert arena.offsets["y"] == arena.offsets["x"]
    assert arena.size == 208


def test_an_output_that_grows_is_placed_before_its_input() -> None:
    arena = place({"x": 80, "y": 160}, [Step(("x",), "y", {"x": Overlap(80)}, scratch=24)], ["x"], ["y"])
    assert (arena.offsets["y"], arena.offsets["x"], arena.size) == (24, 104, 184)


def test_a_scratch_that_no_tensor_meets_costs_nothing_beside_a_larger_step() -> None:
    steps = [Step(("x",), "a", {}, 400), Step(("a",), "b", {}, 8), Step(("b",), "c", {}, 8)]
    arena = place({"x": 40, "a": 40, "b": 200, "c": 200}, steps, ["x"], ["c"])
    assert arena.size == arena.lower_bound == 480


@pytest.mark.parametrize("seed", range(20))
def test_plans_of_random_networks_stay_near_the_lower_bound(seed: int) -> None:
    plan = make_plan(random_graph(seed), load_board("host"))
    assert plan.memory_lower_bound <= plan.memory_size <= 1.3 * plan.memory_lower_bound


@pytest.mark.parametrize(("name", "most"), [("resnet8", 41_680), ("dscnn", 14_760), ("vww", 38_544), ("ad", 1_920)])
def test_networks_of_mlperf_tiny_take_hardly_more_than_the_least_that_is_possible(name: str, most: int) -> None:
    plan = make_plan(TOPOLOGIES[name](), load_board("qemu-m4"))
    assert plan.memory_lower_bound <= plan.memory_size <= min(most, 1.008 * plan.memory_lower_bound)
    assert plan.memory_size == plan.tensors_size + plan.scratch_size
    assert max(region.offset + region.size for region in plan.peak_regions) == plan.memory_size


def test_leaner_ways_are_taken_where_the_ram_is_short() -> None:
    graph, board = TOPOLOGIES["resnet8"](), load_board("qemu-m4")
    fast = plan_memory(graph, board)
    ram = board.regions("ram")[0]
    small = replace(board, memory=(*board.regions("flash"), replace(ram, size=RESERVE + 37_000)))
    lean = plan_memory(graph, small)
    assert lean.placement.size <= 37_000 < fast.placement.size
    assert lean.choices["conv1"].way.block < fast.choices["conv1"].way.block
    assert lean.choices["conv8"] == fast.choices["conv8"]  # is not what fills the buffer


def test_strips_are_narrowed_only_where_the_buffer_is_fullest() -> None:
    memory = plan_memory(TOPOLOGIES["resnet8"](), load_board("qemu-m4"))
    assert memory.choices["conv1"].way.rereads
    assert not memory.choices["conv8"].way.rereads


def test_hundreds_of_tensors_at_once_do_not_take_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hostile network: the search ends after a number of comparisons, with a placement of every order tried."""
    count = 150
    sizes = {"in": 64, **{f"t{i}": 64 + 8 * (i % 7) for i in range(count)}, "out": 8}
    names = tuple(f"t{i}" for i in range(count))
    steps = [Step(("in",), name, {}) for name in names] + [Step(names, "out", {})]
    calls = 0
    lowest = arena._Rules.lowest

    def counted(*args: Any) -> int:
        nonlocal calls
        calls += 1
        return lowest(*args)

    monkeypatch.setattr(arena._Rules, "lowest", counted)
    monkeypatch.setattr(arena, "PAIRS_MAX", 100_000)
    found = place(sizes, steps, ["in"], ["out"])
    assert calls <= (len(arena.KEYS) + 1) * len(sizes)
    assert found.size >= found.lower_bound
    places = sorted((found.offsets[name], found.offsets[name] + sizes[name]) for name in names)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(places))
