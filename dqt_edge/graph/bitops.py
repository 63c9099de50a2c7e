"""BitOPs: what widths cost, as a ratio of everything at 8x8."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .graph import Graph
from .layers import MacLayer


def bitops(graph: Graph, choices: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """BitOPs of each inference as a ratio of everything at 8x8: ``sum MAC*b_w*b_a / (64 * sum MAC)``.

    The sum runs over the layers of the network; the controller's own work is reported apart.
    """
    macs = np.array([graph.macs(layer) for layer in graph.layers], dtype=np.float64)
    ratio = np.zeros((len(choices), len(graph.layers)))
    position = 0
    for column, layer in enumerate(graph.layers):
        if not isinstance(layer, MacLayer):
            continue
        cost = np.array([w * a / 64 for w, a in layer.candidates])
        if len(layer.candidates) > 1:
            ratio[:, column] = cost[choices[:, position]]
            position += 1
        else:
            ratio[:, column] = cost[0]
    return np.asarray(ratio @ macs / macs.sum(), dtype=np.float64)
