"""Network: what all readers make of a model file. In integers, or in floating point before calibration.

Activations are (height, width, channels), as in a Graph. In an integer network every edge has a scale and a zero point
in codes, weights are int8 masters and biases count ``s_w * s_a``. In a floating-point network edges have no scale.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..graph import Shape, Window
from .functions import Function
from .order import Order

Kind = Literal[
    "conv",
    "depthwise",
    "dense",
    "add",
    "multiply",
    "maximum",
    "minimum",
    "max_pool",
    "average_pool",
    "concat",
    "lookup",
    "softmax",
    "rearrange",
    "pad",
    "resize",
]
Activation = Literal["none", "relu", "relu6", "relu_n1_to_1"]
MAC_KINDS = ("conv", "depthwise", "dense")
SAME_SCALE = ("max_pool", "rearrange", "pad", "resize")
"""Kinds that move codes, so that their output has the scale and zero point of their input."""

LIMITS: dict[Activation, tuple[float, float]] = {
    "none": (-np.inf, np.inf),
    "relu": (0.0, np.inf),
    "relu6": (0.0, 6.0),
    "relu_n1_to_1": (-1.0, 1.0),
}
"""Least and largest real value behind each activation."""


@dataclass(frozen=True)
class Edge:
    """A tensor. ``real = scale * (code - zero_point)``; ``scale`` is None in a floating-point network.

    ``source``: its index or name in the model file, or "" for what the file does not have.
    """

    name: str
    shape: Shape
    scale: float | None = None
    zero_point: int = 0
    source: int | str = ""


@dataclass(frozen=True)
class Padding:
    """An explicit padding: element (y, x, c) goes to ``before + (y, x, c) * step`` of an output filled with ``value``.

    ``before``: (height, width, channels). ``step``: (height, width). ``value``: a real number.
    """

    before: Shape
    step: tuple[int, int] = (1, 1)
    value: float = 0.0


@dataclass(frozen=True, eq=False)
class Grid:
    """A resize: rows and columns of (index, weight), int32 [n, 2]; see :class:`dqt_edge.graph.Resize`."""

    rows: npt.NDArray[np.int32]
    columns: npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Node:
    """A layer.

    Attributes:
        name: Its name in the Graph.
        inputs, output: Names of edges.
        window: Of convolutions and pooling.
        weights: conv [out, kh, kw, in], depthwise [channels, kh, kw], dense [out, in]; int64 or float64. Integers may
            reach beyond int8 by the offset that a uint8 zero point leaves.
        weight_scales: float64 [out]; None in a floating-point network.
        bias: int64 or float64 [out]; in an integer network in steps of the sums, of which a constant of the file need
            not be a whole number.
        activation: Applied to the result.
        residual: Edge that a convolution adds before its one requantisation.
        axis: Of a concatenation: 0 height, 1 width, 2 channels, 3 all inputs flattened.
        signs: Of an addition's operands, 1 or -1.
        factor: An average pooling's result is multiplied by it: the number of elements makes it a sum.
        function: Of a lookup.
        order: Of a rearrangement.
        padding: Of an explicit padding.
        grid: Of a resize.
        affine: A depthwise layer that stands for a factor and a summand by channel, and may be folded.
        full: Its weights have zeros put between, which narrow views would not keep, so that it stays at 8x8.
    """

    name: str
    kind: Kind
    inputs: tuple[str, ...]
    output: str
    window: Window | None = None
    weights: npt.NDArray[Any] | None = None
    weight_scales: npt.NDArray[np.float64] | None = None
    bias: npt.NDArray[Any] | None = None
    activation: Activation = "none"
    residual: str | None = None
    axis: int = 2
    signs: tuple[int, int] = (1, 1)
    factor: float = 1.0
    function: Function | None = None
    order: Order | None = None
    padding: Padding | None = None
    grid: Grid | None = None
    affine: bool = False
    full: bool = False

    @property
    def reads(self) -> tuple[str, ...]:
        """Every edge that it reads, a residual too."""
        return self.inputs if self.residual is None else (*self.inputs, self.residual)


@dataclass(frozen=True)
class Variable:
    """A state: edge ``read`` holds what edge ``write`` held after the inference before, at first ``initial`` (real)."""

    read: str
    write: str
    initial: float = 0.0


@dataclass(frozen=True, eq=False)
class Network:
    """Nodes in the order of execution. ``integer`` says which of the two forms it has.

    ``provenance`` says where it came from; plain JSON values. ``whole`` is the same network with the softmax or sigmoid
    that was dropped at its end, for tasks that need what it makes; None where nothing was dropped.
    """

    name: str
    edges: dict[str, Edge]
    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    variables: tuple[Variable, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)
    whole: Network | None = None

    def with_end(self) -> Network:
        """The network with what was dropped at its end."""
        if self.whole is None:
            return self
        kept = {key: value for key, value in self.provenance.items() if key != "dropped"}
        return replace(self.whole, provenance=kept)

    @property
    def input(self) -> str:
        """The first input."""
        return self.inputs[0]

    @property
    def output(self) -> str:
        """The first output."""
        return self.outputs[0]

    @property
    def integer(self) -> bool:
        """Whether every edge has a scale."""
        return all(edge.scale is not None for edge in self.edges.values())

    @property
    def sources(self) -> tuple[str, ...]:
        """Edges that no node makes: inputs and variables."""
        return (*self.inputs, *(v.read for v in self.variables))

    @property
    def kept(self) -> frozenset[str]:
        """Edges that are read when all nodes have run: outputs and what goes to variables."""
        return frozenset((*self.outputs, *(v.write for v in self.variables)))

    def readers(self) -> Counter[str]:
        """Number of readers of each edge; leaving the network counts."""
        counted = Counter(name for node in self.nodes for name in node.reads)
        counted.update(self.outputs)
        counted.update(v.write for v in self.variables)
        return counted
