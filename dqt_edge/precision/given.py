"""What the layers of a graph are given for each sample: its inputs, and its states."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..graph import Graph, interpreter
from ..graph.samples import split_inputs
from .candidates import widest

Codes = npt.NDArray[np.uint8]


def given_tensors(graph: Graph, codes: Codes) -> dict[str, Codes]:
    """Codes of inputs and states by name, uint8 [samples, height, width, channels].

    So that samples of a stream can be run side by side and at other widths, each state holds at each sample what it
    holds in the stream of these samples at the widest candidates.

    Args:
        graph: A network without a controller.
        codes: Samples, see ``graph.samples``; with states, in order.
    """
    given = split_inputs(graph, codes)
    if not graph.states:
        return given
    tensors = interpreter.run(graph, codes, [widest(x) for x in graph.adaptive], keep_tensors=True).tensors
    return given | {state.read: tensors[state.read] for state in graph.states}


def part_of(given: dict[str, Codes], start: int, count: int) -> dict[str, Codes]:
    """``count`` samples from ``start``."""
    return {name: codes[start : start + count] for name, codes in given.items()}
