"""Calibrated networks: each integer layer beside the same layer in real numbers, and the whole beside the whole."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from dqt_edge.graph import Conv2D, Graph, Lookup, interpreter, nested
from dqt_edge.importers import floating
from dqt_edge.importers.assemble import assemble
from dqt_edge.importers.builder import Builder, Quant, Value, Weights
from dqt_edge.importers.calibrate import calibrate
from dqt_edge.importers.network import Network
from tests.support.imported import beside_reals

SAMPLES = 24


def weights(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def conv(b: Builder, x: Value, outputs: int = 4, kernel: int = 3, name: str = "c") -> Value:
    taps = weights(outputs, kernel, kernel, x.shape[2], seed=len(b.nodes)) / kernel
    return b.conv(name, x, Weights(taps, None, weights(outputs, seed=9) / 9), padding="same")


def squeeze_excite(b: Builder, x: Value) -> Value:
    y = conv(b, x)
    gate = b.reduce("mean", "mean", y, (0, 1), True)
    gate = b.unary("gate", conv(b, gate, 4, 1, "inner"), "sigmoid")
    return b.binary("scaled", "multiply", y, gate)


def attention(b: Builder, x: Value) -> Value:
    y = conv(b, x, 6)
    return b.binary("weighted", "multiply", y, b.softmax("share", y))


def moves(b: Builder, x: Value) -> Value:
    y = conv(b, x, 4)
    y = b.transpose("t", b.pad("p", y, [(1, 0), (0, 2), (1, 1)], value=0.25), (2, 0, 1))
    y = b.resize("r", y, (7, 5), method="bilinear", half_pixel=True, align_corners=False)
    return b.binary("m", "maximum", y, b.slice("f", y, (6, 0, 0), (-1, 5, y.shape[2]), (-1, 1, 1)))


def differences(b: Builder, x: Value) -> Value:
    y, z = conv(b, x, name="one"), conv(b, x, name="two")
    y = b.binary("d", "subtract", y, z, activation="relu6")
    y = b.binary("low", "minimum", y, b.unary("t", z, "tanh"))
    return b.concat("both", [y, z], 2)


def rows(b: Builder, x: Value) -> Value:
    y = b.reshape(conv(b, x, 6), (8, 6, 6))
    y = b.dense("d", y, Weights(weights(5, 6), None, None), activation="relu")
    return b.softmax("s", b.reduce("total", "sum", y, (1,), False), axis=0)


def enlarged(b: Builder, x: Value) -> Value:
    taps = Weights(weights(3, 3, 3, 3) / 3, None, weights(3))
    y = b.transposed_conv("t", x, taps, stride=(2, 2), padding=(0, 0), size=(12, 16))
    return b.unary("e", b.depthwise("d", y, Weights(weights(3, 2, 3, 3), None, None), padding="same"), "elu")


NETWORKS: list[Callable[[Builder, Value], Value]] = [squeeze_excite, attention, moves, differences, rows, enlarged]


def made(build: Callable[[Builder, Value], Value]) -> tuple[Network, Network, Graph, np.ndarray]:
    builder = Builder("model")
    x = builder.input("input", (6, 8, 3))
    builder.output(build(builder, x))
    network = builder.finish({}, keep_end=True)
    inputs = np.random.default_rng(3).normal(size=(SAMPLES, 6, 8, 3)).astype(np.float32)
    integer = calibrate(network, inputs)
    return network, integer, assemble(integer), inputs


@pytest.mark.parametrize("build", NETWORKS, ids=lambda f: f.__name__)
def test_each_layer_is_within_a_code_of_real_numbers(build: Callable[[Builder, Value], Value]) -> None:
    network, integer, graph, inputs = made(build)
    source, target = graph.tensor(graph.input), graph.tensor(graph.output)
    codes = nested.quantize(inputs, source.scale, source.zero_point)
    found = beside_reals(integer, graph, codes)
    assert found
    assert max(found.values()) <= 1, found
    (wanted,) = floating.outputs_of(network, inputs)
    outputs = interpreter.run(graph, codes).outputs.reshape(wanted.shape)
    error = (outputs.astype(float) - target.zero_point) * target.scale - wanted
    assert np.abs(error).mean() < 0.05 * np.abs(wanted).mean() + 2 * target.scale


def test_a_product_with_its_own_function_is_one_table() -> None:
    def swish(b: Builder, x: Value) -> Value:
        y = conv(b, x)
        return b.binary("product", "multiply", y, b.unary("share", y, "sigmoid"))

    _, _, graph, _ = made(swish)
    assert [type(layer) for layer in graph.layers] == [Conv2D, Lookup]


def test_a_dead_channel_keeps_the_shift_of_its_neighbours() -> None:
    """Batch normalisation leaves channels with weights of 1e-20, or none at all, and with huge biases."""
    taps = weights(6, 3, 3, 3) / 3
    taps[1] = 0
    taps[2] *= 1e-20
    taps[3] *= 1e-6
    bias = np.array([0.1, 0.5, -0.5, 1e-3, 0.2, 40.0])

    def dead(b: Builder, x: Value) -> Value:
        return b.conv("c", x, Weights(taps, None, bias), padding="same", activation="relu")

    _, integer, graph, inputs = made(dead)
    (layer,) = graph.layers
    assert isinstance(layer, Conv2D)
    assert layer.requantize is not None
    assert (layer.requantize.shift == 32).all()
    source = graph.tensor(graph.input)
    found = beside_reals(integer, graph, nested.quantize(inputs, source.scale, source.zero_point))
    assert max(found.values()) <= 1


def test_a_sum_in_far_too_fine_a_scale_saturates() -> None:
    """A converter gives what was always zero a scale of 1e-8: any other sum is beyond its codes."""
    builder = Builder("model")
    a, b = (builder.input(name, (2, 2, 3), Quant(0.03, 128)) for name in "ab")
    builder.output(builder.binary("d", "subtract", a, b, quant=Quant(1e-8, 100)))
    graph = assemble(builder.finish({}))
    codes = {name: np.full((1, 2, 2, 3), 128, np.uint8) for name in graph.inputs}
    codes[graph.input][0, 0, 0] = 127, 128, 129
    found = interpreter.run(graph, codes).outputs[0]
    assert found.tolist() == [0, 100, 255] + [100] * 9
