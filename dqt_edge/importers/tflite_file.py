"""Reads a .tflite FlatBuffer into plain values. Whatever the bytes are, the result is a model or a BadFileError."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import BadFileError, ToolchainError, UnsupportedError

FILE_MAX = 256 << 20
COUNT_MAX = 10_000
"""Most tensors, operators, buffers or dimensions: a count in a hostile file must not become a loop."""

_DTYPES = {"FLOAT32": "<f4", "INT8": "i1", "UINT8": "u1", "INT32": "<i4", "INT64": "<i8", "INT16": "<i2"}
_OPTIONS = {
    "CONV_2D": (
        "Conv2DOptions",
        "Padding StrideH StrideW DilationHFactor DilationWFactor FusedActivationFunction",
    ),
    "DEPTHWISE_CONV_2D": (
        "DepthwiseConv2DOptions",
        "Padding StrideH StrideW DilationHFactor DilationWFactor FusedActivationFunction",
    ),
    "FULLY_CONNECTED": ("FullyConnectedOptions", "FusedActivationFunction WeightsFormat"),
    "ADD": ("AddOptions", "FusedActivationFunction"),
    "MUL": ("MulOptions", "FusedActivationFunction"),
    "CONCATENATION": ("ConcatenationOptions", "Axis FusedActivationFunction"),
    "AVERAGE_POOL_2D": (
        "Pool2DOptions",
        "Padding StrideH StrideW FilterHeight FilterWidth FusedActivationFunction",
    ),
    "MAX_POOL_2D": (
        "Pool2DOptions",
        "Padding StrideH StrideW FilterHeight FilterWidth FusedActivationFunction",
    ),
}


@dataclass(frozen=True, eq=False)
class RawTensor:
    """A tensor of the file. ``scales`` and ``zeros`` are empty if it is not quantised; ``data`` only of constants."""

    index: int
    name: str
    type: str
    shape: tuple[int, ...]
    scales: npt.NDArray[np.float64]
    zeros: npt.NDArray[np.int64]
    data: npt.NDArray[Any] | None


@dataclass(frozen=True)
class RawOperator:
    """An operator of the file; an input of -1 is absent. ``options`` by the names of the schema."""

    index: int
    type: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, int]


@dataclass(frozen=True)
class RawModel:
    """The one subgraph of a model."""

    tensors: tuple[RawTensor, ...]
    operators: tuple[RawOperator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    sha256: str


def _bad(reason: str, path: Path) -> BadFileError:
    return BadFileError(
        f"not a usable .tflite model: {reason}",
        where=str(path),
        next_step="copy the file again, or convert it anew",
    )


def read_bytes(path: Path) -> bytes:
    """Content of a model file; raises BadFileError if it is missing or larger than 256 MiB."""
    try:
        if path.stat().st_size > FILE_MAX:
            raise _bad(f"it is larger than {FILE_MAX} bytes", path)
        return path.read_bytes()
    except OSError as error:
        raise BadFileError(
            f"cannot read the model: {error.strerror or error}", where=str(path), next_step="check the path"
        ) from error


def read_file(path: Path) -> RawModel:
    """Parse a .tflite file.

    Raises:
        BadFileError: Missing, too large, truncated or no FlatBuffer of a model.
        UnsupportedError: More than one subgraph.
        ToolchainError: The parser's package is not installed.
    """
    content = read_bytes(path)
    try:
        import tflite  # noqa: PLC0415 - an optional dependency
    except ImportError as error:
        raise ToolchainError(
            f"reading .tflite files needs the package tflite ({error})",
            where=str(path),
            next_step="run: pip install 'dqt-edge[import]'",
        ) from error
    if content[4:8] != b"TFL3":
        raise _bad("it lacks the identifier TFL3", path)
    try:
        return _Parser(tflite, content, path).model()
    except (BadFileError, UnsupportedError):
        raise
    except (
        struct.error,
        IndexError,
        TypeError,
        ValueError,
        KeyError,
        OverflowError,
        AttributeError,
    ) as error:
        raise _bad(f"it is damaged ({type(error).__name__}: {error})", path) from error
    except (MemoryError, AssertionError) as error:
        raise _bad("it is damaged", path) from error


def _names(enumeration: Any) -> dict[int, str]:  # noqa: ANN401 - a generated class
    return {value: name for name, value in vars(enumeration).items() if not name.startswith("_")}


class _Parser:
    def __init__(self, schema: Any, content: bytes, path: Path) -> None:  # noqa: ANN401 - the package tflite
        self.schema, self.content, self.path = schema, content, path
        self.types = _names(schema.TensorType)
        self.codes = _names(schema.BuiltinOperator)

    def counted(self, count: int, what: str) -> range:
        if not 0 <= count <= COUNT_MAX:
            raise _bad(f"it claims {count} {what}", self.path)
        return range(count)

    def model(self) -> RawModel:
        self.file = self.schema.Model.GetRootAsModel(self.content, 0)
        subgraphs = self.file.SubgraphsLength()
        if subgraphs != 1:
            raise UnsupportedError(
                f"the model has {subgraphs} subgraphs",
                where=str(self.path),
                next_step="convert it without control flow, so that it has one subgraph",
            )
        part = self.file.Subgraphs(0)
        tensors = tuple(self.tensor(part, i) for i in self.counted(part.TensorsLength(), "tensors"))
        operators = tuple(self.operator(part, i) for i in self.counted(part.OperatorsLength(), "operators"))
        model = RawModel(
            tensors,
            operators,
            self.indices(part, "Inputs"),
            self.indices(part, "Outputs"),
            hashlib.sha256(self.content).hexdigest(),
        )
        used = [*model.inputs, *model.outputs, *(i for op in operators for i in (*op.inputs, *op.outputs))]
        if any(not -1 <= i < len(tensors) for i in used) or min(model.inputs + model.outputs, default=0) < 0:
            raise _bad("it refers to a tensor that does not exist", self.path)
        return model

    def indices(self, table: Any, field: str) -> tuple[int, ...]:  # noqa: ANN401 - a generated class
        count = self.counted(getattr(table, f"{field}Length")(), "indices")
        return tuple(int(getattr(table, field)(i)) for i in count)

    def tensor(self, part: Any, index: int) -> RawTensor:  # noqa: ANN401 - a generated class
        table = part.Tensors(index)
        kind = self.types.get(table.Type(), f"type {table.Type()}")
        shape = self.indices(table, "Shape")
        if len(shape) > 8 or any(not 0 <= n <= FILE_MAX for n in shape) or prod(shape) > FILE_MAX:
            raise _bad(f"tensor {index} has shape {shape}", self.path)
        scales, zeros = np.zeros(0), np.zeros(0, np.int64)
        quantization = table.Quantization()
        if quantization is not None:
            self.counted(quantization.ScaleLength(), "scales")
            self.counted(quantization.ZeroPointLength(), "zero points")
            if quantization.ScaleLength():
                scales = np.array(quantization.ScaleAsNumpy(), np.float64)
            if quantization.ZeroPointLength():
                zeros = np.array(quantization.ZeroPointAsNumpy(), np.int64)
        if len(scales) and (not np.isfinite(scales).all() or (scales <= 0).any()):
            raise _bad(f"tensor {index} has a scale that is not positive and finite", self.path)
        if len(zeros) not in (0, len(scales)):
            raise _bad(f"tensor {index} has {len(zeros)} zero points for {len(scales)} scales", self.path)
        name = (table.Name() or b"").decode("utf-8", "replace")
        return RawTensor(index, name, kind, shape, scales, zeros, self.constant(table, index, kind, shape))

    def constant(
        self,
        table: Any,  # noqa: ANN401 - a generated class
        index: int,
        kind: str,
        shape: tuple[int, ...],
    ) -> npt.NDArray[Any] | None:
        number = table.Buffer()
        if number >= self.file.BuffersLength():
            raise _bad(f"tensor {index} has no buffer", self.path)
        buffer = self.file.Buffers(number)
        size = buffer.DataLength()
        if size == 0 or kind not in _DTYPES:
            return None
        dtype = np.dtype(_DTYPES[kind])
        if size != prod(shape) * dtype.itemsize or table.Sparsity() is not None:
            raise _bad(f"tensor {index} has {size} bytes for shape {shape} of {kind}, or is sparse", self.path)
        return np.frombuffer(np.asarray(buffer.DataAsNumpy(), np.uint8).tobytes(), dtype).reshape(shape)

    def operator(self, part: Any, index: int) -> RawOperator:  # noqa: ANN401 - a generated class
        table = part.Operators(index)
        if table.OpcodeIndex() >= self.file.OperatorCodesLength():
            raise _bad(f"operator {index} has no code", self.path)
        code = self.file.OperatorCodes(table.OpcodeIndex())
        kind = self.codes.get(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()), f"operator {code.BuiltinCode()}")
        options: dict[str, int] = {}
        union = table.BuiltinOptions()
        if kind in _OPTIONS and union is not None:
            name, fields = _OPTIONS[kind]
            parsed = getattr(self.schema, name)()
            parsed.Init(union.Bytes, union.Pos)
            options = {field: int(getattr(parsed, field)()) for field in fields.split()}
        elif kind in _OPTIONS:
            raise _bad(f"operator {index} ({kind}) has no options", self.path)
        return RawOperator(index, kind, self.indices(table, "Inputs"), self.indices(table, "Outputs"), options)
