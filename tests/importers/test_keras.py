"""Promise: a Keras model keeps its function through folding and calibration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dqt_edge.graph import FLAT, Add, Concat, Conv2D, Dense, DepthwiseConv2D, interpreter, nested
from dqt_edge.importers import floating
from dqt_edge.importers.assemble import assemble
from dqt_edge.importers.calibrate import calibrate
from dqt_edge.importers.keras import read_keras

RNG = np.random.default_rng(3)
pytestmark = [  # of Keras and TensorFlow themselves, with NumPy 2
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


def residual_model(keras: Any) -> Any:
    """BatchNorm everywhere, a residual block, explicit and same padding, all kinds of pooling, softmax."""
    layers = keras.layers
    x = inputs = keras.Input((10, 8, 3))
    x = layers.ZeroPadding2D(((1, 0), (0, 1)))(x)
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = kept = layers.ReLU()(x)
    x = layers.DepthwiseConv2D(3, padding="same")(x)
    x = layers.BatchNormalization(scale=False)(x)
    x = layers.Activation("relu6")(x)
    x = layers.Dropout(0.3)(x)
    x = layers.Conv2D(8, 1)(x)
    x = layers.BatchNormalization()(x)
    x = layers.Add()([x, kept])
    x = layers.Activation("relu")(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.AveragePooling2D(2, padding="same", strides=1)(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(6, activation="relu")(x)
    model = keras.Model(inputs, layers.Dense(4, activation="softmax")(x))
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([RNG.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    return model


@pytest.mark.train
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_model_keeps_its_function(suffix: str, keras: Any, tmp_path: Path) -> None:
    keras.utils.set_random_seed(5)
    model = residual_model(keras)
    path = tmp_path / f"net{suffix}"
    model.save(path)
    network = read_keras(path)
    x = RNG.normal(0, 1, (200, 10, 8, 3)).astype(np.float32)
    logits = dict(floating.run(network, x))[network.output].reshape(200, -1)
    wanted = model.predict(x, verbose=0)
    power = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(power / power.sum(axis=1, keepdims=True), wanted, atol=1e-5)

    graph = assemble(calibrate(network, x), ((8, 8), (4, 4)))
    kinds = [type(layer) for layer in graph.layers]
    assert kinds[:3] == [Conv2D, DepthwiseConv2D, Conv2D]
    assert kinds[-2:] == [Dense, Dense]
    assert Add not in kinds
    fused = graph.layers[2]
    assert isinstance(fused, Conv2D)
    assert fused.residual == graph.layers[0].output
    source = graph.tensor("input")
    codes = nested.quantize(x, source.scale, source.zero_point)
    answers = interpreter.run(graph, codes, ((8, 8),) * len(graph.adaptive)).outputs
    agreement = (answers.argmax(axis=1) == wanted.argmax(axis=1)).mean()
    assert agreement > 0.9
    real = graph.tensor(graph.output)
    error = real.scale * (answers.astype(np.float64) - real.zero_point) - logits
    assert np.abs(error).mean() < 0.05 * np.ptp(logits)


def branched_model(keras: Any) -> Any:
    """Concatenations of branches, of concatenations and of flat tensors; BatchNorm behind them; a global maximum."""
    layers = keras.layers
    x = inputs = keras.Input((8, 6, 3))
    a = layers.Conv2D(6, 3, padding="same", activation="relu")(x)
    b = layers.Conv2D(4, 1)(x)
    c = layers.MaxPooling2D(3, strides=1, padding="same")(a)
    x = y = layers.Concatenate()([a, b, c])
    x = layers.BatchNormalization()(x)
    x = layers.ReLU()(x)
    x = layers.Conv2D(5, 3, padding="same")(x)
    x = layers.Concatenate(axis=-1)([y, x])
    top = layers.Concatenate(axis=1)([x, x])
    flat = layers.Flatten()(layers.AveragePooling2D(4)(x))
    x = layers.GlobalMaxPooling2D()(top)
    x = layers.Concatenate()([flat, x])
    model = keras.Model(inputs, layers.Dense(4, activation="softmax")(x))
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([RNG.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    return model


@pytest.mark.train
def test_branches_are_joined_in_one_scale(keras: Any, tmp_path: Path) -> None:
    keras.utils.set_random_seed(6)
    model = branched_model(keras)
    model.save(tmp_path / "net.keras")
    network = read_keras(tmp_path / "net.keras")
    x = RNG.normal(0, 1, (200, 8, 6, 3)).astype(np.float32)
    logits = dict(floating.run(network, x))[network.output].reshape(200, -1)
    wanted = model.predict(x, verbose=0)
    power = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(power / power.sum(axis=1, keepdims=True), wanted, atol=1e-5)

    graph = assemble(calibrate(network, x), ((8, 8), (4, 8)))
    joints = [layer for layer in graph.layers if isinstance(layer, Concat)]
    assert [layer.axis for layer in joints] == [2, 2, 0, FLAT]
    kept = [j.keeps(i, graph.tensor(name).zero_point) for j in joints for i, name in enumerate(j.inputs)]
    # A branch with another reader, or behind a maximum, keeps its own scale and is brought to the result's.
    assert kept == [False, True, False, False, True, False, False, True, False]
    source = graph.tensor("input")
    codes = nested.quantize(x, source.scale, source.zero_point)
    answers = interpreter.run(graph, codes, ((8, 8),) * len(graph.adaptive)).outputs
    real = graph.tensor(graph.output)
    error = real.scale * (answers.astype(np.float64) - real.zero_point) - logits
    assert np.abs(error).mean() < 0.02 * np.ptp(logits)
