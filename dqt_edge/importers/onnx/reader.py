"""From the operators of an .onnx file to a Network."""

from __future__ import annotations

import dataclasses
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import UnsupportedError
from ..network import Network
from ..problems import Problems, Unfit
from ..reading import graph_name
from ..values import Quant
from .chains import JOINED, join_functions
from .context import SHAPES_OF, Consequence, Context, NotQuantised
from .elementwise import ELEMENTWISE
from .file import CODES, FLOATS, MOVES, RawInput, RawNode, RawOnnx, bad_onnx, read_file, start_onnx
from .fold import FOLDED
from .inputs import channels_first
from .layers import MAC
from .movement import SHAPES
from .operators import MISFITS, Operator
from .pooling import POOLS
from .qoperators import expand
from .quantisation import dequantize, prepare, prepare_node, quantize, refuse_formats
from .refusals import REASONS, refusal
from .sizes import SIZES
from .view import View, view_of

NO_NUMBERS = ("UNDEFINED", "STRING", "COMPLEX64", "COMPLEX128")
"""Types of what no input can be."""
OPERATORS: dict[str, Operator] = {
    **MAC,
    **ELEMENTWISE,
    **POOLS,
    **SHAPES,
    **SIZES,
    "QuantizeLinear": Operator(quantize, "int8 and uint8; one scale, of weights also one a channel"),
    "DequantizeLinear": Operator(dequantize, "of the same, and of biases"),
}
"""How each operator is read, by its type."""


def read_onnx(path: Path) -> Network:
    """Read an .onnx file.

    Returns:
        An integer network of a model with QuantizeLinear and DequantizeLinear, a floating-point network of a float one.

    Raises:
        BadFileError: The file is no model.
        UnsupportedError: Lists every layer that cannot be imported.
        ToolchainError: The package onnx is not installed.
    """
    raw = expand(read_file(path))
    try:
        return _Reader(raw, path).network()
    except MISFITS as error:
        raise bad_onnx(f"its operators do not fit together ({type(error).__name__}: {error})"[:300], path) from error


