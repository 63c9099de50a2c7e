"""Runs width vectors over one set of samples, quickly: what lies before the first changed layer is not run again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from ..errors import UsageError
from ..graph import Graph, MacLayer, Pair, interpreter
from ..tasks import reals, task_of
from ..tasks.task import squared_error
from .candidates import widest
from .given import given_tensors, part_of

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
        self.given = given_tensors(graph, codes)
        self.base: tuple[Pair, ...] = ()
        self.kept: list[dict[str, Codes]] = []
        self.rebase(graph, base or [widest(layer) for layer in graph.adaptive])

    def rebase(self, graph: Graph, base: Sequence[Pair]) -> None:
        """Keep the tensors of this graph at this width vector."""
        self.graph, self.base = graph, tuple(base)
        keeps = len(self.codes) * sum(tensor.size for tensor in graph.tensors) <= KEPT_MAX
        self.kept = [self._live(part, self.base, {}) if keeps else {} for part in self._batches()]

    def outputs(self, pairs: Sequence[Pair], graph: Graph | None = None) -> Codes:
        """Output codes of all samples at a width vector, uint8 [samples, size], several outputs one behind another.

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
            live = self._live(part, pairs, known, graph)
            count = len(part[graph.input])
            parts.append(np.concatenate([live[name].reshape(count, -1) for name in graph.outputs], axis=1))
        return np.concatenate(parts)

    def logits(self, pairs: Sequence[Pair], graph: Graph | None = None) -> Reals:
        """:meth:`outputs` as real numbers."""
        return reals(self.graph, self.outputs(pairs, graph))

    def _batches(self) -> list[dict[str, Codes]]:
        step = interpreter.BATCH
        return [part_of(self.given, start, step) for start in range(0, len(self.codes), step)]

    def _live(
        self, part: dict[str, Codes], pairs: Sequence[Pair], known: dict[str, Codes], graph: Graph | None = None
    ) -> dict[str, Codes]:
        graph = graph or self.graph
        chosen = dict(zip((layer.name for layer in graph.adaptive), pairs, strict=True))
        live = {**part, **known}
        for layer in graph.layers:
            if layer.output not in known:
                pair = chosen.get(layer.name, layer.candidates[0]) if isinstance(layer, MacLayer) else None
                live[layer.output] = interpreter.run_layer(layer, graph, live, pair)
        return live


Difference = Callable[[Reals, Reals], float]


def difference_of(graph: Graph, loss: str) -> Difference:
    """How far outputs are from those of the widest candidates, 0 if they agree.

    Args:
        graph: The network; its task says how outputs are read.
        loss: ``kl``, between class chances, or ``mse``, the mean squared difference.

    Raises:
        UsageError: ``kl`` for a task whose outputs are no class scores.
    """
    task = task_of(graph)
    if loss == task.loss:
        return task.difference
    if loss == "kl":
        raise UsageError(
            f"the outputs of task {task.name} are no class scores",
            where="parameter `loss` kl",
            next_step="leave it out, or give mse",
        )
    return squared_error
