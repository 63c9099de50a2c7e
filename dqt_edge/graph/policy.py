"""What decides how an input is computed.

A setting of decision points and widths; or the controller, with or without a bias on its logits; or a width vector.

As text: ``dynamic``, ``dynamic:0.4`` (a cost: the dial's, or the dearest tuned point within it), ``agree:0.995`` (the
cheapest tuned point that gives the full network's class as often), ``4x4`` (for all layers), ``8x8,4x4,2x4``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Union

import numpy as np
import numpy.typing as npt

from ..errors import UsageError
from .dial import STEPS, DialPoint, Dynamic, bias_at
from .points import Setting, check_setting, tuned_agreeing, tuned_within
from .values import FULL, SKIP, Pair, pair_text, vector_text

if TYPE_CHECKING:
    from .graph import Graph

Policy = Union[str, Dynamic, Setting, Sequence[Pair]]  # noqa: UP007 - used at run time on 3.10
"""Text, ``Dynamic``, a ``Setting``, or one width pair for each adaptive layer; a single pair stands for all."""
Settled = Union[Literal["dynamic"], Dynamic, Setting, tuple[Pair, ...]]  # noqa: UP007
"""A policy that has been checked against a graph, see :func:`parse_policy`: a tuple, or the controller decides."""
WHERE = "`policy`"
CANDIDATES_MAX = 16


def is_dynamic(policy: Policy) -> bool:
    """Whether something is decided for each input."""
    return isinstance(policy, Dynamic | Setting) or (
        isinstance(policy, str) and policy.partition(":")[0] in ("dynamic", "agree")
    )


def parse_policy(policy: Policy, graph: Graph) -> Settled:
    """The policy as a graph understands it: text parsed, a single pair repeated; empty if all widths are fixed.

    Raises:
        UsageError: Not a policy, or not one that the graph's layers, its controller, its dial or its tuned points
            have.
    """
    if isinstance(policy, Setting):
        check_setting(graph, policy, UsageError)
        return policy
    if isinstance(policy, str) and not is_dynamic(policy):
        policy = parse_pairs(policy, WHERE)
    where = f"{WHERE} {policy}"
    if isinstance(policy, str) and (graph.tuned or policy.startswith("agree")):
        return _tuned(policy, graph, where)
    if not isinstance(policy, str | Dynamic):
        choices = fixed_choices(graph, policy)
        return tuple(layer.options[k] for layer, k in zip(graph.adaptive, choices, strict=True))
    if isinstance(policy, str) and ":" in policy:
        dial, thousandths = require_dial(graph, where), _thousandths(policy.partition(":")[2], where)
        return Dynamic(bias_at(dial, thousandths, where), thousandths)
    candidates = len(graph.adaptive[0].options) if graph.adaptive else 0
    if graph.controller is None and candidates:
        raise UsageError(
            "the model has no controller, so 'dynamic' has no meaning",
            where=where,
            next_step="give a width vector such as 8x8",
        )
    if isinstance(policy, Dynamic) and len(policy.bias) != candidates:
        raise UsageError(
            f"{len(policy.bias)} biases for {candidates} candidates",
            where=where,
            next_step="give one integer for each candidate",
        )
    return () if graph.controller is None else policy if isinstance(policy, Dynamic) else "dynamic"


def _tuned(policy: str, graph: Graph, where: str) -> Setting:
    """The tuned point that text names: ``dynamic`` is the last, which keeps most answers."""
    word, colon, number = policy.partition(":")
    if word == "agree" and (not graph.tuned or not colon):
        raise UsageError(
            f"{policy!r} needs a number, such as agree:0.995" if graph.tuned else "the model has no tuned points",
            where=where,
            next_step="run 'dqt-edge tune' on the model; it says which promises it can keep",
        )
    if not colon:
        return graph.tuned[-1].setting
    wanted = _thousandths(number, where)
    found = (tuned_within if word == "dynamic" else tuned_agreeing)(graph.tuned, wanted, where)
    return found.setting


def logit_bias(graph: Graph, policy: Literal["dynamic"] | Dynamic) -> npt.NDArray[np.int64]:
    """What is added to the controller's logits before the choice, int64 [candidates]; the policy is a checked one."""
    if isinstance(policy, Dynamic):
        return np.array(policy.bias, np.int64)
    return np.zeros(len(graph.adaptive[0].options), np.int64)


