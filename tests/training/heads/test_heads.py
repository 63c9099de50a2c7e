"""Promise: heads learn early answers, the network stays what it is, and its integers are what was trained."""

# ruff: noqa: PLC0415 - TensorFlow is imported where a test needs it, not where tests are collected

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dqt_edge as dqt
from dqt_edge.data.load import load_data
from dqt_edge.graph import Graph, checkpoint, interpreter
from dqt_edge.graph.points import NEVER, Setting, full_setting, widest_choices
from tests.support.digits import DIGITS, other_graph
from tests.support.json_keys import told

pytestmark = pytest.mark.train


def test_the_network_stays_bit_for_bit_what_it_is(early: Any, graph: Graph, inputs: np.ndarray) -> None:
    made = early.graph
    assert made.layers == graph.layers
    assert made.controller == graph.controller
    assert made.tensors[: len(graph.tensors)] == graph.tensors
    for policy in ("8x8", "4x4", "2x4", "dynamic"):
        found, wanted = (interpreter.run(g, inputs[:64], policy) for g in (made, graph))
        np.testing.assert_array_equal(found.outputs, wanted.outputs)
        np.testing.assert_array_equal(found.choices, wanted.choices)


def test_points_answer_far_better_than_chance_on_held_out_samples(early: Any, inputs: np.ndarray) -> None:
    labels = load_data("digits").y_test
    for width in range(3):
        setting = replace(full_setting(early.graph), widths=(width,) * 4)
        found = interpreter.run(early.graph, inputs, setting).early
        accuracies = [(column == labels).mean() for column in found.T]
        assert min(accuracies) > 0.8, (width, accuracies)


def test_what_is_reported_is_what_the_interpreter_gives(early: Any) -> None:
    data, made = load_data("digits"), early.graph
    x = np.round(data.x_val * 255).astype(np.uint8)
    full = interpreter.run(made, x, "8x8")
    for index, pair in enumerate(("8x8", "4x4", "2x4")):
        setting = replace(full_setting(made), widths=(index,) * 4)
        found = interpreter.run(made, x, setting)
        for number, point in enumerate(early.points):
            told = point["figures"][pair] if pair in point["figures"] else point["figures"]["8x8"]
            early_class = found.early[:, number]
            assert told["accuracy"] == pytest.approx((early_class == data.y_val).mean())
            assert told["agreement"] == pytest.approx((early_class == full.outputs.argmax(axis=1)).mean())
            for stop in told["stops"]:
                stopped = found.margins[:, number] >= stop["margin"]
                agrees = (early_class == full.outputs.argmax(axis=1))[stopped].mean()
                assert stopped.mean() == pytest.approx(stop["share"])
                assert agrees == pytest.approx(stop["agreement"])
                assert agrees >= stop["agreement_at_least"]
    assert early.results["full"]["accuracy"] == pytest.approx((full.outputs.argmax(axis=1) == data.y_val).mean())


def test_what_json_has_of_it_is_on_the_page(early: Any) -> None:
    names = ("train --heads-only", "head", "head data", "head figures", "head epoch", "stop")
    assert told("train --heads-only", json.dumps(early.as_json()), whole=names)["model"] == early.graph.name


def test_an_exit_answers_with_the_class_of_its_head(early: Any, inputs: np.ndarray) -> None:
    made = early.graph
    at = Setting(widest_choices(made), (0, NEVER), (0, 0))
    found = interpreter.run(made, inputs[:50], at)
    assert (found.points == 0).all()
    np.testing.assert_array_equal(found.outputs.argmax(axis=1), found.early[:, 0])


def test_the_checkpoint_keeps_points_and_provenance(early: Any, tmp_path: Path) -> None:
    checkpoint.save(early.graph, tmp_path / "early.safetensors")
    assert checkpoint.load(tmp_path / "early.safetensors") == early.graph
    kept = early.graph.provenance["heads"]
    assert kept["options"]["points"] == ["stem", "conv2"]
    assert kept["options"]["seed"] == 4
    assert kept["data"] == {"name": "digits", "train": 600, "copies": 0, "validation": 216}
    assert early.graph.provenance["keras"], "what was known of the network is still there"


