"""Promise: each operator of Keras that can be imported trains: the network computes it, learns through it, and its
integers are the interpreter's; the few that do not train are refused in a sentence."""

# ruff: noqa: PLC0415 - TensorFlow is imported where a test needs it, not where tests are collected

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dqt_edge import errors
from dqt_edge.api.given import dataset_of
from dqt_edge.architectures.spec import MacNode
from dqt_edge.graph import interpreter
from dqt_edge.training.options import Options
from tests.support.operator_cases import CASES, OperatorCase

RNG = np.random.default_rng(2)
SAMPLES = 12


@pytest.mark.train
@pytest.mark.some(4)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_operator_trains_or_is_refused_in_a_sentence(case: OperatorCase, tensorflow: Any) -> None:
    import keras

    from dqt_edge.api.importing import keras_network
    from dqt_edge.training.from_model import trainable
    from dqt_edge.training.integer import evaluate
    from dqt_edge.training.layers import Run
    from dqt_edge.training.loop import build_model
    from dqt_edge.training.to_graph import to_graph

    tf, original = tensorflow, case.model(keras)
    network = keras_network(original)
    shape = network.edges[network.input].shape
    data = dataset_of((RNG.normal(size=(40, *shape)).astype(np.float32), np.arange(40) % 3))
    if case.name in NOT_TRAINED:
        with pytest.raises(errors.UnsupportedError, match="cannot be trained") as caught:
            trainable(network, case.name)
        assert caught.value.next_step
        return
    initial = trainable(network, case.name)
    options = Options(data="x", model="m", init="m", epochs=4, candidates=((8, 8), (4, 8)), budget=1.0)
    model = build_model(options, data, initial)
    codes = data.train.codes(np.arange(SAMPLES))
    x = tf.constant(model.of_codes(codes))
    real = (codes.astype(np.float32) - data.input_zero_point) * np.float32(data.input_scale)
    wanted = np.asarray(original(real.reshape(-1, *original.inputs[0].shape[1:]))).reshape(SAMPLES, -1)
    found = np.asarray(model(x, run=Run(nested=False))[0])
    if "dropped" in network.provenance:
        found = np.asarray(tf.nn.softmax(found) if found.shape[1] > 1 else tf.sigmoid(found))
    assert np.abs(found - wanted).max() < 1e-3 * max(np.abs(wanted).max(), 1)
    model(x, run=Run(nested=False, calibrate=True))
    model.settle_fusion()
    graph = to_graph(model, "case")
    policy: Any = "8x8" if graph.adaptive else ()
    integers = interpreter.run(graph, codes, policy).outputs
    np.testing.assert_array_equal(evaluate(graph, real, policy).outputs, integers)
    with tf.GradientTape() as tape:
        nested, _ = model(x, run=Run(nested=True, choice=tf.zeros(len(model.adaptive), tf.int32)))
        loss = tf.reduce_mean(nested**2)
    first = next(node.name for node in model.spec.nodes if isinstance(node, MacNode))
    assert np.abs(np.asarray(tape.gradient(loss, model.parts[first].kernel))).max() > 0
    output = graph.tensor(graph.output)
    assert np.abs(np.asarray(nested) / output.scale + output.zero_point - integers.astype(int)).mean() < 1


NOT_TRAINED = {"Activation softmax", "Softmax", "Maximum", "Minimum", "sum"}
"""A softmax within the network, an extreme of two tensors, and a sum over places."""
