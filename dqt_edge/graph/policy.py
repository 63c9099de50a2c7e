"""Policies as text: ``dynamic``, ``dynamic:0.4``, ``4x4``, ``8x8,4x4,2x4``."""

from __future__ import annotations

import re

from ..errors import UsageError
from . import interpreter
from .dial import STEPS, DialPoint, Dynamic, bias_at
from .graph import Graph
from .values import Pair, vector_text


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
    """Policy of a graph: ``dynamic``, with or without a target, or the full width vector.

    The vector is empty if all widths are fixed.

    Raises:
        UsageError: Not a policy, or not one that the graph's layers, its controller or its dial have.
    """
    name, colon, target = text.partition(":")
    if name != "dynamic":
        choices = interpreter.fixed_choices(graph, parse_pairs(text, "--policy"))
        return tuple(layer.candidates[k] for layer, k in zip(graph.adaptive, choices, strict=True))
    where = f"--policy {text}"
    if colon:
        dial, thousandths = require_dial(graph, where), _thousandths(target, where)
        return Dynamic(bias_at(dial, thousandths, where), thousandths)
    if graph.controller is None and not graph.adaptive:
        return ()
    if graph.controller is None:
        raise UsageError(
            "the model has no controller",
            where=where,
            next_step="give a width vector such as 8x8",
        )
    return "dynamic"


def dial_policies(graph: Graph, where: str) -> tuple[Dynamic, ...]:
    """Every point of the graph's dial, by increasing cost; UsageError if it has none."""
    return tuple(Dynamic(point.bias, point.thousandths) for point in require_dial(graph, where))


def require_dial(graph: Graph, where: str) -> tuple[DialPoint, ...]:
    """The graph's dial; UsageError if it has none."""
    if graph.controller is None or not graph.controller.dial:
        raise UsageError(
            "the model was trained without a dial",
            where=where,
            next_step="give 'dynamic' or a width vector, or train a model with a dial",
        )
    return graph.controller.dial


def policy_text(policy: interpreter.Policy) -> str:
    """``dynamic``, ``dynamic:0.4``, the width vector, or ``fixed`` for a model without adaptive layers."""
    return str(policy) if isinstance(policy, str | Dynamic) else vector_text(policy) or "fixed"


def _thousandths(text: str, where: str) -> int:
    """``0.4`` as 400; raises UsageError for anything but a number from 0 to 1 with up to three decimals."""
    match = re.fullmatch(r"(\d)?(?:\.(\d{1,3}))?", text, re.ASCII)
    value = int(match[1] or "0") * STEPS + int((match[2] or "").ljust(3, "0")) if match and text else STEPS + 1
    if value > STEPS:
        raise UsageError(
            f"{text!r} is no target for the dial",
            where=where,
            next_step="write a number from 0 to 1 with at most three decimals, such as dynamic:0.4",
        )
    return value
