"""Runs width vectors over one set of samples, quickly: what lies before the first changed layer is not run again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..graph import Graph, MacLayer, Pair, interpreter
from .candidates import widest

Codes = npt.NDArray[np.uint8]
Reals = npt.NDArray[np.float64]
KEPT_MAX = 1 << 29
"""Bytes of tensors kept for all samples; a larger network starts from its input each time."""


class Evaluator:
    """A graph without a controller, and samples.

    Attributes:
        graph: May be replaced by one that differs in candidates and biases only; see :meth:`rebase`.
        base: Width vector whose tensors are kept.
    """

    def __init__(self, graph: Graph, codes: Codes, base: Sequence[Pair] | None = None) -> None:
        self.graph, self.codes = graph, codes
        self.base: tuple[Pair, ...] = ()
        self.kept: list[dict[str, Codes]] = []
        self.rebase(graph, base or [widest(layer) for layer in graph.adaptive])

    def rebase(self, graph: Graph, base: Sequence[Pair]) -> None:
        """Keep the tensors of this graph at this width vector."""
        self.graph, self.base = graph, tuple(base)
        keeps = len(self.codes) * sum(tensor.size for tensor in graph.tensors) <= KEPT_MAX
        self.kept = [self._live(part, self.base, {}) if keeps else {} for part in self._batches()]

    def outputs(self, pairs: Sequence[Pair], graph: Graph | None = None) -> Codes:
        """Output codes of all samples at a width vector, uint8 [samples, size].

        Args:
            pairs: One for each adaptive layer.
            graph: Another graph, equal to the kept one up to the first layer whose pair differs from the base's.
        """
        graph = graph or self.graph
        names = [layer.name for layer in graph.adaptive]
        changed = next((name for name, a, b in zip(names, pairs, self.base, strict=True) if a != b), None)
        parts = []
        for part, kept in zip(self._batches(), self.kept, strict=True):
            known = {}
            for layer in graph.layers:
                if layer.name == changed or layer.output not in kept:
                    break
                known[layer.output] = kept[layer.output]
            parts.append(self._live(part, pairs, known, graph)[graph.output].reshape(len(part), -1))
        return np.concatenate(parts)

    def logits(self, pairs: Sequence[Pair], graph: Graph | None = None) -> Reals:
        """:meth:`outputs` as real numbers."""
        tensor = self.graph.tensor(self.graph.output)
        return tensor.scale * (self.outputs(pairs, graph).astype(np.float64) - tensor.zero_point)

    def _batches(self) -> list[Codes]:
        step = interpreter.BATCH
        return [self.codes[start : start + step] for start in range(0, len(self.codes), step)]

    def _live(
        self, part: Codes, pairs: Sequence[Pair], known: dict[str, Codes], graph: Graph | None = None
    ) -> dict[str, Codes]:
        graph = graph or self.graph
        chosen = dict(zip((layer.name for layer in graph.adaptive), pairs, strict=True))
        live = {graph.input: part, **known}
        for layer in graph.layers:
            if layer.output not in known:
                pair = chosen.get(layer.name, layer.candidates[0]) if isinstance(layer, MacLayer) else None
                live[layer.output] = interpreter.run_layer(layer, graph, live, pair)
        return live


def divergence(reference: Reals, logits: Reals) -> float:
    """Mean Kullback-Leibler divergence, in nats, of softmax(logits) from softmax(reference): 0 if they agree."""
    wanted, found = _log_softmax(reference), _log_softmax(logits)
    return float((np.exp(wanted) * (wanted - found)).sum(axis=1).mean())


def squared_error(reference: Reals, outputs: Reals) -> float:
    """Mean squared difference, as a part of the reference's variance."""
    return float(((outputs - reference) ** 2).mean() / max(float(reference.var()), 1e-30))


LOSSES = {"kl": divergence, "mse": squared_error}


def _log_softmax(logits: Reals) -> Reals:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)), np.float64)
