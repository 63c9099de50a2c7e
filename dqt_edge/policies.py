"""Policies as text: ``dynamic``, ``4x4``, ``8x8,4x4,2x4``."""

from __future__ import annotations

import re

from . import interpreter
from .errors import UsageError
from .graph import Graph, Pair


def parse_pairs(text: str, where: str) -> tuple[Pair, ...]:
    """Width pairs of comma-separated text; raises UsageError naming the option."""
    pairs = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*([2-8])x([2-8])\s*", part)
        if match is None:
            raise UsageError(
                f"{part!r} is no width pair",
                where=where,
                next_step="write pairs as 8x8 or 2x4, each from 2 to 8 bits",
            )
        pairs.append((int(match[1]), int(match[2])))
    return tuple(pairs)


def parse_policy(text: str, graph: Graph) -> interpreter.Policy:
    """Policy of a graph: ``dynamic``, or the full width vector, which is empty if all widths are fixed.

    Raises:
        UsageError: Not a policy, or not one that the graph's layers have.
    """
    if text == "dynamic":
        if graph.controller is None and not graph.adaptive:
            return ()
        if graph.controller is None:
            raise UsageError(
                "the model has no controller",
                where="--policy dynamic",
                next_step="give a width vector such as 8x8",
            )
        return "dynamic"
    choices = interpreter.fixed_choices(graph, parse_pairs(text, "--policy"))
    return tuple(layer.candidates[k] for layer, k in zip(graph.adaptive, choices, strict=True))
