"""Figures of answers against targets, with what chance alone could have made of them. Plain functions of arrays.

Intervals are those that hold the figure of endless data with 95 % confidence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

PerClass = dict[str, tuple[int, int]]
"""Class name -> (right, samples)."""
Interval = tuple[float, float]
Labels = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]
Z = 1.959964
"""Standard deviations on either side of a normal mean that hold 95 %."""


def per_class(predicted: Labels, labels: Labels, names: Sequence[str]) -> PerClass:
    """Right answers and samples of each class.

    Args:
        predicted: Class indices, of any shape.
        labels: The right ones, of the same shape.
        names: Of the classes, by index.
    """
    right = predicted == labels
    return {name: (int(right[labels == k].sum()), int((labels == k).sum())) for k, name in enumerate(names)}


def mean_recall(counts: Mapping[str, Sequence[int]]) -> float | None:
    """Mean over the classes that occur of the part that was found, 0..1 (balanced accuracy); None without any."""
    recalls = [right / samples for right, samples in counts.values() if samples]
    return float(np.mean(recalls)) if recalls else None


def mean_recall_interval(counts: Mapping[str, Sequence[int]]) -> Interval | None:
    """Of :func:`mean_recall`: normal, from the variances of the classes' recalls with two more of each answer."""
    found = [(right, samples) for right, samples in counts.values() if samples]
    centre = mean_recall(counts)
    if centre is None:
        return None
    shares = [((right + 2) / (samples + 4), samples) for right, samples in found]
    deviation = math.sqrt(sum(share * (1 - share) / samples for share, samples in shares)) / len(found)
    return max(centre - Z * deviation, 0.0), min(centre + Z * deviation, 1.0)


def wilson(right: int, samples: int, z: float = Z) -> Interval:
    """Of the share ``right / samples``: Wilson's score interval, which stays within 0..1 for a few samples too.

    ``z`` is the number of standard deviations on either side.
    """
    share, spread = right / samples, z * z / samples
    centre = (share + spread / 2) / (1 + spread)
    reach = math.sqrt(spread * (share * (1 - share) + spread / 4)) / (1 + spread)
    return max(centre - reach, 0.0), min(centre + reach, 1.0)


def mean_interval(values: Reals) -> Interval | None:
    """Of the mean of independent values: normal; None for fewer than two."""
    if len(values) < 2:
        return None
    reach = Z * float(values.std(ddof=1)) / math.sqrt(len(values))
    return float(values.mean()) - reach, float(values.mean()) + reach


def auc(scores: Reals, positive: npt.NDArray[np.bool_]) -> float | None:
    """Area under the ROC curve: the chance that a positive sample scores above a negative one, ties counted half.

    None where one of the two kinds is missing.
    """
    wins, pairs = _wins(scores, positive)
    return None if not pairs else wins / pairs


def auc_interval(scores: Reals, positive: npt.NDArray[np.bool_]) -> Interval | None:
    """Of :func:`auc`, by the formula of Hanley and McNeil (Radiology 143, 1982)."""
    area = auc(scores, positive)
    if area is None:
        return None
    yes, no = int(positive.sum()), int((~positive).sum())
    both, one = area / (2 - area), 2 * area * area / (1 + area)
    variance = (area * (1 - area) + (yes - 1) * (both - area**2) + (no - 1) * (one - area**2)) / (yes * no)
    reach = Z * math.sqrt(max(variance, 0.0))
    return max(area - reach, 0.0), min(area + reach, 1.0)


def _wins(scores: Reals, positive: npt.NDArray[np.bool_]) -> tuple[float, int]:
    """Pairs of a positive and a negative sample in which the positive one scores higher, and all such pairs."""
    no = np.sort(scores[~positive])
    yes = scores[positive]
    below, level = np.searchsorted(no, yes, "left"), np.searchsorted(no, yes, "right")
    return float((below + level).sum() / 2), len(yes) * len(no)


def best_threshold(scores: Reals, positive: npt.NDArray[np.bool_]) -> float | None:
    """The threshold above which a score counts as positive that gives the best mean of both recalls.

    It lies midway between two scores that occur; of several best ones the one in the middle is taken. None where one
    of the two kinds is missing.
    """
    yes, no = np.sort(scores[positive]), np.sort(scores[~positive])
    if not len(yes) or not len(no):
        return None
    values = np.unique(scores)
    if len(values) == 1:
        return float(values[0])
    middles = (values[1:] + values[:-1]) / 2
    recalls = (len(yes) - np.searchsorted(yes, middles, "right")) / len(yes)
    recalls = recalls + np.searchsorted(no, middles, "right") / len(no)
    best = np.flatnonzero(recalls >= recalls.max() - 1e-12)
    return float(middles[best[len(best) // 2]])


def intersections_over_unions(predicted: Labels, labels: Labels, names: Sequence[str]) -> dict[str, float]:
    """For each class that is answered or wanted anywhere: places where both, over places where either, 0..1."""
    found = {}
    for index, name in enumerate(names):
        ours, wanted = predicted == index, labels == index
        either = int((ours | wanted).sum())
        if either:
            found[name] = int((ours & wanted).sum()) / either
    return found


def r_squared(outputs: Reals, targets: Reals) -> float | None:
    """Coefficient of determination, mean over the outputs [samples, outputs]; None where no target varies."""
    spread = ((targets - targets.mean(axis=0)) ** 2).sum(axis=0)
    left = ((targets - outputs) ** 2).sum(axis=0)
    varied = spread > 0
    return float((1 - left[varied] / spread[varied]).mean()) if varied.any() else None
