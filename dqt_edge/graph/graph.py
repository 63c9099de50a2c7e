"""Graph: the trained network as integers. One frozen value; everything downstream reads only this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..errors import UnknownNameError, UnsupportedError
from ..system.show import Facts, Shown
from . import nested
from .checks import check_graph
from .dial import DialPoint
from .layers import Conv2D, Dense, DepthwiseConv2D, Layer, MacLayer
from .points import DecisionPoint, TunedPoint
from .terminals import State
from .values import Tensor, refuse, vector_text


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


TASKS = ("classifier", "binary", "regression", "reconstruction", "map", "outputs")
"""What a network's outputs may stand for; the room ``tasks`` says what follows from each."""


@dataclass(frozen=True, repr=False)
class Graph(Shown):
    """A network ready to lower.

    Attributes:
        name: Name of the model; letters, digits, ``_`` and ``-``.
        tensors: All code tensors, the controller's included.
        layers: In topological order.
        input, output: Tensor names; of several inputs or outputs, the first.
        classes: Class names, one for each output channel, or empty.
        controller: None for a model with fixed widths.
        provenance: How the model was made; plain JSON values.
        task: What the outputs stand for, one of ``TASKS``. A device computes the same whatever it is.
        more_inputs, more_outputs: Tensor names of all inputs and outputs but the first.
        states: Tensors that the network keeps from one inference to the next.
        points: Decision points, in the order of the layers that they lie behind.
        tuned: Settings of the points and widths with their measured cost and agreement, both ascending.
        second_pass: Whether settings may ask for a second pass, for which some tensors are kept; see
            :attr:`kept_for_second_pass`.
    """

    name: str
    tensors: tuple[Tensor, ...]
    layers: tuple[Layer, ...]
    input: str
    output: str
    classes: tuple[str, ...] = ()
    controller: Controller | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    task: str = TASKS[0]
    more_inputs: tuple[str, ...] = ()
    more_outputs: tuple[str, ...] = ()
    states: tuple[State, ...] = ()
    points: tuple[DecisionPoint, ...] = ()
    tuned: tuple[TunedPoint, ...] = ()
    second_pass: bool = False

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise UnsupportedError(
                f"{self.task!r} is no task",
                where=f"graph {self.name!r}",
                next_step=f"choose from {', '.join(TASKS)}",
            )
        check_graph(self)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Tensor names of all inputs, in order."""
        return (self.input, *self.more_inputs)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Tensor names of all outputs, in order."""
        return (self.output, *self.more_outputs)

    def tensor(self, name: str) -> Tensor:
        """The tensor of that name; raises UnknownNameError."""
        for tensor in self.tensors:
            if tensor.name == name:
                return tensor
        raise UnknownNameError.among("tensor", name, [t.name for t in self.tensors], f"graph {self.name!r}")

    def layer(self, name: str) -> Layer:
        """The layer of that name, the controller's included; raises UnknownNameError."""
        for layer in self.all_layers:
            if layer.name == name:
                return layer
        raise UnknownNameError.among("layer", name, [x.name for x in self.all_layers], f"graph {self.name!r}")

    def facts(self) -> tuple[str, Facts]:
        """See :class:`Shown`."""
        weights = sum(layer.weights.size for layer in self.layers if isinstance(layer, MacLayer))
        pairs = dict.fromkeys(pair for layer in self.adaptive for pair in layer.options)
        shapes = ", ".join("x".join(map(str, self.tensor(name).shape)) for name in self.inputs)
        sizes = " + ".join(str(self.tensor(name).size) for name in self.outputs)
        kept = sum(self.tensor(state.read).size for state in self.states)
        controller, dial = "none", self.dial_targets
        if self.controller is not None:
            controller = f"after layer {self.controller.after!r}, {len(self.controller.layers)} layers"
            controller += f", dial from {dial[0]:.3f} to {dial[-1]:.3f}" if dial else ""
        return repr(self.name), (
            ("layers", f"{len(self.layers)}, {self.total_macs:,} MAC, {weights:,} weights"),
            ("input, outputs", f"{shapes}, {sizes}"),
            ("task", self.task),
            *([("states", f"{len(self.states)}, {kept} B kept between inferences")] if self.states else []),
            ("widths", f"{vector_text(list(pairs))} in {len(self.adaptive)} layers" if pairs else "fixed"),
            ("controller", controller),
            *([("points", ", ".join(f"{p.name} after {p.after!r}" for p in self.points))] if self.points else []),
            *([("tuned", f"{len(self.tuned)} settings, cost from {self.tuned[0].cost:.3f}")] if self.tuned else []),
        )

    @property
    def dial_targets(self) -> tuple[float, ...]:
        """BitOPs ratios of the dial's points, 0..1 in thousandths, ascending; none without a dial."""
        return () if self.controller is None else tuple(point.thousandths / 1000 for point in self.controller.dial)

    @property
    def adaptive(self) -> tuple[Conv2D | DepthwiseConv2D | Dense, ...]:
        """Layers with more than one option, in order: the positions of a width vector."""
        return tuple(layer for layer in self.layers if isinstance(layer, MacLayer) and len(layer.options) > 1)

    @property
    def skipped_with(self) -> Mapping[str, int]:
        """Layers that are not run where an adaptive layer is skipped, by name: the position of that layer.

        Nobody but that layer, or others of its branch, reads them.
        """
        readers: dict[str, set[str | None]] = {}
        for layer in self.all_layers:
            for name in layer.inputs:
                readers.setdefault(name, set()).add(layer.name)
        for name in (*self.outputs, *(state.write for state in self.states)):
            readers.setdefault(name, set()).add(None)
        found: dict[str, int] = {}
        for position, last in enumerate(self.adaptive):
            residual = last.residual if isinstance(last, Conv2D) else None
            if last.skip_bias is None:
                continue
            branch: set[str | None] = {last.name}
            for layer in reversed(self.layers):
                if layer.output != residual and readers.get(layer.output, {None}) <= branch and layer is not last:
                    branch.add(layer.name)
                    found[layer.name] = position
        return found

    @property
    def all_layers(self) -> tuple[Layer, ...]:
        """Layers in the order of execution, those of the controller and of points behind the layer that they read."""
        behind: dict[str, tuple[Layer, ...]] = {}
        if self.controller is not None:
            behind[self.controller.after] = self.controller.layers
        for point in self.points:
            behind[point.after] = behind.get(point.after, ()) + point.layers
        return tuple(each for layer in self.layers for each in (layer, *behind.get(layer.name, ())))

    @property
    def beside(self) -> frozenset[str]:
        """Names of the layers that are not run where the widths are given: the controller's and the points'."""
        own = () if self.controller is None else self.controller.layers
        return frozenset(layer.name for layers in (own, *(p.layers for p in self.points)) for layer in layers)

    @property
    def device_numbers(self) -> tuple[int, ...]:
        """For each of ``all_layers`` its number on a device, which counts the layers of heads behind all others."""
        numbers = {name: number for number, name in enumerate(self.device_layers)}
        return tuple(numbers[layer.name] for layer in self.all_layers)

    @property
    def device_layers(self) -> tuple[str, ...]:
        """Names of all layers by their number on a device."""
        heads = {layer.name for point in self.points for layer in point.layers}
        return tuple(sorted((layer.name for layer in self.all_layers), key=heads.__contains__))

    @property
    def second_pass_start(self) -> int:
        """Index, in ``layers``, of the first that a second pass runs: what no choice touches lies before it."""
        branches = self.skipped_with
        touched = (layer is self.adaptive[0] or layer.name in branches for layer in self.layers)
        return next(i for i, does in enumerate(touched) if does)

    @property
    def kept_for_second_pass(self) -> tuple[str, ...]:
        """Tensors that must outlive an inference for a second pass: what its layers read and do not make."""
        if not self.second_pass:
            return ()
        layers = self.layers[self.second_pass_start :]
        made = {layer.output for layer in layers}
        return tuple(dict.fromkeys(name for layer in layers for name in layer.inputs if name not in made))

    @property
    def total_macs(self) -> int:
        """Multiply-accumulates of one inference, those of controller and points left out."""
        return sum(map(self.macs, self.layers))

    def macs(self, layer: Layer) -> int:
        """Multiply-accumulates of a layer for one inference, padded taps counted; 0 for pooling and addition."""
        if isinstance(layer, Dense):
            return int(layer.weights.size)
        if isinstance(layer, Conv2D | DepthwiseConv2D):
            h, w, _ = self.tensor(layer.output).shape
            return h * w * int(layer.weights.size)
        return 0


def with_dial(graph: Graph, bias: Sequence[int], points: Sequence[DialPoint]) -> Graph:
    """The graph with a bias made part of its controller, so that ``dynamic`` needs none, and with a dial around it.

    Args:
        graph: A network with a controller.
        bias: Added to the logits for good, one for each candidate of each decided layer.
        points: The dial's, measured with that bias in place.

    Raises:
        UnsupportedError: A logit could leave int32.
    """
    controller = graph.controller
    assert controller is not None
    last = controller.layers[-1]
    assert isinstance(last, Dense)
    twice = last.bias_twice.astype(np.int64) + np.asarray(bias, np.int64)
    if np.abs(twice).max() > nested.INT32_MAX:
        refuse(last.name, f"its bias reaches {np.abs(twice).max()}, more than int32 holds")
    head = replace(last, bias_twice=twice.astype(np.int32))
    decided = replace(controller, layers=(*controller.layers[:-1], head), dial=tuple(points))
    return replace(graph, controller=decided)
