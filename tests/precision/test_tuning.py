"""Promise: a walk over recorded samples is what the interpreter does, and a tuned setting is the best there is."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from pathlib import Path as FilePath

import numpy as np
import pytest

from dqt_edge.data.load import codes, load_data
from dqt_edge.graph import NEVER, Graph, Setting, interpreter, pair_text
from dqt_edge.graph.bitops import bitops
from dqt_edge.graph.points import WATCH, widest_choices
from dqt_edge.precision import goals, recording, recording_file, statics, tuning
from dqt_edge.precision.goals import CRITERIA, Goal, Space
from dqt_edge.precision.layer_costs import LayerCosts, bitops_costs
from dqt_edge.precision.recording import Base, Path, Table
from dqt_edge.precision.refine import Refiner
from dqt_edge.precision.walks import Walker
from tests.support.random_graphs import random_codes
from tests.support.random_points import least_choices, pointed_graph, random_setting
from tests.support.skips import skipping_graph
from tests.support.trained_points import pointed_digits

EVERYTHING = tuning.Effort(outer=10**9, outer_widened=10**9, shares=None)


def recorded(graph: Graph, codes: np.ndarray, labels: np.ndarray | None = None) -> Table:
    """Samples from the widest and the narrowest candidates on, and by the controller if there is one."""
    pairs = [layer.candidates[k] for layer, k in zip(graph.adaptive, least_choices(graph), strict=True)]
    bases = [recording.widest_base(graph), recording.base_of(graph, ",".join(map(pair_text, pairs)))]
    bases += [recording.base_of(graph, "dynamic")] if graph.controller else []
    return recording.record(graph, codes, labels, bases)


def digits(count: int, *, controller: bool = False) -> tuple[Graph, np.ndarray, np.ndarray]:
    """The digits model with heads, and images with their labels."""
    graph, data = pointed_digits(controller=controller), load_data("digits")
    return graph, codes(data.x_val[:count], graph), data.y_val[:count]


def made_up(seed: int, samples: int) -> Table:
    """Margins and answers by chance, with equal margins and equal answers among them, of the digits model's paths."""
    graph, rng = pointed_digits(), np.random.default_rng((seed, 7))
    full, labels = rng.integers(0, 3, samples), rng.integers(0, 3, samples)
    widest, least = (np.array(c) for c in (widest_choices(graph), least_choices(graph)))
    order = [layer.name for layer in graph.layers]

    def answers() -> np.ndarray:
        return np.where(rng.random(samples) < 0.6, full, rng.integers(0, 3, samples))

    paths: dict[Base, dict[int, Path]] = {}
    for base in (recording.widest_base(graph), Base("narrow", tuple(least.tolist()))):
        own: dict[int, Path] = {}
        for at in (-1, *recording.places_of_widening(graph, base)):
            behind = [at >= 0 and order.index(x.name) > order.index(graph.points[at].after) for x in graph.adaptive]
            choices = np.where(behind, widest, np.array(base.widths))
            margins, early = rng.integers(0, 6, (samples, 3)), np.stack([answers(), answers()], axis=1)
            if at >= 0:  # up to there all paths are one
                margins[:, : at + 1], early[:, : at + 1] = own[-1].margins[:, : at + 1], own[-1].early[:, : at + 1]
            wide = full if (choices == widest).all() else answers()
            own[at] = Path(margins, early, wide, np.tile(choices, (samples, 1)))
        paths[base] = own
    return Table(graph, full, labels, paths)


def odd_costs(graph: Graph) -> LayerCosts:
    """Costs in which no layer is like another, and every layer costs something."""
    rng = np.random.default_rng(9)
    known = bitops_costs(graph).layers
    return LayerCosts("odd", {name: tuple(rng.uniform(1, 9, len(c))) for name, c in known.items()}, rest=0.5)


# --- Walks ------------------------------------------------------------------------------------------------------


