"""Promise: joined, multiplied and moved tensors, and functions, train as the integers compute them."""

# ruff: noqa: PLC0415 - TensorFlow is imported where a test needs it, not where tests are collected

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dqt_edge as dqt
from dqt_edge import errors
from dqt_edge.api.given import dataset_of
from dqt_edge.architectures.spec import INPUT, Apply, AveragePool, Conv, Fully, Join, Move, Product, Spec, Sum
from dqt_edge.graph import FLAT, Concat, Lookup, Multiply, Pad, Rearrange, Resize, interpreter, nested
from dqt_edge.importers.functions import Function
from tests.training.test_evaluation import CANDIDATES, assert_equal_everywhere, calibrated

RNG = np.random.default_rng(6)
pytestmark = pytest.mark.train
NAMES = {"name": "", "input": "", "output": ""}


def squeeze(classes: int) -> Spec:
    """A block with squeeze and excitation, beside a branch of other channels."""
    return Spec(
        "squeeze",
        (
            Conv("stem", INPUT, 6, adaptive=False),
            Conv("wide", "stem", 6, relu=False),
            Apply("swish", "wide", "swish"),
            AveragePool("mean", "swish"),
            Fully("narrow", "mean", 4, relu=True, adaptive=True),
            Fully("again", "narrow", 6, adaptive=True),
            Apply("gate", "again", "sigmoid"),
            Product("gated", ("swish", "gate")),
            Sum("sum", ("stem", "gated")),
            Conv("beside", "stem", 3),
            Join("join", ("sum", "beside")),
            Conv("last", "join", 5),
            AveragePool("pool", "last", (2, 2), (2, 2)),
            Join("flat", ("pool", "mean"), FLAT),
            Fully("classifier", "flat", classes),
        ),
        control="stem",
        hidden=8,
    )


def upwards(classes: int) -> Spec:
    """Down, and up again by repetition, interpolation and zeros between; a leak and a clamp."""
    double = np.arange(8) // 2
    rows = np.stack([double, np.where(np.arange(8) % 2, 512, 0)], axis=1).astype(np.int32)
    return Spec(
        "upwards",
        (
            Conv("stem", INPUT, 4, stride=(2, 2), adaptive=False),
            Conv("leaky", "stem", 4, relu=False),
            Apply("leak", "leaky", "leaky_relu", (("alpha", 0.1),)),
            Move("turned", "leak", Rearrange(**NAMES, start=0, sizes=(4, 4, 4), strides=(4, 16, 1)), (4, 4, 4)),
            Move("large", "turned", Resize(**NAMES, rows=rows, columns=rows), (8, 8, 4)),
            Move("spread", "stem", Pad(**NAMES, before=(0, 1, 0), step=(2, 2), value=0), (8, 8, 4)),
            Sum("sum", ("large", "spread")),
            Conv("conv", "sum", 4),
            Fully("classifier", "conv", classes),
        ),
        control="stem",
        hidden=8,
    )


@pytest.mark.parametrize("spec", [squeeze, upwards])
def test_evaluation_is_the_interpreters_and_training_within_a_code(spec: Any, tensorflow: Any) -> None:
    from dqt_edge.training.layers import Run
    from dqt_edge.training.to_graph import to_graph

    model, x = calibrated(spec(5), (8, 8, 2), (1 / 255, 0))
    graph = to_graph(model, "plain")
    kinds = {type(layer) for layer in graph.layers}
    assert kinds >= ({Concat, Lookup, Multiply} if spec is squeeze else {Lookup, Rearrange, Resize, Pad})
    assert_equal_everywhere(model, graph, x)
    output, codes = graph.tensor(graph.output), nested.quantize(x, 1 / 255, 0)
    choice = tensorflow.fill([len(model.adaptive)], 0)
    real, _ = model(tensorflow.constant(model.on_codes(x)), run=Run(nested=True, choice=choice))
    oracle = interpreter.run(graph, codes, tuple(layer.candidates[0] for layer in graph.adaptive)).outputs.astype(int)
    difference = np.abs(np.asarray(real) / output.scale + output.zero_point - oracle)
    assert np.mean(difference < 1.01) > 0.95
    assert difference.mean() < 0.6


def test_what_reads_a_function_without_negative_values_may_be_narrow(tensorflow: Any) -> None:
    nodes = (
        Conv("stem", INPUT, 4, relu=False, adaptive=False),
        Apply("gate", "stem", "sigmoid"),
        Conv("narrow", "gate", 4),
        Apply("bent", "narrow", "tanh"),
        Conv("wide", "bent", 4),
        Fully("classifier", "wide", 5),
    )
    model, _ = calibrated(Spec("gates", nodes, control="stem", hidden=4), (5, 5, 1), (1 / 255, 0))
    assert model.parts["narrow"].candidates == CANDIDATES
    assert model.parts["wide"].candidates == ((8, 8), (4, 8), (2, 8))


def test_functions_are_those_of_the_tables(tensorflow: Any) -> None:
    from dqt_edge.training.plain_layers import FUNCTIONS, POSITIVE

    x = np.linspace(-6, 6, 401).astype(np.float32)
    for name, function in FUNCTIONS.items():
        found = np.asarray(function(tensorflow.constant(x)), np.float64)
        np.testing.assert_allclose(found, Function(name)(x), rtol=1e-4, atol=2e-5, err_msg=name)
        assert (found.min() >= 0) or name not in POSITIVE
    for name, parameters in (("leaky_relu", {"alpha": 0.3}), ("elu", {"alpha": 0.5}), ("linear", {"factor": -2.0})):
        np.testing.assert_allclose(FUNCTIONS[name](x, **parameters), Function(name, parameters)(x), atol=2e-5)


