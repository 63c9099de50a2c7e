"""Reads an .onnx file into plain values. Whatever the bytes are, the result is a model, a refusal or a BadFileError."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import BadFileError, DqtError, ToolchainError, UnsupportedError
from ..reading import COUNT_MAX, FILE_MAX, read_bytes

BOOL = 9
CODES = (2, 3)
"""UINT8 and INT8 in the same list."""
MOVES = frozenset(
    """Cast DepthToSpace Dropout Expand Flatten Gather GlobalMaxPool Identity MaxPool Pad ReduceMax ReduceMin Reshape
    Resize ReverseSequence Slice SpaceToDepth Split Squeeze Tile Transpose Unsqueeze Upsample""".split()  # noqa: SIM905 - a list of words
)
"""Operators whose results are elements of what they read: they keep its scale."""
RANK_MAX = 8
FLOATS = (1, 10, 11, 16)
"""FLOAT, FLOAT16, DOUBLE and BFLOAT16 in ONNX's list of types."""
DOMAINS = ("", "ai.onnx", "com.microsoft")
"""Whose operators are called by their bare name. ``com.microsoft``: what ONNX Runtime's own tools write."""


@dataclass(frozen=True, eq=False)
class RawNode:
    """An operator of the file; an input "" is absent. Tensors among the attributes are arrays."""

    index: int
    name: str
    type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]

    def input(self, position: int) -> str:
        """Name of an input, "" if it is absent."""
        return self.inputs[position] if position < len(self.inputs) else ""


@dataclass(frozen=True)
class RawInput:
    """An input of the model; an axis that is no number is open, and called by its name or ""."""

    name: str
    shape: tuple[int | str, ...]
    type: str


def coded_by(makers: Mapping[str, RawNode], name: str) -> RawNode | None:
    """The QuantizeLinear whose integers a tensor holds, as they are or moved; None if it holds real numbers."""
    seen = set()
    while name in makers and name not in seen:
        seen.add(name)
        node = makers[name]
        if node.type == "QuantizeLinear":
            return node
        if node.type not in MOVES or not node.inputs:
            return None
        name = node.inputs[0]
    return None


@dataclass(frozen=True, eq=False)
class RawOnnx:
    """The one graph of a model. ``constants``: initialisers and Constant nodes. ``proto``: as the package reads it."""

    nodes: tuple[RawNode, ...]
    constants: dict[str, npt.NDArray[Any]]
    inputs: tuple[RawInput, ...]
    outputs: tuple[str, ...]
    opset: int
    sha256: str
    proto: Any


def bad_onnx(reason: str, path: Path) -> BadFileError:
    """The error for a damaged file."""
    return BadFileError(
        f"not a usable .onnx model: {reason}",
        where=str(path),
        next_step="copy the file again, or export it anew",
    )


def start_onnx(path: Path) -> Any:  # noqa: ANN401 - a module
    """The package onnx; raises ToolchainError if it is not installed."""
    try:
        import onnx  # noqa: PLC0415 - an optional dependency
        import onnx.reference  # noqa: PLC0415
    except ImportError as error:
        raise ToolchainError(
            f"reading .onnx files needs the package onnx ({error})",
            where=str(path),
            next_step="run: pip install 'dqt-edge[onnx]'",
        ) from error
    return onnx


def read_file(path: Path) -> RawOnnx:
    """Parse an .onnx file.

    Raises:
        BadFileError: Missing, too large, damaged.
        UnsupportedError: Weights in other files.
        ToolchainError: The package onnx is not installed.
    """
    content = read_bytes(path)
    onnx = start_onnx(path)
    parser = _Parser(onnx, None, path)
    try:
        parser.proto = _inlined(onnx, onnx.load_model_from_string(content), path)
        return parser.model(hashlib.sha256(content).hexdigest())
    except DqtError:
        raise
    except Exception as error:  # the package raises whatever its C++ and protobuf do
        lines = str(error).splitlines() or [""]
        raise bad_onnx(f"{parser.at} is damaged ({type(error).__name__}: {lines[0][:200]})", path) from error


def _inlined(onnx: Any, proto: Any, path: Path) -> Any:  # noqa: ANN401 - a module, a ModelProto
    """Local functions, as PyTorch's exporter writes them, in the place of their calls."""
    if not len(proto.functions):
        return proto
    bodies = {(f.domain, f.name): f for f in proto.functions}
    sizes: dict[tuple[str, str], int] = {}

    def size(nodes: Iterable[Any], within: tuple[tuple[str, str], ...]) -> int:
        total = 0
        for node in nodes:
            key = node.domain, node.op_type
            if key in within:
                raise bad_onnx(f"its function {node.op_type!r} calls itself", path)
            if key in bodies and key not in sizes:
                sizes[key] = size(bodies[key].node, (*within, key))
            total += sizes.get(key, 1)
        return total

    if size(proto.graph.node, ()) > COUNT_MAX:
        raise bad_onnx(f"its functions make more than {COUNT_MAX} operators", path)
    from onnx import inliner  # noqa: PLC0415 - an optional dependency

    return inliner.inline_local_functions(proto)


