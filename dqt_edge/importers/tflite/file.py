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

_TENSOR_NAME, _CUSTOM_CODE = 10, 6
"""Fields of text, by their place in a table of fields."""

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
    parser = _Parser(tflite, content, path)
    try:
        return parser.model()
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
        raise bad_model(f"{parser.at} is damaged ({type(error).__name__}: {error})", path) from error
    except (MemoryError, AssertionError) as error:
        raise bad_model(f"{parser.at} is damaged", path) from error


def _names(enumeration: Any) -> dict[int, str]:  # noqa: ANN401 - a generated class
    return {value: name for name, value in vars(enumeration).items() if not name.startswith("_")}


class _Parser:
    def __init__(self, schema: Any, content: bytes, path: Path) -> None:  # noqa: ANN401 - the package tflite
        self.schema, self.content, self.path = schema, content, path
        self.types = _names(schema.TensorType)
        self.codes = _names(schema.BuiltinOperator)
        self.left = TOTAL_MAX
        self.at = "the model"
        """What is read, for messages."""

    def bad(self, reason: str) -> BadFileError:
        """The error of what is read."""
        return bad_model(f"{self.at} {reason}", self.path)

    def counted(self, count: int, what: str, most: int = COUNT_MAX) -> range:
        self.left -= max(count, 1)
        if not 0 <= count <= most or self.left < 0:
            raise self.bad(f"claims {count} {what}")
        return range(count)

    def model(self) -> RawModel:
        self.file = self.schema.Model.GetRootAsModel(self.content, 0)
        subgraphs = self.counted(self.file.SubgraphsLength(), "subgraphs")
        if not subgraphs:
            raise bad_model("it has no subgraph", self.path)
        return RawModel(tuple(self.graph(i) for i in subgraphs), hashlib.sha256(self.content).hexdigest())

    def graph(self, number: int) -> RawGraph:
        self.at = graph_name = f"subgraph {number}"
        part = self.file.Subgraphs(number)
        tensors = []
        for i in self.counted(part.TensorsLength(), "tensors"):
            self.at = f"tensor {i} of {graph_name}"
            tensors.append(self.tensor(part, i))
        self.at = graph_name
        operators = []
        for i in self.counted(part.OperatorsLength(), "operators"):
            self.at = f"operator {i} of {graph_name}"
            operators.append(self.operator(part, i))
            self.require_tensors("inputs", operators[-1].inputs, -1, len(tensors))
            self.require_tensors("outputs", operators[-1].outputs, 0, len(tensors))
        self.at = graph_name
        graph = RawGraph(tuple(tensors), tuple(operators), self.indices(part, "Inputs"), self.indices(part, "Outputs"))
        self.require_tensors("inputs", graph.inputs, 0, len(tensors))
        self.require_tensors("outputs", graph.outputs, 0, len(tensors))
        self.require_one_maker(graph)
        return graph

    def require_tensors(self, what: str, indices: tuple[int, ...], least: int, count: int) -> None:
        """Refuse indices of tensors that are not there; ``least`` -1: one may be absent."""
        wrong = [i for i in indices if not least <= i < count]
        if wrong:
            raise self.bad(f"has tensor {wrong[0]} among its {what}, and there are {count}")

    def require_one_maker(self, graph: RawGraph) -> None:
        """Refuse tensors that are made twice, an input and made, or made though they are constants."""
        twice = next((i for i in graph.inputs if graph.inputs.count(i) > 1), None)
        if twice is not None:
            raise self.bad(f"has tensor {twice} twice among its inputs")
        makers = dict.fromkeys(graph.inputs, f"is an input of {self.at}")
        makers |= {t.index: "is a constant" for t in graph.tensors if t.data is not None and t.data.size}
        constant = next((i for i in graph.inputs if makers[i] == "is a constant"), None)
        if constant is not None:
            raise self.bad(f"has tensor {constant} among its inputs, which is a constant")
        for op in graph.operators:
            for index in op.outputs:
                if index in makers:
                    raise self.bad(
                        f"has operator {op.index} ({op.type}) that makes tensor {index}, which {makers[index]}"
                    )
                makers[index] = f"operator {op.index} ({op.type}) makes too"

    def text(self, table: Any, field: int) -> str:  # noqa: ANN401 - a generated class
        """Text in a field of a table, which the package reads up to the file's end if it claims to be longer."""
        place = table._tab.Offset(field)
        if place == 0:
            return ""
        start, size = table._tab.Vector(place), table._tab.VectorLen(place)
        if start + size > len(self.content):
            raise self.bad(f"claims a name of {size} bytes")
        return bytes(self.content[start : start + size]).decode("utf-8", "replace")

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
            raise self.bad(f"has shape {shape}")
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
            raise self.bad("has a scale that is not positive and finite")
        if len(zeros) not in (0, len(scales)):
            raise self.bad(f"has {len(zeros)} zero points for {len(scales)} scales")
        if len(scales) > 1 and len(shape) > 1 and (not 0 <= axis < len(shape) or shape[axis] != len(scales)):
            raise self.bad(f"has {len(scales)} scales along axis {axis} of shape {shape}")
        name = self.text(table, _TENSOR_NAME)
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
            raise self.bad("has no buffer")
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
            raise self.bad(f"has {size} bytes for shape {shape} of {kind}")
        # A view, not a copy: thousands of tensors may share one buffer.
        stored = np.asarray(buffer.DataAsNumpy(), np.uint8).reshape(-1)
        return (stored != 0 if kind == "BOOL" else stored.view(dtype)).reshape(shape), ""

    def operator(self, part: Any, index: int) -> RawOperator:  # noqa: ANN401 - a generated class
        table = part.Operators(index)
        if table.OpcodeIndex() >= self.file.OperatorCodesLength():
            raise self.bad("has no code")
        code = self.file.OperatorCodes(table.OpcodeIndex())
        kind = self.codes.get(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()), f"operator {code.BuiltinCode()}")
        custom = self.text(code, _CUSTOM_CODE)[:80] if kind == "CUSTOM" else ""
        options = self.options(table, index, kind)
        return RawOperator(index, kind, self.indices(table, "Inputs"), self.indices(table, "Outputs"), options, custom)

    def options(self, table: Any, index: int, kind: str) -> dict[str, Option]:  # noqa: ANN401 - a generated class
        if kind not in OPTIONS:
            return {}
        name, fields = OPTIONS[kind]
        union = table.BuiltinOptions()
        if union is None:
            if kind in NEEDED:
                raise self.bad(f"({kind}) has no options")
            return {field: DEFAULTS.get(field, 0) for field in fields.split()}
        if table.BuiltinOptionsType() != getattr(self.schema.BuiltinOptions, name):
            raise self.bad(f"({kind}) has options of another operator")
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
