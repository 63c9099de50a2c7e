"""Graph: the trained network as integers. One frozen value; everything downstream reads only this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .checks import check_graph
from .dial import DialPoint
from .layers import Conv2D, Dense, DepthwiseConv2D, Layer, MacLayer
from .values import Tensor


@dataclass(frozen=True)
class Controller:
    """Chooses the width of each decided layer, once for each inference, right after layer ``after``.

    ``layers`` read the output tensor of ``after`` and end in a Dense without requantisation: int32 accumulators of
    shape [len(decides), candidates], of which the largest (the first of equals) wins for each layer.

    ``dial`` lists biases that may be added to the accumulators first, by increasing cost; empty if there are none.
    """

    after: str
    layers: tuple[Layer, ...]
    decides: tuple[str, ...]
    dial: tuple[DialPoint, ...] = ()


@dataclass(frozen=True)
class Graph:
    """A network ready to lower.

    Attributes:
        name: Name of the model; letters, digits, ``_`` and ``-``.
        tensors: All code tensors, the controller's included.
        layers: In topological order.
        input, output: Tensor names.
        classes: Class names, one for each output channel, or empty.
        controller: None for a model with fixed widths.
        provenance: How the model was made; plain JSON values.
    """

    name: str
    tensors: tuple[Tensor, ...]
    layers: tuple[Layer, ...]
    input: str
    output: str
    classes: tuple[str, ...] = ()
    controller: Controller | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_graph(self)

    def tensor(self, name: str) -> Tensor:
        """The tensor of that name."""
        return next(t for t in self.tensors if t.name == name)

    @property
    def dial_targets(self) -> tuple[float, ...]:
        """BitOPs ratios of the dial's points, 0..1 in thousandths, ascending; none without a dial."""
        return () if self.controller is None else tuple(point.thousandths / 1000 for point in self.controller.dial)

    @property
    def adaptive(self) -> tuple[Conv2D | DepthwiseConv2D | Dense, ...]:
        """Layers with more than one candidate, in order: the positions of a width vector."""
        return tuple(layer for layer in self.layers if isinstance(layer, MacLayer) and len(layer.candidates) > 1)

    @property
    def all_layers(self) -> tuple[Layer, ...]:
        """Layers in the order of execution, the controller's behind the layer it reads."""
        if self.controller is None:
            return self.layers
        at = 1 + next(i for i, layer in enumerate(self.layers) if layer.name == self.controller.after)
        return self.layers[:at] + self.controller.layers + self.layers[at:]

    def macs(self, layer: Layer) -> int:
        """Multiply-accumulates of a layer for one inference, padded taps counted; 0 for pooling and addition."""
        if isinstance(layer, Dense):
            return int(layer.weights.size)
        if isinstance(layer, Conv2D | DepthwiseConv2D):
            h, w, _ = self.tensor(layer.output).shape
            return h * w * int(layer.weights.size)
        return 0