def compare(graph: Graph, codes: np.ndarray) -> Counter[str]:
    """Compare walks of random settings with runs; how often samples did what."""
    table, done = recorded(graph, codes), Counter[str]()
    graph = replace(table.graph, second_pass=True)
    for base in table.bases:
        costs, margins = odd_costs(graph), table.paths[base][-1].margins
        for trial in range(5):
            setting = replace(random_setting(len(codes), trial, graph, margins), widths=base.widths, bias=base.bias)
            want, walk = interpreter.run(graph, codes, setting), Walker(table, base, costs).walk(setting)
            np.testing.assert_array_equal(walk.points, want.points)
            np.testing.assert_array_equal(walk.passes, want.passes)
            np.testing.assert_array_equal(walk.answers, want.outputs.argmax(axis=1))
            parts = (want.choices, want.runs, want.passes)
            np.testing.assert_allclose(walk.costs, costs.of(graph, *parts))
            ratios = Walker(table, base, bitops_costs(graph)).walk(setting).costs / (64 * graph.total_macs)
            np.testing.assert_allclose(ratios, bitops(graph, *parts))
            done["stopped"] += int((walk.points < len(graph.points)).sum())
            done["widened"] += int((walk.widened >= 0).sum())
            done["twice"] += int((walk.passes == 2).sum())
    return done


@pytest.mark.parametrize("controller", [False, True])
def test_a_walk_is_what_the_interpreter_does(controller: bool) -> None:
    graph, inputs, _ = digits(40, controller=controller)
    done = compare(graph, inputs)
    assert min(done["stopped"], done["widened"], done["twice"]) >= 10


@pytest.mark.parametrize("seed", range(6))
def test_a_walk_is_what_the_interpreter_does_on_any_network(seed: int) -> None:
    for controller in (False, True):
        graph = pointed_graph(seed, controller=controller)
        assert compare(graph, random_codes(seed, graph, 6))


@pytest.mark.parametrize("seed", range(3))
def test_skipped_layers_cost_nothing(seed: int) -> None:
    graph = skipping_graph(seed)
    codes = random_codes(seed, graph, 4)
    vector = tuple(len(layer.options) - 1 for layer in graph.adaptive)
    base = Base("skips", vector)
    table = recording.record(graph, codes, None, [recording.widest_base(graph), base])
    costs = odd_costs(graph)
    full = Walker(table, base, costs).walk(Setting(vector, (), (), again=256))
    for again in (0, 256):
        setting = Setting(vector, (), (), again=again)
        want = interpreter.run(replace(graph, second_pass=True), codes, setting)
        walk = Walker(table, base, costs).walk(setting)
        np.testing.assert_allclose(walk.costs, costs.of(graph, want.choices, want.runs, want.passes))
        np.testing.assert_array_equal(walk.answers, want.outputs.argmax(axis=1))
    once = Walker(table, base, costs).walk(Setting(vector, (), ()))
    assert costs.vector(graph, vector) == pytest.approx(once.costs[0])
    assert once.costs[0] < costs.full(graph) < full.costs[0]
    assert graph.skipped_with
    found = tuning.tune(table, costs, goals.judge_of("agreement", table.full, None), [Goal(errors=0)], Space())
    assert found.found[0] is not None


def test_costs_of_a_vector_are_those_of_a_run_at_it() -> None:
    graph, inputs, _ = digits(3)
    table = recorded(graph, inputs)
    for base in table.bases:
        assert base.widths is not None
        pairs = [layer.candidates[k] for layer, k in zip(graph.adaptive, base.widths, strict=True)]
        ran = interpreter.run(graph, inputs, pairs)
        costs = odd_costs(graph)
        expected = costs.of(graph, ran.choices, ran.runs, ran.passes)
        assert costs.vector(graph, base.widths) == pytest.approx(expected[0])


# --- The best setting -------------------------------------------------------------------------------------------


