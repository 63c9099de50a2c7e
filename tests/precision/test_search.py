"""Promise: a search stays within its budget, its model has no better choice, and what it writes runs as it said."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import dqt_edge
from dqt_edge import errors
from dqt_edge.boards import load_board
from dqt_edge.cli import cli
from dqt_edge.data.load import codes, load_data
from dqt_edge.graph import (
    FULL,
    Add,
    Conv2D,
    Graph,
    MacLayer,
    Requantize,
    Tensor,
    Window,
    checkpoint,
    interpreter,
    nested,
)
from dqt_edge.graph.bitops import bitops, vector_ratio
from dqt_edge.measure import layer_counts as instructions
from dqt_edge.precision import assign, biases, curve, sensitivity, skips, statics
from dqt_edge.precision import candidates as widths
from dqt_edge.precision.assign import Option
from dqt_edge.precision.evaluate import Evaluator
from dqt_edge.tasks import Figure, Score
from dqt_edge.tasks.task import divergence, squared_error
from tests.support.random_graphs import Builder, random_codes, random_graph
from tests.support.skips import skipping_graph

PAIRS = ((8, 8), (4, 8), (4, 4), (2, 4))


@pytest.fixture(scope="module")
def offered(graph: Graph) -> Graph:
    return widths.offer(graph, PAIRS)


@pytest.fixture(scope="module")
def inputs(graph: Graph) -> np.ndarray:
    return codes(load_data("digits").x_train[:64], graph)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["search", *map(str, arguments)])


# --- Widths -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_offered_widths_run_and_fixed_ones_compute_the_same(seed: int) -> None:
    graph = widths.offer(random_graph(seed), ((8, 8), (4, 8), (3, 3)))
    assert graph.controller is None
    for layer in graph.layers:
        if isinstance(layer, MacLayer):
            narrow = graph.tensor(layer.input).zero_point == 0
            assert set(layer.candidates) <= {(8, 8), (4, 8), (3, 3)}
            assert FULL in layer.candidates
            assert narrow or all(a == 8 for _, a in layer.candidates)
    rng = np.random.default_rng(seed)
    samples = random_codes(seed, graph, 3)
    graph = biases.apply(graph, biases.drifts(graph, samples))
    vector = tuple(layer.candidates[rng.integers(len(layer.candidates))] for layer in graph.adaptive)
    fixed = widths.freeze(graph, vector, {"search": 1})
    assert not fixed.adaptive
    assert fixed.provenance["search"] == 1
    assert all(getattr(layer, "bias_by_width", None) is None for layer in fixed.layers)
    np.testing.assert_array_equal(
        interpreter.run(fixed, samples, ()).outputs, interpreter.run(graph, samples, vector).outputs
    )


def test_a_graph_without_a_choice_is_refused(offered: Graph) -> None:
    fixed = widths.freeze(offered, tuple(layer.candidates[0] for layer in offered.adaptive), {})
    with pytest.raises(errors.UsageError, match="no layer has more than one width pair"):
        widths.require_choice(fixed)


# --- Evaluation ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_quick_evaluation_equals_the_interpreter(seed: int) -> None:
    graph = widths.without_controller(random_graph(seed))
    samples, rng = random_codes(seed, graph, 40), np.random.default_rng(seed)
    evaluator = Evaluator(graph, samples)
    for _ in range(4):
        vector = [layer.candidates[rng.integers(len(layer.candidates))] for layer in graph.adaptive]
        np.testing.assert_array_equal(evaluator.outputs(vector), interpreter.run(graph, samples, vector).outputs)


def test_losses_are_zero_for_equal_answers_only() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 3, (50, 10))
    assert divergence(logits, logits + 7.0) == pytest.approx(0, abs=1e-12)
    assert squared_error(logits, logits) == 0
    other = logits + rng.normal(0, 1, logits.shape)
    assert divergence(logits, other) > 0.05
    assert squared_error(logits, logits + logits.std()) == pytest.approx(1)
    assert squared_error(5 * logits, 5 * other) == pytest.approx(squared_error(logits, other))


# --- Biases -------------------------------------------------------------------------------------------------------


def test_a_correction_takes_the_mean_drift_out(offered: Graph, inputs: np.ndarray) -> None:
    corrections = biases.drifts(offered, inputs)
    corrected = biases.apply(offered, corrections)
    base = [widths.widest(layer) for layer in offered.adaptive]
    live = interpreter.run(offered, inputs, base, keep_tensors=True).tensors
    moved = 0
    for before, after in zip(offered.adaptive, corrected.adaptive, strict=True):
        wide = interpreter.accumulate(before, offered, live, FULL).mean(axis=(0, 1, 2))
        for pair in before.candidates:
            plain = np.abs(interpreter.accumulate(before, offered, live, pair).mean(axis=(0, 1, 2)) - wide)
            own = np.abs(interpreter.accumulate(after, corrected, live, pair).mean(axis=(0, 1, 2)) - wide)
            assert own.max() <= 0.5 + 1e-6, (before.name, pair)
            moved += int(plain.max() > 2)
    assert moved >= 6


def test_settled_biases_are_those_of_the_whole_vector(offered: Graph, inputs: np.ndarray) -> None:
    vector = tuple(widths.nearest(layer, (4, 4)) for layer in offered.adaptive)
    settled = biases.settle(offered, vector, inputs)
    wide = interpreter.run(offered, inputs, [FULL] * len(vector), keep_tensors=True).tensors
    narrow = interpreter.run(settled, inputs, vector, keep_tensors=True).tensors
    for layer, now, pair in zip(offered.adaptive, settled.adaptive, vector, strict=True):
        wanted = interpreter.accumulate(layer, offered, wide, FULL).mean(axis=(0, 1, 2))
        found = interpreter.accumulate(now, settled, narrow, pair).mean(axis=(0, 1, 2))
        assert np.abs(found - wanted).max() <= 0.5 + 1e-6, layer.name
        for other in set(layer.candidates) - {pair}:
            np.testing.assert_array_equal(now.bias_of(other), layer.bias_of(other))


def test_a_bias_that_int32_cannot_hold_is_left_out(offered: Graph) -> None:
    layer = offered.adaptive[0]
    huge = np.full(layer.channels, nested.INT32_MAX - 5, np.int32)
    assert biases.apply(offered, {(layer.name, (4, 4)): huge}) == offered


# --- Assignment ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_the_front_is_the_best_of_all_assignments(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 4, 6)
    layers = [[Option(float(c), float(v)) for c, v in zip(rng.integers(1, 30, n), rng.random(n), strict=True)]
              for n in sizes]  # fmt: skip
    every = [(sum(o.cost for o in chosen), sum(o.loss for o in chosen)) for chosen in itertools.product(*layers)]
    points = assign.front(assign.Table(layers))
    for budget in range(6, 180, 7):
        best = min((loss for cost, loss in every if cost <= budget), default=None)
        found = assign.within(points, budget)
        assert (found is None) == (best is None)
        if found is not None and best is not None:
            assert found.loss == pytest.approx(best, rel=1e-12)
            assert found.cost == sum(o[k].cost for o, k in zip(layers, found.choices, strict=True))
            assert found.cost <= budget


@pytest.mark.parametrize("seed", range(20))
def test_the_front_of_skips_is_the_best_of_all_assignments(seed: int) -> None:
    """Layers 0 and 2 are a branch that ends in 3, layer 4 one that ends in 5; 1 and 6 are in none."""
    rng = np.random.default_rng((seed, 1))
    branches, sizes = {0: 3, 2: 3, 4: 5}, rng.integers(1, 4, 7) + np.eye(7, dtype=int)[[3, 5]].sum(axis=0)
    layers = [[Option(float(c), float(v)) for c, v in zip(rng.integers(1, 30, n), rng.random(n), strict=True)]
              for n in sizes]  # fmt: skip

    def worth(choices: tuple[int, ...]) -> tuple[float, float]:
        ran = [i for i in range(7) if i not in branches or choices[branches[i]] != sizes[branches[i]] - 1]
        return sum(layers[i][choices[i]].cost for i in ran), sum(layers[i][choices[i]].loss for i in ran)

    every = [worth(choices) for choices in itertools.product(*map(range, sizes))]
    table = assign.Table(layers, branches)
    points = assign.front(table)
    for budget in range(3, 180, 7):
        best = min((loss for cost, loss in every if cost <= budget), default=None)
        found = assign.within(points, budget)
        assert (found is None) == (best is None)
        if found is not None and best is not None:
            assert found.loss == pytest.approx(best, rel=1e-12)
            assert worth(found.choices) == (found.cost, pytest.approx(found.loss))
            assert found.cost <= budget
    start = points[0].choices
    met = []
    room = points[-1].cost
    assign.improve(table, start, room, lambda choices: met.append(choices) or worth(choices)[1], 30)
    assert len(set(met)) == len(met) > 1
    assert all(worth(choices)[0] <= room for choices in met)


def test_a_thinned_front_keeps_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    costs = rng.random((7, 4)) + 0.1
    layers = [[Option(float(c), float(1 / c + rng.random() / 9)) for c in row] for row in costs]
    exact = assign.front(assign.Table(layers))
    monkeypatch.setattr(assign, "FRONT_MAX", 60)
    thinned = assign.front(assign.Table(layers))
    assert len(thinned) <= 61 < len(exact)
    for budget in (3.0, 4.0, 5.0):
        found, best = assign.within(thinned, budget), assign.within(exact, budget)
        assert found is not None
        assert best is not None
        assert found.cost <= budget + 1e-6
        assert best.loss <= found.loss <= 1.1 * best.loss


# --- Search -------------------------------------------------------------------------------------------------------


def test_a_search_stays_within_its_budget_and_beats_one_pair_for_all(offered: Graph, inputs: np.ndarray) -> None:
    made, found = sensitivity.measure(offered, inputs)
    assert len(found) == sensitivity.evaluations(offered, correct=False)
    assert all(s.loss <= s.plain_loss for s in found)
    searched = curve.Search(made, inputs, found)
    uniform = {point.pairs: point for point in searched.uniform()}
    assert len(uniform) == 4
    for budget in (0.8, 0.5, 0.3):
        point = searched.solve(budget, 10)
        assert point.bitops_ratio <= budget * (1 + 1e-9)
        assert point.loss == searched.loss_of(point.pairs)
        cheaper = [other for other in uniform.values() if other.bitops_ratio <= budget]
        assert all(point.loss <= other.loss + 1e-9 for other in cheaper)
    with pytest.raises(errors.UsageError, match="the cheapest costs"):
        searched.solve(0.001, 0)


@pytest.mark.qemu
def test_counts_of_layers_add_up_to_what_a_board_counts(graph: Graph, inputs: np.ndarray, tmp_path: Path) -> None:
    """The cost model's promise: any mixed vector takes what its layers took one by one."""
    small = widths.offer(graph, ((8, 8), (4, 4)))
    board = load_board("qemu-m4")
    counts = instructions.measure(small, board, tmp_path / "all", inputs)
    assert counts.unit == "instructions"
    vector = tuple(layer.candidates[i % len(layer.candidates)] for i, layer in enumerate(small.adaptive))
    again = instructions.measure(widths.freeze(small, vector, {}), board, tmp_path / "mixed", inputs)
    assert again.fixed == pytest.approx(counts.total(small, vector), rel=0.005)


