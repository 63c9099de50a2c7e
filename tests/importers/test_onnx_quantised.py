"""Promise: a quantised .onnx model is read in its own integers, and each layer is within one code of ONNX Runtime's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the extra onnx is not installed")
pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")

from dqt_edge.graph import Conv2D, Dense, DepthwiseConv2D, Graph, MacLayer
from dqt_edge.importers.assemble import assemble
from dqt_edge.importers.onnx import read_onnx
from tests.support.onnx_models import Maker, beside_runtime, codes_beside_runtime, moves_of, quantise

UINT8, FLOAT16 = 2, 10
"""In ONNX's list of types."""


def classifier(m: Maker) -> str:
    """Convolutions of all kinds, a residual, a gate, a pooling, a dense layer, softmax."""
    x = m.add("Relu", m.conv(m.input("batch", 3, 16, 16), 3, 8, strides=[2, 2], pads=[1] * 4))
    y = m.add("Clip", m.conv(x, 8, 8, group=8, pads=[1] * 4), m.const(0.0), m.const(6.0))
    x = m.add("Relu", m.add("Add", m.conv(y, 8, 8, (1, 1)), x))
    gate = m.add("Sigmoid", m.conv(m.add("GlobalAveragePool", x), 8, 8, (1, 1)))
    x = m.add("MaxPool", m.add("Mul", x, gate), kernel_shape=[2, 2], strides=[2, 2])
    x = m.add("LeakyRelu", m.conv(x, 8, 6, pads=[0, 0, 1, 1]), alpha=0.1)
    x = m.add("AveragePool", x, kernel_shape=[2, 2], pads=[1, 0, 0, 1])
    return m.add("Softmax", m.dense(m.add("Flatten", x), 54, 5), axis=1)


def segmenter(m: Maker) -> str:
    fine = m.add("Relu", m.conv(m.input(1, 2, 8, 8), 2, 4, pads=[1] * 4))
    x = m.add("Relu", m.conv(m.add("MaxPool", fine, kernel_shape=[2, 2], strides=[2, 2]), 4, 6, pads=[1] * 4))
    x = m.add("Resize", x, "", m.const(np.array([1, 1, 2, 2], np.float32)), mode="nearest")
    x = m.add("Concat", x, fine, axis=1)
    return m.conv(x, 10, 3, (1, 1))


def temporal(m: Maker) -> str:
    """1-D, with functions that ONNX Runtime's quantiser leaves as they are."""
    x = m.add("Elu", m.conv(m.input(1, 3, 32), 3, 6, (3,), pads=[4, 0], dilations=[2]))
    half = m.add("Mul", x, m.const(0.5))
    x = m.add("Mul", half, m.add("Add", m.add("Erf", m.add("Div", x, m.const(np.sqrt(2)))), m.const(1.0)))
    x = m.add("Add", m.conv(x, 6, 6, (3,), pads=[1, 1]), x)
    return m.dense(m.add("Flatten", m.add("AveragePool", x, kernel_shape=[4], strides=[4])), 48, 4)


def two_branches(m: Maker) -> str:
    image, vector = m.input(1, 2, 8, 8), m.input(1, 5, name="vector")
    flat = m.add("Flatten", m.add("Relu", m.conv(image, 2, 3)))
    joined = m.add("Concat", flat, m.add("Tanh", m.dense(vector, 5, 4)), axis=1)
    return m.add("Sigmoid", m.dense(joined, 112, 1))


def quantised(make: Callable[[Maker], str], folder: Path, *, activations: str, per_channel: bool, form: str) -> Path:
    m = Maker()
    source = m.save(folder / "float.onnx", make(m))
    return quantise(source, folder / "model.onnx", activations=activations, per_channel=per_channel, form=form)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", ["QDQ", "QOperator"])
@pytest.mark.parametrize(("activations", "per_channel"), [("QUInt8", True), ("QInt8", False), ("QInt8", True)])
@pytest.mark.parametrize("make", [classifier, segmenter, temporal, two_branches], ids=lambda make: make.__name__)
def test_each_layer_is_within_one_code_of_onnx_runtime(
    make: Callable[[Maker], str], activations: str, per_channel: bool, form: str, tmp_path: Path
) -> None:
    path = quantised(make, tmp_path, activations=activations, per_channel=per_channel, form=form)
    network = read_onnx(path)
    assert network.integer
    assert all("repeat" in name or "resize" in name for name in moves_of(network))
    differences = codes_beside_runtime(assemble(network), path)
    assert len(differences) >= len([node for node in network.nodes if node.weights is not None])
    assert max(differences.values()) <= 1, differences


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("per_channel", [False, True])
def test_weights_of_uint8_keep_their_zero_points(per_channel: bool, tmp_path: Path) -> None:
    m = Maker()
    source = m.save(tmp_path / "float.onnx", classifier(m))
    path = quantise(source, tmp_path / "model.onnx", per_channel=per_channel, weights="QUInt8")
    assert max(codes_beside_runtime(assemble(read_onnx(path)), path).values()) <= 1