def every_setting(table: Table, costs: LayerCosts, space: Space) -> tuple[np.ndarray, np.ndarray]:
    """Mean costs and answers of all settings whose thresholds are margins of the samples, one by one."""
    found = []
    for base in table.bases:
        walker, paths = Walker(table, base, costs), table.paths[base]
        count = len(table.graph.points)
        seen = [sorted({int(m) for path in paths.values() for m in path.margins[:, p]}) for p in range(count + 1)]
        exits = [[*seen[p], WATCH, NEVER] if space.exits else [WATCH, NEVER] for p in range(count)]
        widen = [[0, *(m + 1 for m in seen[p])] if p in paths and space.widen else [0] for p in range(count)]
        again = [0, *(m + 1 for m in seen[-1])] if space.again else [0]
        for each in itertools.product(itertools.product(*exits), itertools.product(*widen), again):
            walk = walker.walk(Setting(base.widths, *each, space.stops, base.bias))
            found.append((walk.costs.mean(), walk.answers))
    return np.array([cost for cost, _ in found]), np.array([answers for _, answers in found])


def brute(
    table: Table, every: tuple[np.ndarray, np.ndarray], judge: goals.Judge, goal: Goal
) -> tuple[float, float] | None:
    """The best of all these settings."""
    costs, answers = every
    fits = (costs <= goal.cost * (1 + 1e-12)) & ((answers != table.full).sum(axis=1) <= goal.errors)
    keys = [goal.key(cost, judge(row).sum()) for cost, row in zip(costs[fits], answers[fits], strict=True)]
    return min(keys, default=None)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("space", [Space(), Space(stops=(0, 1)), Space(again=False), Space(exits=False)], ids=str)
def test_no_setting_is_better_than_the_one_that_is_found(seed: int, space: Space) -> None:
    table = made_up(seed, 3)
    costs = odd_costs(table.graph)
    whole = costs.full(table.graph)
    wanted = [
        Goal(errors=0),
        Goal(errors=1),
        Goal(cost=0.9 * whole, cheapest=False),
        Goal(cost=0.7 * whole, errors=2, cheapest=False),
    ]
    every = every_setting(table, costs, space)
    for by in CRITERIA:
        judge = goals.judge_of(by, table.full, table.labels)
        found = tuning.tune(table, costs, judge, wanted, space, EVERYTHING)
        assert found.exact
        for goal, each in zip(wanted, found.found, strict=True):
            best = brute(table, every, judge, goal)
            assert (each is None) == (best is None)
            if each is not None and best is not None:
                assert goal.key(each.best.cost, each.best.loss) == pytest.approx(best)


def test_what_is_found_is_what_the_setting_comes_to_and_usual_effort_comes_near() -> None:
    for seed in range(3):
        table = made_up(seed, 60)
        costs = odd_costs(table.graph)
        judge = goals.judge_of("recall", table.full, table.labels)
        wanted = [Goal(errors=3), Goal(errors=12), Goal(cost=0.9 * costs.full(table.graph), cheapest=False)]
        quick = tuning.tune(table, costs, judge, wanted, Space())
        for goal, each in zip(wanted, quick.found, strict=True):
            assert each is not None
            walk = Walker(table, each.base, costs).walk(each.best.setting)
            assert walk.costs.mean() == pytest.approx(each.best.cost)
            assert (walk.answers != table.full).sum() == each.best.errors <= goal.errors
            assert judge(walk.answers).sum() == pytest.approx(each.best.loss)
            assert each.best.cost <= goal.cost * (1 + 1e-9)


def test_moving_thresholds_ends_where_no_single_move_helps() -> None:
    table = made_up(5, 40)
    costs = odd_costs(table.graph)
    judge = goals.judge_of("agreement", table.full, None)
    base = table.bases[-1]
    refiner = Refiner(Walker(table, base, costs), judge, Space())
    count, goal = len(table.graph.points), Goal(errors=4)
    start = refiner.measure(Setting(base.widths, (NEVER,) * count, (0,) * count, 256))
    end = refiner.refine(goal, start)
    assert end.cost < start.cost
    assert end.errors <= 4
    for p, m in itertools.product(range(count), np.unique(table.paths[base][-1].margins[:, :-1])):
        exits = list(end.setting.exits)
        exits[p] = int(m)
        moved = refiner.measure(replace(end.setting, exits=tuple(exits)))
        assert moved.errors > goal.errors or moved.cost >= end.cost - 1e-9