class _Reader:
    """Walks the operators once."""

    def __init__(self, raw: RawOnnx, path: Path) -> None:
        self.raw, self.path = raw, path
        self.onnx = start_onnx(path)
        self.problems = Problems(str(path))
        self.context = Context(raw, dict(raw.constants), graph_name(path))
        self.shapes: dict[str, tuple[int, ...]] | None = None
        self.turned: list[str] = []

    def network(self) -> Network:
        context = self.context
        prepare(context, self.onnx)
        refuse_formats(context, str(self.path))
        nodes = [node for node in self.raw.nodes if node.index not in context.done]
        context.connect(nodes)
        nodes = join_functions(context, nodes)
        context.connect(nodes)
        for given in self.raw.inputs:
            with self.problems.collect(f"input {given.name!r}", "input"):
                self.input(given)
        for node in nodes:
            if node.index not in context.done:
                self.walk(node)
        self.problems.refuse()
        return self.finish()

    # --- Borders --------------------------------------------------------------------------------------------

    def input(self, given: RawInput) -> None:
        """An input of the Network; a map with channels first gets them last."""
        self.context.views[given.name] = None
        if given.type in NO_NUMBERS:
            raise Unfit(f"it is {given.type}", "an input of numbers")
        shape = [1 if i == 0 and not isinstance(n, int) else n for i, n in enumerate(given.shape)]
        opened = [i for i, n in enumerate(shape) if not isinstance(n, int)]
        if opened:
            names = ", ".join(f"{given.shape[i] or '?'} (axis {i})" for i in opened)
            raise Unfit(f"its dimension {names} is open", "a fixed size for all dimensions but the batch")
        self.context.open_batch |= shape != list(given.shape)
        known = tuple(int(n) for n in shape)
        if len(known) > 1 and known[0] != 1:
            raise Unfit(f"it takes {known[0]} samples at once", "a batch of one, or an open one")
        turned = channels_first(self.context, given.name, len(known))
        axes = [0, *range(2, len(known)), 1] if turned else list(range(len(known)))
        lying = axes[1:] if len(known) > 1 else axes
        quant = self.input_quant(given)
        name = given.name if len(self.raw.inputs) > 1 else "input"
        value = self.context.builder.input(name, tuple(known[axis] for axis in lying), quant, given.name)
        if turned:
            self.turned.append(value.edge)
        self.context.put(given.name, view_of(value, known, axes, quant))

    def input_quant(self, given: RawInput) -> Quant | None:
        """Scale of an input of an integer model: of its QuantizeLinear, or of the DequantizeLinear of its integers."""
        if not self.context.integer:
            return None
        for reader in self.context.readers[given.name]:
            if reader.type == "DequantizeLinear":
                return self.context.quant_of(reader)
        quant, _ = self.context.ahead(given.name)
        if quant is None and not self.reaches_refusal(given.name):
            raise Unfit("it is not quantised", "QuantizeLinear behind it")
        return quant or Quant(1.0, 0)

    def reaches_refusal(self, name: str) -> bool:
        """Whether an operator that is not supported reads a tensor, so that this is the cause of what it lacks."""
        return any(
            self.reaches_refusal(node.outputs[0]) if node.type in MOVES else node.type not in (*OPERATORS, *FOLDED)
            for node in self.context.readers[name]
            if node.type not in SHAPES_OF
        )

    def finish(self) -> Network:
        """Outputs, and where all came from."""
        context = self.context
        keep = all(len(given.shape) < 3 for given in self.raw.inputs) or len(self.turned) > 0
        for name in self.raw.outputs:
            view = context.views.get(name)
            if view is None:
                raise UnsupportedError(
                    f"its output {name!r} is constant, or none of its layers makes it",
                    where=str(self.path),
                    next_step="export the model again, with outputs that depend on its inputs",
                )
            self.output(name, view, self.output_axes(view, keep))
        provenance: dict[str, Any] = {"source": self.path.name, "sha256": self.raw.sha256}
        if self.turned:
            provenance["channels_last"] = self.turned
        try:
            network = context.builder.finish(provenance)
        except Unfit as unfit:
            raise UnsupportedError(unfit.reason, where=str(self.path), next_step=f"give {unfit.nearest}") from unfit
        sources = {edge.name: edge.source for edge in network.edges.values() if edge.source != ""}
        layouts = {}
        for name in {*map(str, sources.values()), *self.raw.outputs}:
            pieces = context.layouts.get(name, ())
            if any(list(order) != sorted(order) for _, order in pieces):
                layouts[name] = [{"parts": list(parts), "order": list(order)} for parts, order in pieces]
        if context.dropped:
            network.provenance["dropped"] = [*network.provenance.get("dropped", ()), *context.dropped]
        network.provenance.update({"tensors": sources, "layouts": layouts})
        return network

    def output(self, name: str, view: View, axes: list[int]) -> None:
        """An output, whose data moves if it does not lie so."""
        builder = self.context.builder
        value = self.context.as_axes(view, axes, "output")
        if value.edge != view.value.edge:
            before = builder.edges[view.value.edge]
            if before.source == name:
                builder.edges[before.name] = dataclasses.replace(before, source="")
            self.context.put(name, view_of(value, view.shape, axes, view.quant))
        builder.output(value, name)

    def output_axes(self, view: View, keep: bool) -> list[int]:
        """Axes of an output: channels last where the model computes so, and ``keep`` allows; else the file's order."""
        rank = len(view.shape)
        axes = [axis for axis in range(rank) if axis or view.shape[0] != 1 or rank == 1]
        last = [*axes[1:], axes[0]] if rank > 2 and axes[:1] == [1] else axes
        return last if keep and view.order == view.wanted(last) else axes

    # --- Operators ------------------------------------------------------------------------------------------

    def walk(self, node: RawNode) -> None:
        """Translate an operator, or note why it cannot be."""
        with self.problems.collect(f"{node.index} {label_of(node)!r}", node.attributes.get("operator", node.type)):
            try:
                self.translate(node)
            except Consequence:
                self.recover(node)
            except NotQuantised:
                self.recover(node)
                views = [self.context.views.get(name) for name in node.inputs]
                if not any(view is not None and view.value.refused for view in views):
                    raise
            except (Unfit, UnsupportedError):
                self.recover(node)
                raise
            except MISFITS as error:
                self.recover(node)
                reason = f"its parts do not fit together ({type(error).__name__}: {str(error)[:120]})"
                raise Unfit(reason, "the model exported again") from error

    def translate(self, node: RawNode) -> None:
        context = self.context
        if not node.outputs or not node.outputs[0]:
            return
        if node.type in SHAPES_OF:
            self.shape(node)
            return
        known = [name for name in node.inputs if name]
        foldable = node.type in FOLDED or node.type in OPERATORS
        if foldable and known and all(context.is_constant(name) for name in known):
            if node.type == JOINED:
                value = context.constant(node, 0, "its input")
                context.constants[node.outputs[0]] = node.attributes["function"](value)
            else:
                prepare_node(context, self.onnx, node)
            return
        if foldable and self.unknown(node):
            raise Consequence
        operator = OPERATORS.get(node.type)
        if operator is None:
            whole = self.inferred().get(node.outputs[0]) == ()
            if whole and self.unknown(node) and node.type not in REASONS:
                raise Consequence  # a part of a shape that nobody knows
            raise refusal(node.type)
        operator.translate(context, node)

    def unknown(self, node: RawNode) -> bool:
        """Whether an operator reads what a refused one would have made, in an unknown shape."""
        return any(name in self.context.views and self.context.views[name] is None for name in node.inputs)

    def shape(self, node: RawNode) -> None:
        """Shapes are known here, with a batch of one."""
        shape = self.context.view(node).shape
        if node.type == "Size":
            self.context.constants[node.outputs[0]] = np.asarray(prod(shape), np.int64)
            return
        start, end = node.attributes.get("start", 0), node.attributes.get("end", len(shape))
        self.context.constants[node.outputs[0]] = np.asarray(shape[start:end], np.int64)

    def recover(self, node: RawNode) -> None:
        """Give the outputs of a refused operator shapes, so that later ones can be checked as well."""
        for name in node.outputs:
            if not name or name in self.context.views:
                continue
            self.context.views[name] = None
            shape = self.inferred().get(name)
            if shape:
                axes = [axis for axis in range(len(shape)) if axis or len(shape) == 1 or shape[0] != 1]
                try:
                    value = self.context.builder.refused(tuple(shape[axis] for axis in axes))
                except Unfit:
                    continue
                self.context.views[name] = view_of(value, shape, range(len(shape)))

    def inferred(self) -> dict[str, tuple[int, ...]]:
        """Shapes that the package onnx knows, with a batch of one."""
        if self.shapes is None:
            self.shapes = inferred_shapes(self.onnx, self.raw)
        return self.shapes


