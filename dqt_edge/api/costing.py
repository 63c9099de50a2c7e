"""What widths cost, counted from shapes alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..architectures.published import architecture
from ..errors import UsageError
from ..graph import Graph, MacLayer, Pair, Shape, pair_text
from ..graph.policy import fixed_choices, given_pairs
from ..importers.files import SUFFIXES, read_model
from ..precision import cost as costs
from ..precision.cost import DEFINITIONS, PAPER, Cost, CostLayer
from ..system.show import Facts, Shown
from .given import FilePath, graph_of

USUAL: tuple[Pair, ...] = ((8, 8), (4, 8), (4, 4), (2, 8), (2, 4))


@dataclass(frozen=True, repr=False)
class CostResult(Shown):
    """Costs of one inference.

    Attributes:
        model: Its name.
        layers: Layers with weights.
        costs: Widths as text -> BitOPs and the work of switching; see ``precision.cost.DEFINITIONS``.
    """

    model: str
    layers: tuple[CostLayer, ...]
    costs: Mapping[str, Cost]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all layers."""
        return sum(layer.macs for layer in self.layers)

    @property
    def weights(self) -> int:
        """Weights of all layers."""
        return sum(layer.weights for layer in self.layers)

    @property
    def inputs(self) -> int:
        """Input elements of all layers."""
        return sum(layer.inputs for layer in self.layers)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "model": self.model,
            "definitions": DEFINITIONS,
            "paper": PAPER,
            "macs": self.macs,
            "weights": self.weights,
            "inputs": self.inputs,
            "layers": [dataclasses.asdict(layer) for layer in self.layers],
            "costs": {name: dataclasses.asdict(row) for name, row in self.costs.items()},
        }

    def facts(self) -> tuple[str, Facts]:
        """See :class:`Shown`."""
        rows = [(n, f"{c.bitops / 1e6:,.1f} M BitOPs, {c.bitops_ratio:.4f} of 8x8") for n, c in self.costs.items()]
        return f"{self.model!r}", [("layers", f"{len(self.layers)}, {self.macs:,} MAC"), *rows]


def cost(
    model: Graph | FilePath,
    *,
    candidates: str | Sequence[Pair] | None = None,
    policy: str | Sequence[Pair] | None = None,
    input_shape: Shape | None = None,
    classes: int | None = None,
    ends: bool = False,
) -> CostResult:
    """Count BitOPs and the work of switching widths.

    Args:
        model: A graph, a name such as ``"resnet50"``, or the path of a checkpoint or a ``.tflite``, ``.onnx``,
            ``.keras`` or ``.h5`` file.
        candidates: Width pairs, each for all layers at once; None is a checkpoint's own, else the usual five.
        policy: Also this width vector of a checkpoint.
        input_shape: (height, width, channels) of a named model, instead of its usual ones.
        classes: Classes of a named model, instead of its usual ones.
        ends: Narrow the first and the last layer too.

    Raises:
        UsageError: An unknown name, or a parameter that this kind of model does not take.
        BadFileError, UnsupportedError: The file is damaged, or cannot be imported.

    Example:
        ```python
        import dqt_edge as dqt

        found = dqt.cost("resnet50", candidates="8x8,4x4")
        print(found)
        print(found.costs["4x4"].bitops_ratio)
        ```
    """
    pairs = None if candidates is None else given_pairs(candidates, "`candidates`")
    layers, offered, vector = _layers(model, pairs, policy, input_shape, classes, ends)
    name = model.name if isinstance(model, Graph) else str(model)
    if not layers:
        raise UsageError("the model has no layer with weights", where=name, next_step="give another model")
    rows = {pair_text(pair): costs.uniform(layers, pair) for pair in offered}
    if vector is not None and policy is not None:
        rows[policy if isinstance(policy, str) else ",".join(map(pair_text, policy))] = costs.cost(layers, vector)
    return CostResult(name, layers, rows)


def _layers(
    model: Graph | FilePath,
    pairs: tuple[Pair, ...] | None,
    policy: str | Sequence[Pair] | None,
    shape: Shape | None,
    classes: int | None,
    ends: bool,
) -> tuple[tuple[CostLayer, ...], tuple[Pair, ...], list[Pair] | None]:
    """Layers, width pairs to count, and the pair of each layer under the policy."""
    if isinstance(model, Graph) or Path(model).suffix == ".safetensors":
        if shape is not None or classes is not None:
            raise UsageError(
                "a checkpoint has its own shapes", where="`input_shape`, `classes`", next_step="leave them out"
            )
        graph = graph_of(model)
        layers = costs.of_graph(graph, all_adaptive=pairs is not None)
        layers = layers if ends or pairs is None else costs.fix_ends(layers)
        own = tuple(dict.fromkeys(pair for layer in graph.adaptive for pair in layer.candidates)) or ((8, 8),)
        return layers, pairs or own, None if policy is None else _vector(graph, policy)
    if policy is not None:
        raise UsageError("a width vector needs a checkpoint", where="`policy`", next_step="leave it out")
    if Path(model).suffix in SUFFIXES:
        layers = costs.of_network(read_model(Path(model)))
        return layers if ends else costs.fix_ends(layers), pairs or USUAL, None
    make, usual_shape, usual = architecture(str(model))
    layers = costs.of_spec(make(classes or usual), shape or usual_shape)
    layers = tuple(dataclasses.replace(layer, adaptive=True) for layer in layers)
    return layers if ends else costs.fix_ends(layers), pairs or USUAL, None


def _vector(graph: Graph, policy: str | Sequence[Pair]) -> list[Pair]:
    choices = iter(fixed_choices(graph, given_pairs(policy, "`policy`")))
    adaptive = {layer.name: layer.candidates[next(choices)] for layer in graph.adaptive}
    return [adaptive.get(x.name, x.candidates[0]) for x in graph.layers if isinstance(x, MacLayer)]
