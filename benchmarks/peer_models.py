"""The benchmark's topologies as .tflite files, with which peers are measured: same shapes, random int8 weights.

Counts hardly depend on the values. Of the limits of BakeNN's importer, these files respect all: no shape signatures, no
softmax, pooling with a window, a reshape before the classifier.
"""

from __future__ import annotations

import math

import numpy as np

from dqt_edge.graph import AveragePool2D, Conv2D, Dense, DepthwiseConv2D, Graph, Layer, MaxPool2D, Shape, Window
from tests.support.tflite_models import DILATION, WINDOW, ModelFile

SCALE, ZERO, RELU = 0.02, -128, 1


SAME, VALID = 0, 1


def padding(window: Window, shape: Shape) -> int | None:
    """TFLite's word for the padding of a window on an input; None if it has none."""
    if window.padding == (0, 0, 0, 0):
        return VALID
    return SAME if window == Window.same(shape[:2], window.kernel, window.stride) else None


class PeerModel:
    """Walks a graph of :mod:`benchmarks.topologies`, and writes the same network in TFLite's operators."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.file = ModelFile(any_batch=False)
        source = graph.tensor(graph.input)
        shape: tuple[int, ...] = (1, source.size) if isinstance(graph.layers[0], Dense) else (1, *source.shape)
        self.tensors = {graph.input: self.file.tensor(shape, scale=SCALE, zero=ZERO)}
        self.shapes: dict[str, tuple[int, ...]] = {graph.input: shape}
        for layer in graph.layers:
            self._add(layer)

    def encode(self) -> bytes:
        """The file."""
        return bytes(self.file.encode())

    def _edge(self, name: str, shape: tuple[int, ...]) -> int:
        number = int(self.file.tensor(shape, scale=SCALE, zero=ZERO))
        self.tensors[name], self.shapes[name] = number, shape
        return number

    def _weights(self, values: np.ndarray, axis: int, depth: int, channels: int) -> list[int]:
        """Weights and bias; one scale for a dense layer (axis -1), else one a channel."""
        scale = 100 / (74 * 74 * math.sqrt(depth))
        scales = scale if axis < 0 else np.full(channels, scale)
        weights = self.file.tensor(values.shape, scale=scales, data=np.maximum(values, -127), axis=max(axis, 0))
        biases = np.float32(SCALE) * np.asarray(scales, np.float32)
        zeros = np.zeros(channels, np.int32)
        return [weights, self.file.tensor((channels,), "INT32", scale=biases, data=zeros)]

    def _padding(self, layer: Conv2D | DepthwiseConv2D | AveragePool2D | MaxPool2D) -> int:
        found = padding(layer.window, self.graph.tensor(layer.input).shape)
        assert found is not None, layer.name
        return found

    def _add(self, layer: Layer) -> None:
        m, source = self.file, self.tensors[layer.inputs[0]]
        if isinstance(layer, (Conv2D, DepthwiseConv2D)):
            shape = (1, *self.graph.tensor(layer.output).shape)
            kind, values, axis, extra = "CONV_2D", layer.weights, 0, {}
            if isinstance(layer, DepthwiseConv2D):
                kind, values, axis = "DEPTHWISE_CONV_2D", layer.weights.transpose(1, 2, 0)[None], 3
                extra = {"DepthMultiplier": 1}
            operands = [source, *self._weights(values, axis, layer.by_channel.shape[1], layer.channels)]
            height, width = layer.window.stride
            stride = {"StrideH": height, "StrideW": width, "Padding": self._padding(layer)}
            residual = layer.residual if isinstance(layer, Conv2D) else None
            options = WINDOW | DILATION | stride | extra
            if residual is None:
                m.op(kind, operands, self._edge(layer.output, shape), **options, FusedActivationFunction=RELU)
                return
            inner = m.op(kind, operands, m.tensor(shape, scale=SCALE, zero=ZERO), **options)
            operands = [inner, self.tensors[residual]]
            m.op("ADD", operands, self._edge(layer.output, shape), FusedActivationFunction=RELU)
        elif isinstance(layer, AveragePool2D | MaxPool2D):
            options = dict(zip(("FilterHeight", "FilterWidth"), layer.window.kernel, strict=True))
            options |= dict(zip(("StrideH", "StrideW"), layer.window.stride, strict=True))
            kind = "MAX_POOL_2D" if isinstance(layer, MaxPool2D) else "AVERAGE_POOL_2D"
            target = self._edge(layer.output, (1, *self.graph.tensor(layer.output).shape))
            m.op(kind, [source], target, **options, Padding=self._padding(layer))
        else:
            assert isinstance(layer, Dense)
            if len(self.shapes[layer.input]) == 4:
                flat = (1, math.prod(self.shapes[layer.input]))
                shape = m.tensor((2,), "INT32", data=np.array(flat, np.int32))
                source = m.op("RESHAPE", [source, shape], m.tensor(flat, scale=SCALE, zero=ZERO))
            operands = [source, *self._weights(layer.weights, -1, layer.weights.shape[1], layer.channels)]
            last = layer is self.graph.layers[-1]
            m.op(
                "FULLY_CONNECTED",
                operands,
                self._edge(layer.output, (1, layer.channels)),
                FusedActivationFunction=0 if last else RELU,
            )