# --- As PyTorch's exporters write it --------------------------------------------------------------------------


class TorchStyle(Maker):
    """Fake-quantised tensors: QuantizeLinear and DequantizeLinear behind each layer, and before weights."""

    def fake(self, x: str, scale: float, zero: int, dtype: Any = np.uint8) -> str:
        parameters = self.const(np.float32(scale)), self.const(np.asarray(zero, dtype), dtype)
        return self.add("DequantizeLinear", self.add("QuantizeLinear", x, *parameters), *parameters)

    def weights(self, *shape: int, stored: bool, axis: int = 0) -> tuple[str, np.ndarray]:
        """Weights with one scale for each output channel, as integers or as real numbers; their scales."""
        real = self.rng.normal(0, 0.3, shape).astype(np.float32)
        others = tuple(i for i in range(len(shape)) if i != axis)
        scales = (np.abs(real).max(axis=others) / 127).astype(np.float32)
        zeros = self.const(np.zeros(len(scales), np.int8), np.int8)
        given = self.const(scales)
        along = [1] * len(shape)
        along[axis] = -1
        if stored:
            codes = self.const(np.rint(real / scales.reshape(along)).astype(np.int8), np.int8)
        else:
            codes = self.add("QuantizeLinear", self.const(real), given, zeros, axis=axis)
        return self.add("DequantizeLinear", codes, given, zeros, axis=axis), scales

    def bias(self, count: int, steps: np.ndarray, *, stored: bool) -> str:
        """int32 in units of the accumulator, or real numbers."""
        real = self.rng.normal(0, 0.3, count)
        if not stored:
            return self.const(real)
        codes = self.const(np.rint(real / steps).astype(np.int32), np.int32)
        return self.add("DequantizeLinear", codes, self.const(steps), axis=0)


def torch_model(path: Path, *, stored: bool, dtype: Any, transposed: bool) -> TorchStyle:
    m = TorchStyle(opset=13)
    low = -128 if dtype == np.int8 else 0
    x = m.fake(m.input(1, 3, 12, 12), 0.02, low + 128, dtype)
    weights, scales = m.weights(6, 3, 3, 3, stored=stored)
    x = m.add("Conv", x, weights, m.bias(6, scales * np.float32(0.02), stored=stored), pads=[1] * 4)
    x = m.fake(m.add("Relu", x), 0.015, low, dtype)
    weights, scales = m.weights(6, 1, 3, 3, stored=stored)
    y = m.fake(m.add("Conv", x, weights, strides=[1, 1], pads=[1] * 4, group=6), 0.03, low + 100, dtype)
    x = m.fake(m.add("Relu", m.add("Add", x, y)), 0.04, low, dtype)
    x = m.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = m.fake(m.add("GlobalAveragePool", x), 0.02, low, dtype)
    x = m.fake(m.add("Flatten", x), 0.02, low, dtype)
    if transposed:  # the weights lie as PyTorch has them, and are turned behind their DequantizeLinear
        weights, scales = m.weights(5, 6, stored=stored)
        made = m.add("MatMul", x, m.add("Transpose", weights, perm=[1, 0]))
        made = m.add("Add", made, m.bias(5, scales * np.float32(0.02), stored=stored))
    else:
        weights, scales = m.weights(5, 6, stored=stored)
        made = m.add("Gemm", x, weights, m.bias(5, scales * np.float32(0.02), stored=stored), transB=1)
    m.save(path, m.fake(made, 0.05, low + 128, dtype))
    return m


