"""Network: what all readers make of a model file. In integers, or in floating point before calibration.

Activations are (height, width, channels), as in a Graph. In an integer network every edge has a scale and a zero point
in codes, weights are int8 masters and biases count ``s_w * s_a``. In a floating-point network edges have no scale.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..graph import Shape, Window

Kind = Literal["conv", "depthwise", "dense", "add", "max_pool", "average_pool", "concat", "rescale"]
Activation = Literal["none", "relu", "relu6", "relu_n1_to_1"]
MAC_KINDS = ("conv", "depthwise", "dense")

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

    ``source``: its index or name in the model file.
    """

    name: str
    shape: Shape
    scale: float | None = None
    zero_point: int = 0
    source: int | str = ""


@dataclass(frozen=True, eq=False)
class Node:
    """A layer.

    Attributes:
        name: Its name in the Graph.
        kind: ``rescale`` changes scale, zero point or limits and nothing else.
        inputs, output: Names of edges.
        window: Of convolutions and pooling.
        weights: conv [out, kh, kw, in], depthwise [channels, kh, kw], dense [out, in]; int8 or float64.
        weight_scales: float64 [out]; None in a floating-point network.
        bias: int64 or float64 [out].
        activation: Applied to the result.
        residual: Edge that a convolution adds before its one requantisation.
        axis: Of a concatenation: 0 height, 1 width, 2 channels, 3 all inputs flattened.
        ties_down: An average pooling rounds half a code down, as TFLite does below its signed zero.
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
    ties_down: bool = False


@dataclass(frozen=True, eq=False)
class Network:
    """Nodes in the order of execution. ``integer`` says which of the two forms it has.

    ``provenance`` says where it came from; plain JSON values.
    """

    name: str
    edges: dict[str, Edge]
    nodes: tuple[Node, ...]
    input: str
    output: str
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def integer(self) -> bool:
        """Whether every edge has a scale."""
        return all(edge.scale is not None for edge in self.edges.values())