def test_fewer_thresholds_are_said_to_be_fewer() -> None:
    table = made_up(0, 60)
    judge = goals.judge_of("agreement", table.full, None)
    outcome = tuning.tune(
        table, bitops_costs(table.graph), judge, [Goal(errors=30)], Space(widen=False), tuning.Effort(outer=2)
    )
    assert not outcome.exact
    assert outcome.found[0] is not None


# --- Promises ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("samples", "agreement", "allowed"), [(1000, 0.99, 10), (200, 0.999, 0), (3, 1.0, 0)])
def test_errors_that_a_share_allows(samples: int, agreement: float, allowed: int) -> None:
    assert goals.errors_within(samples, agreement) == allowed


def test_a_confident_promise_allows_fewer_errors() -> None:
    within = goals.errors_within(1000, 0.99, 0.95)
    assert 0 <= within < 10
    assert goals.lower_bound(1000 - within, 1000, 0.95) >= 0.99 > goals.lower_bound(999 - within, 1000, 0.95)
    assert goals.errors_within(100, 0.999, 0.95) == -1


def test_loss_by_recall_is_what_mean_recall_lacks() -> None:
    labels = np.array([0, 0, 0, 0, 2, 2])
    judge = goals.judge_of("recall", labels, labels)
    assert judge(np.array([0, 0, 0, 1, 2, 0])).sum() == pytest.approx(1 - (3 / 4 + 1 / 2) / 2)


def test_points_ascend_in_cost_and_agreement() -> None:
    assert goals.ascending([0.5, 0.3, 0.4, 0.2999], [0.9, 0.8, 0.7, 0.85]) == [3, 0]


# --- Static vectors, and the file -------------------------------------------------------------------------------


def test_static_vectors_are_all_of_a_small_model_and_good_ones_of_a_larger(graph: Graph) -> None:
    inputs = random_codes(0, graph, 8)
    costs = bitops_costs(graph)
    found = statics.static_vectors(graph, inputs, costs)
    assert set(statics.uniform_vectors(graph)) <= set(found)
    assert len(found) < np.prod([len(layer.candidates) for layer in graph.adaptive])
    ratios = sorted(
        costs.vector(graph, recording.base_of(graph, ",".join(map(pair_text, v))).widths or ()) for v in found
    )
    assert len(ratios) == len(found) >= 4
    small = pointed_graph(0)
    every = list(itertools.product(*(layer.candidates for layer in small.adaptive)))
    assert statics.static_vectors(small, random_codes(0, small, 2), bitops_costs(small)) == every


def test_a_recording_comes_back_from_its_file_and_a_damaged_one_counts_as_none(tmp_path: FilePath) -> None:
    graph, inputs, labels = digits(5, controller=True)
    table = recorded(graph, inputs, labels)
    costs = {"a board": bitops_costs(table.graph)}
    known = {(base, at): path for base, places in table.paths.items() for at, path in places.items()}
    key, file = recording.identity(graph, inputs, labels), tmp_path / "m.tuning.npz"
    assert recording_file.read(file, key) == ({}, {})
    recording_file.write(file, key, known, costs)
    back, found = recording_file.read(file, key)
    assert found == costs
    assert set(back) == set(known)
    for each, path in known.items():
        for name in recording_file.FIELDS:
            np.testing.assert_array_equal(getattr(back[each], name), getattr(path, name))
    ran: list[int] = []
    again = recording.record(graph, inputs, labels, table.bases, known=back, progress=lambda done, _: ran.append(done))
    assert not ran
    np.testing.assert_array_equal(again.full, table.full)
    assert recording.identity(graph, inputs, None) != key
    assert recording_file.read(file, "another") == ({}, {})
    file.write_bytes(file.read_bytes()[:-30])
    assert recording_file.read(file, key) == ({}, {})


def test_a_point_before_the_controller_widens_nothing_it_decides() -> None:
    graph = pointed_graph(1, controller=True)
    assert graph.controller is not None
    order = [layer.name for layer in graph.layers]
    places = recording.places_of_widening(graph, Base("dynamic", None))
    decided = order.index(graph.controller.after)
    assert all(order.index(graph.points[p].after) >= decided for p in places)
