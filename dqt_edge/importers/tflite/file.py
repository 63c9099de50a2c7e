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

from ...errors import BadFileError, ToolchainError
from ..reading import COUNT_MAX, bad_model, read_bytes
from .options import DEFAULTS, NEEDED, OPTIONS, VECTORS

Option = int | float | str | tuple[int, ...]

TOTAL_MAX = 1_000_000
"""Most of all of them together: tables of a FlatBuffer may be shared."""
SIZE_MAX = 1 << 26
"""Most elements of a tensor."""
RANK_MAX = 8

_DTYPES = {
    "FLOAT32": "<f4",
    "FLOAT16": "<f2",
    "INT8": "i1",
    "UINT8": "u1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "BOOL": "?",
}


@dataclass(frozen=True, eq=False)
class RawTensor:
    """A tensor of the file.

    Attributes:
        shape: As the file says; a dimension that is open counts as 1.
        open: Axes whose size is open.
        scales, zeros: Empty if it is not quantised.
        axis: Along which there are several scales.
        data: Of constants.
        unread: Why the data of a constant cannot be read, or empty.
    """

    index: int
    name: str
    type: str
    shape: tuple[int, ...]
    open: tuple[int, ...]
    scales: npt.NDArray[np.float64]
    zeros: npt.NDArray[np.int64]
    axis: int
    data: npt.NDArray[Any] | None
    unread: str = ""


@dataclass(frozen=True)
class RawOperator:
    """An operator of the file; an input of -1 is absent. ``options`` by the names of the schema.

    ``custom``: the name of a custom operator.
    """

    index: int
    type: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, Option]
    custom: str = ""

    def number(self, name: str) -> int:
        """An option that is an integer; 0 if there is none."""
        return int(self.options.get(name, 0))  # type: ignore[arg-type]

    def real(self, name: str) -> float:
        """An option that is a real number."""
        return float(self.options[name])  # type: ignore[arg-type]

    def numbers(self, name: str) -> tuple[int, ...]:
        """An option that is a list of integers."""
        return tuple(self.options[name])  # type: ignore[arg-type]


