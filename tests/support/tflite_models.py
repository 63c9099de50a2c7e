"""Writes small .tflite files without TensorFlow: the schema's own builder, one operator after another."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import tflite

OPTIONS = {
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "ADD": "AddOptions",
    "MUL": "MulOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "MEAN": "ReducerOptions",
    "REDUCE_MAX": "ReducerOptions",
    "SOFTMAX": "SoftmaxOptions",
    "RESHAPE": "ReshapeOptions",
    "CONCATENATION": "ConcatenationOptions",
    "SQUEEZE": "SqueezeOptions",
    "BATCH_MATMUL": "BatchMatMulOptions",
    "SQUARED_DIFFERENCE": "SquaredDifferenceOptions",
    "CALL_ONCE": "CallOnceOptions",
}
VERSIONS = {
    **dict.fromkeys(("RELU_N1_TO_1", "RESHAPE", "RANK", "RANGE", "FILL", "SUB", "ELU"), 1),
    **{"CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 4},
}
DTYPES = {"INT8": np.int8, "INT16": np.int16, "UINT8": np.uint8, "INT32": np.int32, "FLOAT32": np.float32}
WINDOW = {"StrideH": 1, "StrideW": 1, "Padding": 0}
DILATION = {"DilationHFactor": 1, "DilationWFactor": 1}


@dataclasses.dataclass
class ModelFile:
    """A model that grows by :meth:`tensor` and :meth:`op`; its output is that of the last operator.

    ``any_batch``: tensors say, as converters write it, that their first dimension may be anything. ``outputs``: None
    for those of the last operator. ``codes`` and ``custom``: another number, or a name of its own, for a kind.
    A tensor may have a ``buffer`` or a ``type`` of another number.
    """

    tensors: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    ops: list[tuple[str, list[int], list[int], dict[str, Any]]] = dataclasses.field(default_factory=list)
    inputs: list[int] = dataclasses.field(default_factory=lambda: [0])
    any_batch: bool = True
    outputs: list[int] | None = None
    codes: dict[str, int] = dataclasses.field(default_factory=dict)
    custom: dict[str, bytes] = dataclasses.field(default_factory=dict)

    def tensor(
        self,
        shape: tuple[int, ...],
        kind: str = "INT8",
        scale: Any = None,
        zero: Any = 0,
        data: Any = None,
        axis: int = 0,
    ) -> int:
        scales = [] if scale is None else np.atleast_1d(scale).tolist()
        zeros = np.broadcast_to(zero, len(scales)).tolist()
        values = None if data is None else np.asarray(data, DTYPES[kind])
        self.tensors.append(
            {"shape": shape, "kind": kind, "scales": scales, "zeros": zeros, "data": values, "axis": axis}
        )
        return len(self.tensors) - 1

    def op(self, kind: str, inputs: list[int], output: int, **options: Any) -> int:
        self.ops.append((kind, inputs, [output], options))
        return output

    def write(self, path: Path) -> Path:
        path.write_bytes(self.encode())
        return path

    def encode(self) -> bytes:
        b = flatbuffers.Builder(1024)
        buffers = [self._buffer(b, None), *(self._buffer(b, t["data"]) for t in self.tensors)]
        tensors = [self._tensor(b, i, t) for i, t in enumerate(self.tensors)]
        kinds = sorted({op[0] for op in self.ops})
        operators = [self._operator(b, kinds, *op) for op in self.ops]
        codes = []
        for kind in kinds:
            number = getattr(tflite.BuiltinOperator, kind)
            name = None
            if kind in self.custom:
                number, name = tflite.BuiltinOperator.CUSTOM, b.CreateString(self.custom[kind])
            number = self.codes.get(kind, number)
            tflite.OperatorCodeStart(b)
            if name is not None:
                tflite.OperatorCodeAddCustomCode(b, name)
            tflite.OperatorCodeAddDeprecatedBuiltinCode(b, min(number, 127))
            tflite.OperatorCodeAddBuiltinCode(b, number)
            tflite.OperatorCodeAddVersion(b, VERSIONS.get(kind, 2))
            codes.append(tflite.OperatorCodeEnd(b))
        parts = {
            "Tensors": _offsets(b, tensors),
            "Inputs": b.CreateNumpyVector(np.array(self.inputs, np.int32)),
            "Outputs": b.CreateNumpyVector(
                np.array(self.ops[-1][2] if self.outputs is None else self.outputs, np.int32)
            ),
            "Operators": _offsets(b, operators),
        }
        tflite.SubGraphStart(b)
        for name, value in parts.items():
            getattr(tflite, f"SubGraphAdd{name}")(b, value)
        graph = tflite.SubGraphEnd(b)
        parts = {
            "OperatorCodes": _offsets(b, codes),
            "Subgraphs": _offsets(b, [graph]),
            "Buffers": _offsets(b, buffers),
        }
        tflite.ModelStart(b)
        tflite.ModelAddVersion(b, 3)
        for name, value in parts.items():
            getattr(tflite, f"ModelAdd{name}")(b, value)
        b.Finish(tflite.ModelEnd(b), b"TFL3")
        return bytes(b.Output())

    def _buffer(self, b: Any, data: Any) -> int:
        content = None if data is None else b.CreateNumpyVector(np.frombuffer(data.tobytes(), np.uint8))
        tflite.BufferStart(b)
        if content is not None:
            tflite.BufferAddData(b, content)
        return int(tflite.BufferEnd(b))

    def _tensor(self, b: Any, index: int, t: dict[str, Any]) -> int:
        name = b.CreateString(f"part/tensor_{index};other/tensor_{index}")
        shape = b.CreateNumpyVector(np.array(t["shape"], np.int32))
        signature = b.CreateNumpyVector(np.array(t.get("signature", [-1, *t["shape"][1:]]), np.int32))
        quantization = None
        if t["scales"]:
            scales = b.CreateNumpyVector(np.array(t["scales"], np.float32))
            zeros = b.CreateNumpyVector(np.array(t["zeros"], np.int64))
            tflite.QuantizationParametersStart(b)
            tflite.QuantizationParametersAddScale(b, scales)
            tflite.QuantizationParametersAddZeroPoint(b, zeros)
            tflite.QuantizationParametersAddQuantizedDimension(b, t["axis"])
            quantization = tflite.QuantizationParametersEnd(b)
        tflite.TensorStart(b)
        tflite.TensorAddName(b, name)
        tflite.TensorAddShape(b, shape)
        if t["data"] is None and self.any_batch:
            tflite.TensorAddShapeSignature(b, signature)
        tflite.TensorAddType(b, t.get("type", getattr(tflite.TensorType, t["kind"])))
        tflite.TensorAddBuffer(b, t.get("buffer", 0 if t["data"] is None else index + 1))
        if quantization is not None:
            tflite.TensorAddQuantization(b, quantization)
        return int(tflite.TensorEnd(b))

    def _operator(
        self, b: Any, kinds: list[str], kind: str, inputs: list[int], outputs: list[int], options: dict[str, Any]
    ) -> int:
        made = None
        if kind in OPTIONS:
            name = OPTIONS[kind]
            getattr(tflite, f"{name}Start")(b)
            for field, value in options.items():
                getattr(tflite, f"{name}Add{field}")(b, value)
            made = getattr(tflite, f"{name}End")(b)
        first = b.CreateNumpyVector(np.array(inputs, np.int32))
        second = b.CreateNumpyVector(np.array(outputs, np.int32))
        tflite.OperatorStart(b)
        tflite.OperatorAddOpcodeIndex(b, kinds.index(kind))
        tflite.OperatorAddInputs(b, first)
        tflite.OperatorAddOutputs(b, second)
        if made is not None:
            tflite.OperatorAddBuiltinOptionsType(b, getattr(tflite.BuiltinOptions, OPTIONS[kind]))
            tflite.OperatorAddBuiltinOptions(b, made)
        return int(tflite.OperatorEnd(b))


def _offsets(b: Any, items: list[int]) -> int:
    b.StartVector(4, len(items), 4)
    for item in reversed(items):
        b.PrependUOffsetTRelative(item)
    return int(b.EndVector())


def joined_network(kind: str = "INT8", seed: int = 1) -> ModelFile:
    """Concatenations along all axes, constants for each channel, a global maximum, and a computed shape.

    TFLite joins int8 tensors of one scale only; of uint8 tensors it changes the scales.
    """
    rng = np.random.default_rng(seed)
    integer = kind != "FLOAT32"
    offset = 0 if kind == "INT8" else 128
    m = ModelFile()

    def edge(shape: tuple[int, ...], scale: float, zero: int) -> int:
        return m.tensor(shape, kind, scale if integer else None, zero + offset)

    def constant(channels: int, low: int, high: int, scale: float) -> int:
        codes = rng.integers(low, high, (channels,))
        if not integer:
            return m.tensor((channels,), kind, data=codes * scale)
        return m.tensor((channels,), kind, scale, 3 + offset, codes + offset)

    other = 0.03 if kind == "UINT8" else 0.02
    x = edge((1, 5, 4, 3), 0.02, -11)
    lone = m.op("RELU", [x], edge((1, 5, 4, 3), other, -11 if other == 0.02 else -128))
    both = m.op("CONCATENATION", [x, lone, x], edge((1, 5, 4, 9), 0.02, -11), Axis=3)
    scaled = m.op("MUL", [both, constant(9, -100, 100, 0.01)], edge((1, 5, 4, 9), 0.02, 5))
    moved = edge((1, 5, 4, 9), 0.02, -128)
    m.op("ADD", [scaled, constant(9, -100, 100, 0.02)], moved, FusedActivationFunction=1)
    tall = m.op("CONCATENATION", [moved, moved], edge((1, 10, 4, 9), 0.02, -128), Axis=1)
    wide = m.op("CONCATENATION", [tall, tall], edge((1, 10, 8, 9), 0.02, -128), Axis=-2)
    axes = m.tensor((2,), "INT32", data=[1, 2])
    most = m.op("REDUCE_MAX", [wide, axes], edge((1, 9), 0.02, -128), KeepDims=False)
    mean = m.op("MEAN", [both, axes], edge((1, 9), 0.02, -128), KeepDims=False)
    m.op("CONCATENATION", [most, mean], edge((1, 18), 0.02, -128), Axis=1)
    return m


def small_network(kind: str = "INT8", seed: int = 1) -> ModelFile:
    """Every supported operator: pad, conv, depthwise, add, max and average pooling, mean, reshape, dense, softmax."""
    rng = np.random.default_rng(seed)
    integer = kind != "FLOAT32"
    offset = 0 if kind == "INT8" else 128
    m = ModelFile()

    def edge(shape: tuple[int, ...], scale: float, zero: int) -> int:
        return m.tensor(shape, kind, scale if integer else None, zero + offset)

    def weights(shape: tuple[int, ...], axis: int, spread: float) -> int:
        if not integer:
            return m.tensor(shape, kind, data=rng.normal(0, spread * 50, shape))
        values = rng.integers(-127, 128, shape) + offset
        if kind == "UINT8":
            return m.tensor(shape, kind, spread, 128, values)
        return m.tensor(shape, kind, rng.uniform(0.5, 1.5, shape[axis]) * spread, 0, values, axis)

    def bias(channels: int, spread: int) -> int:
        if not integer:
            return m.tensor((channels,), kind, data=rng.normal(0, 0.1, channels))
        return m.tensor((channels,), "INT32", 1e-4, 0, rng.integers(-spread, spread, channels))

    x = edge((1, 9, 7, 3), 0.02, -11)
    pads = m.tensor((4, 2), "INT32", data=[[0, 0], [1, 0], [0, 1], [0, 0]])
    y = m.op("PAD", [x, pads], edge((1, 10, 8, 3), 0.02, -11))
    conv = edge((1, 5, 4, 8), 0.03, -128)
    y = m.op(
        "CONV_2D",
        [y, weights((8, 3, 3, 3), 0, 0.004), bias(8, 2000)],
        conv,
        **WINDOW | DILATION | {"StrideH": 2, "StrideW": 2, "FusedActivationFunction": 1},
    )
    deep = edge((1, 5, 4, 8), 0.05, 7)
    m.op(
        "DEPTHWISE_CONV_2D",
        [y, weights((1, 3, 3, 8), 3, 0.004), bias(8, 900)],
        deep,
        **WINDOW | DILATION | {"DepthMultiplier": 1},
    )
    total = m.op("ADD", [conv, deep], edge((1, 5, 4, 8), 0.06, -128), FusedActivationFunction=1)
    largest = m.op("MAX_POOL_2D", [total], edge((1, 4, 3, 8), 0.06, -128), **WINDOW, FilterHeight=2, FilterWidth=2)
    m.ops[-1][3]["Padding"] = 1
    mean = m.op("AVERAGE_POOL_2D", [largest], edge((1, 4, 3, 8), 0.06, -128), **WINDOW, FilterHeight=3, FilterWidth=3)
    lone = m.op("RELU6", [mean], edge((1, 4, 3, 8), 0.06, -128))
    axes = m.tensor((2,), "INT32", data=[1, 2])
    whole = m.op("MEAN", [lone, axes], edge((1, 1, 1, 8), 0.04, -120), KeepDims=True)
    shape = m.tensor((2,), "INT32", data=[1, 8])
    flat = m.op("RESHAPE", [whole, shape], edge((1, 8), 0.04, -120))
    logits = edge((1, 5), 0.05, 3)
    m.op("FULLY_CONNECTED", [flat, weights((5, 8), 0, 0.01), bias(5, 500)], logits)
    m.op("SOFTMAX", [logits], edge((1, 5), 1 / 256, -128), Beta=1.0)
    return m
