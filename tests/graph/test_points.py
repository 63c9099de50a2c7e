"""Decision points in the interpreter: who stops where, what runs wide, who is computed again; and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dqt_edge.errors import BadFileError, UnsupportedError, UsageError
from dqt_edge.graph import NEVER, Dense, Graph, MacLayer, Setting, Tensor, TunedPoint, checkpoint, interpreter
from dqt_edge.graph.bitops import bitops, pair_ratio, vector_ratio
from dqt_edge.graph.checkpoint import model_hash
from dqt_edge.graph.points import WATCH, full_setting, widest_choices
from dqt_edge.graph.policy import parse_policy, policy_text
from tests.support.random_graphs import random_codes, random_graph
from tests.support.random_points import least_choices, pointed_graph, random_setting

SEEDS = range(6)


def reference(graph: Graph, codes: Any, setting: Setting) -> tuple[int, int, int, list[int]]:
    """Point, class, passes and choices of one sample, from whole runs at fixed widths and the heads by themselves."""
    widest = widest_choices(graph)
    choices = list(setting.widths or ())
    order = [layer.name for layer in graph.layers]

    def at(vector: list[int]) -> interpreter.Result:
        pairs = [layer.candidates[k] for layer, k in zip(graph.adaptive, vector, strict=True)]
        return interpreter.run(graph, codes[None], pairs, keep_tensors=True)

    for index, point in enumerate(graph.points):
        if setting.exits[index] == NEVER and setting.widen[index] == 0:
            continue
        live = dict(at(choices).tensors)
        for layer in point.layers[:-1]:
            live[layer.output] = interpreter.run_layer(layer, graph, live)
        last = point.layers[-1]
        assert isinstance(last, Dense)
        logits = sorted((int(v), -i) for i, v in enumerate(interpreter.accumulate(last, graph, live, (8, 8)).ravel()))
        margin, top = logits[-1][0] - logits[-2][0], -logits[-1][1]
        behind = [i for i, x in enumerate(graph.adaptive) if order.index(x.name) > order.index(point.after)]
        if margin >= setting.exits[index] and (setting.stops is None or top in setting.stops):
            return index, top, 1, [-1 if i in behind else k for i, k in enumerate(choices)]
        if margin < setting.widen[index]:
            choices = [widest[i] if i in behind else k for i, k in enumerate(choices)]
    found = sorted(at(choices).outputs[0].tolist())
    if found[-1] - found[-2] < setting.again and tuple(choices) != widest:
        return len(graph.points), int(at(list(widest)).outputs[0].argmax()), 2, choices
    return len(graph.points), int(at(choices).outputs[0].argmax()), 1, choices


def test_every_sample_is_decided_as_the_page_says() -> None:
    passes, points, widened = set(), set(), 0
    for seed in SEEDS:
        graph = pointed_graph(seed)
        codes = random_codes(seed, graph, 8)
        least, widest = least_choices(graph), widest_choices(graph)
        seen = interpreter.run(graph, codes, replace(full_setting(graph), widths=least))
        assert (seen.points == len(graph.points)).all()
        for trial in range(4):
            setting = random_setting(seed, trial, graph, seen.margins)
            found = interpreter.run(graph, codes, setting)
            for i, sample in enumerate(codes):
                told = found.points[i], found.outputs[i].argmax(), found.passes[i], found.choices[i].tolist()
                assert told == reference(graph, sample, setting)
            passes |= set(found.passes.tolist())
            points |= set((found.points - len(graph.points)).tolist())
            widened += int((found.choices == widest)[found.choices >= 0].any() and least != widest)
    assert passes == {1, 2}
    assert points >= {0, -1}
    assert min(points) < -1
    assert widened


def test_an_early_answer_is_a_class_and_nothing_else() -> None:
    graph = pointed_graph(1)
    codes = random_codes(1, graph, 3)
    found = interpreter.run(
        graph, codes, Setting(least_choices(graph), (0,) * len(graph.points), (0,) * len(graph.points))
    )
    assert (found.points == 0).all()
    assert (found.outputs.argmax(axis=1) == found.early[:, 0]).all()
    assert (np.sort(found.outputs, axis=1) == [0] * (found.outputs.shape[1] - 1) + [255]).all()
    assert (found.runs[:, -1] == 0).all()


def test_without_points_taken_the_answers_are_those_of_the_widths() -> None:
    graph = pointed_graph(2)
    codes = random_codes(2, graph, 8)
    plain = interpreter.run(
        graph, codes, [layer.candidates[k] for layer, k in zip(graph.adaptive, widest_choices(graph), strict=True)]
    )
    watched = interpreter.run(graph, codes, full_setting(graph))
    assert (watched.outputs == plain.outputs).all()
    assert (watched.margins[:, :-1] >= 0).all()
    off = interpreter.run(graph, codes, replace(full_setting(graph), exits=(NEVER,) * len(graph.points)))
    assert (off.margins[:, :-1] == -1).all()
    assert off.runs.sum() < watched.runs.sum()


def test_what_does_not_run_costs_nothing_and_a_second_pass_costs_its_own() -> None:
    graph = pointed_graph(3)
    codes = random_codes(3, graph, 6)
    least, count = least_choices(graph), len(graph.points)
    pairs = [layer.candidates[k] for layer, k in zip(graph.adaptive, least, strict=True)]
    heads = sum(graph.macs(layer) for point in graph.points for layer in point.layers) / graph.total_macs
    plain = interpreter.run(graph, codes, Setting(least, (NEVER,) * count, (0,) * count))
    assert bitops(graph, plain.choices, plain.runs, plain.passes) == pytest.approx([vector_ratio(graph, pairs)] * 6)
    again = interpreter.run(graph, codes, Setting(least, (WATCH,) * count, (0,) * count, 256))
    assert (again.passes == 2).all()
    start = graph.second_pass_start
    wide = sum(
        graph.macs(layer) * max(pair_ratio(pair) for pair in layer.candidates)
        for layer in graph.layers[start:]
        if isinstance(layer, MacLayer)
    )
    assert bitops(graph, again.choices, again.runs, again.passes) == pytest.approx(
        [vector_ratio(graph, pairs) + heads + wide / graph.total_macs] * 6
    )


def test_tensors_kept_for_the_second_pass_are_those_made_before_it() -> None:
    graph = pointed_graph(0)
    kept = graph.kept_for_second_pass
    made = {layer.output for layer in graph.layers[: graph.second_pass_start]} | set(graph.inputs)
    assert kept
    assert set(kept) <= made
    assert replace(graph, second_pass=False, tuned=()).kept_for_second_pass == ()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_checkpoint_keeps_points_and_settings(seed: int, tmp_path: Path) -> None:
    graph = pointed_graph(seed)
    count = len(graph.points)
    setting = Setting(least_choices(graph), (7,) * count, (3,) * count, 9, (0, 1))
    graph = replace(graph, tuned=(TunedPoint(0.25, 0.5, setting), TunedPoint(0.5, 0.75, full_setting(graph))))
    checkpoint.save(graph, tmp_path / "a.safetensors")
    back = checkpoint.load(tmp_path / "a.safetensors")
    checkpoint.save(back, tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    assert back.tuned == graph.tuned
    codes = random_codes(seed, graph, 4)
    assert (interpreter.run(back, codes, setting).outputs == interpreter.run(graph, codes, setting).outputs).all()
    assert model_hash(back) == model_hash(graph) != model_hash(replace(graph, points=(), tuned=(), second_pass=False))


def test_a_controller_chooses_until_a_point_widens() -> None:
    graph = pointed_graph(0, controller=True)
    codes = random_codes(0, graph, 12)
    count, bias = len(graph.points), (0,) * len(graph.adaptive[0].candidates)
    plain = interpreter.run(graph, codes, "dynamic")
    chosen = Setting(None, (NEVER,) * count, (0,) * count)
    for setting in (chosen, replace(chosen, bias=bias)):
        found = interpreter.run(graph, codes, setting)
        assert (found.outputs == plain.outputs).all()
        assert (found.choices == plain.choices).all()
        assert found.logits is not None
        assert (found.logits == plain.logits).all()
    wide = interpreter.run(graph, codes, replace(chosen, widen=(NEVER,) * count))
    order = [layer.name for layer in graph.layers]
    behind = [order.index(layer.name) > order.index(graph.points[0].after) for layer in graph.adaptive]
    assert (wide.choices == np.where(behind, widest_choices(graph), plain.choices)).all()


def test_policies_name_tuned_points() -> None:
    graph = pointed_graph(1)
    count = len(graph.points)
    cheap = Setting(least_choices(graph), (0,) * count, (0,) * count)
    dear = full_setting(graph)
    graph = replace(graph, tuned=(TunedPoint(0.2501, 0.9, cheap), TunedPoint(0.9, 0.9951, dear)))
    assert parse_policy("dynamic", graph) == dear
    assert parse_policy("dynamic:0.89", graph) == cheap
    assert parse_policy("agree:0.9", graph) == cheap
    assert parse_policy("agree:0.995", graph) == dear
    assert "exits at never" in policy_text(dear)
    for policy, words in (("dynamic:0.25", "dynamic:0.251"), ("agree:0.996", "agree:0.995"), ("agree", "agree:0.995")):
        with pytest.raises(UsageError) as caught:
            parse_policy(policy, graph)
        assert words in str(caught.value)
    with pytest.raises(UsageError, match="no tuned points"):
        parse_policy("agree:0.9", random_graph(3))


def test_settings_that_do_not_fit_are_refused() -> None:
    graph = pointed_graph(1)
    good = full_setting(graph)
    count = len(graph.points)
    bad: list[tuple[dict[str, Any], str]] = [
        ({"widths": (0,) * (len(graph.adaptive) + 1)}, "widths for"),
        ({"widths": (99,) * len(graph.adaptive)}, "no candidate 99"),
        ({"widths": None}, "no controller|there is none"),
        ({"exits": (0,) * (count + 1)}, "exits for"),
        ({"exits": (-1,) * count}, "not within"),
        ({"widen": (NEVER + 1,) * count}, "not within"),
        ({"again": 257}, "again is 257"),
        ({"stops": (1, 0)}, "ascending"),
        ({"stops": (9999,)}, "ascending"),
        ({"bias": (0,)}, "does not choose"),
    ]
    for change, words in bad:
        with pytest.raises(UsageError, match=words):
            parse_policy(replace(good, **change), graph)
        with pytest.raises(UnsupportedError, match=words):
            replace(graph, tuned=(TunedPoint(0.5, 0.5, replace(good, **change)),))
    with pytest.raises(UsageError, match="keeps nothing"):
        parse_policy(replace(good, again=3), replace(graph, second_pass=False))


def test_points_that_cannot_answer_are_refused() -> None:
    graph = pointed_graph(1)
    first = graph.points[0]
    last = first.layers[-1]
    assert isinstance(last, Dense)
    fewer = replace(last, weights=last.weights[:-1].copy(), bias_twice=last.bias_twice[:-1].copy())
    wide = replace(last, weights=last.weights.repeat(2, axis=1))
    cases: list[tuple[dict[str, Any], str]] = [
        ({"points": (replace(first, after="nowhere"),)}, "does not exist"),
        ({"points": (first, replace(first, name="twin"))}, "share a name"),
        ({"points": (replace(first, layers=first.layers[:-1]),)}, "leaves accumulators"),
        ({"points": (replace(first, layers=(*first.layers[:-1], fewer)),)}, "classes of the network"),
        ({"points": (replace(first, layers=(*first.layers[:-1], wide)),)}, "weights expect"),
        ({"points": (replace(first, after=graph.layers[-1].name),)}, "too late|not made by an earlier|reads"),
        ({"task": "regression"}, "only a classifier"),
    ]
    for change, words in cases:
        with pytest.raises(UnsupportedError, match=words):
            replace(graph, tuned=(), **change)


def test_damaged_points_in_a_file_are_refused(tmp_path: Path) -> None:
    import json  # noqa: PLC0415

    from safetensors import safe_open  # noqa: PLC0415
    from safetensors.numpy import save_file  # noqa: PLC0415

    graph = pointed_graph(1)
    path = tmp_path / "a.safetensors"
    checkpoint.save(graph, path)
    with safe_open(path, "numpy") as file:
        manifest = json.loads(file.metadata()["dqt_edge"])
        arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
    for key, value in (("points", [{}]), ("points", "x"), ("second_pass", 1), ("tuned", [{"cost": 1}]), ("tuned", 3)):
        changed = {**manifest, "graph": {**manifest["graph"], key: value}}
        save_file(arrays, tmp_path / "b.safetensors", {"dqt_edge": json.dumps(changed)})
        with pytest.raises(BadFileError):
            checkpoint.load(tmp_path / "b.safetensors")


def test_a_head_tensor_is_not_the_network_s(tmp_path: Path) -> None:
    graph = pointed_graph(1)
    own = graph.points[0].layers[0].output
    last = graph.layers[-1]
    changed = replace(last, input=own) if isinstance(last, Dense) else last
    assert isinstance(graph.tensor(own), Tensor)
    with pytest.raises(UnsupportedError):
        replace(graph, layers=(*graph.layers[:-1], changed), tuned=())
