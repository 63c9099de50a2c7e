"""What heads learn from: codes of the frozen network, by its interpreter's layers. Imports without TensorFlow.

Of each sample only what the heads read is kept, a few hundred bytes a point, and the full network's output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...data.augment import varied
from ...data.load import codes
from ...data.sources import Indices, Source
from ...graph import FULL, AveragePool2D, Graph, MacLayer, Pair, Tensor, Window, window_counts
from ...graph.interpreter import BATCH
from ...graph.policy import fixed_choices
from ...graph.running import run_layer
from ...precision.candidates import nearest, widest
from ..layer_fields import average_pool
from .places import Place
from .shape import HeadShape

Codes = npt.NDArray[np.uint8]
Vector = tuple[Pair, ...]
"""A width pair for each adaptive layer."""
Done = Callable[[int], None]
"""Called with how many samples were run."""
READ_VALUES = 1 << 22
"""Input values that are read at a time."""
RANGE_SAMPLES = 512
REST = 0.0005
"""Part of the pooled values that may lie outside the codes, on either side."""
VARIATION = 4
"""Key of what is random in the varied copy, beside the seed; training has 1 to 3."""


@dataclass(frozen=True, eq=False)
class Inputs:
    """Samples of a data set as codes of a graph's input, read a part at a time, whenever they are run.

    Attributes:
        graph: The network.
        source: Part of the data set.
        indices: Of its samples.
        copy: Behind them comes another copy, varied at random.
        shift: Largest move of that, pixels.
        flip: Whether every other image of it is mirrored.
        seed: Of the variation.
    """

    graph: Graph
    source: Source
    indices: Indices
    copy: bool = False
    shift: int = 0
    flip: bool = False
    seed: int = 0

    def __len__(self) -> int:
        return len(self.indices) * (1 + self.copy)

    def parts(self) -> Iterator[Codes]:
        """Codes of up to ``READ_VALUES``, uint8 [samples, height, width, channels]."""
        tensor = self.graph.tensor(self.graph.input)
        size = max(1, READ_VALUES // tensor.size)
        for copy in range(1 + self.copy):
            for start in range(0, len(self.indices), size):
                made = codes(self.source.images(self.indices[start : start + size]), self.graph)
                if copy:
                    rng = np.random.default_rng((VARIATION, self.seed, start))
                    made = varied(made, self.shift, self.flip, tensor.zero_point, rng)
                yield made


@dataclass(frozen=True)
class Spot:
    """A place with its head's input: how the layer's output is pooled, and to which codes.

    Attributes:
        place: Where it lies.
        shape: Size of the head.
        tensor: What the head's first dense layer reads.
        pool: What makes that tensor; None where it is the layer's own output.
    """

    place: Place
    shape: HeadShape
    tensor: Tensor
    pool: AveragePool2D | None


@dataclass(frozen=True, eq=False)
class Features:
    """Of samples at one width vector.

    Attributes:
        pooled: For each spot the codes that its dense layer reads, uint8 [samples, elements].
        outputs: Codes of the network's output, uint8 [samples, classes]; None where it was not run to its end.
    """

    pooled: tuple[Codes, ...]
    outputs: Codes | None


def vectors_for(graph: Graph, widths: Sequence[Pair] | None, last: str) -> dict[str, Vector]:
    """Width vectors to learn from, by the pair that they have where a layer has it; the widest first.

    Args:
        graph: The network.
        widths: Pairs; None for all candidates of any layer.
        last: The last layer that is run. Of vectors that are equal up to it, the first is kept.
    """
    full = tuple(widest(layer) for layer in graph.adaptive)
    pairs = dict.fromkeys(widths or [pair for layer in graph.adaptive for pair in layer.options] or [FULL])
    known = {layer.name for layer in graph.layers[: 1 + [layer.name for layer in graph.layers].index(last)]}
    before = sum(layer.name in known for layer in graph.adaptive)
    found: dict[Vector, str] = {}
    for pair in sorted(pairs, key=lambda p: -p[0] * p[1]):
        vector = tuple(pair if pair in layer.options else nearest(layer, pair) for layer in graph.adaptive)
        found.setdefault(vector[:before], f"{pair[0]}x{pair[1]}")
    return {text: tuple(v) + full[before:] for v, text in found.items()}


def find_spots(
    graph: Graph, places: Sequence[Place], shapes: Sequence[HeadShape], inputs: Inputs, vectors: Sequence[Vector],
    names: Sequence[str],
) -> tuple[Spot, ...]:  # fmt: skip
    """Pools whose codes span what these inputs make at all of the vectors, but for the outermost values.

    Args:
        graph: The network.
        places: Of each head.
        shapes: Of each head.
        inputs: Some typical ones.
        vectors: Width vectors.
        names: Of the points.
    """
    seen: list[list[npt.NDArray[np.float64]]] = [[] for _ in places]
    for vector in vectors:
        for live in _runs(graph, [place.after for place in places], inputs, vector, to_end=False):
            for values, place, shape in zip(seen, places, shapes, strict=True):
                if shape.window is not None:
                    source = graph.tensor(graph.layer(place.after).output)
                    values.append(_means(live[source.name].astype(np.float64) - source.zero_point, shape.window))
    found = []
    for values, place, shape, name in zip(seen, places, shapes, names, strict=True):
        source = graph.tensor(graph.layer(place.after).output)
        if shape.window is None:
            found.append(Spot(place, shape, source, None))
            continue
        scale, zero = _coding(np.concatenate([v.ravel() for v in values]))
        tensor = Tensor(f"{name}_pool_out", shape.pooled, scale * source.scale, zero)
        found.append(Spot(place, shape, tensor, average_pool(f"{name}_pool", source, tensor, shape.window)))
    return tuple(found)


def collect(
    graph: Graph, spots: Sequence[Spot], inputs: Inputs, vector: Vector, *, to_end: bool, done: Done
) -> Features:
    """Run inputs at a width vector and keep what the heads read.

    Args:
        graph: The network.
        spots: Of the heads.
        inputs: What to run.
        vector: The widths.
        to_end: Keep the network's output too.
        done: Called behind each part.
    """
    pooled: list[list[Codes]] = [[] for _ in spots]
    outputs, count = [], 0
    for live in _runs(graph, [spot.place.after for spot in spots], inputs, vector, to_end=to_end):
        for parts, spot in zip(pooled, spots, strict=True):
            name = graph.layer(spot.place.after).output
            made = live[name] if spot.pool is None else run_layer(spot.pool, graph, live)
            parts.append(made.reshape(len(made), -1))
        if to_end:
            outputs.append(live[graph.output].reshape(len(live[graph.output]), -1))
        count += len(live[graph.input])
        done(count)
    return Features(tuple(map(np.concatenate, pooled)), np.concatenate(outputs) if to_end else None)


def _runs(
    graph: Graph, wanted: Sequence[str], inputs: Inputs, vector: Vector, *, to_end: bool
) -> Iterator[dict[str, Codes]]:
    """Tensors by name, of a batch at a time: the input, the output of the wanted layers, and the network's."""
    fixed_choices(graph, vector)  # refuses what is no vector of this graph
    chosen = dict(zip((layer.name for layer in graph.adaptive), vector, strict=True))
    order = [layer.name for layer in graph.layers]
    layers = graph.layers if to_end else graph.layers[: 1 + max(map(order.index, wanted))]
    kept = {graph.input, graph.output, *(graph.layer(name).output for name in wanted)}
    last_use = {name: i for i, layer in enumerate(layers) for name in layer.inputs}
    for batch in (part[i : i + BATCH] for part in inputs.parts() for i in range(0, len(part), BATCH)):
        live = {graph.input: batch}
        for index, layer in enumerate(layers):
            pair = chosen.get(layer.name, layer.candidates[0]) if isinstance(layer, MacLayer) else None
            live[layer.output] = run_layer(layer, graph, live, pair)
            for name in layer.inputs:
                if last_use[name] == index and name not in kept:
                    live.pop(name, None)
        yield live


def _means(values: npt.NDArray[np.float64], window: Window) -> npt.NDArray[np.float64]:
    """Mean under each window, of [samples, height, width, channels]."""
    top, left, bottom, right = window.padding
    padded = np.pad(values, ((0, 0), (top, bottom), (left, right), (0, 0)))
    view = np.lib.stride_tricks.sliding_window_view(padded, window.kernel, axis=(1, 2))
    sums = view[:, :: window.stride[0], :: window.stride[1]].sum(axis=(4, 5))
    return np.asarray(sums / window_counts(window, *values.shape[1:3])[None, :, :, None])


def _coding(values: npt.NDArray[np.float64]) -> tuple[float, int]:
    """Scale and zero point that span the values and zero; a zero point of 0 where none is negative."""
    low, high = np.quantile(values, (REST, 1 - REST))
    low, high = min(float(low), 0.0), max(float(high), 0.0)
    scale = (high - low) / 255 or 1.0
    return scale, round(-low / scale)