def fixed_choices(graph: Graph, pairs: Sequence[Pair]) -> tuple[int, ...]:
    """Candidate index of each adaptive layer for a width vector; one pair stands for all layers.

    Raises:
        UsageError: Wrong length, or a pair that is not a candidate of its layer.
    """
    layers = graph.adaptive
    vector = list(pairs) * len(layers) if len(pairs) == 1 else list(pairs)
    if not all(isinstance(pair, tuple) and len(pair) == 2 for pair in vector):
        raise UsageError(
            f"{vector!r} is no width vector",
            where=f"policy for graph {graph.name!r}",
            next_step="give pairs of weight and activation bits such as (8, 8)",
        )
    if len(vector) != len(layers):
        raise UsageError(
            f"the width vector {vector_text(vector)} has {len(vector)} entries for {len(layers)} adaptive layers",
            where=f"policy for graph {graph.name!r}",
            next_step=f"give one pair, or one for each of {', '.join(layer.name for layer in layers)}",
        )
    for layer, pair in zip(layers, vector, strict=True):
        if pair not in layer.options:
            raise UsageError(
                f"{pair_text(pair)} is not a candidate of layer {layer.name!r}",
                where=f"policy for graph {graph.name!r}",
                next_step=f"choose from {vector_text(layer.options)}",
            )
    return tuple(layer.options.index(pair) for layer, pair in zip(layers, vector, strict=True))


def parse_pairs(text: str, where: str) -> tuple[Pair, ...]:
    """Width pairs of comma-separated text; raises UsageError naming the parameter."""
    pairs = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(?:([2-8])x([2-8])|(0)x(0))\s*", part)
        if match is None:
            raise UsageError(
                f"{part!r} is no width pair",
                where=where,
                next_step="write pairs as 8x8 or 2x4, each from 2 to 8 bits, or 0x0 to skip",
            )
        pairs.append(SKIP if match[3] else (int(match[1]), int(match[2])))
    return tuple(pairs)


def given_pairs(given: str | Sequence[Pair], where: str) -> tuple[Pair, ...]:
    """Width pairs, as text or as such; raises UsageError naming the parameter."""
    if isinstance(given, str):
        return parse_pairs(given, where)
    try:
        return parse_pairs(",".join(f"{int(w)}x{int(a)}" for w, a in given), where)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"{given!r} is no list of width pairs",
            where=where,
            next_step="give text such as 8x8,4x4, or ((8, 8), (4, 4))",
        ) from error


def candidate_pairs(given: str | Sequence[Pair], full: str) -> tuple[Pair, ...]:
    """Candidates of a new model: up to 16 different pairs, 8x8 among them.

    Args:
        given: Text such as ``8x8,4x4,2x4``, or pairs.
        full: Why 8x8 must be one of them.

    Raises:
        UsageError: Anything else.
    """
    where = "parameter `candidates`"

    def refuse(what: str) -> UsageError:
        return UsageError(what, where=where, next_step="give pairs such as 8x8,4x4,2x4 with widths from 2 to 8")

    pairs = given_pairs(given, where)
    if SKIP in pairs:
        raise refuse("0x0 is no width of every layer")
    twice = next((pair for pair in pairs if pairs.count(pair) > 1), None)
    if twice is not None:
        raise refuse(f"{pair_text(twice)} is given twice")
    if FULL not in pairs:
        raise refuse(f"8x8 is missing; {full}")
    if len(pairs) > CANDIDATES_MAX:
        raise refuse(f"{len(pairs)} candidates are more than {CANDIDATES_MAX}")
    return pairs


def dial_policies(graph: Graph, where: str = WHERE) -> tuple[Policy, ...]:
    """Every tuned point, else every point of the graph's dial, by increasing cost; UsageError if it has neither."""
    if graph.tuned:
        costs = [point.cost_thousandths for point in graph.tuned]
        named = [f"dynamic:{cost / STEPS:g}" if cost <= STEPS else None for cost in costs]
        return tuple(name or point.setting for name, point in zip(named, graph.tuned, strict=True))
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


def policy_text(policy: Policy) -> str:
    """``dynamic``, ``dynamic:0.4``, the width vector, or ``fixed`` for a model without adaptive layers."""
    return str(policy) if isinstance(policy, str | Dynamic | Setting) else vector_text(policy) or "fixed"


def policy_label(given: Policy, settled: Settled) -> str:
    """What to call a policy in a report: a setting by the text that named it."""
    return given if isinstance(given, str) and isinstance(settled, Setting) else policy_text(settled)


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
