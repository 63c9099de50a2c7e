"""Promise: an integer .tflite keeps its weights and scales; what cannot be imported is listed whole; no bytes crash."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tflite", reason="the package tflite is not installed")

from dqt_edge.errors import BadFileError, UsageError
from dqt_edge.graph import (
    FLAT,
    Add,
    AveragePool2D,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Lookup,
    MacLayer,
    MaxPool2D,
    checkpoint,
    interpreter,
    nested,
)
from dqt_edge.graph.samples import sample_shape
from dqt_edge.importers.assemble import assemble
from dqt_edge.importers.calibrate import calibrate
from dqt_edge.importers.channels import CONSTANT_MULTIPLIER
from dqt_edge.importers.comparison import compare
from dqt_edge.importers.tflite import graph_name, read_network
from tests.importers.test_keras import branched_model, residual_model
from tests.support.tflite_models import DILATION, WINDOW, ModelFile, joined_network, small_network

KINDS = ("INT8", "UINT8")


@pytest.mark.parametrize("kind", KINDS)
def test_every_operator_keeps_its_integers(kind: str, tmp_path: Path) -> None:
    model = small_network(kind)
    graph = assemble(read_network(model.write(tmp_path / "small.tflite")))
    types = [type(layer) for layer in graph.layers]
    pools = [MaxPool2D, AveragePool2D, Lookup, AveragePool2D]
    assert types == [Conv2D, DepthwiseConv2D, Add, *pools, Dense]
    conv, deep, total, *_, dense = graph.layers
    offset = 0 if kind == "INT8" else 128
    for layer, index in ((conv, 4), (dense, len(model.tensors) - 3)):
        assert isinstance(layer, MacLayer)
        stored = model.tensors[index]["data"].astype(int) - offset
        np.testing.assert_array_equal(layer.weights, stored.reshape(layer.weights.shape))
    assert isinstance(conv, Conv2D)
    assert conv.window.padding == (1, 0, 1, 2), "PAD and SAME together"
    assert graph.tensor(graph.input).zero_point == 117
    assert graph.tensor(conv.output).zero_point == 0
    assert isinstance(total, Add)
    assert graph.tensor(deep.output).zero_point == 135
    relu6 = graph.layers[-3]
    assert isinstance(relu6, Lookup)
    assert (relu6.table.min(), relu6.table.max()) == (0, 100), "6 / 0.06"
    assert graph.output == dense.output, "softmax is dropped"
    assert checkpoint.decode(checkpoint_bytes(graph, tmp_path)) == graph


def checkpoint_bytes(graph: object, folder: Path) -> bytes:
    checkpoint.save(graph, folder / "c.safetensors")  # type: ignore[arg-type]
    return (folder / "c.safetensors").read_bytes()


def test_narrow_candidates_go_where_the_zero_point_permits(tmp_path: Path) -> None:
    graph = assemble(read_network(small_network().write(tmp_path / "small.tflite")), ((8, 8), (4, 8), (4, 4)))
    found = {layer.name: layer.candidates for layer in graph.layers if isinstance(layer, MacLayer)}
    assert found == {
        "conv_1": ((8, 8), (4, 8)),
        "depthwise_2": ((8, 8), (4, 8), (4, 4)),
        "dense_9": ((8, 8), (4, 8)),
    }


@pytest.mark.train
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_each_layer_is_within_one_code_of_tflite(kind: str, seed: int, tmp_path: Path) -> None:
    path = small_network(kind, seed).write(tmp_path / "small.tflite")
    graph = assemble(read_network(path))
    codes = np.random.default_rng(seed).integers(0, 256, (60, 9, 7, 3), dtype=np.uint8)
    result = compare(graph, path, codes, np.zeros(60, np.int64))
    assert [layer.name for layer in result.layers] == [layer.name for layer in graph.layers]
    assert result.largest_alone <= 1, result
    assert result.samples == 60
    assert result.accuracy is not None


@pytest.mark.train
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [1, 2])
def test_joined_branches_are_within_one_code_of_tflite(kind: str, seed: int, tmp_path: Path) -> None:
    path = joined_network(kind, seed).write(tmp_path / "joined.tflite")
    graph = assemble(read_network(path))
    joints = [layer for layer in graph.layers if isinstance(layer, Concat)]
    assert [layer.axis for layer in joints] == [2, 0, 1, FLAT]
    kept = [joints[0].keeps(i, graph.tensor(name).zero_point) for i, name in enumerate(joints[0].inputs)]
    assert kept == [True, kind == "INT8", True]
    codes = np.random.default_rng(seed).integers(0, 256, (60, 5, 4, 3), dtype=np.uint8)
    result = compare(graph, path, codes)
    assert len(result.layers) == len(graph.layers)
    assert result.largest_alone <= 1, result
    assert checkpoint.decode(checkpoint_bytes(graph, tmp_path)) == graph


@pytest.mark.train
def test_joined_branches_in_floating_point(tmp_path: Path) -> None:
    path = joined_network("FLOAT32").write(tmp_path / "joined.tflite")
    inputs = np.random.default_rng(1).uniform(-1, 1, (100, 5, 4, 3)).astype(np.float32)
    graph = assemble(calibrate(read_network(path), inputs))
    source = graph.tensor("input")
    result = compare(graph, path, nested.quantize(inputs, source.scale, source.zero_point), None, inputs)
    assert max(layer.network for layer in result.layers) <= 6, result


@pytest.mark.train
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("make", [branched_model, residual_model])
def test_what_the_converter_makes_of_a_keras_model(make: Callable[[Any], Any], keras: Any, tmp_path: Path) -> None:
    """Shapes that are computed, BatchNorm as factors and summands: what only a real converter writes."""
    import tensorflow as tf  # noqa: PLC0415

    keras.utils.set_random_seed(6)
    model, rng = make(keras), np.random.default_rng(1)
    shape = model.input_shape[1:]
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([rng.normal(0, 1, (1, *shape)).astype(np.float32)] for _ in range(50))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    path = tmp_path / "net.tflite"
    path.write_bytes(converter.convert())
    graph = assemble(read_network(path))
    result = compare(graph, path, rng.integers(0, 256, (100, *shape), dtype=np.uint8))
    assert len(result.layers) == len(graph.layers)
    assert result.largest_alone <= 1, result


@pytest.mark.train
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_floating_point_model_gets_scales_from_data(seed: int, tmp_path: Path) -> None:
    path = small_network("FLOAT32", seed).write(tmp_path / "small.tflite")
    network = read_network(path)
    assert not network.integer
    inputs = np.random.default_rng(seed).uniform(-1, 1, (256, 9, 7, 3)).astype(np.float32)
    graph = assemble(calibrate(network, inputs))
    source = graph.tensor("input")
    result = compare(graph, path, nested.quantize(inputs, source.scale, source.zero_point), None, inputs)
    assert result.answer_differences <= 16, "of 256"
    assert max(layer.alone_share for layer in result.layers) < 0.35
    assert {graph.tensor(layer.output).zero_point for layer in graph.layers[2:-2]} == {0}, "behind ReLU"


def test_calibration_data_of_another_shape_is_refused(tmp_path: Path) -> None:
    network = read_network(small_network("FLOAT32").write(tmp_path / "small.tflite"))
    for shape in ((0, 9, 7, 3), (5, 7, 9, 3)):
        with pytest.raises(BadFileError, match="calibration inputs have shape"):
            calibrate(network, np.zeros(shape, np.float32))


def test_another_model_is_not_compared(tmp_path: Path) -> None:
    graph = assemble(read_network(small_network().write(tmp_path / "one.tflite")))
    other = small_network(seed=2).write(tmp_path / "two.tflite")
    with pytest.raises(UsageError, match="not imported from this model"):
        compare(graph, other, np.zeros((1, 9, 7, 3), np.uint8))


def chain(make: Callable[[ModelFile, int], None], scale: float = 0.1) -> ModelFile:
    """A dense layer behind whatever ``make`` adds to an input of 6x6x4."""
    m = ModelFile()
    make(m, m.tensor((1, 6, 6, 4), "INT8", scale, -128))
    return m


def conv(m: ModelFile, x: int, weights: np.ndarray, out: int, bias: object = None, **values: object) -> int:
    channels = weights.shape[0]
    w = m.tensor(
        weights.shape, str(values.pop("kind", "INT8")), values.pop("scale", 0.01), values.pop("zero", 0), weights
    )
    b = m.tensor((channels,), "INT32", 1e-3, 0, np.zeros(channels) if bias is None else bias)
    return m.op("CONV_2D", [x, w, b], out, **WINDOW | DILATION | values)


W = np.arange(4 * 9 * 4).reshape(4, 3, 3, 4) % 100
OUT = ((1, 6, 6, 4), "INT8", 0.1, -128)


def grouped(m: ModelFile, x: int) -> None:
    conv(m, x, W[..., :2], m.tensor(*OUT))


def dilated(m: ModelFile, x: int) -> None:
    conv(m, x, W, m.tensor(*OUT), DilationHFactor=2)


def odd_zero(m: ModelFile, x: int) -> None:
    del x
    m.tensors[0] = {**m.tensors[0], "kind": "UINT8", "zeros": [7]}
    conv(m, 0, W + 100, m.tensor((1, 6, 6, 4), "UINT8", 0.1, 3), kind="UINT8", zero=3)


def multiplier(m: ModelFile, x: int) -> None:
    w = m.tensor((1, 3, 3, 8), "INT8", 0.01, 0, np.ones((1, 3, 3, 8)))
    options = WINDOW | DILATION | {"DepthMultiplier": 2}
    b = m.tensor((8,), "INT32", 1e-3, 0, np.arange(8))
    m.op("DEPTHWISE_CONV_2D", [x, w, b], m.tensor((1, 6, 6, 8), "INT8", 0.1, -128), **options)


def product(m: ModelFile, x: int) -> None:
    m.op("MUL", [x, x], m.tensor(*OUT))


def map_of_factors(m: ModelFile, x: int) -> None:
    factors = m.tensor((1, 6, 6, 4), "INT8", 0.1, 0, np.ones((1, 6, 6, 4)))
    m.op("MUL", [x, factors], m.tensor(*OUT))


def batches(m: ModelFile, x: int) -> None:
    m.op("CONCATENATION", [x, x], m.tensor((2, 6, 6, 4), "INT8", 0.1, -128), Axis=0)


def padded_mean(m: ModelFile, x: int) -> None:
    pads = m.tensor((4, 2), "INT32", data=[[0, 0], [1, 1], [1, 1], [0, 0]])
    y = m.op("PAD", [x, pads], m.tensor((1, 8, 8, 4), "INT8", 0.1, -128))
    m.op("AVERAGE_POOL_2D", [y], m.tensor(*OUT), **WINDOW | {"Padding": 1}, FilterHeight=3, FilterWidth=3)


def function(m: ModelFile, x: int) -> None:
    m.op("TANH", [x], m.tensor((1, 6, 6, 4), "INT8", 1 / 128, 0))


def early_softmax(m: ModelFile, x: int) -> None:
    conv(m, m.op("SOFTMAX", [x], m.tensor((1, 6, 6, 4), "INT8", 1 / 256, -128), Beta=1.0), W, m.tensor(*OUT))


def turned(m: ModelFile, x: int) -> None:
    y = conv(m, x, W, m.tensor(*OUT))
    shape = m.tensor((4,), "INT32", data=[-1, 4, 9, 4])
    y = m.op("RESHAPE", [y, shape], m.tensor((1, 4, 9, 4), "INT8", 0.1, -128))
    conv(m, y, W, m.tensor((1, 4, 9, 4), "INT8", 0.1, 0))


def limited(m: ModelFile, x: int) -> None:
    m.op("RELU_N1_TO_1", [x], m.tensor((1, 6, 6, 4), "INT8", 0.1, -20))


def squeezed(m: ModelFile, x: int) -> None:
    y = m.op("MEAN", [x, m.tensor((1,), "INT32", data=[1])], m.tensor((1, 1, 6, 4), "INT8", 0.1, -128), KeepDims=True)
    m.op("SQUEEZE", [y], m.tensor((1, 6, 4), "INT8", 0.1, -128))


def matrix(m: ModelFile, x: int) -> None:
    weights = m.tensor((1, 1, 4, 5), "INT8", 0.01, 0, np.arange(20).reshape(1, 1, 4, 5) * 5 - 50)
    m.op("BATCH_MATMUL", [x, weights], m.tensor((1, 6, 6, 5), "INT8", 0.05, 3))


def computed_shape(m: ModelFile, x: int) -> None:
    """The shape (1, 12, 12) out of RANK, RANGE and FILL."""
    rank = m.op("RANK", [x], m.tensor((), "INT32"))
    first, step = m.tensor((), "INT32", data=3), m.tensor((), "INT32", data=1)
    count = m.op("RANGE", [first, rank, step], m.tensor((1,), "INT32"))
    twelve = m.tensor((), "INT32", data=12)
    shape = m.op("FILL", [count, twelve], m.tensor((3,), "INT32"))
    one = m.tensor((3,), "INT32", data=[11, 0, 0])
    shape = m.op("SUB", [shape, one], m.tensor((3,), "INT32"))
    m.op("RESHAPE", [x, shape], m.tensor((1, 12, 12), "INT8", 0.1, -128))


NOW_SUPPORTED = {
    "limits": limited,
    "squeezed": squeezed,
    "matrix": matrix,
    "computed shape": computed_shape,
    "grouped": grouped,
    "dilated": dilated,
    "weights with an odd zero point": odd_zero,
    "depth multiplier": multiplier,
    "product": product,
    "map of factors": map_of_factors,
    "joined batches": batches,
    "average of padding": padded_mean,
    "function": function,
    "softmax in the midst": early_softmax,
    "reshape in the midst": turned,
}


@pytest.mark.train
@pytest.mark.parametrize("name", NOW_SUPPORTED)
def test_forms_that_no_converter_need_write_agree(name: str, tmp_path: Path) -> None:
    path = chain(NOW_SUPPORTED[name]).write(tmp_path / "form.tflite")
    graph = assemble(read_network(path))
    codes = np.random.default_rng(3).integers(0, 256, (20, *sample_shape(graph)), dtype=np.uint8)
    result = compare(graph, path, codes)
    assert result.layers[-1].name == graph.layers[-1].name, "the last layer is compared"
    assert result.largest_alone <= 1, result


@pytest.mark.train
def test_a_squared_difference_is_a_difference_of_8_bits(tmp_path: Path) -> None:
    def make(m: ModelFile, x: int) -> None:
        y = m.op("RELU6", [x], m.tensor((1, 6, 6, 4), "INT8", 0.1, -128))
        m.op("SQUARED_DIFFERENCE", [x, y], m.tensor((1, 6, 6, 4), "INT8", 1.5, -128))

    path = chain(make).write(tmp_path / "square.tflite")
    codes = np.random.default_rng(3).integers(0, 256, (20, 6, 6, 4), dtype=np.uint8)
    assert compare(assemble(read_network(path)), path, codes).largest_alone <= 2


@pytest.mark.train
def test_inputs_of_8_bits_may_be_cast_to_real_numbers(tmp_path: Path) -> None:
    """Images of uint8 that the model itself takes as 0 to 255."""
    m = ModelFile()
    pixels = m.tensor((1, 6, 6, 4), "UINT8")
    x = m.op("CAST", [pixels], m.tensor((1, 6, 6, 4), "FLOAT32"))
    w, b = m.tensor(W.shape, "FLOAT32", data=W / 1e4), m.tensor((4,), "FLOAT32", data=np.arange(4))
    m.op("CONV_2D", [x, w, b], m.tensor((1, 6, 6, 4), "FLOAT32"), **WINDOW | DILATION)
    path = m.write(tmp_path / "pixels.tflite")
    images = np.random.default_rng(3).integers(0, 256, (40, 6, 6, 4)).astype(np.float32)
    graph = assemble(calibrate(read_network(path), images))
    source = graph.tensor("input")
    assert (source.scale, source.zero_point) == (pytest.approx(1.0, abs=0.01), 0)
    codes = nested.quantize(images, source.scale, source.zero_point)
    assert compare(graph, path, codes, None, images).largest_alone <= 2, "TFLite computes in floating point"


def test_a_channel_of_its_bias_alone_becomes_a_constant(tmp_path: Path) -> None:
    """BatchNorm kills channels; converters then write weight scales of 1e-9 and biases near 2^30."""
    weights = np.ones((2, 1, 1, 4))

    def make(m: ModelFile, x: int) -> None:
        out = m.tensor((1, 6, 6, 2), "INT8", 0.05, -128)
        conv(m, x, weights, out, [1 << 30, 40], scale=[1e-9, 0.01])

    m = chain(make)
    graph = assemble(read_network(m.write(tmp_path / "dead.tflite")))
    (layer,) = graph.layers
    assert isinstance(layer, Conv2D)
    assert not layer.weights[0].any()
    assert layer.weights[1].all()
    assert (layer.requantize.multiplier[0], layer.requantize.shift[0]) == (CONSTANT_MULTIPLIER, 32)
    codes = np.random.default_rng(2).integers(0, 256, (3, 6, 6, 4), dtype=np.uint8)
    outputs = interpreter.run(graph, codes, ()).outputs.reshape(3, 6, 6, 2)
    assert set(outputs[..., 0].ravel().tolist()) == {round((1 << 30) * 1e-9 * 0.1 / 0.05)}


@pytest.mark.parametrize("zero_point", [-128, 3])
def test_a_channel_that_hardly_matters_keeps_its_layer_fast(zero_point: int, tmp_path: Path) -> None:
    """One near-dead channel would take the whole layer to the kernels for any shift."""
    rng = np.random.default_rng(4)
    weights = rng.integers(-127, 128, (2, 1, 1, 4))
    small, bias = 3e-7, [int(120.5 * 0.05 / (0.1 * 3e-7)), 40]

    def make(m: ModelFile, x: int) -> None:
        conv(m, x, weights, m.tensor((1, 6, 6, 2), "INT8", 0.05, zero_point), bias, scale=[small, 0.01])

    graph = assemble(read_network(chain(make).write(tmp_path / "near.tflite")))
    (layer,) = graph.layers
    assert isinstance(layer, Conv2D)
    np.testing.assert_array_equal(layer.weights, weights)
    assert layer.requantize.shift.tolist() == [32, 32]
    assert layer.requantize.multiplier[0] < 2**11, "its own precision is far below that of the others"
    codes = rng.integers(0, 256, (50, 6, 6, 4), dtype=np.uint8)
    sums = codes.reshape(-1, 4).astype(np.int64) @ weights[0, 0, 0] + bias[0]
    exact = sums * (0.1 * small / 0.05) + zero_point + 128
    got = interpreter.run(graph, codes, ()).outputs.reshape(-1, 2)[:, 0]
    assert np.abs(got - np.clip(exact, 0, 255)).max() <= 0.5 + 2**-7


def test_a_fused_residual_counts_in_the_units_of_its_channels_multiplier(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    weights = rng.integers(-127, 128, (4, 1, 1, 4))
    scales = np.array([1500.45 * 1.517 / 2**31, 2100.55 * 1.517 / 2**31, 0.004, 0.002])

    def make(m: ModelFile, x: int) -> None:
        conv(m, x, weights, m.tensor((1, 6, 6, 4), "INT8", 0.1517, -128), [9, -7, 5, 3], scale=scales.tolist())

    network = read_network(chain(make).write(tmp_path / "fused.tflite"))
    (node,) = network.nodes
    graph = assemble(dataclasses.replace(network, nodes=(dataclasses.replace(node, residual=node.inputs[0]),)))
    (layer,) = graph.layers
    assert isinstance(layer, Conv2D)
    assert layer.requantize.shift.tolist() == [32] * 4
    assert layer.requantize.multiplier.min() < 2**13
    codes = rng.integers(0, 256, (50, 6, 6, 4), dtype=np.uint8)
    sums = codes.reshape(-1, 4).astype(np.int64) @ weights[:, 0, 0].T + [9, -7, 5, 3]
    exact = (sums * (0.1 * scales) + codes.reshape(-1, 4) * 0.1) / 0.1517
    got = interpreter.run(graph, codes, ()).outputs.reshape(-1, 4)
    off = np.abs(got - np.clip(exact, 0, 255)).max(axis=0)
    assert (off[:2] <= 0.5 + 2**-7).all(), "channels whose multiplier is coarse"
    assert (off[2:] <= 0.75).all(), "channels whose residual multiplier is small"


def test_a_depthwise_over_one_channel_is_a_convolution(tmp_path: Path) -> None:
    m = ModelFile()
    x = m.tensor((1, 6, 6, 1), "INT8", 0.1, 5)
    w = m.tensor((1, 3, 3, 4), "INT8", 0.01, 0, np.arange(36).reshape(1, 3, 3, 4))
    options = WINDOW | DILATION | {"DepthMultiplier": 4}
    m.op("DEPTHWISE_CONV_2D", [x, w, -1], m.tensor((1, 6, 6, 4), "INT8", 0.1, -128), **options)
    (layer,) = assemble(read_network(m.write(tmp_path / "one.tflite"))).layers
    assert isinstance(layer, Conv2D)
    np.testing.assert_array_equal(layer.weights[1, :, :, 0], np.arange(36).reshape(3, 3, 4)[..., 1])


def test_borders_in_floating_point_fall_away(tmp_path: Path) -> None:
    m = ModelFile()
    real = m.tensor((1, 6, 6, 4), "FLOAT32")
    x = m.op("QUANTIZE", [real], m.tensor((1, 6, 6, 4), "INT8", 0.1, -20))
    y = conv(m, x, W, m.tensor(*OUT))
    m.op("DEQUANTIZE", [y], m.tensor((1, 6, 6, 4), "FLOAT32"))
    graph = assemble(read_network(m.write(tmp_path / "borders.tflite")))
    assert [type(layer) for layer in graph.layers] == [Conv2D]
    assert (graph.tensor("input").scale, graph.tensor("input").zero_point) == (pytest.approx(0.1), 108)


def test_the_input_may_be_reshaped(tmp_path: Path) -> None:
    m = ModelFile()
    flat = m.tensor((1, 144), "INT8", 0.1, 0)
    x = m.op("RESHAPE", [flat], m.tensor((1, 6, 6, 4), "INT8", 0.1, 0))
    conv(m, x, W, m.tensor(*OUT))
    assert assemble(read_network(m.write(tmp_path / "r.tflite"))).tensor("input").shape == (6, 6, 4)


def test_names_of_files_become_names_of_graphs() -> None:
    assert graph_name(Path("a/my net.v2.tflite")) == "my_net_v2"
    assert graph_name(Path("8bit.tflite")) == "model_8bit"


def test_a_mean_over_axes_of_one_element_follows_its_scale(tmp_path: Path) -> None:
    """TFLite computes it, where operators that only move data copy codes whatever scale the file gives them."""

    def make(m: ModelFile, x: int) -> None:
        one = m.op(
            "MEAN", [x, m.tensor((2,), "INT32", data=[1, 2])], m.tensor((1, 1, 1, 4), "INT8", 0.02, -128), KeepDims=True
        )
        m.op("MEAN", [one, m.tensor((2,), "INT32", data=[1, 2])], m.tensor((1, 4), "INT8", 0.03, 13), KeepDims=False)

    path = chain(make, 0.02).write(tmp_path / "mean.tflite")
    graph = assemble(read_network(path))
    codes = np.random.default_rng(1).integers(0, 256, (30, *graph.tensor(graph.input).shape), dtype=np.uint8)
    assert compare(graph, path, codes).largest_alone <= 1
    assert len(np.unique(interpreter.run(graph, codes).outputs)) > 5, "nothing saturates"