def test_instructions_need_a_board_that_counts_them(offered: Graph, inputs: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(errors.UsageError, match="does not repeat"):
        instructions.measure(offered, load_board("host"), tmp_path / "p", inputs)


# --- Command ------------------------------------------------------------------------------------------------------


def test_the_command_writes_what_it_says(model_file: Path, here: Path) -> None:
    done = run(model_file, "--data", "digits", "--samples", 40, "--n", 60, "--trials", 2, "--budget", "0.4,0.7",
               "--candidates", "8x8,4x4", "--out", "s.safetensors", "--report", "r")  # fmt: skip
    assert done.exit_code == 0, done.output
    told = json.loads((here / "r" / "search.json").read_text())
    best, other, *uniform = told["points"]
    assert (best["budget"], other["budget"]) == (0.4, 0.7)
    assert [p["origin"] for p in uniform] == ["uniform", "uniform"]
    assert best["bitops_ratio"] <= 0.4
    assert f"widths for --policy: {best['widths']}" in done.output
    fixed = checkpoint.load(here / "s.safetensors")
    assert fixed.provenance["search"]["widths"] == best["widths"]
    data = load_data("digits")
    answers = interpreter.run(fixed, codes(data.x_test[:60], fixed), ()).outputs.argmax(axis=1)
    assert (answers == data.y_test[:60]).mean() == pytest.approx(best["accuracy"])
    assert bitops(fixed, np.zeros((1, 0), np.int64))[0] == pytest.approx(best["bitops_ratio"])
    if pytest.importorskip("vl_convert", reason="the extra 'report' is not installed"):
        assert (here / "r" / "search.svg").read_text().startswith("<svg")
        assert (here / "r" / "search.png").read_bytes()[:4] == b"\x89PNG"


def test_all_widths_may_be_kept(model_file: Path, here: Path) -> None:
    done = run(model_file, "--data", "digits", "--samples", 20, "--n", 20, "--trials", 0, "--budget", "0.5",
               "--candidates", "8x8,4x4", "--out", "s.safetensors", "--keep-widths")  # fmt: skip
    assert done.exit_code == 0, done.output
    kept = checkpoint.load(here / "s.safetensors")
    assert {layer.candidates for layer in kept.adaptive} == {((8, 8), (4, 4))}


def test_a_search_that_is_stopped_reports_what_it_has(model_file: Path, here: Path, monkeypatch) -> None:
    judged = []

    def stop(*arguments, **named) -> Score:
        judged.append(arguments)
        if len(judged) == 2:
            raise KeyboardInterrupt
        return Score("classifier", 20, (Figure("accuracy", 0.5),))

    monkeypatch.setattr(curve, "score", stop)
    done = run(model_file, "--data", "digits", "--samples", 20, "--n", 20, "--trials", 0, "--budget", "0.3,0.5,0.7",
               "--candidates", "8x8,4x4", "--report", "r")  # fmt: skip
    assert done.exit_code == 1  # click's own, for an abort
    told = json.loads((here / "r" / "search.json").read_text())
    assert told["interrupted"]
    assert 1 <= len(told["points"]) < 5


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--budget", "0.5", "--instructions", "0.5"], "two kinds of budget"),
        (["--instructions", "0.5"], "needs a board"),
        (["--board", "qemu-m4"], "needs a board"),
        (["--budget", "1.5"], "'1.5' is no budget"),
        (["--budget", "half"], "'half' is no budget"),
        (["--candidates", "1x1"], "'1x1' is no width pair"),
        (["--candidates", "8x8"], "no layer has more than one width pair"),
    ],
)
def test_wrong_options_are_refused(arguments: list[str], text: str, model_file: Path, here: Path) -> None:
    found = run(model_file, "--data", "digits", *arguments).exception
    assert isinstance(found, errors.UsageError)
    assert text in str(found)


