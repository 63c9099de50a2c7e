"""Promise: Keras's evaluation, the interpreter and the training pass compute one and the same network."""

# ruff: noqa: PLC0415 - TensorFlow is imported where a test needs it, not where tests are collected

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dqt_edge.architectures.models import spec_of
from dqt_edge.architectures.spec import INPUT, AveragePool, Conv, Depthwise, Fully, MaxPool, Spec, Sum
from dqt_edge.graph import Add, Conv2D, Graph, Pair, checkpoint, interpreter, nested
from dqt_edge.graph.dial import Dynamic
from tests.support.random_graphs import random_bias

pytestmark = pytest.mark.train
CANDIDATES: tuple[Pair, ...] = ((8, 8), (4, 4), (2, 4))
RNG = np.random.default_rng(21)


def bottleneck(classes: int) -> Spec:
    """Signed tensors everywhere: a linear bottleneck, sums with and without ReLU, odd strides and paddings."""
    return Spec(
        "bottleneck",
        (
            Conv("stem", INPUT, 6, kernel=(3, 2), stride=(2, 1), adaptive=False),
            Depthwise("depthwise", "stem", stride=(1, 2)),
            Conv("project", "depthwise", 5, kernel=(1, 1), relu=False),
            Conv("left", "project", 5, relu=False, norm=False),
            Sum("linear", ("project", "left"), relu=False),
            Conv("right", "linear", 5, kernel=(1, 1)),
            Sum("both", ("right", "linear")),
            MaxPool("most", "linear", (3, 2), (2, 1), "same"),
            MaxPool("most_too", "both", (3, 2), (2, 1), "same"),
            Sum("pooled", ("most", "most_too")),
            AveragePool("mean", "pooled", (2, 2), (2, 2), "same"),
            Fully("hidden", "mean", 9, relu=True, adaptive=True),
            Fully("classifier", "hidden", classes),
        ),
        control="stem",
        hidden=8,
    )


def calibrated(spec: Spec, shape: tuple[int, int, int], coding: tuple[float, int]) -> tuple[Any, np.ndarray]:
    """A network of random weights with scales from random data."""
    import keras
    import tensorflow as tf

    from dqt_edge.training.layers import Run
    from dqt_edge.training.network import NestedModel

    keras.utils.set_random_seed(8)
    scale, zero = coding
    names = tuple(map(str, range(5)))
    model = NestedModel(spec, shape, names, candidates=CANDIDATES, input_scale=scale, input_zero_point=zero)
    for variable in model.trainable_variables:
        if variable.name in ("gamma", "beta", "bias"):
            variable.assign(variable + np.abs(RNG.normal(0, 0.3, variable.shape)))
    x = (scale * (RNG.integers(0, 256, (24, *shape)) - zero)).astype(np.float32)
    model(tf.constant(x), run=Run(nested=False, calibrate=True))
    model.settle_fusion()
    return model, x


def networks() -> dict[str, tuple[Spec, tuple[int, int, int], tuple[float, int]]]:
    return {
        "tiny": (spec_of("tiny", 5), (8, 8, 1), (1 / 255, 0)),
        "tiny-plain": (spec_of("tiny-plain", 5), (9, 7, 3), (0.02, 37)),
        "bottleneck": (bottleneck(5), (11, 9, 2), (0.01, 128)),
    }


def vectors(graph: Graph) -> list[tuple[Pair, ...]]:
    """Each candidate everywhere, and random mixtures."""
    layers = graph.adaptive
    uniform = [tuple(layer.candidates[i] for layer in layers) for i in range(len(CANDIDATES))]
    mixed = [
        tuple(layer.candidates[i] for layer, i in zip(layers, RNG.integers(0, 3, len(layers)), strict=True))
        for _ in range(6)
    ]
    return uniform + mixed


def assert_equal_everywhere(model: Any, graph: Graph, x: np.ndarray) -> None:
    from dqt_edge.training.integer import evaluate

    codes = nested.quantize(x, model.input_scale, model.input_zero_point)
    policies: list[Any] = vectors(graph)
    if graph.controller is not None:
        extreme = (2**31 - 1, -(2**31), 0)
        policies += ["dynamic", Dynamic(extreme), *(Dynamic(random_bias(RNG, 3, 2**31 - 1)) for _ in range(3))]
    for policy in policies:
        found, oracle = evaluate(graph, x, policy), interpreter.run(graph, codes, policy, keep_tensors=True)
        assert set(found.tensors) == set(oracle.tensors)
        for name, tensor in oracle.tensors.items():
            np.testing.assert_array_equal(found.tensors[name], tensor, err_msg=f"{name} at {policy}")
        np.testing.assert_array_equal(found.outputs, oracle.outputs)
        np.testing.assert_array_equal(found.choices, oracle.choices)
        if oracle.logits is not None:
            np.testing.assert_array_equal(found.logits, oracle.logits)


@pytest.mark.parametrize("name", networks())
def test_keras_evaluation_is_the_interpreters(name: str, tensorflow: Any) -> None:
    from dqt_edge.training.to_graph import to_graph

    model, x = calibrated(*networks()[name])
    assert_equal_everywhere(model, to_graph(model, name), x)


