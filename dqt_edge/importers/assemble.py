"""From an integer Network to a Graph: multipliers, limits, candidates. Formulas: docs/arithmetic.md."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

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
    MaxPool2D,
    Pair,
    Requantize,
    Tensor,
    Window,
    nested,
    window_counts,
)
from .network import LIMITS, MAC_KINDS, Activation, Edge, Network, Node
from .problems import Problems, Unfit

CONSTANT_MULTIPLIER = 2.0**-21
"""Multiplier of a channel whose weights do not matter: its bias fits int32, and its weights stay far below a code."""
COARSE_ERROR = 2.0**-8
"""Codes by which a multiplier for shift 32 may move an output, where the bias makes up for the constant part."""
COARSE_BIAS_MAX = 1 << 30
"""Such a bias stays below this, so that narrow weights, which have a mean, find room when they become candidates."""
RESIDUAL_ROOM = 255 << 20
"""Part of an accumulator kept for a fused residual, whose multiplier is then at most 2^20."""


def assemble(network: Network, candidates: tuple[Pair, ...] = (FULL,), classes: tuple[str, ...] = ()) -> Graph:
    """Graph of an integer network.

    Args:
        network: Must be ``integer``.
        candidates: Width pairs offered to each layer. A layer whose input has a zero point keeps those with 8-bit
            activations, or 8x8 if there is none.
        classes: Names of the outputs, or empty.

    Raises:
        UnsupportedError: Lists every layer whose scales the arithmetic cannot hold.
    """
    assert network.integer
    return _Assembly(network, candidates).graph(classes)


class _Assembly:
    def __init__(self, network: Network, candidates: tuple[Pair, ...]) -> None:
        self.network, self.candidates = network, candidates
        self.tensors: dict[str, Tensor] = {}
        self.layers: list[Layer] = []
        self.same: dict[str, str] = {}
        """Edges whose codes are those of another."""

    def graph(self, classes: tuple[str, ...]) -> Graph:
        network = self.network
        problems = Problems(f"model {network.name!r}")
        self.tensor(network.edges[network.input])
        for node in network.nodes:
            with problems.collect(repr(node.name), node.kind):
                self.layer(node)
        problems.refuse()
        if not self.layers:
            raise UnsupportedError(
                "no layer is left to run", where=problems.where, next_step="import a model with layers"
            )
        output = self.resolve(network.output)
        size = self.tensors[output].size
        if classes and len(classes) != size:
            raise UnsupportedError(
                f"{len(classes)} class names for {size} outputs",
                where=problems.where,
                next_step="name each output",
            )
        return Graph(
            network.name,
            tuple(self.tensors.values()),
            tuple(self.layers),
            network.input,
            output,
            classes,
            provenance=network.provenance,
        )

    def resolve(self, name: str) -> str:
        return self.same.get(name, name)

    def edge(self, name: str) -> Edge:
        return self.network.edges[self.resolve(name)]

    def tensor(self, edge: Edge, name: str | None = None) -> Tensor:
        assert edge.scale is not None
        made = Tensor(name or edge.name, edge.shape, edge.scale, edge.zero_point)
        self.tensors[made.name] = made
        return made

    # --- Layers ---------------------------------------------------------------------------------------------

    def layer(self, node: Node) -> None:
        sources = [self.tensors[self.resolve(name)] for name in node.inputs]
        target = self.network.edges[node.output]
        if node.kind in MAC_KINDS:
            self.mac(node, sources[0], self.tensor(target))
        elif node.kind == "add":
            self.addition(node, sources[0], sources[1], self.tensor(target))
        elif node.kind == "concat":
            self.layers.append(concat(node, sources, self.tensor(target)))
        elif node.kind == "max_pool":
            self.maximum(node, sources[0], target)
        elif node.kind == "average_pool":
            assert node.window is not None
            result = self.tensor(target)
            self.layers.append(
                average_pool(node.name, sources[0], result, node.window, node.activation, ties_down=node.ties_down)
            )
        else:
            self.rescale(node, sources[0], target)

    def mac(self, node: Node, source: Tensor, result: Tensor) -> None:
        common: dict[str, Any] = {"name": node.name, "input": source.name, "output": result.name}
        allowed = tuple(pair for pair in self.candidates if pair[1] == 8 or source.zero_point == 0)
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

    def addition(self, node: Node, first: Tensor, second: Tensor, result: Tensor) -> None:
        try:
            m1, m2, offset, shift = nested.add_parameters(
                (first.scale, second.scale),
                (first.zero_point, second.zero_point),
                result.scale,
                result.zero_point,
            )
        except ValueError as error:
            raise Unfit(str(error), "operands whose scales are closer to the result's") from error
        limits = code_limits(result, node.activation)
        names = first.name, second.name
        self.layers.append(Add(node.name, names, result.name, (m1, m2), offset, shift, *limits))

    def maximum(self, node: Node, source: Tensor, target: Edge) -> None:
        """A pooling keeps scale and zero point; a following layer changes them where the model does."""
        assert node.window is not None
        same = (source.scale, source.zero_point) == (target.scale, target.zero_point)
        if same and code_limits(source, node.activation) == (0, 255):
            self.layers.append(MaxPool2D(node.name, source.name, self.tensor(target).name, node.window))
            return
        between = Tensor(f"{node.name}_largest", target.shape, source.scale, source.zero_point)
        self.tensors[between.name] = between
        self.layers.append(MaxPool2D(node.name, source.name, between.name, node.window))
        result = self.tensor(target)
        self.layers.append(average_pool(f"{node.name}_rescale", between, result, Window((1, 1)), node.activation))

    def rescale(self, node: Node, source: Tensor, target: Edge) -> None:
        same = (source.scale, source.zero_point) == (target.scale, target.zero_point)
        if same and code_limits(source, node.activation) == (0, 255):
            self.same[target.name] = source.name
            return
        self.layers.append(average_pool(node.name, source, self.tensor(target), Window((1, 1)), node.activation))


def code_limits(tensor: Tensor, activation: Activation) -> tuple[int, int]:
    """Least and largest code that an activation leaves."""
    low, high = LIMITS[activation]
    codes = [
        extreme if math.isinf(real) else min(max(math.floor(real / tensor.scale + 0.5) + tensor.zero_point, 0), 255)
        for real, extreme in ((low, 0), (high, 255))
    ]
    return codes[0], codes[1]


def mac_fields(node: Node, source: Tensor, result: Tensor, candidates: tuple[Pair, ...]) -> dict[str, Any]:
    """Weights, biases, requantisation and candidates of a layer."""
    assert node.weights is not None
    assert node.weight_scales is not None
    assert node.bias is not None
    weights = np.array(node.weights, np.int8)
    multipliers, shifts, biases = [], [], []
    for i in range(len(weights)):
        multiplier = source.scale * float(node.weight_scales[i]) / result.scale
        row, twice, pair = _channel(weights[i], int(node.bias[i]), multiplier, source, result, candidates)
        weights[i] = row
        biases.append(twice)
        multipliers.append(pair[0])
        shifts.append(pair[1])
    requantize = Requantize(
        np.array(multipliers, np.int32), np.array(shifts, np.uint8), *code_limits(result, node.activation)
    )
    return {
        "weights": weights,
        "bias_twice": np.array(biases, np.int32),
        "requantize": requantize,
        "candidates": candidates,
    }


def _channel(
    weights: npt.NDArray[np.int8],
    bias: int,
    multiplier: float,
    source: Tensor,
    result: Tensor,
    candidates: tuple[Pair, ...],
) -> tuple[npt.NDArray[np.int8], int, tuple[int, int]]:
    """Weights, twice the bias, and the requantisation of one channel."""
    if multiplier <= 0:
        raise Unfit("a channel's multiplier is zero", "weight scales above 1e-38")
    row = weights.reshape(1, -1)
    terms = [abs(int(nested.zero_point_twice(row, w, source.zero_point)[0])) for w, _ in candidates]
    reach = max(terms) + nested.accumulator_bound(row, np.zeros((1, 1), np.int64), candidates)
    room = nested.INT32_MAX - RESIDUAL_ROOM - reach
    coarse = _coarse_multiplier(multiplier, reach)
    if coarse:
        twice = math.floor((result.zero_point + bias * multiplier) * 2**32 / coarse + 0.5)
        if abs(twice) < min(room, COARSE_BIAS_MAX):
            return weights, twice, (coarse, 32)
    shift = 2 * result.zero_point / multiplier
    if shift + abs(2 * bias) < room:
        try:
            return weights, 2 * bias + math.floor(shift + 0.5), _pair(multiplier)
        except ValueError as error:
            raise Unfit(str(error), "scales that are closer to each other") from error
    # A dead channel: BatchNorm made its weights so small that only the bias is left.
    if int(np.abs(row.astype(np.int64)).sum()) * 255 * multiplier >= 0.5:
        raise Unfit(f"a channel's bias of {bias} does not fit its accumulator", "biases below 2^29 weight steps")
    constant = min(max(result.zero_point + bias * multiplier, -1.0), 256.0)
    twice = math.floor(2 * constant / CONSTANT_MULTIPLIER + 0.5)
    return np.zeros_like(weights), twice, nested.quantize_multiplier(CONSTANT_MULTIPLIER)


def _coarse_multiplier(multiplier: float, reach: int) -> int:
    """Multiplier for shift 32 of a channel whose weights hardly matter; 0 if they do, or if it needs none.

    A layer is fast only if all its channels have shift 32. reach: greatest accumulator without bias, in halves.
    """
    m0 = math.floor(multiplier * 2**31 + 0.5)
    if not 1 <= m0 < 2**15:
        return 0
    return m0 if reach / 2 * abs(m0 / 2**31 - multiplier) <= COARSE_ERROR else 0


def _pair(multiplier: float) -> tuple[int, int]:
    """Multiplier and shift; what needs a shift above 62 is so small that fewer bits of it do."""
    least = 2.0 ** (1 - nested.SHIFT_MAX)
    if multiplier < least * 2**30:
        return max(1, math.floor(multiplier / least + 0.5)), nested.SHIFT_MAX
    return nested.quantize_multiplier(multiplier)


def concat(node: Node, sources: list[Tensor], result: Tensor) -> Concat:
    """Each input in the scale of the result: a copy where it has that already."""
    pairs, biases = [], []
    for source in sources:
        try:
            pairs.append(nested.quantize_multiplier(source.scale / result.scale))
        except ValueError as error:
            raise Unfit(str(error), "scales that are closer to each other") from error
        biases.append(math.floor(2 * result.zero_point * result.scale / source.scale + 0.5))
    if max(biases) + 2 * 255 > nested.INT32_MAX:
        raise Unfit("its scales are too far apart", "scales that are closer to each other")
    multipliers, shifts = zip(*pairs, strict=True)
    requantize = Requantize(
        np.array(multipliers, np.int32), np.array(shifts, np.uint8), *code_limits(result, node.activation)
    )
    names = tuple(source.name for source in sources)
    return Concat(node.name, names, result.name, node.axis, np.array(biases, np.int32), requantize)


def average_pool(
    name: str,
    source: Tensor,
    result: Tensor,
    window: Window,
    activation: Activation = "none",
    *,
    ties_down: bool = False,
) -> AveragePool2D:
    """Mean under a window; with a window of 1x1, a change of scale, zero point or limits alone.

    ``ties_down`` takes half a unit off the sums of even counts, so that a mean of exactly half a code rounds down and
    all others round as before; odd counts have no such means.
    """
    counts = [int(n) for n in np.unique(window_counts(window, *source.shape[:2]))]
    if counts[0] < 1:
        raise Unfit("a window lies in the padding alone", "less padding")
    ratio = source.scale / result.scale
    try:
        pairs = [nested.quantize_multiplier(ratio / n) for n in counts]
    except ValueError as error:
        raise Unfit(str(error), "scales that are closer to each other") from error
    twice = [math.floor(2 * result.zero_point * n / ratio + 0.5) - (ties_down and n % 2 == 0) for n in counts]
    if max(twice) + 2 * 255 * counts[-1] > nested.INT32_MAX:
        raise Unfit("its scales are too far apart", "scales that are closer to each other")
    multipliers, shifts = zip(*pairs, strict=True)
    requantize = Requantize(
        np.array(multipliers, np.int32), np.array(shifts, np.uint8), *code_limits(result, activation)
    )
    return AveragePool2D(name, source.name, result.name, window, tuple(counts), np.array(twice, np.int32), requantize)
