"""From an integer Network to a Graph: multipliers, limits, candidates. Formulas: docs/arithmetic.md."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..graph import (
    FULL,
    Add,
    AveragePool2D,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Graph,
    Layer,
    Lookup,
    Maximum,
    MaxPool2D,
    Minimum,
    Multiply,
    Pad,
    Pair,
    Rearrange,
    Requantize,
    Resize,
    Softmax,
    State,
    Tensor,
    nested,
    window_counts,
)
from .channels import code_limits, mac_fields
from .functions import Function
from .network import MAC_KINDS, Edge, Network, Node
from .problems import Problems, Unfit
from .steps import FINE, counted, summed
from .tables import fuse_lookups, table_of

IDENTITY = Function("identity")
ADD_RATIO_MIN = 2.0**-14
"""Least scale of a sum, of its operands' scale: with a finer one, a step of an operand is over 64 times all codes."""


def assemble(
    network: Network, candidates: tuple[Pair, ...] = (FULL,), classes: tuple[str, ...] = (), *, fuse: bool = True
) -> Graph:
    """Graph of an integer network.

    Args:
        network: Must be ``integer``.
        candidates: Width pairs offered to each layer. A layer whose input has a zero point keeps those with 8-bit
            activations, or 8x8 if there is none.
        classes: Names of the outputs, or empty.
        fuse: Compute layers that depend on each code alone by one table; the codes are the same without.

    Raises:
        UnsupportedError: Lists every layer whose scales the arithmetic cannot hold.
    """
    assert network.integer
    return _Assembly(network, candidates).graph(classes, fuse)


