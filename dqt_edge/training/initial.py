"""Weights that a network starts training with. Imports without TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..architectures.spec import INPUT, Apply, MacNode, Spec, inputs_of
from ..errors import UnsupportedError

if TYPE_CHECKING:
    from .network import NestedModel

GAMMA_MIN = 1e-2
"""BatchNorm's factor stays positive: folded into a weight scale it must keep the floor view's direction."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LayerWeights:
    """Of one layer, with any norm folded in: kernel as Keras has it, channel last; bias [channels]."""

    kernel: Floats
    bias: Floats


@dataclass(frozen=True, eq=False)
class Initial:
    """A finished floating-point network.

    Attributes:
        source: File that it came from, for messages.
        spec: Its structure.
        weights: Of each node that has any, by name, in the order of ``spec``.
    """

    source: str
    spec: Spec
    weights: Mapping[str, LayerWeights]

    def for_spec(self, spec: Spec) -> Initial:
        """The same weights for another description of the same network, layer by layer in order.

        Raises:
            UnsupportedError: The layers with weights differ in number.
        """
        names = [node.name for node in spec.nodes if isinstance(node, MacNode)]
        if len(names) != len(self.weights):
            raise UnsupportedError(
                f"the weights are those of {len(self.weights)} layers, model {spec.name!r} has {len(names)}",
                where=self.source,
                next_step="give weights of the same network, or leave `model` to the file",
            )
        return replace(self, spec=spec, weights=dict(zip(names, self.weights.values(), strict=True)))


@dataclass(frozen=True, eq=False)
class Earlier:
    """The network of an earlier run: weights, scales and clips, all but the controller and points that it had not.

    Attributes:
        source: Its checkpoint, for messages.
        values: By the path of each Keras variable.
    """

    source: str
    values: Mapping[str, npt.NDArray[Any]]

    def load(self, model: NestedModel) -> None:
        """Put the values into a model whose controller is calibrated.

        Raises:
            UnsupportedError: A value is missing or has another shape.
        """
        heads = [] if model.controller is None else [model.controller]
        # A run without points can be gone on with: its network is known, and the heads are new.
        heads += [h for h in model.heads.values() if not any(self._find(v) is not None for v in h.variables)]
        own = {id(v) for head in heads for v in head.variables}
        for variable in model.variables:
            if id(variable) in own:
                continue
            found = self._find(variable)
            if found is None or found.shape != tuple(variable.shape):
                raise UnsupportedError(
                    f"the earlier run has no {variable.path!r} of shape {tuple(variable.shape)}",
                    where=self.source,
                    next_step="give a run of the same model, on data of the same shape and classes",
                )
            variable.assign(found)

    def _find(self, variable: Any) -> npt.NDArray[Any] | None:  # noqa: ANN401 - a Keras variable
        return self.values.get(variable.path.replace("/", "."))


def load_initial(model: NestedModel, initial: Initial) -> None:
    """Start a network with those weights.

    The weights of a layer with a norm are split: a kernel of the usual size, and the norm's factor for the rest. So one
    learning rate suits all layers. Layers that read the model's input also absorb the unit that it has in training, and
    one that makes real numbers the unit of those.

    Raises:
        UnsupportedError: A layer's weights have another shape.
    """
    for node in model.spec.nodes:
        if not isinstance(node, MacNode):
            continue
        part, given = model.parts[node.name], initial.weights[node.name]
        if given.kernel.shape != tuple(part.kernel.shape):
            raise UnsupportedError(
                f"layer {node.name!r} takes weights {tuple(part.kernel.shape)}, the file has {given.kernel.shape}",
                where=initial.source,
                next_step="give weights of the same network, for data of the same shape and classes",
            )
        kernel = given.kernel
        bias = given.bias
        if _reads_input(model, node.name):
            kernel = kernel * (model.input_scale / model.real_scale(INPUT))
        if model.output_coding is not None and node is model.spec.nodes[-1]:
            unit = model.output_coding[0] / model.real_scale(node.name)
            kernel, bias = kernel / unit, bias / unit
        if part.norm is None:
            part.kernel.assign(kernel.astype(np.float32))
            part.bias.assign(bias.astype(np.float32))
            continue
        usual = np.sqrt((2 if node.relu else 1) / np.prod(kernel.shape[:-1]))
        factor = np.maximum(np.sqrt((kernel**2).mean(axis=tuple(range(kernel.ndim - 1)))) / usual, GAMMA_MIN)
        part.kernel.assign((kernel / factor).astype(np.float32))
        values: dict[str, Any] = {
            "gamma": factor,
            "beta": bias,
            "moving_mean": np.zeros_like(factor),
            "moving_variance": np.full_like(factor, 1 - part.norm.epsilon),
        }
        for name, value in values.items():
            getattr(part.norm, name).assign(value.astype(np.float32))


def _reads_input(model: NestedModel, name: str) -> bool:
    """Whether a layer reads the model's input, directly or through pooling."""
    (source,) = inputs_of(model.parts[name].node)
    while source != INPUT:
        node = model.parts[source].node
        if isinstance(node, (*MacNode, Apply)) or len(inputs_of(node)) > 1:
            return False
        (source,) = inputs_of(node)
    return True
