"""Codes of a Graph beside those of the file's own runtime, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..graph import FULL, AveragePool2D, Graph, Layer, MacLayer, interpreter, window_counts
from .exact import Exact

Codes = npt.NDArray[np.uint8]
HALF = 1e-6
"""Exact results that are closer to a half lie between two codes."""
ROUNDED = 0.5 + 1 / 64
"""Codes by which one correct rounding is off at most, with what a multiplier of 32 bits adds to it."""


@dataclass(frozen=True)
class LayerDifference:
    """Codes of one layer, ours against those of the file's own runtime.

    Attributes:
        alone: Largest difference when our layer reads the runtime's own tensors.
        alone_share: Part of the codes that then differ, 0..1.
        network: Largest difference when both networks run from their input.
        note: Which of the two is nearer to the exact result, where that is known, or empty.
        comparable: Whether both read the same and compute one operator: not where the file has real numbers between
            operators of integers, of which ours are codes, or where the import's own notes say otherwise.
        right: Whether ours is the exact result, rounded once, wherever the two differ by more than one code; the exact
            result is computed in real numbers from the file's own scales. True if they nowhere differ that much.
    """

    name: str
    alone: int
    alone_share: float
    network: int
    note: str = ""
    comparable: bool = True
    right: bool = True

    @property
    def explained(self) -> bool:
        """Whether it is more than one code from the runtime's because the runtime's is off."""
        return self.comparable and self.alone > 1 and self.right

    @property
    def beyond(self) -> bool:
        """Whether it is more than one code from the runtime's, and the runtime's is not the one that is off."""
        return self.comparable and self.alone > 1 and not self.right


@dataclass
class _Count:
    alone: int = 0
    differing: int = 0
    total: int = 0
    network: int = 0
    halves: int = 0
    nearer: int = 0
    further: int = 0
    far: int = 0
    right: int = 0


class Layerwise:
    """Adds up the differences of many batches.

    A tensor that the file does not have (a padding of ours, a part of a transposed convolution) is what our layers make
    of the file's tensors, so that the next tensor that it has is compared given equal inputs.
    """

    def __init__(
        self, graph: Graph, real: frozenset[str] = frozenset(), exact: Callable[[], Exact | None] = lambda: None
    ) -> None:
        """What to compare.

        Args:
            graph: Ours.
            real: Tensors that are real numbers in the file, although it computes in integers.
            exact: Called where a layer is more than one code off: its real numbers, or None where there are none.
        """
        self.graph = graph
        self.exact = exact
        notes = graph.provenance.get("notes")
        self.notes = {str(k): str(v) for k, v in notes.items()} if isinstance(notes, dict) else {}
        between = "real numbers in the file, codes in ours, go in"
        self.notes |= {layer.name: between for layer in graph.layers if real.intersection(layer.inputs)}
        weighted = [layer for layer in graph.layers if isinstance(layer, MacLayer) and layer.output in real]
        self.notes |= {layer.name: "real numbers in the file, codes in ours, are its weights" for layer in weighted}
        self.counts = {layer.name: _Count() for layer in graph.layers}

    def add(self, ours: Mapping[str, Codes], theirs: Mapping[str, Codes], inputs: Mapping[str, Codes]) -> None:
        """Compare one batch.

        Args:
            ours: Every tensor of our run.
            theirs: The runtime's tensors that it has, as codes of our tensors.
            inputs: Codes of the inputs.
        """
        known = {**{state.read: ours[state.read] for state in self.graph.states}, **inputs, **theirs}
        live = dict(known)
        for layer in self.graph.layers:
            pair = FULL if isinstance(layer, MacLayer) else None
            made = interpreter.run_layer(layer, self.graph, live, pair)
            if layer.output in theirs:
                self._count(layer, made, ours[layer.output], theirs[layer.output], live)
                self._judge(layer, made, known)
            else:
                live[layer.output] = made

    def _count(self, layer: Layer, made: Codes, ours: Codes, theirs: Codes, live: Mapping[str, Codes]) -> None:
        count = self.counts[layer.name]
        alone = _distance(made, theirs)
        count.alone = max(count.alone, int(alone.max()))
        count.differing += int((alone > 0).sum())
        count.total += alone.size
        count.network = max(count.network, int(_distance(ours, theirs).max()))
        if isinstance(layer, AveragePool2D) and alone.any():
            exact = _exact_means(layer, self.graph, live[layer.input])[alone > 0]
            away = np.abs(made[alone > 0] - exact), np.abs(theirs[alone > 0] - exact)
            halves = np.abs(away[0] - away[1]) < HALF
            count.halves += int(halves.sum())
            count.nearer += int((~halves & (away[0] < away[1])).sum())
            count.further += int((~halves & (away[0] > away[1])).sum())

    def _judge(self, layer: Layer, made: Codes, known: Mapping[str, Codes]) -> None:
        """Whose codes are right where the two are more than one apart.

        Args:
            layer: One whose output the runtime has.
            made: What it gives of the runtime's tensors.
            known: All that the runtime has, and the inputs.
        """
        far = _distance(made, known[layer.output]) > 1
        if not far.any() or layer.name in self.notes:
            return
        exact = self.exact()
        codes = None if exact is None else exact.result(layer.output, known)
        count = self.counts[layer.name]
        count.far += int(far.sum())
        if codes is not None:
            count.right += int((np.abs(made[far] - codes[far]) <= ROUNDED).sum())

    def result(self, package: str) -> tuple[LayerDifference, ...]:
        """Layers whose output the runtime has, in order of execution."""
        return tuple(
            LayerDifference(
                name,
                c.alone,
                c.differing / c.total,
                c.network,
                self.notes.get(name, _note(c, package)),
                name not in self.notes,
                c.right == c.far,
            )
            for name, c in self.counts.items()
            if c.total
        )


def _note(count: _Count, package: str) -> str:
    """Who is right where the two differ."""
    told = []
    if count.far:
        told.append(f"{count.far} codes are more than one apart: {_whose(count, package)}")
    if count.halves:
        told.append(f"{count.halves} means lie half between two codes: {package} rounds them away from its zero")
    if count.nearer:
        told.append(f"{count.nearer} means are nearer to ours")
    if count.further:
        told.append(f"{count.further} means are nearer to those of {package}")
    return ", ".join(told)


def _whose(count: _Count, package: str) -> str:
    if count.right == count.far:
        return f"ours are the exact result, {package} is the less exact one"
    return f"{count.right} of ours are the exact result" if count.right else "ours are not the exact result either"


def _distance(first: Codes, second: Codes) -> npt.NDArray[np.int16]:
    return np.abs(first.astype(np.int16) - second.astype(np.int16))


def _exact_means(layer: AveragePool2D, graph: Graph, x: Codes) -> npt.NDArray[np.float64]:
    """What the layer rounds and limits, in codes of its output."""
    source = graph.tensor(layer.input)
    (top, left, bottom, right), (down, along) = layer.window.padding, layer.window.stride
    padded = np.pad(x.astype(np.float64) - source.zero_point, ((0, 0), (top, bottom), (left, right), (0, 0)))
    height, width = graph.tensor(layer.output).shape[:2]
    sums = np.zeros((len(x), height, width, source.shape[2]))
    for i, j in np.ndindex(layer.window.kernel):
        sums += padded[:, i : i + (height - 1) * down + 1 : down, j : j + (width - 1) * along + 1 : along]
    counts = window_counts(layer.window, *source.shape[:2])
    index = np.array([[layer.counts.index(int(c)) for c in row] for row in counts])[None, :, :, None]
    twice = 2 * sums + layer.bias_twice[index]
    exact = twice * layer.requantize.multiplier[index] * 2.0 ** -layer.requantize.shift[index].astype(np.float64)
    return np.asarray(np.clip(exact, layer.requantize.low, layer.requantize.high), np.float64)
