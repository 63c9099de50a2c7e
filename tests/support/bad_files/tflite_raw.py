"""Bad .tflite files whose bytes were changed: what no writer of FlatBuffers makes."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cache
from typing import Any

from .case import Case

VERSION, CODES, SUBGRAPHS, BUFFERS = 4, 6, 8, 12
"""Fields of a model, as places in its table of fields; the schema's order, two bytes each."""
TENSORS, INPUTS, OUTPUTS, OPERATORS = 4, 6, 8, 10
"""Of a subgraph."""
T_SHAPE, T_TYPE, T_BUFFER, T_NAME, T_QUANTIZATION, T_SPARSITY, T_SIGNATURE = 4, 6, 8, 10, 12, 16, 18
"""Of a tensor."""
O_CODE, O_INPUTS, O_OPTIONS_TYPE, O_OPTIONS = 4, 6, 10, 12
"""Of an operator."""


@cache
def good(kind: str = "INT8") -> bytes:
    """A small network."""
    from tests.support.tflite_models import small_network  # noqa: PLC0415 - needs an optional package

    return bytes(small_network(kind).encode())


class Raw:
    """The bytes of a model, and its tables."""

    def __init__(self) -> None:
        import tflite  # noqa: PLC0415 - an optional package

        self.data = bytearray(good())
        self.model: Any = tflite.Model.GetRootAsModel(self.data, 0)
        self.graph: Any = self.model.Subgraphs(0)

    def place(self, table: Any, field: int) -> int:
        """Byte of a field."""
        found = table._tab.Offset(field)
        assert found, "the field has its default, and is not there"
        return int(table._tab.Pos + found)

    def put(self, place: int, value: int) -> None:
        """Another word at a byte."""
        struct.pack_into("<I", self.data, place, value & 0xFFFFFFFF)

    def word(self, place: int) -> int:
        """The word at a byte."""
        return int(struct.unpack_from("<I", self.data, place)[0])

    def vector(self, table: Any, field: int) -> int:
        """Byte of a vector's length."""
        place = self.place(table, field)
        return place + self.word(place)


def _raw(edit: Callable[[Raw], object], told: str) -> Case:
    def make() -> bytes:
        raw = Raw()
        made = edit(raw)
        return made if isinstance(made, bytes) else bytes(raw.data)

    return Case(make, told)


def _length(part: str, field: int, value: int) -> Callable[[Raw], object]:
    """Another length of a vector of the model or its graph."""
    return lambda r: r.put(r.vector(getattr(r, part), field), value)


def _offset(part: str, field: int, value: int) -> Callable[[Raw], object]:
    """Another distance to where a field's content lies."""
    return lambda r: r.put(r.place(getattr(r, part), field), value)


def _tensor(index: int, field: int, value: int) -> Callable[[Raw], object]:
    return lambda r: r.put(r.place(r.graph.Tensors(index), field), value)


def _to_itself(raw: Raw) -> None:
    """All subgraphs' tensors are the subgraph itself."""
    start = raw.vector(raw.graph, TENSORS)
    raw.put(start + 4, raw.graph._tab.Pos - start - 4)


def _same_tables(raw: Raw) -> None:
    """Every operator is the table of the first tensor."""
    start = raw.vector(raw.graph, OPERATORS)
    first = raw.graph.Tensors(0)._tab.Pos
    for number in range(raw.graph.OperatorsLength()):
        place = start + 4 + 4 * number
        raw.put(place, first - place)