def inferred_shapes(onnx: Any, raw: RawOnnx) -> dict[str, tuple[int, ...]]:  # noqa: ANN401 - a module
    """Shapes of tensors of real numbers or codes, where they can be found; () for those of whole numbers."""
    proto = onnx.ModelProto()
    proto.CopyFrom(raw.proto)
    del proto.graph.value_info[:]
    for value in proto.graph.input:
        dims = value.type.tensor_type.shape.dim
        if len(dims) and not dims[0].dim_value:
            dims[0].dim_value = 1
    known = {entry.domain for entry in proto.opset_import}
    for domain in {node.domain for node in proto.graph.node} - known - {""}:
        proto.opset_import.append(onnx.helper.make_opsetid(domain, 1))
    try:
        from onnx import shape_inference  # noqa: PLC0415 - an optional dependency

        found = shape_inference.infer_shapes(proto, data_prop=True)
    except Exception:
        return {}
    shapes: dict[str, tuple[int, ...]] = {}
    for value in (*found.graph.value_info, *found.graph.output):
        tensor = value.type.tensor_type
        shape = tuple(d.dim_value for d in tensor.shape.dim)
        if tensor.elem_type not in (0, *FLOATS, *CODES):
            shapes[value.name] = ()
        elif shape and min(shape) > 0:
            shapes[value.name] = shape
    return shapes


def label_of(node: RawNode) -> str:
    """The operator's name, or that of its result."""
    return (node.name or (node.outputs[0] if node.outputs else ""))[-80:]