def test_a_spread_of_budgets_ends_at_the_cheapest_vector(model_file: Path) -> None:
    found = dqt_edge.search(model_file, "digits", budget="spread", samples=8, count=8, trials=0, biases=False)
    budgets = [point.budget for point in found.points if point.origin == "search"]
    steps = np.diff([1.0, *budgets])
    assert len(budgets) == 4
    np.testing.assert_allclose(steps, steps[0])
    assert budgets[-1] == pytest.approx(curve.cheapest(found.model, None))


# --- Skips --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def skipping() -> tuple[Graph, np.ndarray, np.ndarray]:
    """A network with one residual block, inputs, and the answers of its widest candidates as labels."""
    graph = widths.offer(skips.without_skips(skipping_graph(1)), ((8, 8), (4, 4)))
    samples = random_codes(1, graph, 24)
    answers = interpreter.run(graph, samples, [widths.widest(layer) for layer in graph.adaptive]).outputs
    return graph, samples, answers.argmax(1)


def test_the_mean_of_a_branch_stands_in_for_it(skipping: tuple[Graph, np.ndarray, np.ndarray]) -> None:
    graph, samples, _ = skipping
    offered = skips.offer_skips(graph, samples)
    (end,) = (layer for layer in offered.adaptive if layer.skip_bias is not None)
    assert end.residual is not None
    live = interpreter.run(
        graph, samples, [widths.widest(layer) for layer in graph.adaptive], keep_tensors=True
    ).tensors
    ran, skipped = (interpreter.accumulate(end, offered, live, pair) for pair in (widths.widest(end), (0, 0)))
    assert np.abs((ran - skipped).mean(axis=(0, 1, 2))).max() <= 0.5


