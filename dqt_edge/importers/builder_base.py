"""The builder's ground: names, edges, nodes, and views of the same data in other shapes."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any

from ..graph import Shape
from .network import Edge, Kind, Node, Variable
from .order import Order
from .problems import Unfit
from .values import Logical, Quant, Value, layout

NAME_MAX = 48


def safe(name: str) -> str:
    """A name that is allowed in a Graph and in C, out of any text."""
    name = re.sub(r"[^A-Za-z0-9_]", "_", name)[:NAME_MAX]
    return name if re.match(r"[A-Za-z_]", name) else f"layer_{name}"


class BuilderBase:
    """Edges and nodes of the Network that is being built.

    Args:
        name: Of the model.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.edges: dict[str, Edge] = {}
        self.nodes: list[Node] = []
        self.inputs: list[str] = []
        self.outputs: list[str] = []
        self.initial: dict[str, float] = {}
        self.variables: list[Variable] = []
        self._names: set[str] = set()
        self._views: dict[tuple[str, Shape], str] = {}

    # --- Names and edges ------------------------------------------------------------------------------------

    def unique(self, name: str) -> str:
        """The name, made safe, with a number behind it if a layer has it already."""
        base = name = safe(name)
        number = 1
        while name in self._names or f"{name}_out" in self.edges or name in self.edges:
            number += 1
            name = f"{base}_{number}"
        self._names.add(name)
        return name

    def define(self, name: str, shape: Shape, quant: Quant | None, source: int | str = "") -> str:
        """A new edge."""
        scale, zero = (None, 0) if quant is None else (quant.scale, quant.zero_point)
        self.edges[name] = Edge(name, shape, scale, zero, source)
        return name

    def quant_of(self, value: Value) -> Quant | None:
        """Scale and zero point of a value; None in a floating-point model."""
        edge = self.edges[value.edge]
        return None if edge.scale is None else Quant(edge.scale, edge.zero_point)

    def node(
        self,
        name: str,
        kind: Kind,
        inputs: tuple[str, ...],
        shape: Shape,
        quant: Quant | None,
        source: int | str = "",
        **fields: Any,  # noqa: ANN401 - fields of a Node
    ) -> str:
        """A new node; the name of its output edge. Without a ``quant`` the first input's is kept."""
        if quant is None and self.edges[inputs[0]].scale is not None:
            first = self.edges[inputs[0]]
            assert first.scale is not None
            quant = Quant(first.scale, first.zero_point)
        name = self.unique(name)
        output = self.define(f"{name}_out", shape, quant, source)
        self.nodes.append(Node(name, kind, inputs, output, **fields))
        return output

    # --- Views ----------------------------------------------------------------------------------------------

    def view(self, value: Value, shape: Shape | None = None) -> str:
        """An edge that holds the value's data in a shape; by default as its logical shape lies."""
        wanted = layout(value.shape) if shape is None else shape
        edge = self.edges[value.edge]
        if edge.shape == wanted:
            return edge.name
        if math.prod(wanted) != math.prod(edge.shape):
            raise Unfit(f"it reads {edge.shape} as {wanted}", "shapes of one size")
        known = self._views.get((edge.name, wanted))
        if known is None:
            order = Order(0, (math.prod(wanted),), (1,))
            known = self.node(f"{edge.name}_as", "rearrange", (edge.name,), wanted, None, edge.source, order=order)
            self._views[edge.name, wanted] = known
        return known

    # --- Borders --------------------------------------------------------------------------------------------

    def input(self, name: str, shape: Logical, quant: Quant | None = None, source: int | str = "") -> Value:
        """An input of the model. Where there are several, data is given by their names; a single one is ``input``."""
        made = self.unique(name)
        self.inputs.append(self.define(made, layout(shape), quant, source))
        return Value(made, tuple(shape))

    def output(self, value: Value, name: str = "") -> None:
        """An output of the model."""
        del name  # a Graph names its tensors by the layers that make them
        edge = self.view(value)
        if edge in (*self.inputs, *self.initial) or edge in self.outputs:
            order = Order(0, (math.prod(value.shape),), (1,))
            edge = self.node(f"{edge}_copy", "rearrange", (edge,), self.edges[edge].shape, None, order=order)
        self.outputs.append(edge)

    def state(self, name: str, shape: Logical, quant: Quant | None = None, initial: float = 0.0) -> Value:
        """What a state variable holds when an inference starts; before the first one ``initial``, a real number."""
        made = self.define(self.unique(name), layout(shape), quant)
        self.initial[made] = initial
        return Value(made, tuple(shape))

    def assign(self, state: Value, value: Value) -> None:
        """What a state variable holds after the inference."""
        if any(v.read == state.edge for v in self.variables):
            raise Unfit("it is assigned twice in an inference", "one assignment")
        edge = self.view(value, self.edges[state.edge].shape)
        self.variables.append(Variable(state.edge, edge, self.initial[state.edge]))

    def refused(self, shape: Logical, quant: Quant | None = None) -> Value:
        """Stands for what a refused operator would have made."""
        return Value(self.define(self.unique("refused"), layout(shape), quant), tuple(shape), refused=True)

    def named_once(self) -> dict[str, Edge]:
        """The edges, each tensor of the file at one edge and its views: the last, behind an operator's activation."""
        last: dict[int | str, str] = {}
        origin = {name: name for name in self.edges}
        for node in self.nodes:
            if node.order is not None and node.order.keeps(math.prod(self.edges[node.inputs[0]].shape)):
                origin[node.output] = origin[node.inputs[0]]
        for name, edge in self.edges.items():
            if edge.source != "" and origin[name] == name:
                last[edge.source] = name
        return {
            name: edge if last.get(edge.source) == origin[name] else dataclasses.replace(edge, source="")
            for name, edge in self.edges.items()
        }

    def rename_source(self, value: Value, source: int | str) -> None:
        """Say which tensor of the file a value is, where the builder could not know."""
        edge = self.edges[value.edge]
        if edge.source == "":
            self.edges[value.edge] = dataclasses.replace(edge, source=source)