class _Assembly:
    def __init__(self, network: Network, candidates: tuple[Pair, ...]) -> None:
        self.network, self.candidates = network, candidates
        self.tensors: dict[str, Tensor] = {}
        self.layers: list[Layer] = []
        self.same: dict[str, str] = {}
        """Edges whose codes are those of another."""

    def graph(self, classes: tuple[str, ...], fuse: bool) -> Graph:
        network = self.network
        problems = Problems(f"model {network.name!r}")
        for name in network.sources:
            self.tensor(network.edges[name])
        for node in network.nodes:
            with problems.collect(repr(node.name), node.kind):
                self.layer(node)
        problems.refuse()
        if not self.layers:
            raise UnsupportedError(
                "no layer is left to run", where=problems.where, next_step="import a model with layers"
            )
        outputs = [self.resolve(name) for name in network.outputs]
        kept = frozenset(self.resolve(name) for name in network.kept)
        tensors, layers = self.tensors, tuple(self.layers)
        provenance = network.provenance
        if fuse:
            tensors, layers, fused = fuse_lookups(tensors, layers, kept)
            notes = {**provenance.get("notes", {}), **dict.fromkeys(fused, "one table for several operators")}
            provenance = provenance | ({"notes": notes} if notes else {})
        size = tensors[outputs[0]].shape[2]
        if classes and len(classes) != size:
            raise UnsupportedError(
                f"{len(classes)} class names for {size} outputs",
                where=problems.where,
                next_step="name each output",
            )
        return Graph(
            network.name,
            tuple(tensors.values()),
            layers,
            network.input,
            outputs[0],
            classes,
            provenance=provenance,
            more_inputs=network.inputs[1:],
            more_outputs=tuple(outputs[1:]),
            states=tuple(self.state(v.read, v.write, v.initial) for v in network.variables),
        )

    def state(self, read: str, write: str, initial: float) -> State:
        tensor = self.tensors[read]
        code = int(nested.quantize(initial, tensor.scale, tensor.zero_point))
        return State(read, self.resolve(write), code)

    def resolve(self, name: str) -> str:
        return self.same.get(name, name)

    def tensor(self, edge: Edge, name: str | None = None) -> Tensor:
        assert edge.scale is not None
        made = Tensor(name or edge.name, edge.shape, edge.scale, edge.zero_point)
        self.tensors[made.name] = made
        return made

    # --- Layers ---------------------------------------------------------------------------------------------

    def layer(self, node: Node) -> None:
        sources = [self.tensors[self.resolve(name)] for name in node.inputs]
        target = self.network.edges[node.output]
        if node.kind == "lookup":
            self.lookup(node, sources[0], target)
        elif node.kind in MAC_KINDS:
            self.weighted(node, sources[0], target)
        elif node.kind in ("max_pool", "rearrange", "pad", "resize"):
            self.moved(node, sources[0], target)
        elif node.kind in ("maximum", "minimum"):
            self.extreme(node, sources, self.tensor(target))
        elif node.kind in ("average_pool", "multiply"):
            self.product(node, sources, target)
        elif node.kind == "concat":
            self.concat(node, sources, self.tensor(target))
        else:
            self.layers.append(_LAYERS[node.kind](node, sources, self.tensor(target)))

    def weighted(self, node: Node, source: Tensor, target: Edge) -> None:
        """A layer with weights, and a table behind it where its output has a finer scale than its sums."""
        assert target.scale is not None
        result = Tensor(target.name, target.shape, target.scale, target.zero_point)
        found = counted(node, source, result)
        if found is None:
            self.mac(node, source, self.tensor(target))
            return
        made, between, function = found
        self.tensors[between.name] = between
        self.mac(made, source, between)
        table = table_of(function, between, self.tensor(target), code_limits(result, node.activation))
        self.layers.append(Lookup(f"{node.name}_rescale", between.name, result.name, table))

    def mac(self, node: Node, source: Tensor, result: Tensor) -> None:
        common: dict[str, Any] = {"name": node.name, "input": source.name, "output": result.name}
        allowed = tuple(pair for pair in self.candidates if pair[1] == 8 or source.zero_point == 0)
        if node.full:
            allowed = ()
        common |= mac_fields(node, source, result, allowed or (FULL,))
        if node.kind == "dense":
            self.layers.append(Dense(**common))
            return
        assert node.window is not None
        if node.kind == "depthwise":
            self.layers.append(DepthwiseConv2D(**common, window=node.window))
        elif node.residual is None:
            self.layers.append(Conv2D(**common, window=node.window))
        else:
            other = self.tensors[self.resolve(node.residual)]
            # Of the multiplier that the channel got, which need not be the model's own.
            requantize: Requantize = common["requantize"]
            units = requantize.multiplier * 2.0 ** (1.0 - requantize.shift) * result.scale
            factors = np.array([nested.residual_multiplier(other.scale, float(u)) for u in units], np.int32)
            self.layers.append(Conv2D(**common, window=node.window, residual=other.name, residual_multiplier=factors))

    def product(self, node: Node, sources: list[Tensor], target: Edge) -> None:
        """An average pooling or a product, and a table behind it where its output has a finer scale than its sums."""
        assert target.scale is not None
        result = Tensor(target.name, target.shape, target.scale, target.zero_point)
        pools = node.kind == "average_pool"
        counts = _counts(node, sources[0]) if pools else (1,)
        scale = sources[0].scale * (node.factor if pools else sources[1].scale)
        between = summed(node, scale, counts, result)
        if between is None:
            self.layers.append(_LAYERS[node.kind](node, sources, self.tensor(target)))
            return
        self.tensors[between.name] = between
        self.layers.append(_LAYERS[node.kind](dataclasses.replace(node, activation="none"), sources, between))
        self.rescale(f"{node.name}_rescale", between, self.tensor(target), node)

    def concat(self, node: Node, sources: list[Tensor], result: Tensor) -> None:
        """Tensors side by side; one of a much coarser scale takes that of the result first, by a table."""
        fine = [
            self.rescaled(node, i, s, result) if s.scale > FINE * result.scale else s for i, s in enumerate(sources)
        ]
        self.layers.append(_concat(node, fine, result))

    def lookup(self, node: Node, source: Tensor, target: Edge) -> None:
        """A function of each code; none, where it changes no code."""
        assert node.function is not None
        same = (source.scale, source.zero_point) == (target.scale, target.zero_point)
        plain = node.function.name == "identity" and code_limits(source, node.activation) == (0, 255)
        leaves = target.name in self.network.kept and source.name in {*self.network.sources, *self.network.kept}
        if same and plain and source.shape == target.shape and not leaves:
            self.same[target.name] = source.name
            return
        result = self.tensor(target)
        table = table_of(node.function, source, result, code_limits(result, node.activation))
        self.layers.append(Lookup(node.name, source.name, result.name, table))

    def moved(self, node: Node, source: Tensor, target: Edge) -> None:
        """Codes move as they are; a following lookup changes scale, zero point or limits where the model does."""
        same = (source.scale, source.zero_point) == (target.scale, target.zero_point)
        if same and code_limits(source, node.activation) == (0, 255):
            self.layers.append(_move(node, source, self.tensor(target)))
            return
        between = Tensor(f"{node.name}_codes", target.shape, source.scale, source.zero_point)
        self.tensors[between.name] = between
        self.layers.append(_move(node, source, between))
        self.rescale(f"{node.name}_rescale", between, self.tensor(target), node)

    def extreme(self, node: Node, sources: list[Tensor], result: Tensor) -> None:
        """Operands in the scale of the result first."""
        same = [(s.scale, s.zero_point) == (result.scale, result.zero_point) for s in sources]
        first, second = (s if same[i] else self.rescaled(node, i, s, result) for i, s in enumerate(sources))
        kind = Maximum if node.kind == "maximum" else Minimum
        self.layers.append(kind(node.name, (first.name, second.name), result.name))

    def rescaled(self, node: Node, place: int, source: Tensor, result: Tensor) -> Tensor:
        """An operand in the scale of the result."""
        made = Tensor(f"{node.name}_operand_{place}", source.shape, result.scale, result.zero_point)
        self.tensors[made.name] = made
        self.rescale(f"{node.name}_rescale_{place}", source, made)
        return made

    def rescale(self, name: str, source: Tensor, result: Tensor, node: Node | None = None) -> None:
        limits = (0, 255) if node is None else code_limits(result, node.activation)
        self.layers.append(Lookup(name, source.name, result.name, table_of(IDENTITY, source, result, limits)))