def test_a_branch_that_an_addition_reads_is_offered_the_costlier_of_two() -> None:
    """As imported models have them: conv0, then a branch of conv1 and conv2 beside a shortcut, conv3, and a sum."""
    zero = Requantize(np.full(4, 1 << 24, np.int32), np.full(4, 32, np.uint8))
    rng, names = np.random.default_rng(2), ("input", "a", "b", "c", "d", "y")
    tensors = tuple(Tensor(name, (6, 6, 4), 0.02) for name in names)

    def conv(name: str, source: str, target: str, size: int) -> Conv2D:
        weights = rng.integers(-128, 128, (4, size, size, 4)).astype(np.int8)
        bias = rng.integers(-99, 99, 4).astype(np.int32)
        return Conv2D(name, source, target, weights, bias, zero, PAIRS, Window.same((6, 6), (size, size), (1, 1)))

    m1, m2, offset, shift = nested.add_parameters((0.02, 0.02), (0, 0), 0.02, 0)
    layers = (conv("conv0", "input", "a", 3), conv("conv1", "a", "b", 3), conv("conv2", "b", "c", 1),
              conv("conv3", "a", "d", 1), Add("sum", ("d", "c"), "y", (m1, m2), offset, shift))  # fmt: skip
    graph = Graph("added", tensors, layers, "input", "y")
    samples = random_codes(3, graph, 8)
    offered = skips.offer_skips(graph, samples)
    assert [layer.name for layer in offered.adaptive if layer.skip_bias is not None] == ["conv2"]
    assert set(offered.skipped_with) == {"conv1"}
    vector = (FULL, FULL, (0, 0), FULL)
    live = interpreter.run(offered, samples, vector, keep_tensors=True).tensors
    full = interpreter.run(graph, samples, [FULL] * 4, keep_tensors=True).tensors
    assert len(np.unique(live["c"].reshape(-1, 4), axis=0)) == 1
    assert np.abs(live["c"].mean(axis=(0, 1, 2)) - full["c"].mean(axis=(0, 1, 2))).max() < 0.6


