"""What widths cost, counted from shapes alone: BitOPs, and the work of switching (docs/arithmetic.md)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..architectures.spec import Depthwise, Fully, MacNode, Spec, inputs_of, shapes
from ..graph import FULL, Conv2D, Dense, DepthwiseConv2D, Graph, MacLayer, Pair, Shape
from ..graph.bitops import PER_MAC, total
from ..importers.network import MAC_KINDS, Network

DEFINITIONS = {
    "BitOPs": "sum over layers of MAC * weight bits * activation bits; the ratio is to all layers at 8x8",
    "T": "views made in one inference: weights of every layer whose weights have fewer than 8 bits, and input elements "
    "of every layer whose activations have fewer than 8 bits. One view is one shift",
    "2T": "two floating-point multiplications for each view, what a system pays that dequantises and quantises again",
    "device": "what the kernels for Cortex-M4 and M7 execute for these views: one AND for four weights of a packed "
    "word, and UQADD8, AND and a shift for four activations. A convolution that decodes its weights in several blocks "
    "expands its activations once for each",
}
PAPER = (
    "The DQT paper (arXiv 2508.09176) states 28.3M against 56.6M for ResNet-50: the same ratio of 1 to 2. Its count of "
    "elements could not be rebuilt from the architecture; the numbers here are our own count, by the definition above."
)
VIEWS_OF_A_WORD = 4
INSTRUCTIONS_OF_ACTIVATIONS = 3


@dataclass(frozen=True)
class CostLayer:
    """A layer with weights, as its cost depends on it.

    Attributes:
        macs: Multiply-accumulates of one inference, padded taps counted.
        weights, inputs: Elements of the weights and of the input tensor.
        adaptive: Whether the widths may be chosen.
        narrow_inputs: Whether the input may be read below 8 bits (its zero point is 0).
    """

    name: str
    kind: str
    macs: int
    weights: int
    inputs: int
    adaptive: bool = True
    narrow_inputs: bool = True

    def at(self, pair: Pair) -> Pair:
        """The pair as far as the layer can take it."""
        if not self.adaptive:
            return FULL
        return pair if self.narrow_inputs else (pair[0], 8)


@dataclass(frozen=True)
class Cost:
    """Cost of one inference; the terms are defined in ``DEFINITIONS``."""

    bitops: int
    bitops_ratio: float
    transitions: int
    dequantising: int
    device: int


def cost(layers: Sequence[CostLayer], pairs: Sequence[Pair]) -> Cost:
    """Cost of a network whose layer i runs at pair i."""
    macs = [layer.macs for layer in layers]
    bitops = total(macs, pairs)
    weights = [layer.weights for layer, (w, _) in zip(layers, pairs, strict=True) if w < 8]
    inputs = [layer.inputs for layer, (_, a) in zip(layers, pairs, strict=True) if a < 8]
    device = sum(math.ceil(n / VIEWS_OF_A_WORD) for n in weights)
    device += sum(INSTRUCTIONS_OF_ACTIVATIONS * math.ceil(n / VIEWS_OF_A_WORD) for n in inputs)
    views = sum(weights) + sum(inputs)
    return Cost(bitops, bitops / (PER_MAC * sum(macs)), views, 2 * views, device)


def uniform(layers: Sequence[CostLayer], pair: Pair) -> Cost:
    """Cost with every adaptive layer at one pair, as far as it can take it, and the others at 8x8."""
    return cost(layers, [layer.at(pair) for layer in layers])


def of_spec(spec: Spec, input_shape: Shape) -> tuple[CostLayer, ...]:
    """Layers of a structure; raises UnsupportedError if the input is too small for its windows."""
    known = shapes(spec, input_shape)
    found = []
    for node in spec.nodes:
        if not isinstance(node, MacNode):
            continue
        source, result = known[inputs_of(node)[0]], known[node.name]
        kernel = (1, 1) if isinstance(node, Fully) else node.kernel
        depth = math.prod(source) if isinstance(node, Fully) else source[2]
        weights = math.prod(kernel) * result[2] * (1 if isinstance(node, Depthwise) else depth)
        places = result[0] * result[1]
        kind = type(node).__name__
        found.append(CostLayer(node.name, kind, places * weights, weights, math.prod(source), node.adaptive))
    return tuple(found)


def of_graph(graph: Graph, *, all_adaptive: bool) -> tuple[CostLayer, ...]:
    """Layers of a graph, the controller's left out.

    Args:
        graph: The network.
        all_adaptive: Every layer may be chosen; else those with more than one candidate.
    """
    layers = [layer for layer in graph.layers if isinstance(layer, MacLayer)]
    return tuple(_of_layer(graph, layer, all_adaptive or len(layer.candidates) > 1) for layer in layers)


def _of_layer(graph: Graph, layer: Conv2D | DepthwiseConv2D | Dense, adaptive: bool) -> CostLayer:
    source = graph.tensor(layer.input)
    kind = type(layer).__name__
    weights = int(layer.weights.size)
    return CostLayer(layer.name, kind, graph.macs(layer), weights, source.size, adaptive, source.zero_point == 0)


def of_network(network: Network) -> tuple[CostLayer, ...]:
    """Layers of a model file; in floating point, every input may be read below 8 bits."""
    found = []
    for node in network.nodes:
        if node.kind not in MAC_KINDS:
            continue
        assert node.weights is not None
        source, result = network.edges[node.inputs[0]], network.edges[node.output]
        places = result.shape[0] * result.shape[1]
        weights = int(node.weights.size)
        narrow = source.zero_point == 0
        size = math.prod(source.shape)
        found.append(CostLayer(node.name, node.kind, places * weights, weights, size, narrow_inputs=narrow))
    return tuple(found)


def fix_ends(layers: Sequence[CostLayer]) -> tuple[CostLayer, ...]:
    """The same with the first and the last layer at 8x8, as networks usually keep them."""
    last = len(layers) - 1
    return tuple(dataclasses.replace(x, adaptive=x.adaptive and 0 < i < last) for i, x in enumerate(layers))