def _move(node: Node, source: Tensor, result: Tensor) -> Layer:
    """A layer that keeps scale and zero point."""
    names = {"name": node.name, "input": source.name, "output": result.name}
    if node.kind == "max_pool":
        assert node.window is not None
        return MaxPool2D(**names, window=node.window)
    if node.kind == "rearrange":
        assert node.order is not None
        return Rearrange(**names, start=node.order.start, sizes=node.order.sizes, strides=node.order.strides)
    if node.kind == "pad":
        assert node.padding is not None
        value = int(nested.quantize(node.padding.value, source.scale, source.zero_point))
        return Pad(**names, before=node.padding.before, step=node.padding.step, value=value)
    assert node.grid is not None
    return Resize(**names, rows=node.grid.rows, columns=node.grid.columns)


def _add(node: Node, sources: list[Tensor], result: Tensor) -> Add:
    first, second = sources
    scales = first.scale * node.signs[0], second.scale * node.signs[1]
    zeros = first.zero_point, second.zero_point
    # Of a result whose scale is so fine that any difference saturates, a coarser one saturates as well.
    least = ADD_RATIO_MIN * max(map(abs, scales))
    target = max(result.scale, least)
    try:
        m1, m2, offset, shift = nested.add_parameters(scales, zeros, target, result.zero_point)
    except ValueError:
        # Both operands near the limit, or a far zero point: a step is still over 16 times all codes.
        m1, m2, offset, shift = nested.add_parameters(scales, zeros, 4 * least, result.zero_point)
    limits = code_limits(result, node.activation)
    return Add(node.name, (first.name, second.name), result.name, (m1, m2), offset, shift, *limits)


def _multiply(node: Node, sources: list[Tensor], result: Tensor) -> Multiply:
    first, second = sources
    bias, requantize = _scaled([first.scale * second.scale / result.scale], node, result)
    return Multiply(node.name, (first.name, second.name), result.name, bias, requantize)


def _concat(node: Node, sources: list[Tensor], result: Tensor) -> Concat:
    """Each input in the scale of the result: a copy where it has that already."""
    bias, requantize = _scaled([source.scale / result.scale for source in sources], node, result)
    names = tuple(source.name for source in sources)
    return Concat(node.name, names, result.name, node.axis, bias, requantize)


def _softmax(node: Node, sources: list[Tensor], result: Tensor) -> Softmax:
    return Softmax(node.name, sources[0].name, result.name, nested.exponentials(sources[0].scale))


def _average_pool(node: Node, sources: list[Tensor], result: Tensor) -> AveragePool2D:
    """Mean under a window, times the node's factor."""
    assert node.window is not None
    counts = _counts(node, sources[0])
    ratio = sources[0].scale * node.factor / result.scale
    bias, requantize = _scaled([ratio / n for n in counts], node, result)
    if int(bias.astype(np.int64).max()) + 2 * 255 * counts[-1] > nested.INT32_MAX:
        raise Unfit("its scales are too far apart", "scales that are closer to each other")
    names = {"name": node.name, "input": sources[0].name, "output": result.name}
    return AveragePool2D(**names, window=node.window, counts=counts, bias_twice=bias, requantize=requantize)


def _counts(node: Node, source: Tensor) -> tuple[int, ...]:
    """Numbers of elements under a pooling's windows."""
    assert node.window is not None
    counts = tuple(int(n) for n in np.unique(window_counts(node.window, *source.shape[:2])))
    if counts[0] < 1:
        raise Unfit("a window lies in the padding alone", "less padding")
    return counts


def _scaled(ratios: list[float], node: Node, result: Tensor) -> tuple[Any, Requantize]:
    """Twice the bias and the requantisation of accumulators that count halves of ``ratio`` codes."""
    try:
        pairs = [nested.quantize_multiplier(ratio) for ratio in ratios]
    except ValueError as error:
        raise Unfit(str(error), "scales that are closer to each other") from error
    twice = [math.floor(2 * result.zero_point / ratio + 0.5) for ratio in ratios]
    if max(twice) + 2 * 255 * 255 > nested.INT32_MAX:
        raise Unfit("its scales are too far apart", "scales that are closer to each other")
    multipliers, shifts = zip(*pairs, strict=True)
    limits = code_limits(result, node.activation)
    requantize = Requantize(np.array(multipliers, np.int32), np.array(shifts, np.uint8), *limits)
    return np.array(twice, np.int32), requantize


_LAYERS: dict[str, Any] = {
    "add": _add,
    "multiply": _multiply,
    "softmax": _softmax,
    "average_pool": _average_pool,
}