def test_gradients_pass_through_every_layer(tensorflow: Any) -> None:
    from dqt_edge.training.layers import Run

    for spec in (squeeze, upwards):
        model, x = calibrated(spec(5), (8, 8, 2), (1 / 255, 0))
        choice = tensorflow.zeros(len(model.adaptive), tensorflow.int32)
        with tensorflow.GradientTape() as tape:
            out, _ = model(tensorflow.constant(model.on_codes(x)), run=Run(nested=True, choice=choice))
            loss = tensorflow.reduce_mean(out**2)
        kernels = [model.parts[name].kernel for name in ("stem", *model.adaptive, "classifier")]
        for kernel, gradient in zip(kernels, tape.gradient(loss, kernels), strict=True):
            assert np.abs(np.asarray(gradient)).max() > 0, kernel.path


def keras_block() -> Any:
    import keras

    keras.utils.set_random_seed(4)
    x = keras.Input((8, 8, 1))
    stem = keras.layers.Conv2D(6, 3, padding="same", activation="relu")(x)
    wide = keras.layers.Conv2D(6, 3, padding="same")(stem)
    wide = keras.layers.Activation("silu")(wide)
    gate = keras.layers.GlobalAveragePooling2D(keepdims=True)(wide)
    gate = keras.layers.Conv2D(6, 1, activation="sigmoid")(gate)
    wide = keras.layers.Multiply()([wide, gate])
    both = keras.layers.Concatenate()([stem, wide])
    both = keras.layers.Conv2D(6, 3, padding="same", activation="relu")(both)
    both = keras.layers.UpSampling2D(2)(keras.layers.MaxPooling2D(2)(both))
    return keras.Model(x, keras.layers.Dense(3)(keras.layers.Flatten()(both)), name="block")


def test_a_keras_block_becomes_a_spec_that_computes_it(tensorflow: Any) -> None:
    """Before training: the float pass on codes is the Keras model on what the codes stand for."""
    from dqt_edge.api.importing import keras_network
    from dqt_edge.training.from_model import trainable
    from dqt_edge.training.layers import Run
    from dqt_edge.training.loop import build_model
    from dqt_edge.training.options import Options

    model = keras_block()
    x = RNG.random((60, 8, 8, 1)).astype(np.float32)
    data = dataset_of((x, np.arange(60) % 3))
    initial = trainable(keras_network(model), "block")
    kinds = {type(node) for node in initial.spec.nodes}
    assert kinds >= {Apply, Product, Join, Move}
    nested_model = build_model(Options(data="x", model="block", init="block", epochs=4), data, initial)
    codes = data.train.codes(np.arange(20))
    found, _ = nested_model(tensorflow.constant(nested_model.of_codes(codes)), run=Run(nested=False))
    real = (codes.astype(np.float32) - data.input_zero_point) * np.float32(data.input_scale)
    np.testing.assert_allclose(found, model(real), atol=1e-4)


def test_a_keras_block_trains_to_a_graph(tensorflow: Any) -> None:
    x = RNG.random((80, 8, 8, 1)).astype(np.float32)
    trained = dqt.train((x, np.arange(80) % 3), keras_block(), epochs=2, batch=16, candidates="8x8,4x8", budget=0.95)
    kinds = {type(layer) for layer in trained.graph.layers}
    assert kinds >= {Concat, Lookup, Multiply}
    assert trained.results["8x8"]["compared"] == trained.results["8x8"]["samples"]


def test_an_autoencoder_may_end_in_a_sigmoid(tensorflow: Any) -> None:
    import keras

    keras.utils.set_random_seed(4)
    layers = [keras.layers.Dense(n, activation=a) for n, a in ((10, "relu"), (6, "relu"), (12, "sigmoid"))]
    model = keras.Sequential([keras.Input((12,)), *layers], name="small")
    x = (0.5 * RNG.random((96, 12))).astype(np.float32)
    trained = dqt.train((x,), model, epochs=2, batch=16, candidates="8x8,4x8", budget=0.95, task="reconstruction")
    graph = trained.graph
    assert isinstance(graph.layers[-1], Lookup)
    assert graph.tensor(graph.output).scale == graph.tensor(graph.input).scale
    real = dqt.validate(graph, (x,), policy="8x8").score.main.value
    assert real < 0.2
    assert trained.results["8x8"]["metrics"]["mse"] == pytest.approx(real, rel=0.3)


def test_what_cannot_be_trained_is_told_in_a_sentence(tensorflow: Any) -> None:
    import keras

    x, z = keras.Input((4, 4, 1)), keras.Input((4, 4, 1))
    two = keras.layers.Conv2D(2, 3)(keras.layers.Add()([x, z]))
    early = keras.Model(x, keras.layers.Conv2D(2, 3)(keras.layers.Activation("sigmoid")(x)))
    outs = keras.layers.Conv2D(2, 3)(x)
    cases = {
        "2 inputs": keras.Model([x, z], two),
        "2 outputs": keras.Model(x, [outs, keras.layers.Conv2D(1, 1)(outs)]),
        "no layer with weights has read": early,
    }
    for words, model in cases.items():
        with pytest.raises(errors.UnsupportedError, match=words):
            dqt.train((RNG.random((20, 4, 4, 1)), np.arange(20) % 2), model, epochs=1, candidates="8x8,4x8")
