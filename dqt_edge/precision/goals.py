"""What a tuning is to reach, and what may be tuned for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from ..tasks.statistics import wilson

Integers = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]
CRITERIA = ("agreement", "accuracy", "recall")
"""What answers are judged by: the full network's, or labels; ``recall`` is the mean over the classes."""
SLACK = 1 + 1e-12
"""Sums of costs are rounded."""


@dataclass(frozen=True)
class Goal:
    """Of all settings within both limits, the one of least cost, or of least loss.

    Attributes:
        cost: Most mean cost, in the unit of the layers' costs.
        errors: Most samples whose class differs from the full network's.
        cheapest: Look for the least cost; else for the least loss.
    """

    cost: float = math.inf
    errors: float = math.inf
    cheapest: bool = True

    def key(self, cost: float, loss: float) -> tuple[float, float]:
        """What is less of a better setting."""
        return (cost, loss) if self.cheapest else (loss, cost)

    def pick(self, costs: Reals, errors: Reals, losses: Reals) -> int | None:
        """Index of the best of some settings; None if no one is within the limits."""
        fits = np.flatnonzero((costs <= self.cost * SLACK) & (errors <= self.errors))
        if not len(fits):
            return None
        first, second = (costs, losses) if self.cheapest else (losses, costs)
        least = fits[first[fits] <= first[fits].min() * SLACK]
        return int(least[second[least].argmin()])


@dataclass(frozen=True)
class Space:
    """What may be tuned.

    Attributes:
        points: Of each point, whether its head may be run; None is all.
        exits, widen, again: Whether points may answer, points may widen, and a second pass may answer.
        stops: Classes that may be answered early; None is all.
    """

    points: tuple[bool, ...] | None = None
    exits: bool = True
    widen: bool = True
    again: bool = True
    stops: tuple[int, ...] | None = None

    def has(self, point: int) -> bool:
        """Whether a point's head may be run."""
        return self.points is None or self.points[point]


Judge = Callable[[Integers], Reals]
"""Loss of each sample's class, float64 [samples]; less is better, and the sum over the samples is the setting's."""


def judge_of(by: str, full: Integers, labels: Integers | None) -> Judge:
    """Loss by a criterion: 1 of all samples for each wrong answer, or of all classes for each of its class.

    Args:
        by: One of ``CRITERIA``.
        full: Classes that the full network gives.
        labels: Right classes; needed for all but ``agreement``.
    """
    if by == "agreement":
        return lambda answers: (answers != full) / len(full)
    assert labels is not None
    weights = np.full(len(labels), 1 / len(labels))
    if by == "recall":
        classes, counts = np.unique(labels, return_counts=True)
        weights = 1 / (len(classes) * counts[np.searchsorted(classes, labels)])
    return lambda answers: (answers != labels) * weights


def errors_within(samples: int, agreement: float, confidence: float | None = None) -> int:
    """Most answers that may differ, so that the rest is at least this share; -1 if not even none keeps it.

    Args:
        samples: How many there are.
        agreement: Least share of equal answers, 0..1.
        confidence: The lower end of Wilson's one-sided interval of this confidence has to be the share; None: the
            share of the samples themselves.
    """
    if confidence is None:
        return math.floor(samples * (1 - agreement) + 1e-9)
    within = -1
    while within < samples and lower_bound(samples - within - 1, samples, confidence) >= agreement:
        within += 1
    return within


def lower_bound(equal: int, samples: int, confidence: float) -> float:
    """Lower end of Wilson's one-sided interval of a share ``equal / samples``."""
    return wilson(equal, samples, NormalDist().inv_cdf(confidence))[0]


def ascending(costs: Sequence[float], agreements: Sequence[float]) -> list[int]:
    """Indices of what no other one beats in both, by cost in whole thousandths and by agreement; the cheapest first."""
    order = sorted(range(len(costs)), key=lambda i: (math.ceil(costs[i] * 1000 - 1e-9), -agreements[i]))
    kept: list[int] = []
    for i in order:
        if not kept or agreements[i] > agreements[kept[-1]]:
            kept.append(i)
    return kept