@dataclass(frozen=True)
class RawGraph:
    """A subgraph."""

    tensors: tuple[RawTensor, ...]
    operators: tuple[RawOperator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class RawModel:
    """Subgraphs, of which the first is run, and the SHA-256 of the file."""

    graphs: tuple[RawGraph, ...]
    sha256: str


def read_file(path: Path) -> RawModel:
    """Parse a .tflite file.

    Raises:
        BadFileError: Missing, too large, truncated or no FlatBuffer of a model.
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
        raise bad_model("it lacks the identifier TFL3", path)
    try:
        return _Parser(tflite, content, path).model()
    except BadFileError:
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
        raise bad_model(f"it is damaged ({type(error).__name__}: {error})", path) from error
    except (MemoryError, AssertionError) as error:
        raise bad_model("it is damaged", path) from error


def _names(enumeration: Any) -> dict[int, str]:  # noqa: ANN401 - a generated class
    return {value: name for name, value in vars(enumeration).items() if not name.startswith("_")}


class _Parser:
    def __init__(self, schema: Any, content: bytes, path: Path) -> None:  # noqa: ANN401 - the package tflite
        self.schema, self.content, self.path = schema, content, path
        self.types = _names(schema.TensorType)
        self.codes = _names(schema.BuiltinOperator)
        self.left = TOTAL_MAX

    def counted(self, count: int, what: str, most: int = COUNT_MAX) -> range:
        self.left -= max(count, 1)
        if not 0 <= count <= most or self.left < 0:
            raise bad_model(f"it claims {count} {what}", self.path)
        return range(count)

    def model(self) -> RawModel:
        self.file = self.schema.Model.GetRootAsModel(self.content, 0)
        subgraphs = self.counted(self.file.SubgraphsLength(), "subgraphs")
        if not subgraphs:
            raise bad_model("it has no subgraph", self.path)
        return RawModel(tuple(self.graph(i) for i in subgraphs), hashlib.sha256(self.content).hexdigest())

    def graph(self, number: int) -> RawGraph:
        part = self.file.Subgraphs(number)
        tensors = tuple(self.tensor(part, i) for i in self.counted(part.TensorsLength(), "tensors"))
        operators = tuple(self.operator(part, i) for i in self.counted(part.OperatorsLength(), "operators"))
        graph = RawGraph(tensors, operators, self.indices(part, "Inputs"), self.indices(part, "Outputs"))
        used = [*graph.inputs, *graph.outputs, *(i for op in operators for i in (*op.inputs, *op.outputs))]
        if any(not -1 <= i < len(tensors) for i in used) or min(graph.inputs + graph.outputs, default=0) < 0:
            raise bad_model("it refers to a tensor that does not exist", self.path)
        return graph

    def indices(self, table: Any, field: str, most: int = COUNT_MAX) -> tuple[int, ...]:  # noqa: ANN401
        count = self.counted(getattr(table, f"{field}Length")(), "indices", most)
        return tuple(int(getattr(table, field)(i)) for i in count)

    def tensor(self, part: Any, index: int) -> RawTensor:  # noqa: ANN401 - a generated class
        table = part.Tensors(index)
        kind = self.types.get(table.Type(), f"type {table.Type()}")
        signature = self.indices(table, "ShapeSignature", RANK_MAX)
        shape = self.indices(table, "Shape", RANK_MAX)
        opened = tuple(i for i, n in enumerate(signature) if n < 0) if len(signature) == len(shape) else ()
        opened = tuple(sorted({*opened, *(i for i, n in enumerate(shape) if n == -1)}))
        shape = tuple(1 if i in opened else n for i, n in enumerate(shape))
        if any(not 0 <= n <= SIZE_MAX for n in shape) or prod(shape) > SIZE_MAX:
            raise bad_model(f"tensor {index} has shape {shape}", self.path)
        scales, zeros, axis = np.zeros(0), np.zeros(0, np.int64), 0
        quantization = table.Quantization()
        if quantization is not None:
            axis = int(quantization.QuantizedDimension())
            self.counted(quantization.ScaleLength(), "scales")
            self.counted(quantization.ZeroPointLength(), "zero points")
            if quantization.ScaleLength():
                scales = np.array(quantization.ScaleAsNumpy(), np.float64)
            if quantization.ZeroPointLength():
                zeros = np.array(quantization.ZeroPointAsNumpy(), np.int64)
        if len(scales) and (not np.isfinite(scales).all() or (scales <= 0).any()):
            raise bad_model(f"tensor {index} has a scale that is not positive and finite", self.path)
        if len(zeros) not in (0, len(scales)):
            raise bad_model(f"tensor {index} has {len(zeros)} zero points for {len(scales)} scales", self.path)
        name = (table.Name() or b"").decode("utf-8", "replace")
        data, unread = self.constant(table, index, kind, shape)
        return RawTensor(index, name, kind, shape, opened, scales, zeros, axis, data, unread)

    def constant(
        self,
        table: Any,  # noqa: ANN401 - a generated class
        index: int,
        kind: str,
        shape: tuple[int, ...],
    ) -> tuple[npt.NDArray[Any] | None, str]:
        """Data of a constant, or why it has some that cannot be read."""
        number = table.Buffer()
        if number >= self.file.BuffersLength():
            raise bad_model(f"tensor {index} has no buffer", self.path)
        buffer = self.file.Buffers(number)
        size = buffer.DataLength()
        if size == 0:
            return (np.zeros(shape, _DTYPES[kind]) if number and kind in _DTYPES and 0 in shape else None), ""
        if table.Sparsity() is not None:
            return None, "sparse"
        if kind not in _DTYPES:
            return None, kind
        dtype = np.dtype(_DTYPES[kind])
        if size != prod(shape) * dtype.itemsize:
            raise bad_model(f"tensor {index} has {size} bytes for shape {shape} of {kind}", self.path)
        # A view, not a copy: thousands of tensors may share one buffer.
        stored = np.asarray(buffer.DataAsNumpy(), np.uint8).reshape(-1)
        return (stored != 0 if kind == "BOOL" else stored.view(dtype)).reshape(shape), ""

    def operator(self, part: Any, index: int) -> RawOperator:  # noqa: ANN401 - a generated class
        table = part.Operators(index)
        if table.OpcodeIndex() >= self.file.OperatorCodesLength():
            raise bad_model(f"operator {index} has no code", self.path)
        code = self.file.OperatorCodes(table.OpcodeIndex())
        kind = self.codes.get(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()), f"operator {code.BuiltinCode()}")
        custom = (code.CustomCode() or b"").decode("utf-8", "replace")[:80] if kind == "CUSTOM" else ""
        options = self.options(table, index, kind)
        return RawOperator(index, kind, self.indices(table, "Inputs"), self.indices(table, "Outputs"), options, custom)

    def options(self, table: Any, index: int, kind: str) -> dict[str, Option]:  # noqa: ANN401 - a generated class
        if kind not in OPTIONS:
            return {}
        name, fields = OPTIONS[kind]
        union = table.BuiltinOptions()
        if union is None:
            if kind in NEEDED:
                raise bad_model(f"operator {index} ({kind}) has no options", self.path)
            return {field: DEFAULTS.get(field, 0) for field in fields.split()}
        if table.BuiltinOptionsType() != getattr(self.schema.BuiltinOptions, name):
            raise bad_model(f"operator {index} ({kind}) has options of another operator", self.path)
        parsed = getattr(self.schema, name)()
        parsed.Init(union.Bytes, union.Pos)
        return {field: self.option(parsed, field) for field in fields.split()}

    def option(self, parsed: Any, field: str) -> Option:  # noqa: ANN401 - a generated class
        if field in VECTORS:
            return self.indices(parsed, field, RANK_MAX)
        value = getattr(parsed, field)()
        if isinstance(value, bytes) or value is None:
            return (value or b"").decode("utf-8", "replace")
        return float(value) if isinstance(value, float) else int(value)
