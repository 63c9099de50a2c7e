"""Runs a set of samples on a device under one policy, and compares every answer with the interpreter's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy.typing as npt

from ..boards import Board
from ..graph import Graph
from ..graph.policy import Policy, parse_policy
from .answers import Answer, Codes, Device, answers, layer_checksums
from .pieces import Pieces
from .summary import Inferences, LayerFact, Session, as_json
from .tally import Tally

__all__ = [
    "Answer",
    "Codes",
    "Device",
    "Inferences",
    "LayerFact",
    "Pieces",
    "Session",
    "as_json",
    "layer_checksums",
    "run_session",
]


def run_session(
    device: Device,
    graph: Graph,
    board: Board,
    codes: Pieces,
    labels: npt.NDArray[Any] | None,
    policy: Policy,
    *,
    real: Pieces | None = None,
    counted: bool = True,
    progress: Callable[[], None] = lambda: None,
) -> Session:
    """Run every sample on the device and compare it with the interpreter.

    Args:
        device: An open client whose model has been checked.
        graph: The model.
        board: Where it runs; gives the counter's unit.
        codes: Input codes, uint8 [samples, height, width, channels]; of several inputs [samples, bytes], see
            ``graph.samples``. A model with states takes them as one stream.
        labels: Targets as the model's task takes them, class indices say, or None.
        policy: See ``graph.policy``.
        real: The inputs in the data's own unit, if they are known; an autoencoder is judged by them.
        counted: False where the counter means nothing (an emulator without one).
        progress: Called after each sample.
    """
    tally = Tally(graph, board, policy, counted=counted)
    for record in answers(device, graph, board, codes, parse_policy(policy, graph), counted=counted):
        tally.add(record)
        progress()
    return tally.session(codes, labels, real)
