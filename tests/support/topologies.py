"""The four topologies of MLPerf Tiny as graphs with random weights: ResNet-8, DS-CNN, MobileNetV1-0.25, autoencoder.

Shapes are those of the reference models of mlcommons/tiny. Instruction counts hardly depend on the values of weights,
so random ones with a fixed seed serve until models can be imported. Stem and classifier stay at 8 bits; the autoencoder
narrows everywhere.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable

import numpy as np

from dqt_edge.graph import (
    AveragePool2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Graph,
    Layer,
    Pair,
    Requantize,
    Tensor,
    Window,
    nested,
)

CANDIDATES: tuple[Pair, ...] = ((8, 8), (4, 4), (2, 4))
FIXED: tuple[Pair, ...] = ((8, 8),)


class Network:
    """A growing chain of layers; ``last`` is the tensor that the next layer reads unless told otherwise."""

    def __init__(self, name: str, shape: tuple[int, int, int]) -> None:
        self.name = name
        self.rng = np.random.default_rng(zlib.crc32(name.encode()))
        self.tensors = [Tensor("input", shape, 0.02)]
        self.layers: list[Layer] = []

    @property
    def last(self) -> Tensor:
        """The newest tensor."""
        return self.tensors[-1]

    def graph(self) -> Graph:
        """All of it."""
        return Graph(self.name, tuple(self.tensors), tuple(self.layers), "input", self.last.name)

    def _weights(self, *shape: int) -> np.ndarray:
        return self.rng.integers(-128, 128, shape).astype(np.int8)

    def _scaling(self, channels: int, depth: int) -> tuple[np.ndarray, Requantize]:
        """Biases and multipliers under which codes spread over 0..255: weights and codes have an RMS near 74."""
        gain = 100 / (74 * 74 * math.sqrt(depth)) * np.exp(self.rng.normal(0, 0.1, channels))
        pairs = [nested.quantize_multiplier(float(value)) for value in gain]
        bias = self.rng.integers(-(40 << 8), 40 << 8, channels).astype(np.int32)
        return bias, Requantize(np.array([p[0] for p in pairs], np.int32), np.array([p[1] for p in pairs], np.uint8))

    def _add(self, layer: Layer, shape: tuple[int, int, int]) -> Tensor:
        self.layers.append(layer)
        self.tensors.append(Tensor(layer.output, shape, 0.02))
        return self.last

    def conv(
        self,
        channels: int,
        kernel: tuple[int, int] = (3, 3),
        stride: int = 1,
        candidates: tuple[Pair, ...] = CANDIDATES,
        source: Tensor | None = None,
        residual: Tensor | None = None,
    ) -> Tensor:
        """A convolution with ``same`` padding and ReLU."""
        x = source or self.last
        window = Window.same(x.shape[:2], kernel, (stride, stride))
        weights = self._weights(channels, *kernel, x.shape[2])
        bias, requantize = self._scaling(channels, weights[0].size)
        multiplier = None
        if residual is not None:
            multiplier = np.round(1.0 / (requantize.multiplier / 2.0**31)).astype(np.int32)
        name = f"conv{len(self.layers)}"
        layer = Conv2D(
            name,
            x.name,
            f"{name}.out",
            weights,
            bias,
            requantize,
            candidates,
            window,
            None if residual is None else residual.name,
            multiplier,
        )
        return self._add(layer, (*window.output_size(*x.shape[:2]), channels))

    def depthwise(self, stride: int = 1) -> Tensor:
        """A 3x3 depthwise convolution with ``same`` padding and ReLU."""
        x = self.last
        window = Window.same(x.shape[:2], (3, 3), (stride, stride))
        bias, requantize = self._scaling(x.shape[2], 9)
        name = f"depthwise{len(self.layers)}"
        weights = self._weights(x.shape[2], 3, 3)
        layer = DepthwiseConv2D(name, x.name, f"{name}.out", weights, bias, requantize, CANDIDATES, window)
        return self._add(layer, (*window.output_size(*x.shape[:2]), x.shape[2]))

    def pool(self) -> Tensor:
        """Global average pooling."""
        x = self.last
        count = x.shape[0] * x.shape[1]
        m, r = nested.quantize_multiplier(1 / count)
        requantize = Requantize(np.array([m], np.int32), np.array([r], np.uint8))
        layer = AveragePool2D(
            "pool", x.name, "pool.out", Window(x.shape[:2]), (count,), np.zeros(1, np.int32), requantize
        )
        return self._add(layer, (1, 1, x.shape[2]))

    def dense(self, channels: int, candidates: tuple[Pair, ...] = FIXED) -> Tensor:
        """A fully connected layer."""
        x = self.last
        weights = self._weights(channels, x.size)
        bias, requantize = self._scaling(channels, x.size)
        name = f"dense{len(self.layers)}"
        layer = Dense(name, x.name, f"{name}.out", weights, bias, requantize, candidates)
        return self._add(layer, (1, 1, channels))


def resnet8() -> Graph:
    """ResNet-8 on CIFAR-10: 32x32x3, 12,501,632 MAC."""
    net = Network("resnet8", (32, 32, 3))
    x = net.conv(16, candidates=FIXED)
    for channels, stride in ((16, 1), (32, 2), (64, 2)):
        net.conv(channels, stride=stride, source=x)
        inner = net.last
        shortcut = x if stride == 1 else net.conv(channels, (1, 1), stride, source=x)
        x = net.conv(channels, source=inner, residual=shortcut)
    net.pool()
    net.dense(10)
    return net.graph()


def dscnn() -> Graph:
    """DS-CNN on Speech Commands: 49x10x1, 2,656,768 MAC."""
    net = Network("dscnn", (49, 10, 1))
    net.conv(64, (10, 4), 2, FIXED)
    for _ in range(4):
        net.depthwise()
        net.conv(64, (1, 1))
    net.pool()
    net.dense(12)
    return net.graph()


def vww() -> Graph:
    """MobileNetV1 0.25 on Visual Wake Words: 96x96x3, 7,489,664 MAC."""
    net = Network("vww", (96, 96, 3))
    net.conv(8, stride=2, candidates=FIXED)
    blocks = [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1)]
    for channels, stride in blocks:
        net.depthwise(stride)
        net.conv(channels, (1, 1))
    net.pool()
    net.dense(2)
    return net.graph()


def autoencoder() -> Graph:
    """The anomaly detector: 640 values, 264,192 MAC."""
    net = Network("ad", (1, 1, 640))
    for channels in (128, 128, 128, 128, 8, 128, 128, 128, 128, 640):
        net.dense(channels, CANDIDATES)
    return net.graph()


TOPOLOGIES: dict[str, Callable[[], Graph]] = {"resnet8": resnet8, "dscnn": dscnn, "vww": vww, "ad": autoencoder}
"""Name in the tables -> graph."""