def test_keras_evaluation_is_the_interpreters_after_training(short_run: Any) -> None:
    from dqt_edge.training.to_graph import to_graph

    assert_equal_everywhere(short_run.model, to_graph(short_run.model, "tiny"), short_run.dataset.x_test[:300])


@pytest.mark.parametrize("name", networks())
def test_the_training_pass_stays_within_one_code_of_the_integers(name: str, tensorflow: Any) -> None:
    from dqt_edge.training.layers import Run
    from dqt_edge.training.to_graph import to_graph

    model, x = calibrated(*networks()[name])
    graph = to_graph(model, name)
    output = graph.tensor(graph.output)
    codes = nested.quantize(x, model.input_scale, model.input_zero_point)
    for index in range(len(CANDIDATES)):
        choice = tensorflow.fill([len(model.adaptive)], index)
        real, _ = model(tensorflow.constant(model.on_codes(x)), run=Run(nested=True, choice=choice))
        vector = tuple(layer.candidates[index] for layer in graph.adaptive)
        oracle = interpreter.run(graph, codes, vector).outputs.astype(int)
        difference = np.abs(np.asarray(real) / output.scale + output.zero_point - oracle)
        # Float sums and a different rounding of a bias flip a code now and then, and narrow views magnify a flip.
        assert np.mean(difference < 1.01) > 0.95
        assert difference.mean() < 0.6


def test_gates_select_what_a_fixed_vector_computes(tensorflow: Any) -> None:
    from dqt_edge.training.layers import Run

    tf = tensorflow
    model, x = calibrated(*networks()["tiny"])
    x = tf.constant(model.on_codes(x))
    choice = np.array([2, 0, 1, 1], np.int32)
    fixed, _ = model(x, run=Run(nested=True, choice=tf.constant(choice)))
    gates = tf.one_hot(np.tile(choice, (len(x), 1)), 3)
    gated, _ = model(x, run=Run(nested=True), gate=lambda _: gates)
    np.testing.assert_allclose(fixed, gated, atol=float(model.scale("classifier")) * 1.01)


def test_bottleneck_reads_signed_tensors_at_8_bits_and_keeps_general_additions(tensorflow: Any) -> None:
    from dqt_edge.training.to_graph import to_graph

    model, _ = calibrated(*networks()["bottleneck"])
    graph = to_graph(model, "bottleneck")
    candidates = {layer.name: layer.candidates for layer in graph.adaptive}
    assert candidates["left"] == ((8, 8), (4, 8), (2, 8))
    assert candidates["project"] == CANDIDATES
    assert sum(isinstance(layer, Add) for layer in graph.layers) == 2
    assert [layer.name for layer in graph.layers if isinstance(layer, Conv2D) and layer.residual] == ["left"]


def test_an_addition_with_too_small_multipliers_is_not_fused(tensorflow: Any) -> None:
    from dqt_edge.training.to_graph import to_graph

    model, x = calibrated(*networks()["tiny"])
    assert model.fused == {"sum"}
    conv = model.parts["conv2"]
    conv.log_scale.assign(conv.log_scale + np.log(100.0).astype(np.float32))
    graph = to_graph(model, "tiny")
    assert [layer.name for layer in graph.layers if isinstance(layer, Add)] == ["sum"]
    assert_equal_everywhere(model, graph, x)
    model.settle_fusion()
    assert model.fused == set()


def test_a_channel_without_weights_keeps_its_bias_within_int32(tensorflow: Any) -> None:
    from dqt_edge.training.to_graph import to_graph

    model, x = calibrated(*networks()["tiny"])
    scales = model.parts["classifier"].log_scale.numpy()
    scales[2] = np.log(1e-12)
    model.parts["classifier"].log_scale.assign(scales)
    model.parts["classifier"].bias.assign(np.full(5, 0.8, np.float32))
    assert_equal_everywhere(model, to_graph(model, "tiny"), x)


def test_the_graph_survives_its_checkpoint_with_its_provenance(short_run: Any, out: Path) -> None:
    from dqt_edge.training.finish import finished_graph
    from tests.training.conftest import SHORT

    before = [v.numpy() for v in short_run.model.variables]
    graph = finished_graph(short_run, SHORT)
    for variable, value in zip(short_run.model.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    checkpoint.save(graph, out)
    assert checkpoint.load(out) == graph
    measured = graph.provenance["keras"]
    assert list(measured) == ["8x8", "4x4", "2x4", "dynamic", "static"]
    assert all(0 < facts["accuracy"] <= 1 and facts["samples"] == 360 for facts in measured.values())
    assert measured["8x8"]["bitops_ratio"] == 1
    for facts in measured.values():
        right, samples = np.sum(list(facts["per_class"].values()), axis=0)
        assert (right / samples, samples) == (facts["accuracy"], 360)
    assert sum(measured["dynamic"]["width_vectors"].values()) == 360
    assert measured["static"]["bitops_ratio"] <= measured["dynamic"]["bitops_ratio"]
