"""How much the network's answers move when one layer alone is narrowed, or skipped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..graph import SKIP, Graph, Pair
from . import biases
from .candidates import widest
from .evaluate import Evaluator, difference_of


@dataclass(frozen=True)
class Sensitivity:
    """One layer at one option, all others at their widest.

    Attributes:
        loss: Difference of the outputs from those at the widest candidates (see ``evaluate.difference_of``); with its
            own bias if that is kept.
        plain_loss: The same with the bias that all widths share.
        corrected: Whether a candidate keeps a bias of its own, because it lowers the loss; a skip has one anyway.
    """

    layer: str
    pair: Pair
    loss: float
    plain_loss: float
    corrected: bool


def evaluations(graph: Graph, *, correct: bool) -> int:
    """Number of runs over the samples that :func:`measure` takes."""
    return sum((1 + correct) * (len(x.candidates) - 1) + (x.skip_bias is not None) for x in graph.adaptive)


def measure(
    graph: Graph,
    codes: npt.NDArray[np.uint8],
    *,
    loss: str = "kl",
    correct: bool = True,
    progress: Callable[[], None] = lambda: None,
) -> tuple[Graph, tuple[Sensitivity, ...]]:
    """Narrow each layer alone to each of its candidates, and skip those that may be skipped.

    Args:
        graph: The network, without a controller.
        codes: Typical inputs, uint8 [samples, height, width, channels]; no targets are needed.
        loss: ``kl`` for class scores, ``mse`` for other outputs.
        correct: Try a bias for each width too. It is estimated on every other sample and judged on those between.
        progress: Called after each run.

    Returns:
        The graph with the biases that were kept, and one entry for each adaptive layer and narrower option.
    """
    difference = difference_of(graph, loss)
    corrections = biases.drifts(graph, codes[::2]) if correct and len(codes) > 1 else {}
    judged = codes[1::2] if corrections else codes
    evaluator = Evaluator(graph, judged)
    reference = evaluator.logits(evaluator.base)
    corrected = biases.apply(graph, corrections)
    found, kept = [], {}
    for i, layer in enumerate(graph.adaptive):
        for pair in layer.options:
            if pair == widest(layer):
                continue
            vector = (*evaluator.base[:i], pair, *evaluator.base[i + 1 :])
            plain = difference(reference, evaluator.logits(vector))
            progress()
            own = plain
            if corrections and pair != SKIP:
                own = difference(reference, evaluator.logits(vector, corrected))
                progress()
            better = own < plain
            if better:
                kept[layer.name, pair] = corrections[layer.name, pair]
            found.append(Sensitivity(layer.name, pair, min(own, plain), plain, better))
    return biases.apply(graph, kept), tuple(found)
