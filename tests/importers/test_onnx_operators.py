"""Promise: each operator of an .onnx file computes what ONNX Runtime computes; channels first leave no transpose."""

# ruff: noqa: PLC0415 - the extra onnx is imported where a test needs it

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the extra onnx is not installed")
pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")

from dqt_edge.importers.onnx import read_onnx
from dqt_edge.importers.onnx.chains import JOINED
from dqt_edge.importers.onnx.reader import OPERATORS
from tests.support.onnx_models import OPSET, Maker, beside_runtime, moves_of

CLOSE = 1e-4
"""Relative to the largest output: float32 adds in another order."""
LINEAR = 1e-3
"""A linear resize has weights of 1/1024."""


class Case(NamedTuple):
    """An operator behind a convolution, with the map or series that it reads, and before a dense layer."""

    name: str
    make: Callable[[Maker, str], Any]
    shape: tuple[int, ...] = (4, 6, 8)
    moves: bool = False
    opset: int = OPSET
    close: float = CLOSE


def op(kind: str, *constants: Any, **attributes: Any) -> Callable[[Maker, str], Any]:
    return lambda m, x: m.add(kind, x, *("" if c is None else m.const(c) for c in constants), **attributes)


def two(kind: str, kernel: int = 1) -> Callable[[Maker, str], Any]:
    return lambda m, x: m.add(kind, x, m.conv(x, 4, 4, (kernel, kernel), pads=[kernel // 2] * 4))


def gate(kind: str) -> Callable[[Maker, str], Any]:
    """With one number for each channel, as squeeze-and-excite has it."""

    def make(m: Maker, x: str) -> str:
        return m.add(kind, x, m.add("Sigmoid", m.conv(m.add("GlobalAveragePool", x), 4, 4, (1, 1))))

    return make


def batch_norm(m: Maker, x: str) -> str:
    parts = [m.const(m.rng.uniform(0.5, 1.5, 4)), m.random(4), m.random(4), m.const(m.rng.uniform(0.5, 1.5, 4))]
    return m.add("BatchNormalization", x, *parts, epsilon=1e-3)


def gelu_of_erf(m: Maker, x: str) -> str:
    half = m.add("Mul", x, m.const(0.5))
    inner = m.add("Add", m.add("Erf", m.add("Div", x, m.const(np.sqrt(2)))), m.const(1.0))
    return m.add("Mul", half, inner)


def hard_swish(m: Maker, x: str) -> str:
    six = m.add("Clip", m.add("Add", x, m.const(3.0)), m.const(0.0), m.const(6.0))
    return m.add("Div", m.add("Mul", x, six), m.const(6.0))


def mish(m: Maker, x: str) -> str:
    return m.add("Mul", x, m.add("Tanh", m.add("Softplus", x)))


def swish_across_a_transpose(m: Maker, x: str) -> str:
    """As converters from TensorFlow leave it."""
    turned = [m.add("Transpose", y, perm=[0, 2, 3, 1]) for y in (x, m.add("Sigmoid", x))]
    return m.add("Transpose", m.add("Mul", *turned), perm=[0, 3, 1, 2])


def shuffle(m: Maker, x: str) -> str:
    y = m.add("Reshape", x, m.const([1, 2, 2, 6, 8]))
    y = m.add("Transpose", y, perm=[0, 2, 1, 3, 4])
    return m.conv(m.add("Reshape", y, m.const([1, 4, 6, 8])), 4, 4)


def computed_shape(m: Maker, x: str) -> str:
    """Shape, Gather, Unsqueeze, Concat: what an exporter with an open batch writes for a flatten."""
    n = m.add("Gather", m.add("Shape", x), m.const(np.int64(0)), axis=0)
    shape = m.add("Concat", m.add("Unsqueeze", n, m.const([0])), m.const([-1]), axis=0)
    return m.add("Reshape", x, shape)


def halves_swapped(m: Maker, x: str) -> str:
    first, second = m.add("Split", x, m.const([1, 3]), outputs=2, axis=1)
    return m.add("Concat", second, first, axis=1)


def two_flat_maps(m: Maker, x: str) -> str:
    return m.add("Concat", *(m.add("Flatten", m.conv(x, 4, n)) for n in (3, 2)), axis=1)


def spatial_attention(m: Maker, x: str) -> str:
    over = {"axes": [1], "keepdims": 1}
    both = m.add("Concat", m.add("ReduceMean", x, **over), m.add("ReduceMax", x, **over), axis=1)
    return m.add("Mul", x, m.add("Sigmoid", m.conv(both, 2, 1, (3, 3), pads=[1] * 4)))


def rows(m: Maker, x: str) -> str:
    """A dense layer on each place of a map, as a transformer's exporter writes it."""
    y = m.add("Transpose", m.add("Reshape", x, m.const([1, 4, 48])), perm=[0, 2, 1])
    return m.add("Add", m.add("MatMul", y, m.random(4, 5)), m.random(5))


def transposed_gemm(m: Maker, x: str) -> str:
    return m.add("Gemm", m.add("Reshape", x, m.const([48, 4])), m.random(48, 3), transA=1)


def relu_with_threshold(m: Maker, x: str) -> str:
    """As tf2onnx writes Keras' ReLU with a slope and a threshold."""
    above = m.add("Cast", m.add("Greater", x, m.const(0.2)), to=1)
    below = m.add("Relu", m.add("Add", m.add("Neg", x), m.const(0.2)))
    return m.add("Sub", m.add("Mul", above, x), m.add("Mul", m.const(0.1), below))


def hard_shrink(m: Maker, x: str) -> str:
    """As PyTorch's exporter writes it."""
    inside = m.add("Less", m.add("Abs", x), m.const(0.4))
    return m.add("Where", inside, m.const(0.0), x)


def one_function(make: Callable[[Maker, str], Any], path: Path) -> str:
    m = Maker()
    network = read_onnx(m.save(path, make(m, m.conv(m.input(1, 3, 6, 8), 3, 4))))
    assert [node.kind for node in network.nodes] == ["conv", "lookup"]
    assert network.nodes[1].function is not None
    return network.nodes[1].function.name


SERIES = (4, 12)
CASES = (
    Case("Conv", lambda m, x: m.conv(x, 4, 5, (3, 2), pads=[1, 0, 1, 1], strides=[2, 1])),
    Case("Conv, groups", lambda m, x: m.conv(x, 4, 6, group=2), moves=True),
    Case("Conv, depthwise", lambda m, x: m.conv(x, 4, 4, group=4, auto_pad="SAME_UPPER")),
    Case("Conv, depthwise with multiplier", lambda m, x: m.conv(x, 4, 8, group=4), moves=True),
    Case("Conv, dilated", lambda m, x: m.conv(x, 4, 5, (2, 3), dilations=[3, 2], auto_pad="VALID")),
    Case("Conv, SAME_LOWER", lambda m, x: m.conv(x, 4, 5, (2, 4), strides=[2, 2], auto_pad="SAME_LOWER")),
    Case("Conv, 1-D", lambda m, x: m.conv(x, 4, 5, (3,), pads=[4, 0], dilations=[2]), SERIES),
    Case(
        "ConvTranspose",
        lambda m, x: m.add("ConvTranspose", x, m.random(4, 3, 3, 3), m.random(3), strides=[2, 2], pads=[1] * 4),
        moves=True,
    ),
    Case(
        "ConvTranspose, output_padding",
        lambda m, x: m.add("ConvTranspose", x, m.random(4, 3, 3, 2), strides=[2, 3], output_padding=[1, 2]),
        moves=True,
    ),
    Case(
        "ConvTranspose, dilated",
        lambda m, x: m.add("ConvTranspose", x, m.random(4, 3, 2, 2), dilations=[2, 1], auto_pad="SAME_UPPER"),
        moves=True,
    ),
    Case(
        "ConvTranspose, 1-D",
        lambda m, x: m.add("ConvTranspose", x, m.random(4, 3, 4), strides=[2], pads=[1, 1]),
        SERIES,
        moves=True,
    ),
    Case("MatMul on places", rows),
    Case("MatMul from the left", lambda m, x: m.add("MatMul", m.random(5, 6), x), moves=True),
    Case(
        "Gemm, transA",
        transposed_gemm,
        moves=True,
    ),
    Case("BatchNormalization", batch_norm),
    Case("BatchNormalization, alone", lambda m, x: m.add("Add", x, batch_norm(m, x))),
    *(
        Case(kind, op(kind, **attributes))
        for kind, attributes in (
            *((k, {}) for k in ("Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "HardSwish", "Exp", "Abs", "Neg")),
            *((k, {}) for k in ("Selu", "Floor", "Ceil", "Round", "Sign", "Sin", "Cos", "Identity")),
            ("LeakyRelu", {"alpha": 0.3}),
            ("Elu", {"alpha": 0.7}),
            ("Celu", {"alpha": 0.7}),
            ("ThresholdedRelu", {"alpha": 0.4}),
            ("HardSigmoid", {"alpha": 0.3, "beta": 0.4}),
        )
    ),
    Case("Mish", op("Mish"), opset=18),
    Case("Swish", op("Swish", alpha=0.7), opset=24),
    Case("Gelu", op("Gelu"), opset=20),
    Case("Gelu, tanh", op("Gelu", approximate="tanh"), opset=20),
    Case("FastGelu", op("FastGelu", domain="com.microsoft")),
    Case("QuickGelu", op("QuickGelu", domain="com.microsoft", alpha=1.702)),
    Case("GELU of Erf", gelu_of_erf),
    Case("hard swish of Clip", hard_swish),
    Case("mish of Softplus", mish),
    Case("swish across a Transpose", swish_across_a_transpose),
    Case("ReLU of Greater", relu_with_threshold),
    Case("hard shrink of Where", hard_shrink),
    Case("Clip", op("Clip", -0.25, 0.5)),
    Case("Clip to 6", op("Clip", 0.0, 6.0)),
    Case("PRelu", lambda m, x: m.add("PRelu", x, m.random(4, 1, 1))),
    Case("PRelu, one slope", op("PRelu", [0.3])),
    *(
        Case(f"{kind} of positive numbers", lambda m, x, k=kind: m.add(k, m.add("Softplus", x)))
        for kind in ("Log", "Sqrt", "Reciprocal")
    ),
    Case("Pow, square", op("Pow", 2.0)),
    Case("Pow, cube", op("Pow", 3.0)),
    Case("Pow, whole exponent", op("Pow", np.int64(2))),
    *(Case(kind, two(kind)) for kind in ("Add", "Sub", "Mul", "Max", "Min", "Sum")),
    *(Case(f"{kind}, broadcast", gate(kind)) for kind in ("Add", "Sub", "Mul", "Max", "Min")),
    Case("Add, constants by channel", lambda m, x: m.add("Add", x, m.random(1, 4, 1, 1))),
    Case("Mul, constants by column", lambda m, x: m.add("Mul", x, m.random(8))),
    Case("Sub from a constant", lambda m, x: m.add("Sub", m.const(1.0), x)),
    Case("Div by constants", lambda m, x: m.add("Div", x, m.const(m.rng.uniform(1, 2, (4, 1, 1))))),
    Case("Sum of three", lambda m, x: m.add("Sum", x, m.conv(x, 4, 4, (1, 1)), x)),
    Case("Max with a constant", op("Max", 0.1)),
    Case("MaxPool", op("MaxPool", kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1])),
    Case("MaxPool, ceil_mode", op("MaxPool", kernel_shape=[3, 3], strides=[2, 3], ceil_mode=1)),
    Case("MaxPool, 1-D", op("MaxPool", kernel_shape=[2], strides=[2]), SERIES),
    Case("AveragePool", op("AveragePool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])),
    Case("AveragePool, padding counts", op("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)),
    Case("AveragePool, SAME_UPPER", op("AveragePool", kernel_shape=[2, 3], strides=[2, 2], auto_pad="SAME_UPPER")),
    Case("AveragePool, ceil_mode", op("AveragePool", kernel_shape=[2, 2], strides=[4, 3], ceil_mode=1), opset=19),
    Case("GlobalAveragePool", op("GlobalAveragePool")),
    Case("GlobalMaxPool", op("GlobalMaxPool")),
    Case("GlobalAveragePool, 1-D", op("GlobalAveragePool"), SERIES),
    Case("ReduceMean over places", op("ReduceMean", axes=[2, 3], keepdims=0)),
    Case("ReduceMean, axes as an input", op("ReduceMean", [-1, -2], keepdims=1), opset=18),
    Case("ReduceSum", op("ReduceSum", [2], keepdims=0), moves=True),
    Case("ReduceMax over channels", op("ReduceMax", axes=[1])),
    Case("ReduceMin", op("ReduceMin", axes=[2, 3])),
    Case("spatial attention", spatial_attention),
    Case("Softmax over channels", op("Softmax", axis=1)),
    Case("Softmax over columns", op("Softmax", axis=-1), moves=True),
    Case("Softmax before version 13", lambda m, x: m.add("Softmax", m.add("Flatten", x), axis=1), opset=12, moves=True),
    Case("Flatten", op("Flatten")),
    Case("Flatten, axis 2", op("Flatten", axis=2)),
    Case("Reshape", op("Reshape", [1, 2, 2, 48])),
    Case("Reshape, computed shape", computed_shape),
    Case("Reshape that moves", op("Reshape", [1, 3, 8, 8]), moves=True),
    Case("Squeeze", lambda m, x: m.add("Squeeze", m.add("GlobalAveragePool", x), m.const([2, 3]))),
    Case("Squeeze before version 13", lambda m, x: m.add("Squeeze", m.add("GlobalMaxPool", x), axes=[2, 3]), opset=11),
    Case("Unsqueeze", op("Unsqueeze", [1, -1])),
    Case("Transpose", op("Transpose", perm=[0, 3, 1, 2])),
    Case("channel shuffle", shuffle, moves=True),
    Case("Dropout", op("Dropout")),
    Case("Cast", op("Cast", to=1)),
    Case("CastLike", op("CastLike", 1.0)),
    Case("Concat", lambda m, x: m.add("Concat", x, m.conv(x, 4, 2, (1, 1)), axis=1)),
    Case("Concat of columns", lambda m, x: m.add("Concat", x, m.conv(x, 4, 4, (1, 1)), axis=3)),
    Case(
        "Concat of a constant",
        lambda m, x: m.add("Concat", m.random(1, 2, 6, 8), x, m.random(1, 1, 6, 8), axis=1),
        moves=True,
    ),
    Case("Concat of constant columns", lambda m, x: m.add("Concat", x, m.random(1, 4, 6, 2), axis=3), moves=True),
    Case("Concat of flat maps", two_flat_maps),
    Case("Softmax of one element", lambda m, x: m.add("Mul", x, m.add("Softmax", m.conv(x, 4, 1, (1, 1)), axis=1))),
    Case("Split", halves_swapped, moves=True),
    Case("Slice", op("Slice", [1, 6], [100, 0], [2, 3], [2, -2]), moves=True),
    Case("Slice before version 10", op("Slice", starts=[1], ends=[3], axes=[1]), opset=9, moves=True),
    Case("Gather, one place", op("Gather", np.int64(2), axis=1), moves=True),
    Case("Gather, several places", op("Gather", [0, 3, 1], axis=1), moves=True),
    Case("ReverseSequence", op("ReverseSequence", [4], batch_axis=0, time_axis=1), moves=True),
    Case("Pad", op("Pad", [0, 0, 1, 0, 0, 0, 0, 2])),
    Case("Pad with a value, channels too", op("Pad", [0, 1, 0, 0, 0, 0, 2, 0], 0.5)),
    Case("Pad, reflect", op("Pad", [0, 0, 1, 2, 0, 0, 2, 1], mode="reflect"), moves=True),
    Case("Pad, edge", op("Pad", [0, 0, 0, 2, 0, 0, 0, 1], mode="edge"), moves=True),
    Case("Pad, axes as an input", op("Pad", [1, 2], None, [3]), opset=18),
    Case("Tile", op("Tile", [1, 2, 1, 3]), moves=True),
    Case("Expand", lambda m, x: m.add("Expand", m.add("GlobalAveragePool", x), m.const([1, 4, 3, 2])), moves=True),
    Case("Resize, nearest", op("Resize", None, [1.0, 1.0, 2.0, 3.0], mode="nearest"), moves=True),
    *(
        Case(
            f"Resize, nearest, {places}, {nearest}",
            op("Resize", None, None, [1, 4, 9, 5], coordinate_transformation_mode=places, nearest_mode=nearest),
        )
        for places in ("asymmetric", "half_pixel", "align_corners")
        for nearest in ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")
    ),
    *(
        Case(
            f"Resize, linear, {places}",
            op("Resize", None, None, [1, 4, 9, 16], mode="linear", coordinate_transformation_mode=places),
            close=LINEAR,
        )
        for places in ("asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners")
    ),
    Case("Resize, 1-D", op("Resize", None, [1.0, 1.0, 2.0], mode="nearest"), SERIES, moves=True),
    Case("Upsample", op("Upsample", [1.0, 1.0, 2.0, 2.0]), opset=9, moves=True),
    Case("DepthToSpace", op("DepthToSpace", blocksize=2), moves=True),
    Case("DepthToSpace, CRD", op("DepthToSpace", blocksize=2, mode="CRD"), moves=True),
    Case("SpaceToDepth", op("SpaceToDepth", blocksize=2)),
)


def built(case: Case, path: Path, batch: int | str = 1) -> Path:
    """The operator behind a convolution and an activation that keeps negative numbers, before a dense layer."""
    m = Maker(case.opset)
    channels, *places = case.shape
    stem = m.conv(m.input(batch, 3, *places), 3, channels, (1,) * len(places))
    made = case.make(m, m.add("LeakyRelu", stem, alpha=0.5))
    shape = shape_of(m, made, (1, 3, *places))
    flat = made if len(shape) == 2 and shape[0] == 1 else m.add("Reshape", made, m.const([1, -1]))
    return m.save(path, m.dense(flat, math.prod(shape), 3))


def shape_of(m: Maker, name: str, given: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of a tensor, as ONNX Runtime computes it."""
    import onnxruntime

    session = onnxruntime.InferenceSession(m.model(name).SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"image": np.zeros(given, np.float32)})[0].shape


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_operator_computes_what_onnx_runtime_computes(case: Case, tmp_path: Path) -> None:
    network = read_onnx(built(case, tmp_path / "case.onnx"))
    assert not network.integer
    assert max(beside_runtime(network, tmp_path / "case.onnx")) <= case.close
    assert case.moves or not moves_of(network)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (gelu_of_erf, "gelu"),
        (hard_swish, "hard_swish"),
        (mish, "mish"),
        (swish_across_a_transpose, "swish"),
        (relu_with_threshold, "relu"),
        (hard_shrink, "hard_shrink"),
    ],
)
def test_an_activation_in_several_operators_is_one_function(
    make: Callable[[Maker, str], Any], name: str, tmp_path: Path
) -> None:
    assert one_function(make, tmp_path / "model.onnx") == name


def test_every_operator_that_is_translated_is_tested() -> None:
    built_here = {node.op_type for case in CASES for node in _nodes(case)}
    elsewhere = {"QuantizeLinear", "DequantizeLinear", "LogSoftmax", JOINED}
    assert set(OPERATORS) - built_here == elsewhere


def test_a_log_softmax_at_the_end_is_dropped(tmp_path: Path) -> None:
    m = Maker()
    logits = m.dense(m.input("n", 6), 6, 4)
    network = read_onnx(m.save(tmp_path / "model.onnx", m.add("LogSoftmax", logits, axis=1)))
    assert [node.kind for node in network.nodes] == ["dense"]
    assert network.provenance["dropped"] == ["log_softmax"]


def _nodes(case: Case) -> list[Any]:
    m = Maker(case.opset)
    case.make(m, m.input(1, *case.shape))
    return m.nodes
