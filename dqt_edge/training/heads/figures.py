"""How good each point is alone, in the integers that devices compute. Imports without TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...graph import Dense, Graph
from ...graph.points import DecisionPoint
from ...graph.running import accumulate, run_layer
from ...tasks import Task
from .features import Codes

AGREEMENTS = (0.99, 0.97, 0.95)
"""For each a margin is reported above which answers agree with the full network's at least as often."""
LEAST_STOPPED = 20
"""A margin is only reported with as many samples above it, or twenty that agreed might be chance."""

Integers = npt.NDArray[np.int64]


def head_logits(graph: Graph, point: DecisionPoint, pooled: Codes) -> Integers:
    """Accumulators of a point's last layer, [samples, classes], of what its first dense layer reads."""
    hidden, last = point.layers[-2:]
    assert isinstance(last, Dense)
    live = {hidden.inputs[0]: pooled.reshape(len(pooled), *graph.tensor(hidden.inputs[0]).shape)}
    live[hidden.output] = run_layer(hidden, graph, live)
    return accumulate(last, graph, live, last.candidates[0]).reshape(len(pooled), -1)


def point_figures(task: Task, logits: Integers, answers: Integers, labels: Integers | None) -> dict[str, Any]:
    """Plain JSON figures of one point at one width vector.

    Args:
        task: Of the network.
        logits: Accumulators, [samples, classes].
        answers: Classes that the full network gives, [samples].
        labels: The right ones, or None.

    Returns:
        ``agreement``; with labels ``accuracy``, and ``mean_recall`` where it can be told; ``stops``: for each of
        ``AGREEMENTS`` that can be had the least ``margin``, the ``share`` of samples that stop there, and their
        ``agreement``.
    """
    early = logits.argmax(axis=1)
    agrees = early == answers
    found: dict[str, Any] = {"agreement": float(agrees.mean())}
    score = task.score(logits.astype(np.float64), labels)
    if score is not None:
        found |= {figure.name: figure.value for figure in score.figures}
    ordered = np.partition(logits, -2, axis=1)
    margins = ordered[:, -1] - ordered[:, -2]
    found["stops"] = [stop for stop in (_stop(margins, agrees, least) for least in AGREEMENTS) if stop is not None]
    return found


def _stop(margins: Integers, agrees: npt.NDArray[np.bool_], least: float) -> dict[str, float] | None:
    """The least margin from which on answers agree at least that often."""
    order = np.argsort(-margins, kind="stable")
    sorted_margins = margins[order]
    share = np.cumsum(agrees[order]) / np.arange(1, len(order) + 1)
    last_of_equals = np.append(sorted_margins[1:] != sorted_margins[:-1], True)
    fits = np.flatnonzero(last_of_equals & (share >= least))
    if not len(fits) or fits[-1] + 1 < min(LEAST_STOPPED, len(order)):
        return None
    at = int(fits[-1])
    return {
        "agreement_at_least": least,
        "margin": int(sorted_margins[at]),
        "share": (at + 1) / len(order),
        "agreement": float(share[at]),
    }
