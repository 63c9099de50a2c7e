"""Promise: the loss counts cost as the interpreter does, and its choosing terms have the stated sign."""

# ruff: noqa: PLC0415 - TensorFlow is imported where a test needs it, not where tests are collected

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dqt_edge.graph.bitops import bitops, cost_table

pytestmark = pytest.mark.train
RNG = np.random.default_rng(4)


def one_hot(choices: np.ndarray, count: int) -> np.ndarray:
    return np.eye(count, dtype=np.float32)[choices]


def test_expected_cost_is_the_interpreters_bitops(short_run: Any) -> None:
    from dqt_edge.training import losses
    from dqt_edge.training.to_graph import to_graph

    model = short_run.model
    graph = to_graph(model, "tiny")
    rows, fixed = cost_table(model.macs(), {name: model.parts[name].candidates for name in model.adaptive})
    table = np.array(rows, np.float32)
    choices = RNG.integers(0, 3, (50, len(model.adaptive)))
    found = losses.expected_cost(one_hot(choices, 3), table, fixed)
    np.testing.assert_allclose(found, bitops(graph, choices), rtol=1e-6)


def test_information_is_zero_for_one_choice_and_full_for_an_even_spread(tensorflow: Any) -> None:
    from dqt_edge.training.losses import mutual_information

    table = np.ones((2, 3), np.float32)
    same = one_hot(np.zeros((30, 2), int), 3)
    spread = one_hot(np.arange(30)[:, None].repeat(2, 1) % 3, 3)
    unsure = np.full((30, 2, 3), 1 / 3, np.float32)
    assert float(mutual_information(same, table)) == pytest.approx(0, abs=1e-4)
    assert float(mutual_information(unsure, table)) == pytest.approx(0, abs=1e-4)
    assert float(mutual_information(spread, table)) == pytest.approx(np.log(3), abs=1e-4)


def test_focus_rewards_cost_on_distorted_inputs(tensorflow: Any) -> None:
    from dqt_edge.tasks import TASKS, Head
    from dqt_edge.training.losses import focus
    from dqt_edge.training.objective import Classes

    objective = Classes(TASKS["classifier"](Head((1, 1, 10), (10,))), 10)
    full = RNG.normal(0, 3, (40, 10)).astype(np.float32)
    narrow = full.copy()
    hard = np.arange(40) < 10
    narrow[hard] += RNG.normal(0, 3, (10, 10))
    right = np.where(hard, 1.0, 0.2).astype(np.float32)
    wrong = np.where(hard, 0.2, 1.0).astype(np.float32)
    distortion = objective.distortion(full, narrow)
    assert distortion.numpy()[hard].min() > distortion.numpy()[~hard].max()
    assert float(focus(distortion, right, 0.25)) > float(focus(distortion, wrong, 0.25))


def test_class_weights_go_from_all_samples_alike_to_all_classes_alike(tensorflow: Any) -> None:
    from dqt_edge.training.losses import class_weights, hard_loss

    counts = [60, 30, 10, 0]
    np.testing.assert_array_equal(class_weights(counts, 0.0), np.ones(4, np.float32))
    halved = class_weights(counts, 0.5)
    assert (halved[:3] * counts[:3]).sum() == pytest.approx(100)
    assert halved[2] / halved[0] == pytest.approx(np.sqrt(6))
    balanced = class_weights(counts, 1.0)
    assert balanced[:3] * counts[:3] == pytest.approx(np.full(3, 100 / 3))
    logits = RNG.normal(size=(2, 4)).astype(np.float32)
    each = [float(hard_loss(np.array([k]), logits[k : k + 1])) for k in (0, 1)]
    both = float(hard_loss(np.array([0, 1]), logits, halved))
    assert both == pytest.approx((halved[0] * each[0] + halved[1] * each[1]) / 2, rel=1e-5)


def test_gates_are_one_hot_repeatable_and_let_gradients_through(tensorflow: Any) -> None:
    from dqt_edge.training.controller import gumbel_gate, hard_gate

    tf = tensorflow
    logits = tf.Variable(RNG.normal(size=(20, 4, 3)).astype(np.float32))
    with tf.GradientTape() as tape:
        gate = gumbel_gate(logits, 1.0, [1, 2])
        loss = tf.reduce_sum(gate * RNG.normal(size=(20, 4, 3)))
    np.testing.assert_allclose(np.sort(gate.numpy(), axis=-1), np.broadcast_to([0, 0, 1], (20, 4, 3)), atol=1e-6)
    assert np.abs(tape.gradient(loss, logits)).max() > 0
    np.testing.assert_array_equal(gate, gumbel_gate(logits, 1.0, [1, 2]))
    assert (gate.numpy() != gumbel_gate(logits, 1.0, [1, 3]).numpy()).any()
    np.testing.assert_array_equal(hard_gate(tf.zeros((1, 1, 3))), [[[1, 0, 0]]])


def test_gates_sample_the_softmax(tensorflow: Any) -> None:
    from dqt_edge.training.controller import gumbel_gate

    logits = np.log(np.array([0.6, 0.3, 0.1], np.float32))
    gates = gumbel_gate(np.broadcast_to(logits, (20_000, 1, 3)), 0.7, [3, 4])
    np.testing.assert_allclose(gates.numpy().mean(axis=(0, 1)), [0.6, 0.3, 0.1], atol=0.015)
