"""Comparisons, selections and quotients of one variable, which are a lookup table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..problems import Unfit
from .chains import Chain, rounded, start
from .file import RawOperator
from .operands import Known, Operands
from .operators import fused, reads

NEAREST = "functions of one tensor, and constants of one element"
_TRUTHS: dict[str, Callable[..., Any]] = {
    "GREATER": np.greater,
    "GREATER_EQUAL": np.greater_equal,
    "LESS": np.less,
    "LESS_EQUAL": np.less_equal,
    "LOGICAL_AND": np.logical_and,
    "LOGICAL_OR": np.logical_or,
    "LOGICAL_NOT": np.logical_not,
}


@reads(*_TRUTHS, supported="of functions of one tensor, where SELECT reads them")
def truth(r: Operands, op: RawOperator) -> None:
    """Truth values are no layer: what selects by them is."""
    root, operands = one_variable(r, op, len(op.inputs))
    values = np.asarray(_TRUTHS[op.type](*operands))
    r.known[op.outputs[0]] = Known(root.root.shape, chain=replace(root, values=values))


@reads("SELECT", "SELECT_V2", supported="between functions of one tensor")
def select(r: Operands, op: RawOperator) -> None:
    """The condition too is a function of that tensor."""
    chain, (condition, first, second) = one_variable(r, op, 3)
    composed(r, op, chain, np.where(condition, first, second))


def quotient(r: Operands, op: RawOperator) -> None:
    """DIV of two functions of one tensor."""
    chain, (first, second) = one_variable(r, op, 2)
    with np.errstate(all="ignore"):
        composed(r, op, chain, np.divide(first, second))


def one_variable(r: Operands, op: RawOperator, count: int) -> tuple[Chain, list[npt.NDArray[Any]]]:
    """The operands of an operator as values of one tensor's function; raises Unfit if they have several."""
    found = [r.operand(op, i) for i in range(count)]
    chains = [None if known.data is not None else start(known, r.grid) for known in found]
    known = [chain for chain in chains if chain is not None]
    if not known or any(chain.root is not known[0].root or chain.root.value is None for chain in known):
        raise Unfit("it reads several tensors", NEAREST)
    operands: list[npt.NDArray[Any]] = []
    for i, chain in enumerate(chains):
        if chain is not None:
            operands.append(chain.values)
            continue
        constant = r.constant(op, i, "its constant")
        if constant.size != 1:
            raise Unfit(f"it reads a constant of shape {constant.shape}", NEAREST)
        operands.append(constant.ravel() if constant.dtype == bool else r.real(op, i, "its constant").ravel())
    return known[0], operands


def composed(r: Operands, op: RawOperator, chain: Chain, values: npt.NDArray[Any]) -> None:
    """A lookup of the root."""
    made = rounded(np.broadcast_to(values, chain.at.shape), None, fused(op))
    quant = r.quant(op.outputs[0], lambda: (float(made.min()), float(made.max())))
    known = chain.root
    value = r.builder.unary(
        r.name(op, "function"),
        r.sample(known),
        "composed",
        at=chain.at,
        values=made,
        quant=quant,
        source=op.outputs[0],
    )
    r.put(op, known.shape, value, quant, chain=replace(chain, values=rounded(made, quant)))
