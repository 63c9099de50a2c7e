"""What a tuning is asked for, checked: promises, and classes that may be answered early."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import UnknownNameError, UsageError
from ..graph import Graph
from ..graph.points import TUNED_MAX
from ..precision.goals import Goal, errors_within
from ..precision.recording import Table

AGREE = (0.999, 0.995, 0.99, 0.98, 0.95)
"""Promises where none is given."""
COMMON = "common"
"""Stands for the most frequent class."""


@dataclass(frozen=True)
class Promise:
    """What a tuned point has to keep.

    Attributes:
        agrees: Whether ``value`` is a least agreement; else a most cost, of the full network's.
    """

    agrees: bool
    value: float

    def goal(self, samples: int, whole: float, confidence: float | None) -> Goal:
        """What to look for; costs are in the unit that the full network costs ``whole`` in."""
        if self.agrees:
            return Goal(errors=errors_within(samples, self.value, confidence))
        return Goal(cost=self.value * whole, cheapest=False)

    def __str__(self) -> str:
        return f"{'agree' if self.agrees else 'cost'} {self.value:g}"


def promises_of(
    agree: str | float | Sequence[float] | None,
    costs: str | float | Sequence[float] | None,
    by: str,
    confidence: float | None,
) -> tuple[Promise, ...]:
    """Promises, as they were given; raises UsageError for numbers that promise nothing."""
    if agree is None and costs is None:
        agree = AGREE
    if confidence is not None and not 0.5 <= confidence < 1:
        raise UsageError(
            f"{confidence!r} is no confidence",
            where="parameter `confidence`",
            next_step="give one from 0.5, such as 0.95",
        )
    found = [Promise(True, value) for value in _numbers(agree, "agree", "0.995,0.99")]
    found += [Promise(False, value) for value in _numbers(costs, "costs", "0.3,0.5")]
    if not found or len(found) > TUNED_MAX:
        raise UsageError(
            f"{len(found)} promises, must be 1 to {TUNED_MAX}",
            where="`agree`, `costs`",
            next_step="give numbers such as 0.995,0.99",
        )
    return tuple(dict.fromkeys(found))


def _numbers(given: str | float | Sequence[float] | None, name: str, such_as: str) -> list[float]:
    if given is None:
        return []
    parts = given.split(",") if isinstance(given, str) else [given] if isinstance(given, float | int) else list(given)
    found = []
    for part in parts:
        try:
            value = float(part)
        except (TypeError, ValueError):
            value = math.nan
        if not 0 < value <= 1:
            raise UsageError(
                f"{str(part)!r} is not within 0..1",
                where=f"parameter `{name}`",
                next_step=f"give numbers such as {such_as}",
            )
        found.append(value)
    return found


def require_tunable(graph: Graph) -> None:
    """Refuse what has nothing to decide; raises UsageError."""
    where = f"graph {graph.name!r}"
    if graph.task != "classifier" or len(graph.outputs) > 1 or graph.states:
        raise UsageError(
            "only a classifier with one output and no state can be tuned", where=where, next_step="give another model"
        )
    if not graph.points and not graph.adaptive:
        raise UsageError(
            "the model has no decision points, and no layer has several widths",
            where=where,
            next_step="train heads for it, or import it with several widths",
        )


def classes_named(stops: str | Sequence[str] | None, graph: Graph, table: Table | None) -> tuple[int, ...] | None:
    """Indices of classes by their names, ascending; None for all.

    Args:
        stops: Names, as text with commas or one by one; ``common`` is the most frequent class of the samples, by their
            labels or else by the full network's answers.
        graph: Names the classes, else they are numbers.
        table: The samples; None where names are only checked.

    Raises:
        UsageError: There is no such class.
    """
    if stops is None:
        return None
    names = graph.classes or tuple(map(str, range(graph.tensor(graph.output).size)))
    found = set()
    for name in [part.strip() for part in stops.split(",")] if isinstance(stops, str) else stops:
        if name == COMMON and COMMON not in names:
            if table is not None:
                known = table.full if table.labels is None else table.labels
                found.add(int(np.bincount(known).argmax()))
            continue
        if name not in names:
            raise UnknownNameError.among("class", name, names, "parameter `stops`")
        found.add(names.index(name))
    return tuple(sorted(found))