@pytest.mark.parametrize("stored", [True, False], ids=["integers stored", "weights as real numbers"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize("transposed", [False, True])
def test_a_model_of_pytorch_is_read_in_its_own_integers(
    stored: bool, dtype: Any, transposed: bool, tmp_path: Path
) -> None:
    m = torch_model(tmp_path / "torch.onnx", stored=stored, dtype=dtype, transposed=transposed)
    network = read_onnx(tmp_path / "torch.onnx")
    graph = assemble(network)
    assert max(codes_beside_runtime(graph, tmp_path / "torch.onnx", 8).values()) <= 1
    assert not moves_of(network)
    assert [type(layer) for layer in graph.layers if isinstance(layer, MacLayer)] == [Conv2D, DepthwiseConv2D, Dense]
    assert_file_kept(graph, m)


def assert_file_kept(graph: Graph, m: Maker) -> None:
    """Scales and zero points of the file, and its weights with channels last."""
    source = graph.tensor(graph.input)
    assert (source.scale, source.zero_point) == (np.float32(0.02), 128)
    assert graph.tensor(graph.output).zero_point == 128
    first = next(layer for layer in graph.layers if isinstance(layer, Conv2D))
    stored = {c.name: m.onnx.numpy_helper.to_array(c) for c in m.constants}
    known = next((c for c in stored.values() if c.shape == (6, 3, 3, 3)), None)
    assert known is not None
    if known.dtype == np.int8:
        assert np.array_equal(first.weights, known.transpose(0, 2, 3, 1))
    else:
        scale = np.abs(known).max(axis=(1, 2, 3), keepdims=True) / 127
        assert np.abs(first.weights - (known / scale).transpose(0, 2, 3, 1)).max() < 0.51


def test_an_integer_input_needs_no_quantisation(tmp_path: Path) -> None:
    m = TorchStyle()
    parameters = m.const(np.float32(0.05)), m.const(np.asarray(7, np.uint8), np.uint8)
    x = m.add("DequantizeLinear", m.input(1, 3, 6, 6, kind=UINT8), *parameters)
    weights, _ = m.weights(4, 3, 3, 3, stored=True)
    path = m.save(tmp_path / "model.onnx", m.fake(m.add("Conv", x, weights), 0.1, 90))
    graph = assemble(read_onnx(path))
    assert graph.tensor(graph.input).zero_point == 7
    assert max(codes_beside_runtime(graph, path).values()) <= 1


@pytest.mark.parametrize(("low", "high"), [(0.0, 6.0), (-1.0, 1.0), (-0.3, 0.7)])
@pytest.mark.parametrize("between", [False, True], ids=["at once", "behind a pooling"])
def test_a_limit_before_the_quantisation_is_one_of_codes(
    low: float, high: float, between: bool, tmp_path: Path
) -> None:
    m = TorchStyle()
    weights, _ = m.weights(4, 3, 3, 3, stored=True)
    x = m.add("Conv", m.fake(m.input(1, 3, 8, 8), 0.03, 120), weights)
    if between:
        x = m.add("MaxPool", x, kernel_shape=[2, 2])
    x = m.fake(m.add("Clip", x, m.const(low), m.const(high)), 0.02, 80)
    path = m.save(tmp_path / "model.onnx", x)
    assert max(codes_beside_runtime(assemble(read_onnx(path)), path).values()) <= 1


def test_weights_alone_in_integers_make_a_floating_point_model(tmp_path: Path) -> None:
    m = TorchStyle()
    weights, _ = m.weights(4, 3, 3, 3, stored=True)
    path = m.save(tmp_path / "model.onnx", m.add("Conv", m.input(1, 3, 6, 6), weights))
    assert not read_onnx(path).integer


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_weights_of_other_types_are_read(dtype: Any, tmp_path: Path) -> None:
    m = Maker()
    taps = m.const(m.rng.normal(0, 1, (4, 3, 3, 3)).astype(dtype), dtype)
    x = m.add("Conv", m.input(1, 3, 6, 6), m.add("Cast", taps, to=1))
    network = read_onnx(m.save(tmp_path / "model.onnx", x))
    stored = m.onnx.numpy_helper.to_array(m.constants[0]).astype(np.float32)
    assert np.array_equal(network.nodes[0].weights, stored.transpose(0, 2, 3, 1))


def test_a_model_of_float16_computes_what_onnx_runtime_computes(tmp_path: Path) -> None:
    m = Maker()
    half = [m.const(m.rng.normal(0, 0.3, shape).astype(np.float16), np.float16) for shape in ((4, 3, 3, 3), (4,))]
    x = m.add("Relu", m.add("Conv", m.input("n", 3, 8, 8, kind=FLOAT16), *half))
    path = m.save(tmp_path / "model.onnx", m.add("Cast", m.add("GlobalAveragePool", x), to=1))
    assert max(beside_runtime(read_onnx(path), path)) < 2e-3  # half precision has 11 bits
