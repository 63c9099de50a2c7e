"""The single layers of ``make bench-shapes``: every operator of the graph, in many shapes.

A name says operator, window, stride (s) and dilation (d) if not 1, channels in, channels out, and height x width (one
number: square, or the length of a 1-D layer). Padding is ``same`` unless the name says ``valid`` or the shape is one of
:data:`VALID`. The first 50 are those for which ``cmsis_nn_shapes.csv`` has CMSIS-NN's figures.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dqt_edge.graph import (
    Add,
    AveragePool2D,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Graph,
    Layer,
    Lookup,
    Maximum,
    MaxPool2D,
    Minimum,
    Multiply,
    Pad,
    Pair,
    Rearrange,
    Requantize,
    Resize,
    Softmax,
    Tensor,
    Window,
    nested,
    window_counts,
)
from dqt_edge.graph import Shape as TensorShape
from tests.support.topologies import CANDIDATES, FIXED

NAME = "layer"
VALID = ("conv_3x3s3_16_32_30", "conv_2x2s2_16_32_16", "dw_2x2_32_16")
"""As CMSIS-NN was measured."""
_WINDOW = re.compile(r"(\d+)x(\d+)(?:s(\d+))?(?:d(\d+))?")
Rng = np.random.Generator


@dataclass(frozen=True)
class LayerShape:
    """One layer in a graph of its own; the graph's other layers only make what it reads."""

    name: str
    graph: Graph

    @property
    def layer(self) -> Layer:
        """The layer."""
        return next(layer for layer in self.graph.layers if layer.name == NAME)

    @property
    def adaptive(self) -> bool:
        """Whether it has narrow candidates."""
        return bool(getattr(self.layer, "candidates", FIXED) != FIXED)

    @property
    def outputs(self) -> int:
        """Elements of the output."""
        return self.graph.tensor(self.layer.output).size

    @property
    def macs(self) -> int:
        """Multiply-accumulates, those of padding too; 0 without weights."""
        layer = self.layer
        if isinstance(layer, Dense):
            return int(layer.weights.size)
        if isinstance(layer, Conv2D | DepthwiseConv2D):
            return self.outputs * int(layer.by_channel.shape[1])
        return 0

    def fixed(self) -> Graph:
        """The graph with this layer at 8 bits only."""
        layers = tuple(replace(x, candidates=FIXED) if x.name == NAME else x for x in self.graph.layers)
        return replace(self.graph, layers=layers)

    def codes(self, count: int) -> dict[str, np.ndarray]:
        """Codes of each tensor that the layer reads, uniform, uint8 [count, height, width, channels]."""
        rng = np.random.default_rng((zlib.crc32(self.name.encode()), 1))
        shapes = {name: self.graph.tensor(name).shape for name in self.layer.inputs}
        return {name: rng.integers(0, 256, (count, *shape)).astype(np.uint8) for name, shape in shapes.items()}


# --- Layers with weights --------------------------------------------------------------------------------------------


def _scaling(rng: Rng, channels: int, depth: int, apart: float) -> tuple[np.ndarray, Requantize]:
    """Biases and multipliers under which codes spread over 0..255; ``apart``: spread of their logarithms."""
    gain = 100 / (74 * 74 * math.sqrt(depth)) * np.exp(rng.normal(0, apart, channels))
    pairs = [nested.quantize_multiplier(float(value)) for value in gain]
    bias = rng.integers(-(40 << 8), 40 << 8, channels).astype(np.int32)
    return bias, Requantize(np.array([p[0] for p in pairs], np.int32), np.array([p[1] for p in pairs], np.uint8))


def _tamed(rng: Rng, weights: np.ndarray, dead: int, apart: float) -> tuple[np.ndarray, np.ndarray, Requantize]:
    """Weights, bias, requantisation; with dead channels as converters write them: no weight, a huge bias and shift."""
    channels = len(weights)
    bias, requantize = _scaling(rng, channels, weights[0].size, apart)
    if dead:
        gone = rng.permutation(channels)[:dead]
        multiplier, shift = requantize.multiplier.copy(), requantize.shift.copy()
        weights, bias = weights.copy(), bias.copy()
        weights[gone], bias[gone], multiplier[gone], shift[gone] = 0, 1 << 30, 1 << 30, 59
        requantize = Requantize(multiplier, shift)
    return weights, bias, requantize