RAW = {
    "an empty file": _raw(lambda r: b"", "it lacks the identifier TFL3"),
    "four bytes": _raw(lambda r: b"TFL3", "it lacks the identifier TFL3"),
    "another identifier": _raw(lambda r: bytes(r.data).replace(b"TFL3", b"TFL2", 1), "it lacks the identifier TFL3"),
    "an ONNX file": _raw(lambda r: b"\x08\x08\x12\x05tf2onnx" + bytes(99), "it lacks the identifier TFL3"),
    "a page of text": _raw(lambda r: b"<html>" * 99, "it lacks the identifier TFL3"),
    "nothing behind the identifier": _raw(lambda r: bytes(r.data[:8]), "the model"),
    "cut off within the model's table": _raw(lambda r: bytes(r.data[: r.model._tab.Pos + 4]), "the model"),
    "cut off within the list of tensors": _raw(lambda r: bytes(r.data[: r.vector(r.graph, TENSORS) + 8]), "subgraph 0"),
    "cut off within a tensor": _raw(lambda r: bytes(r.data[: r.graph.Tensors(0)._tab.Pos + 2]), "tensor 0 of"),
    "cut off within the weights": _raw(lambda r: bytes(r.data[:-64]), "tensor"),
    "a model behind the end": _raw(lambda r: r.put(0, 0x7FFFFFFF), "the model"),
    "a model at byte 2^32 - 1": _raw(lambda r: r.put(0, 0xFFFFFFFF), "the model"),
    "a model that is its own address": _raw(lambda r: r.put(0, 0), "it has no subgraph"),
    "a table of fields before the file": _raw(lambda r: r.put(r.model._tab.Pos, 0x7FFFFFFF), "the model"),
    "a table of fields behind the file": _raw(lambda r: r.put(r.model._tab.Pos, 0x80000000), "the model"),
    "four billion subgraphs": _raw(_length("model", SUBGRAPHS, 0xFFFFFFFF), "subgraphs"),
    "no subgraphs": _raw(_length("model", SUBGRAPHS, 0), "it has no subgraph"),
    "two subgraphs, of which one is there": _raw(_length("model", SUBGRAPHS, 2), "subgraph 1"),
    "subgraphs behind the end": _raw(_offset("model", SUBGRAPHS, 0x7FFFFFF0), "the model"),
    "two billion tensors": _raw(_length("graph", TENSORS, 0x7FFFFFFF), "2147483647 tensors"),
    "tensors that are not there": _raw(_length("graph", TENSORS, 9999), "tensor "),
    "tensors behind the end": _raw(_offset("graph", TENSORS, 0x7FFFFFF0), "subgraph 0"),
    "a tensor that is its subgraph": _raw(_to_itself, "tensor 0"),
    "two billion operators": _raw(_length("graph", OPERATORS, 0x7FFFFFFF), "2147483647 operators"),
    "operators that are tensors": _raw(_same_tables, "operator 0"),
    "operators behind the end": _raw(_offset("graph", OPERATORS, 0x7FFFFFF0), "subgraph 0"),
    "two billion inputs": _raw(_length("graph", INPUTS, 0x7FFFFFFF), "2147483647"),
    "no codes of operators": _raw(_length("model", CODES, 0), "operator 0 of subgraph 0 has no code"),
    "codes behind the end": _raw(_offset("model", CODES, 0x7FFFFFF0), "operator 0 of subgraph 0"),
    "no buffers": _raw(_length("model", BUFFERS, 0), "tensor 0 of subgraph 0 has no buffer"),
    "buffers behind the end": _raw(_offset("model", BUFFERS, 0x7FFFFFF0), "tensor 0 of subgraph 0"),
    "a tensor of a buffer that is not there": _raw(
        _tensor(4, T_BUFFER, 0x7FFFFFFF), "tensor 4 of subgraph 0 has no buf"
    ),
    "a shape behind the end": _raw(_tensor(3, T_SHAPE, 0x7FFFFFF0), "tensor 3 of subgraph 0"),
    "a shape of two billion axes": _raw(
        lambda r: r.put(r.vector(r.graph.Tensors(3), T_SHAPE), 0x7FFFFFFF), "tensor 3 of subgraph 0 claims 2147483647"
    ),
    "a name behind the end": _raw(_tensor(3, T_NAME, 0x7FFFFFF0), "tensor 3 of subgraph 0"),
    "a name of two billion letters": _raw(
        lambda r: r.put(r.vector(r.graph.Tensors(3), T_NAME), 0x7FFFFFFF), "tensor 3 of subgraph 0 claims a name"
    ),
    "scales behind the end": _raw(_tensor(4, T_QUANTIZATION, 0x7FFFFFF0), "tensor 4 of subgraph 0"),
    "two billion scales": _raw(
        lambda r: r.put(r.vector(r.graph.Tensors(4).Quantization(), 8), 0x7FFFFFFF),
        "tensor 4 of subgraph 0 claims 2147483647 scales",
    ),
    "two billion bytes of weights": _raw(
        lambda r: r.put(r.vector(r.model.Buffers(5), 4), 0x7FFFFFFF), "tensor 4 of subgraph 0 has 2147483647 bytes"
    ),
    "weights behind the end": _raw(
        lambda r: r.put(r.place(r.model.Buffers(5), 4), 0x7FFFFFF0), "tensor 4 of subgraph 0"
    ),
    "options behind the end": _raw(
        lambda r: r.put(r.place(r.graph.Operators(1), O_OPTIONS), 0x7FFFFFF0), "operator 1 of subgraph 0"
    ),
    "options of another operator": _raw(
        lambda r: r.data.__setitem__(r.place(r.graph.Operators(1), O_OPTIONS_TYPE), 5),
        "operator 1 of subgraph 0 (CONV_2D) has options of another operator",
    ),
    "options of no operator": _raw(
        lambda r: r.data.__setitem__(r.place(r.graph.Operators(1), O_OPTIONS_TYPE), 250),
        "operator 1 of subgraph 0 (CONV_2D) has options of another operator",
    ),
    "a code of an operator that is not there": _raw(
        lambda r: r.put(r.place(r.graph.Operators(1), O_CODE), 0x7FFFFFFF), "operator 1 of subgraph 0 has no code"
    ),
    "inputs of an operator behind the end": _raw(
        lambda r: r.put(r.place(r.graph.Operators(1), O_INPUTS), 0x7FFFFFF0), "operator 1 of subgraph 0"
    ),
    "two billion inputs of an operator": _raw(
        lambda r: r.put(r.vector(r.graph.Operators(1), O_INPUTS), 0x7FFFFFFF), "operator 1 of subgraph 0 claims"
    ),
}