def test_a_search_may_skip_branches(skipping: tuple[Graph, np.ndarray, np.ndarray]) -> None:
    graph, samples, labels = skipping
    found = dqt_edge.search(graph, (samples, labels), candidates="8x8,4x4,0x0", budget="spread", trials=3)
    budgets = [point for point in found.points if point.origin == "search"]
    assert (0, 0) in budgets[-1].pairs  # the cheapest of all
    model = found.model
    for point in found.points:
        ran = interpreter.run(found.by.graph_of(point.pairs), samples, point.pairs)
        assert bitops(model, ran.choices, ran.runs, ran.passes)[0] == pytest.approx(point.bitops_ratio)
        assert point.budget is None or point.bitops_ratio <= point.budget * (1 + 1e-9)
    assert {s.pair for s in found.found.sensitivities} == {(4, 4), (0, 0)}
    with pytest.raises(errors.UsageError, match="a model with fixed widths skips nothing"):
        found.at(budgets[-1])


def test_a_search_keeps_the_skips_of_a_model_and_drops_them_where_other_candidates_are_given(
    skipping: tuple[Graph, np.ndarray, np.ndarray],
) -> None:
    graph, samples, labels = skipping
    offered = skips.offer_skips(graph, samples)
    for candidates, expected in ((None, True), ("8x8,4x4", False)):
        found = dqt_edge.search(offered, (samples, labels), candidates=candidates, budget="spread", trials=0)
        assert any((0, 0) in point.pairs for point in found.points) == expected