def _size(text: str, kernel: tuple[int, int]) -> tuple[int, int]:
    """Height and width: as stated; else along the window's long axis if it has one, else square."""
    if "x" in text:
        height, width = map(int, text.split("x"))
        return height, width
    if kernel[0] > 1 and kernel[1] == 1:
        return int(text), 1
    return (1 if kernel[0] == 1 and kernel[1] > 1 else int(text)), int(text)


def _window(
    text: str, size: Callable[[tuple[int, int]], tuple[int, int]], valid: bool
) -> tuple[Window, tuple[int, int]]:
    found = _WINDOW.fullmatch(text)
    assert found is not None, text
    kernel = int(found[1]), int(found[2])
    height, width = size(kernel)
    stride, dilation = int(found[3] or 1), int(found[4] or 1)
    strides = stride if height > 1 else 1, stride if width > 1 else 1
    if valid:
        return Window(kernel, strides, dilation=(dilation, dilation)), (height, width)
    window = Window.same((height, width), kernel, strides)
    if dilation > 1:
        reach = [(k - 1) * dilation // 2 for k in kernel]
        window = Window(kernel, strides, (reach[0], reach[1], reach[0], reach[1]), (dilation, dilation))
    return window, (height, width)


def mac(name: str, *, zero: int = 0, dead: int = 0, apart: float = 0.1, residual: bool = False) -> LayerShape:
    """Convolution, depthwise convolution or dense layer of a name."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    kind, *words = name.split("_")
    valid = "valid" in words or name in VALID
    numbers = [word for word in words if word[0].isdigit()]
    candidates: tuple[Pair, ...] = FIXED if zero else CANDIDATES
    shape: TensorShape
    make: Any
    taps: tuple[int, ...]
    fields: dict[str, Any] = {}
    if kind == "dense":
        depth, channels = map(int, numbers)
        shape, target, taps, make = (1, 1, depth), (1, 1, channels), (depth,), Dense
    else:
        window, (height, width) = _window(numbers[0], lambda kernel: _size(numbers[-1], kernel), valid)
        depth, channels = int(numbers[1]), int(numbers[-2])
        shape, target = (height, width, depth), (*window.output_size(height, width), channels)
        make, taps = (DepthwiseConv2D, window.kernel) if kind == "dw" else (Conv2D, (*window.kernel, depth))
        fields["window"] = window
    weights = rng.integers(-128, 128, (channels, *taps)).astype(np.int8)
    weights, bias, requantize = _tamed(rng, weights, dead, apart)
    source = Tensor("input", shape, 0.02, zero)
    tensors, before = [source], list[Layer]()
    if residual:
        one = Requantize(np.full(channels, 1 << 20, np.int32), np.full(channels, 32, np.uint8))
        nothing = np.zeros((channels, *window.kernel, shape[2]), np.int8)
        before.append(Conv2D("before", "input", "z", nothing, np.zeros(channels, np.int32), one, FIXED, window))
        tensors.append(Tensor("z", target, 0.02))
        fields["residual"] = "z"
        fields["residual_multiplier"] = np.round(1.0 / (requantize.multiplier / 2.0**31)).astype(np.int32)
    layer = make(NAME, "input", "y", weights, bias, requantize, candidates, **fields)
    graph = Graph(name, (*tensors, Tensor("y", target, 0.02)), (*before, layer), "input", "y")
    return LayerShape(name, graph)


# --- Layers without ---------------------------------------------------------------------------------------------------


def pool(name: str) -> LayerShape:
    """``max_WINDOW_channels_size`` or ``avg_...``; without padding unless the name says ``same``."""
    kind, window_text, depth, size_text, *rest = name.split("_")
    window, (height, width) = _window(window_text, lambda kernel: _size(size_text, kernel), "same" not in rest)
    source = Tensor("input", (height, width, int(depth)), 0.02)
    target = Tensor("y", (*window.output_size(height, width), int(depth)), 0.02)
    layer: Layer = MaxPool2D(NAME, "input", "y", window)
    if kind == "avg":
        counts = tuple(sorted({int(c) for c in window_counts(window, height, width).ravel()}))
        pairs = [nested.quantize_multiplier(1 / count) for count in counts]
        requantize = Requantize(np.array([p[0] for p in pairs], np.int32), np.array([p[1] for p in pairs], np.uint8))
        layer = AveragePool2D(NAME, "input", "y", window, counts, np.zeros(len(counts), np.int32), requantize)
    return LayerShape(name, Graph(name, (source, target), (layer,), "input", "y"))


def _one(name: str, source: TensorShape, target: TensorShape, layer: Layer) -> LayerShape:
    """A layer of one input, whose scale passes through."""
    tensors = (Tensor("input", source, 0.02, 3), Tensor("y", target, 0.02, 3))
    if isinstance(layer, Softmax):
        tensors = (tensors[0], Tensor("y", target, 1 / 256))
    return LayerShape(name, Graph(name, tensors, (layer,), "input", "y"))


def _two(
    name: str,
    first: TensorShape,
    second: TensorShape,
    make: Callable[[Tensor, Tensor], tuple[Layer, Tensor]],
    scale: float,
) -> LayerShape:
    """A layer of two inputs; ``scale``: of the second, beside 0.02 of the first."""
    source, zero = Tensor("input", first, 0.02, 3), 3 if scale == 0.02 else 77
    kept = Tensor("w", second, source.scale, source.zero_point)
    before: list[Layer] = [Rearrange("before", "input", "w", 0, second, (0, 0, 0))]
    other, tensors = kept, [source, kept]
    if scale != source.scale:
        other = Tensor("z", second, scale, zero)
        before.append(Lookup("scaled", "w", "z", np.zeros((1, 256), np.uint8)))
        tensors.append(other)
    layer, output = make(source, other)
    return LayerShape(name, Graph(name, (*tensors, output), (*before, layer), "input", "y"))


def _add(a: Tensor, b: Tensor) -> tuple[Layer, Tensor]:
    scale, zero = max(a.scale, b.scale), a.zero_point
    m1, m2, offset, shift = nested.add_parameters((a.scale, b.scale), (a.zero_point, b.zero_point), scale, zero)
    return Add(NAME, (a.name, b.name), "y", (m1, m2), offset, shift), Tensor("y", a.shape, scale, zero)


def _multiply(a: Tensor, b: Tensor) -> tuple[Layer, Tensor]:
    multiplier, shift = nested.quantize_multiplier(1 / 255)
    requantize = Requantize(np.array([multiplier], np.int32), np.array([shift], np.uint8))
    return Multiply(NAME, (a.name, b.name), "y", np.zeros(1, np.int32), requantize), Tensor("y", a.shape, 0.02)


def _maximum(a: Tensor, b: Tensor) -> tuple[Layer, Tensor]:
    return Maximum(NAME, (a.name, b.name), "y"), Tensor("y", a.shape, a.scale, a.zero_point)


def _minimum(a: Tensor, b: Tensor) -> tuple[Layer, Tensor]:
    return Minimum(NAME, (a.name, b.name), "y"), Tensor("y", a.shape, a.scale, a.zero_point)


def _concat(a: Tensor, b: Tensor) -> tuple[Layer, Tensor]:
    """Inputs of the output's scale keep their codes."""
    pairs = [nested.IDENTITY if t.scale == 0.02 else nested.quantize_multiplier(t.scale / 0.02) for t in (a, b)]
    biases = np.array([2 * t.zero_point if t.scale == 0.02 else 6 for t in (a, b)], np.int32)
    multipliers, shifts = np.array([p[0] for p in pairs], np.int32), np.array([p[1] for p in pairs], np.uint8)
    layer = Concat(NAME, (a.name, b.name), "y", 2, biases, Requantize(multipliers, shifts))
    return layer, Tensor("y", (*a.shape[:2], a.shape[2] + b.shape[2]), 0.02, 3)


def _bilinear(to: int, size: int) -> np.ndarray:
    """Places and weights (of 1024) of a row of ``to`` elements made of ``size``."""
    at = np.clip((np.arange(to) + 0.5) * size / to - 0.5, 0, size - 1)
    low = np.floor(at).astype(int)
    return np.stack([low, np.round((at - low) * 1024).astype(int) * (low < size - 1)], axis=1).astype(np.int32)


def _nearest(height: int, width: int, channels: int) -> Rearrange:
    """Twice as high and wide: each element four times."""
    sizes, strides = (height, 2, width, 2, channels), (width * channels, 0, channels, 0, 1)
    return Rearrange(NAME, "input", "y", 0, sizes, strides)


def _others() -> list[LayerShape]:
    cube: TensorShape = (16, 16, 32)
    rng = np.random.default_rng(5)
    rows = (16 * 16, 1)
    return [
        _two("add_32_16", cube, cube, _add, 0.03),
        _two("add_32_16_same-scale", cube, cube, _add, 0.02),
        _two("add_broadcast_32_16", cube, (1, 1, 32), _add, 0.03),
        _two("add_7_15", (15, 15, 7), (15, 15, 7), _add, 0.03),
        _two("multiply_32_16", cube, cube, _multiply, 0.03),
        _two("multiply_broadcast_32_16", cube, (1, 1, 32), _multiply, 0.03),
        _two("maximum_32_16", cube, cube, _maximum, 0.02),
        _two("minimum_broadcast_32_16", cube, (1, 1, 32), _minimum, 0.02),
        _two("concat_16_16_16", (16, 16, 16), (16, 16, 16), _concat, 0.02),
        _two("concat_16_16_16_rescaled", (16, 16, 16), (16, 16, 16), _concat, 0.03),
        _two("concat_5_3_15_rescaled", (15, 15, 5), (15, 15, 3), _concat, 0.03),
        _one("lookup_32_16", cube, cube, Lookup(NAME, "input", "y", rng.integers(0, 256, (1, 256)).astype(np.uint8))),
        _one(
            "lookup_tables_32_16",
            cube,
            cube,
            Lookup(NAME, "input", "y", rng.integers(0, 256, (32, 256)).astype(np.uint8)),
        ),
        _one("softmax_10", (1, 1, 10), (1, 1, 10), Softmax(NAME, "input", "y", nested.exponentials(0.05))),
        _one("softmax_12_16", (16, 16, 12), (16, 16, 12), Softmax(NAME, "input", "y", nested.exponentials(0.05))),
        _one("pad_32_16", cube, (18, 18, 32), Pad(NAME, "input", "y", (1, 1, 0), (1, 1), 3)),
        _one("pad_stretched_32_16", cube, (31, 31, 32), Pad(NAME, "input", "y", (0, 0, 0), (2, 2), 3)),
        _one("transpose_32_16", cube, (32, 16, 16), Rearrange(NAME, "input", "y", 0, (32, *rows), (1, 32, 1))),
        _one("slice_16_of_32_16", cube, (16, 16, 16), Rearrange(NAME, "input", "y", 0, (256, 16), (32, 1))),
        _one("nearest_32_8", (8, 8, 32), (16, 16, 32), _nearest(8, 8, 32)),
        _one("bilinear_32_8", (8, 8, 32), (16, 16, 32), Resize(NAME, "input", "y", _bilinear(16, 8), _bilinear(16, 8))),
        _one(
            "bilinear_3_24", (24, 24, 3), (32, 32, 3), Resize(NAME, "input", "y", _bilinear(32, 24), _bilinear(32, 24))
        ),
    ]


# --- All --------------------------------------------------------------------------------------------------------------

COMPARED = (
    "conv_10x4s2_1_64_49x10", "conv_3x3s2_3_8_96", "conv_3x3_3_16_32", "conv_3x3_1_16_28", "conv_5x5_3_32_32",
    "conv_3x3_16_16_32", "conv_3x3_32_32_16", "conv_3x3_64_64_8", "conv_3x3_128_128_4", "conv_3x3_13_29_15",
    "conv_3x3s2_32_64_16", "conv_3x3s3_16_32_30", "conv_7x7_8_16_20", "conv_2x2s2_16_32_16", "conv_1x1_8_16_48",
    "conv_1x1_16_32_24", "conv_1x1_32_64_12", "conv_1x1_64_128_6", "conv_1x1_128_128_6", "conv_1x1_256_256_3",
    "conv_1x1_48_8_24", "conv_1x1_5_7_20", "conv_1x1s2_32_64_16", "conv_9x1_16_32_128", "conv_5x1_32_32_64",
    "conv_1x3_64_64_64", "conv_1x11s2_1_16_256", "dw_3x3_8_48", "dw_3x3_32_24", "dw_3x3_64_12", "dw_3x3_128_6",
    "dw_3x3_256_3", "dw_3x3_13_15", "dw_3x3s2_16_48", "dw_3x3s2_64_12", "dw_5x5_32_24", "dw_5x5s2_64_12",
    "dw_7x7_32_14", "dw_2x2_32_16", "dw_9x1_64_64", "dw_1x5_32_64", "dw_1x25_32_49", "dense_640_128", "dense_128_128",
    "dense_128_8", "dense_8_128", "dense_64_10", "dense_512_12", "dense_2048_2", "dense_37_11",
)  # fmt: skip
"""Those that CMSIS-NN was measured on."""

MORE = (
    "conv_3x3_17_31_11_valid", "conv_25x1_1_16_256", "conv_7x1s3_8_24_200", "conv_11x11s3_3_16_48",
    "conv_5x5s2_1_8_28_valid", "conv_3x3d2_16_16_20", "conv_1x1_32_2_20", "conv_1x1_64_10_1",
    "conv_4x4s2_6_12_21_valid", "dw_3x3_32_24_valid", "dw_3x3s3_32_24", "dw_5x1_32_64", "dw_25x1s2_16_256",
    "dw_3x3d2_32_16", "dw_5x5_17_13", "dw_4x4s2_16_20_valid", "dw_3x3_1_28", "dw_6x2_24_18", "dw_11x11_8_16",
    "dense_1024_10", "dense_256_256", "dense_4000_3", "dense_33_17", "dense_256_1",
)  # fmt: skip
POOLS = (
    "max_2x2s2_16_32", "max_2x2s2_64_12", "max_2x2s2_13_15", "max_3x3s2_32_24_same", "max_2x2_8_20",
    "max_4x1s4_64_128", "max_5x5s3_6_23", "avg_8x8_64_8", "avg_2x2s2_32_16", "avg_3x3_16_16_same", "avg_25x1_32_25",
    "avg_4x4s4_10_16",
)  # fmt: skip


def _all() -> dict[str, LayerShape]:
    found = [mac(name) for name in (*COMPARED, *MORE)]
    found += [
        mac("conv_3x3s2_3_16_64_zero", zero=128),
        mac("conv_3x3_32_32_12_zero", zero=128),
        mac("conv_3x3_32_32_12_dead", dead=8),
        mac("conv_1x1_32_64_12_dead", dead=16),
        mac("conv_3x3_32_32_12_apart", apart=4),
        mac("conv_3x3_16_16_16_residual", residual=True),
        mac("dw_3x3_32_24_dead", dead=8),
        mac("dw_3x3_32_24_apart", apart=4),
        mac("dw_3x3_32_24_zero", zero=128),
        mac("dw_5x5_32_12_dead", dead=8),
        mac("dense_128_64_apart", apart=4),
        mac("dense_128_64_dead", dead=16),
        mac("dense_640_12_zero", zero=128),
    ]
    found += [pool(name) for name in POOLS]
    found += _others()
    return {shape.name: shape for shape in found}


SHAPES = _all()
"""By name, in the table's order."""
