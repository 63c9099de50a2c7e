"""A random layer for the kernel rig, and what its makers share."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dqt_edge.graph import Conv2D, Dense, DepthwiseConv2D, Graph, Layer, Pair, Shape, Tensor, interpreter

INPUTS = 4
SIZES = (*range(1, 10), 31, 32, 33)
SIZE_MAX = 4_000

Codes = npt.NDArray[np.uint8]
Rng = np.random.Generator


@dataclass(frozen=True, eq=False)
class Case:
    """A random layer.

    Attributes:
        graphs: Graphs that hold it, for planning; together they cover ``pairs`` in order.
        name: Its name in each.
        operands: Codes of the tensors that it reads, uint8 [inputs, size].
        in_place: The output may lie where the second operand does.
        pairs: Width pairs that it runs at.
        expected: CRC-32 of the output by the interpreter, uint32 [pairs, inputs].
    """

    graphs: tuple[Graph, ...]
    name: str
    operands: tuple[Codes, ...]
    in_place: bool
    pairs: tuple[Pair, ...]
    expected: npt.NDArray[np.uint32]


def random_size(rng: Rng) -> int:
    return int(rng.choice(SIZES)) if rng.random() < 0.5 else int(rng.integers(1, 10))


def random_shape(rng: Rng) -> Shape:
    while True:
        shape = (random_size(rng), random_size(rng), random_size(rng))
        if shape[0] * shape[1] * shape[2] <= SIZE_MAX:
            return shape


def random_codes(rng: Rng, shape: Shape) -> Codes:
    codes = rng.integers(0, 256, (INPUTS, *shape)).astype(np.uint8)
    codes[0] = 255
    codes[1] = rng.choice(np.array([0, 255], np.uint8), shape)
    codes[2] = 0
    if rng.random() < 0.5:
        codes[2].reshape(-1)[::2] = 255
    return codes


def random_tensor(rng: Rng, name: str, shape: Shape, zero: bool) -> Tensor:
    return Tensor(name, shape, 0.02, int(rng.choice([1, 255, int(rng.integers(1, 256))])) if zero else 0)


def checksums(outputs: npt.NDArray[np.uint8]) -> list[int]:
    return [zlib.crc32(np.ascontiguousarray(row).tobytes()) for row in outputs]


def finish(
    layer: Layer, graph: Graph, live: dict[str, Codes], pairs: tuple[Pair, ...] | None, in_place: bool = False
) -> Case:
    """Case of a layer that requantises: the interpreter runs it at each pair."""
    runs = [interpreter.run_layer(layer, graph, live, pair) for pair in pairs or (None,)]
    operands = tuple(live[name].reshape(INPUTS, -1) for name in layer.inputs)
    expected = np.array([checksums(outputs) for outputs in runs], np.uint32)
    return Case((graph,), layer.name, operands, in_place, pairs or ((8, 8),), expected)


def one_a_pair(case: Case) -> Case:
    """The same with a graph for each pair, whose layer has no other candidate."""
    (graph,) = case.graphs
    layer = graph.layer(case.name)
    assert isinstance(layer, Conv2D | DepthwiseConv2D | Dense)
    graphs = []
    for i, pair in enumerate(case.pairs):
        biases = None if layer.bias_by_width is None else layer.bias_by_width[i : i + 1]
        alone = replace(layer, candidates=(pair,), bias_by_width=biases)
        graphs.append(replace(graph, layers=tuple(alone if each is layer else each for each in graph.layers)))
    return replace(case, graphs=tuple(graphs))