class _Parser:
    def __init__(self, onnx: Any, proto: Any, path: Path) -> None:  # noqa: ANN401 - a module, a ModelProto
        self.onnx, self.proto, self.path = onnx, proto, path
        self.at = "it"
        """What is read, for messages."""

    def model(self, sha256: str) -> RawOnnx:
        graph = self.proto.graph
        for what in ("node", "initializer", "input", "output", "value_info"):
            count = len(getattr(graph, what))
            if count > COUNT_MAX:
                raise bad_onnx(f"it has {count} entries of {what}", self.path)
        if len(graph.sparse_initializer):
            raise UnsupportedError(
                "its weights are sparse tensors", where=str(self.path), next_step="export it with dense initialisers"
            )
        opset = max((o.version for o in self.proto.opset_import if o.domain in ("", "ai.onnx")), default=0)
        if opset < 1:
            raise bad_onnx("it names no version of ONNX's operators", self.path)
        known = self.onnx.defs.onnx_opset_version()
        if opset > known:
            raise UnsupportedError(
                f"it is in version {opset} of ONNX's operators, and the package onnx knows {known}",
                where=str(self.path),
                next_step="update the package onnx, or export the model for an earlier version",
            )
        constants: dict[str, npt.NDArray[Any]] = {}
        for tensor in graph.initializer:
            self.at = f"its constant {tensor.name!r}"
            if tensor.name in constants:
                raise bad_onnx(f"{self.at} is there twice", self.path)
            constants[tensor.name] = self.array(tensor)
        nodes: list[RawNode] = []
        for i, node in enumerate(graph.node):
            self.at = f"operator {i} {node.name!r} ({node.op_type})"
            raw = self.node(i, node)
            value = constant_of(raw) if raw.type == "Constant" else None
            if value is None:
                nodes.append(raw)
            else:
                constants[raw.outputs[0]] = value
        inputs = tuple(self.input(i) for i in graph.input if i.name not in constants)
        outputs = tuple(o.name for o in graph.output)
        self.check(nodes, constants, inputs, outputs)
        return RawOnnx(tuple(nodes), constants, inputs, outputs, opset, sha256, self.proto)

    def check(
        self,
        nodes: list[RawNode],
        constants: dict[str, npt.NDArray[Any]],
        inputs: tuple[RawInput, ...],
        outputs: tuple[str, ...],
    ) -> None:
        """Every tensor is made once, before it is read."""
        if not inputs or not outputs:
            raise bad_onnx(f"it has {len(inputs)} inputs and {len(outputs)} outputs", self.path)
        twice = [i.name for n, i in enumerate(inputs) if i.name in [other.name for other in inputs[:n]]]
        if twice:
            raise bad_onnx(f"it has the input {twice[0]!r} twice", self.path)
        known = {"", *constants, *(i.name for i in inputs)}
        for node in nodes:
            missing = [name for name in node.inputs if name not in known]
            if missing:
                raise bad_onnx(
                    f"operator {node.index} ({node.type}) reads {missing[0]!r}, which nothing makes", self.path
                )
            twice = [name for name in node.outputs if name and name in known]
            if twice:
                raise bad_onnx(f"operator {node.index} ({node.type}) makes {twice[0]!r} again", self.path)
            known |= set(node.outputs)
        missing = [name for name in outputs if name not in known or not name]
        if missing:
            raise bad_onnx(f"nothing makes its output {missing[0]!r}", self.path)

    def array(self, tensor: Any) -> npt.NDArray[Any]:  # noqa: ANN401 - a TensorProto
        if tensor.data_location == self.onnx.TensorProto.EXTERNAL:
            raise UnsupportedError(
                f"the values of {tensor.name!r} are in another file",
                where=str(self.path),
                next_step="save the model in one file: onnx.save(onnx.load(PATH), NEW, save_as_external_data=False)",
            )
        if len(tensor.dims) > RANK_MAX or min(tensor.dims, default=0) < 0 or prod(tensor.dims) > FILE_MAX:
            raise bad_onnx(f"{tensor.name!r} has shape {list(tensor.dims)[:RANK_MAX]}", self.path)
        return np.asarray(self.onnx.numpy_helper.to_array(tensor))

    def node(self, index: int, node: Any) -> RawNode:  # noqa: ANN401 - a NodeProto
        kind = node.op_type if node.domain in DOMAINS else f"{node.domain}.{node.op_type}"
        attributes = {a.name: self.attribute(a) for a in node.attribute}
        return RawNode(index, node.name, kind, tuple(node.input), tuple(node.output), attributes)

    def attribute(self, attribute: Any) -> Any:  # noqa: ANN401 - an AttributeProto and its value
        types = self.onnx.AttributeProto
        if attribute.type == types.TENSOR:
            return self.array(attribute.t)
        if attribute.type in (types.INT, types.FLOAT, types.INTS, types.FLOATS):
            return self.onnx.helper.get_attribute_value(attribute)
        if attribute.type == types.STRING:
            return attribute.s.decode("utf-8", "replace")
        return None  # graphs and strings: of operators that are not supported

    def input(self, value: Any) -> RawInput:  # noqa: ANN401 - a ValueInfoProto
        self.at = f"its input {value.name!r}"
        tensor = value.type.tensor_type
        if not value.type.HasField("tensor_type") or not tensor.HasField("shape"):
            raise UnsupportedError(
                f"its input {value.name!r} has no shape",
                where=str(self.path),
                next_step="export the model with a fixed input shape",
            )
        if len(tensor.shape.dim) > RANK_MAX:
            raise bad_onnx(f"its input {value.name!r} has {len(tensor.shape.dim)} axes", self.path)
        shape = tuple(d.dim_value if d.dim_value > 0 else str(d.dim_param) for d in tensor.shape.dim)
        return RawInput(value.name, shape, self.onnx.TensorProto.DataType.Name(tensor.elem_type))


def constant_of(node: RawNode) -> npt.NDArray[Any] | None:
    """Value of a Constant node; None if it is a sparse tensor or text."""
    for name in ("value", "value_float", "value_int", "value_floats", "value_ints"):
        value = node.attributes.get(name)
        if value is not None:
            if name == "value":
                return np.asarray(value)
            return np.asarray(value, np.float32 if "float" in name else np.int64)
    return None
