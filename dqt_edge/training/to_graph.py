"""From a trained network to a Graph: norms folded, scales turned into integer multipliers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..architectures.spec import (
    INPUT,
    Apply,
    AveragePool,
    Conv,
    Depthwise,
    Fully,
    Join,
    MaxPool,
    Move,
    Product,
    Spec,
    Sum,
    control_window,
    field_window,
    inputs_of,
    window_of,
)
from ..errors import UnsupportedError
from ..graph import (
    Add,
    Concat,
    Controller,
    Conv2D,
    DecisionPoint,
    Dense,
    DepthwiseConv2D,
    Graph,
    Layer,
    Lookup,
    MaxPool2D,
    Multiply,
    Pad,
    Tensor,
    nested,
)
from ..graph.values import in_layer
from ..importers.functions import Function
from ..importers.tables import table_of
from .head_graph import head_layers
from .layer_fields import average_pool, mac_fields, refusal, scaled
from .network import NestedModel


def tensor_name(node: str) -> str:
    """Name of the tensor that a node makes."""
    return INPUT if node == INPUT else f"{node}_out"


def to_graph(
    model: NestedModel,
    name: str,
    provenance: Mapping[str, Any] | None = None,
) -> Graph:
    """Lower a trained network.

    Args:
        model: The network; its scales must be calibrated.
        name: Name of the graph.
        provenance: Plain JSON values that say how it was made.

    Raises:
        UnsupportedError: A scale or accumulator that the integer arithmetic cannot hold, by layer.
    """
    if model.view != "centred":
        raise UnsupportedError(
            f"views of kind {model.view!r} have no integer path",
            where=f"model {name!r}",
            next_step="train with `view` centred; the other views are for comparison",
        )
    return _Lowering(model, name, dict(provenance or {})).graph()


def _number(value: Any) -> float:  # noqa: ANN401 - a Keras variable or tensor
    return float(np.asarray(value, np.float64))


class _Lowering:
    """State of one conversion: which additions are fused, and the tensors made so far."""

    def __init__(self, model: NestedModel, name: str, provenance: dict[str, Any]) -> None:
        self.model, self.name, self.provenance = model, name, provenance
        self.spec: Spec = model.spec
        self.tensors: list[Tensor] = []
        self.fused: dict[str, tuple[str, str]] = {}
        """Convolution -> (addition, other operand)."""
        for total in sorted(model.fused):
            conv, other = model.fusible[total]
            if model.fits_fused(total):
                self.fused[conv] = total, other

    def graph(self) -> Graph:
        model = self.model
        self._tensor(INPUT)
        absorbed = {total for total, _ in self.fused.values()}
        layers = []
        for node in self.spec.nodes:
            if node.name not in absorbed:
                with in_layer(node.name):
                    layers.append(self._layer(node))
        controller, points = self._controller(), self._points()
        return Graph(
            self.name,
            tuple(self.tensors),
            tuple(layers),
            INPUT,
            tensor_name(self.spec.nodes[-1].name),
            model.classes,
            controller,
            self.provenance,
            task=self.model.task,
            points=points,
        )

    # --- Numbers --------------------------------------------------------------------------------------------

    def _scale(self, node: str) -> float:
        return self.model.real_scale(node)

    def _described(self, node: str) -> Tensor:
        zero = self.model.zero_point(node)
        # The scale of the data itself, by which the host quantises, and that of outputs of real numbers: the unit of
        # training does not leave the network.
        coding, last = self.model.output_coding, self.spec.nodes[-1].name
        scale = self.model.input_scale if self._holds_inputs(node) else self._scale(node)
        if node == last and coding is not None:
            scale = coding[0]
        return Tensor(tensor_name(node), self.model.shapes[node], scale, zero)

    def _holds_inputs(self, node: str) -> bool:
        """Whether a node's output is made of the model's input codes, unchanged."""
        if node == INPUT:
            return True
        made_by = self.model.parts[node].node
        return isinstance(made_by, MaxPool | Move) and self._holds_inputs(made_by.input)

    def _tensor(self, node: str) -> str:
        """Define the tensor of a node; its name."""
        self.tensors.append(self._described(node))
        return self.tensors[-1].name

    # --- Layers ---------------------------------------------------------------------------------------------

    def _layer(self, node: Any) -> Layer:  # noqa: ANN401 - a Node
        if isinstance(node, Sum):
            return self._addition(node)
        if isinstance(node, MaxPool):
            window = window_of(node, self.model.shapes[node.input])
            return MaxPool2D(node.name, tensor_name(node.input), self._tensor(node.name), window)
        if isinstance(node, AveragePool):
            source = replace(self._described(node.input), scale=self._scale(node.input))
            self._tensor(node.name)
            result = replace(self.tensors[-1], scale=self._scale(node.name))
            return average_pool(node.name, source, result, window_of(node, source.shape))
        if isinstance(node, Join | Product | Apply | Move):
            return self._plain(node)
        return self._mac(node)

    def _plain(self, node: Join | Product | Apply | Move) -> Layer:
        """A layer without weights: multipliers, a table, or codes that only move."""
        zero, name = self.model.zero_point(node.name), self._tensor(node.name)
        names = tuple(map(tensor_name, inputs_of(node)))
        if isinstance(node, Move):
            made = replace(node.by, name=node.name, input=names[0], output=name)
            return replace(made, value=zero) if isinstance(made, Pad) else made
        scale, scales = self._scale(node.name), [self._scale(source) for source in inputs_of(node)]
        if isinstance(node, Apply):
            source = replace(self._described(node.input), scale=scales[0])
            own = self.model.output_coding is not None and node is self.spec.nodes[-1]
            result = self.tensors[-1] if own else replace(self.tensors[-1], scale=scale)
            function = Function(node.function, {key: np.asarray(value) for key, value in node.parameters})
            return Lookup(node.name, names[0], name, table_of(function, source, result, (0, 255)))
        if isinstance(node, Product):
            twice, requantize = scaled(node.name, [scales[0] * scales[1] / scale], zero)
            return Multiply(node.name, (names[0], names[1]), name, twice, requantize)
        twice, requantize = scaled(node.name, [source / scale for source in scales], zero)
        return Concat(node.name, names, name, node.axis, twice, requantize)

    def _mac(self, node: Conv | Depthwise | Fully) -> Layer:
        part = self.model.parts[node.name]
        result, other = self.fused.get(node.name, (node.name, None))
        source = self._scale(node.input)
        common = mac_fields(part, source, self._scale(result), self.model.zero_point(result))
        common |= {"name": node.name, "input": tensor_name(node.input), "output": self._tensor(result)}
        if isinstance(node, Fully):
            return Dense(**common)
        window = window_of(node, self.model.shapes[node.input])
        if isinstance(node, Depthwise):
            return DepthwiseConv2D(**common, window=window)
        if other is None:
            return Conv2D(**common, window=window)
        multiplier = self.model.residual_multiplier(result)
        return Conv2D(**common, window=window, residual=tensor_name(other), residual_multiplier=multiplier)

    def _addition(self, node: Sum) -> Add:
        first, second = node.inputs
        zero = self.model.zero_point(node.name)
        try:
            m1, m2, offset, shift = nested.add_parameters(
                (self._scale(first) * node.signs[0], self._scale(second) * node.signs[1]),
                (self.model.zero_point(first), self.model.zero_point(second)),
                self._scale(node.name),
                zero,
            )
        except ValueError as error:
            raise refusal(node.name, str(error)) from error
        names = tensor_name(first), tensor_name(second)
        return Add(node.name, names, self._tensor(node.name), (m1, m2), offset, shift, low=0)

    # --- Controller -----------------------------------------------------------------------------------------

    def _controller(self) -> Controller | None:
        controller = self.model.controller
        if controller is None:
            return None
        assert self.spec.control is not None
        stem = self._described(self.spec.control)
        tensors, layers = head_layers(controller, stem, control_window(self.spec, stem.shape))
        self.tensors += tensors
        return Controller(self.spec.control, layers, tuple(self.model.adaptive))

    def _points(self) -> tuple[DecisionPoint, ...]:
        """Decision points; one behind a fused addition lies behind the convolution that absorbs it."""
        absorbing = {total: conv for conv, (total, _) in self.fused.items()}
        points = []
        for place in self.spec.points:
            source = replace(self._described(place.after), scale=self._scale(place.after))
            window = field_window(place.grid, source.shape)
            tensors, layers = head_layers(self.model.heads[place.after], source, window)
            self.tensors += tensors
            points.append(DecisionPoint(place.name, absorbing.get(place.after, place.after), layers))
        return tuple(points)


def head_bias(model: NestedModel, steps: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """Twice the bias of the controller's last layer plus ``steps``, rounded once, as lowering rounds.

    Args:
        model: A network with a controller, which stays as it is.
        steps: What to add, in halves of the accumulator's unit, [decided layers * candidates].
    """
    controller = model.controller
    assert controller is not None
    head, source = controller.logits, _number(controller.hidden.output_quantizer.scale())
    unit = float(np.exp(head.log_scale.numpy()[0])) * source / 2
    real = head.bias.numpy() + (steps * unit).astype(np.float32)
    fields = mac_fields(head, source, None, 0, real)
    return np.asarray(fields["bias_twice"], np.int32)