def test_skips_that_cannot_be(skipping: tuple[Graph, np.ndarray, np.ndarray], here: Path) -> None:
    graph, samples, labels = skipping
    with pytest.raises(errors.UsageError, match="a model with fixed widths cannot skip"):
        dqt_edge.search(graph, (samples, labels), candidates="8x8,0x0", out="s.safetensors")
    assert not list(here.iterdir())
    done = dqt_edge.search(graph, (samples, labels), candidates="8x8,0x0", budget=1.0, trials=0, out="s.safetensors",
                           keep_widths=True)  # fmt: skip
    kept = checkpoint.load(here / "s.safetensors")
    assert [layer.options for layer in kept.adaptive] == [layer.options for layer in done.model.adaptive]
    builder = Builder(1, (6, 5, 3))
    builder.dense(2, 5)
    plain = Graph("plain", tuple(builder.tensors), tuple(builder.layers), "input", builder.last.name)
    with pytest.raises(errors.UsageError, match="no residual branch can be skipped"):
        skips.offer_skips(plain, samples)


def test_inferences_may_begin_with_all_branches_skipped(skipping: tuple[Graph, np.ndarray, np.ndarray]) -> None:
    graph, samples, labels = skipping
    offered = skips.offer_skips(graph, samples)
    same = np.repeat(samples[-1:], 20, axis=0)  # at a single input, what agrees once agrees always
    answers = {
        vector: interpreter.run(offered, same[:1], vector).outputs.argmax()
        for vector in (*statics.uniform_vectors(offered), *statics.skipping_vectors(offered))
    }
    (row,) = dqt_edge.tune(offered, (same, np.repeat(labels[-1:], 20)), agree=(1.0,)).rows
    widest = tuple(widths.widest(layer) for layer in offered.adaptive)
    agreeing = [vector for vector, answer in answers.items() if answer == answers[widest]]
    assert any((0, 0) in vector for vector in agreeing)
    assert row.point.cost == pytest.approx(min(vector_ratio(offered, vector) for vector in agreeing))


@pytest.mark.qemu
def test_counts_of_skips_are_what_a_board_counts(
    skipping: tuple[Graph, np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    graph, samples, _ = skipping
    offered = skips.offer_skips(graph, samples)
    counts = instructions.measure(offered, load_board("qemu-m4"), tmp_path / "all", samples)
    skipped = tuple(
        (0, 0) if layer.skip_bias is not None else widths.nearest(layer, (4, 4)) for layer in offered.adaptive
    )
    project = dqt_edge.export(offered, "qemu-m4", tmp_path / "one")
    dqt_edge.build(project)
    told = dqt_edge.profile(project, (samples[:2], np.zeros(2, int)), policy=skipped)
    assert told.count == pytest.approx(counts.total(offered, skipped), rel=0.01)