def test_trained_pass_and_integers_agree_code_by_code(early: Any, inputs: np.ndarray, tensorflow: Any) -> None:
    """What training evaluated, Keras in float32, against the exported integers: hidden codes and logits."""
    from dqt_edge.training.heads import features, learn
    from dqt_edge.training.heads.options import HeadOptions
    from dqt_edge.training.heads.places import choose_places
    from dqt_edge.training.heads.shape import head_shapes
    from dqt_edge.training.layers import Run

    graph = checkpoint.load(DIGITS)
    places = choose_places(graph, ("conv2",))
    vector = tuple(layer.candidates[0] for layer in graph.adaptive)
    test = load_data("digits").test
    given, labels = features.Inputs(graph, test, np.arange(len(test.labels))), test.labels
    np.testing.assert_array_equal(np.concatenate(list(given.parts())), inputs)
    (spot,) = features.find_spots(graph, places, head_shapes(graph, places), given, [vector], ["p"])
    made = features.collect(graph, [spot], given, vector, to_end=False, done=lambda _: None)
    lessons = learn.Lessons(
        made.pooled[0],
        np.arange(len(inputs)),
        learn.targets_of(np.eye(10)[labels], labels),
        np.ones(len(labels), np.float32),
    )
    head, _ = learn.learn("p", spot, lessons, lessons, HeadOptions(epochs=4), lambda _: None)
    layers, tensors = head.layers()
    whole = replace(graph, tensors=(*graph.tensors, *tensors))
    live = {tensors[0].name: made.pooled[0].reshape(len(inputs), *tensors[0].shape)}
    hidden = interpreter.run_layer(layers[1], whole, live)
    unit = float(head.hidden.output_quantizer.scale())
    value = (tensorflow.cast(made.pooled[0], "float32") - tensors[0].zero_point) * head.unit
    real = head.hidden(value, scale=head.unit, run=Run(nested=True))
    real = np.asarray(head.hidden.output_quantizer(real, nested=True)) / unit
    assert np.abs(real - hidden).max() < 1.01
    assert (np.abs(real - hidden) < 0.01).mean() > 0.995
    logits = interpreter.accumulate(layers[2], whole, {tensors[1].name: hidden}, (8, 8))[:, 0, 0]
    scale = float(np.exp(head.logits.log_scale.numpy()[0])) * unit / 2
    predicted = learn.predict(head, made.pooled[0], nested=True)
    assert np.abs(predicted - logits * scale).max() < 0.02 * np.abs(predicted).max()


def test_answers_alone_teach_as_well(graph: Graph, tensorflow: Any) -> None:
    """Without labels, and with data that has none, the heads learn what the network answers: here one that is wrong."""
    wrong = other_graph()
    data = load_data("digits")
    made = dqt.train_heads(wrong, (data.x_train,), points="conv2", labels="none", epochs=6, widths="8x8")
    (point,) = made.points
    assert set(point["figures"]) == {"8x8"}
    assert "accuracy" not in point["figures"]["8x8"]
    assert point["figures"]["8x8"]["agreement"] > 0.7
    assert made.results["full"] == {}


def test_the_same_seed_gives_the_same_heads_and_replaces_those_before(early: Any, tensorflow: Any) -> None:
    options: dict[str, Any] = {"points": 1, "epochs": 2, "samples": 100, "widths": "8x8"}
    first = dqt.train_heads(early.graph, "digits", **options, seed=5)
    again = dqt.train_heads(DIGITS, "digits", **options, seed=5)
    other = dqt.train_heads(DIGITS, "digits", **options, seed=6)
    assert first.graph == again.graph
    assert first.graph.points != other.graph.points


def test_a_varied_copy_doubles_the_lessons(tensorflow: Any) -> None:
    made = dqt.train_heads(DIGITS, "digits", points=1, epochs=2, samples=64, widths="8x8", shift=1, flip=True)
    assert made.results["data"]["copies"] == 1


def test_a_copy_comes_behind_the_samples_and_varies_by_the_seed(graph: Graph, inputs: np.ndarray) -> None:
    from dqt_edge.training.heads.features import Inputs

    test = load_data("digits").test
    indices = np.arange(30)
    made = [Inputs(graph, test, indices, True, 1, True, seed) for seed in (1, 1, 2)]
    first, again, other = (np.concatenate(list(x.parts())) for x in made)
    assert len(made[0]) == len(first) == 60
    np.testing.assert_array_equal(first[:30], inputs[:30])
    np.testing.assert_array_equal(first, again)
    assert (first[30:] != other[30:]).any()
    for copy, sample in zip(first[30:], inputs, strict=False):
        padded = np.pad(sample[..., 0], 1)
        moved = [padded[r : r + 8, c : c + 8] for r in range(3) for c in range(3)]
        assert any((copy[..., 0] == m).all() or (copy[:, ::-1, 0] == m).all() for m in moved)


def test_balance_raises_the_recall_of_a_rare_class(tensorflow: Any) -> None:
    """Most ones are left out, and the head is so small that it has to choose what to learn."""
    data = load_data("digits")
    keep = (data.y_train != 1) | (np.arange(len(data.y_train)) % 8 == 0)
    arrays = {"x": data.x_train[keep], "y": data.y_train[keep]}

    def recall(balance: float) -> float:
        made = dqt.train_heads(
            DIGITS, (arrays["x"], arrays["y"], data.x_test, data.y_test), points="stem", head_hidden=6, epochs=8,
            widths="8x8", balance=balance, seed=2,
        )  # fmt: skip
        x = np.round(data.x_test[data.y_test == 1] * 255).astype(np.uint8)
        found = interpreter.run(made.graph, x, full_setting(made.graph))
        return float((found.early[:, 0] == 1).mean())

    assert recall(1.0) > recall(0.0)
