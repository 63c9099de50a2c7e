"""The dial: one bias for each candidate on the controller's logits moves all its choices up or down in cost.

The bias of a candidate is its BitOPs, ``b_w * b_a / 64``, times a *lift*: the larger the lift, the more precision is
chosen, for every input and layer. The choices' mean cost never falls when the lift grows, so a target cost has a lift,
found by halving. Imports without TensorFlow.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..graph import Pair
from ..graph.bitops import pair_ratio

SPAN = 8.0
"""Training draws the lift from -SPAN..SPAN (nats). At either end it alone decides most choices."""
HALVINGS = 60

Floats = npt.NDArray[np.floating]


def direction(candidates: Sequence[Pair]) -> npt.NDArray[np.float64]:
    """Bias of each candidate at a lift of 1, mean 0."""
    costs = np.array([pair_ratio(pair) for pair in candidates])
    return np.asarray(costs - costs.mean(), np.float64)


def training_bias(position: float, candidates: Sequence[Pair]) -> npt.NDArray[np.float32]:
    """Bias in training where the dial stands at ``position``: 0 for the least cost, 1 for 8x8."""
    return np.asarray(SPAN * (2 * position - 1) * direction(candidates), np.float32)


def mean_cost(logits: npt.NDArray[np.number], bias: npt.NDArray[np.number], table: Floats, fixed: float) -> float:
    """BitOPs ratio of what is chosen, averaged over inputs.

    Args:
        logits: Of the controller, [samples, layers, candidates].
        bias: Added to them, [candidates].
        table: Cost of each candidate of each adaptive layer, see ``bitops.cost_table``.
        fixed: Cost of all other layers together, see there.
    """
    choices = (logits + bias).argmax(axis=-1)
    return float(fixed + table[np.arange(len(table)), choices].sum(axis=1).mean())


def lift_for(
    logits: npt.NDArray[np.number], candidates: Sequence[Pair], table: Floats, fixed: float, target: float
) -> float:
    """Greatest lift whose mean cost stays within the target, to the precision of the halving; see :func:`mean_cost`.

    For a target that no lift reaches: one at which every choice is the cheapest, or the dearest.
    """
    along = direction(candidates)
    gaps = np.abs(np.subtract.outer(along, along))
    reach = float(np.ptp(logits, axis=-1).max() + 1) / float(gaps[gaps > 0].min()) if gaps.any() else 1.0
    low, high = -reach, reach
    if mean_cost(logits, high * along, table, fixed) <= target:
        return high
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if mean_cost(logits, middle * along, table, fixed) <= target:
            low = middle
        else:
            high = middle
    return low
