"""Intervals by paired bootstrap: rows are judged on the same resamples, so what they share cancels in differences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..tasks.statistics import Interval

Integers = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]
RESAMPLES = 2000
SEED = 1
LOW, HIGH = 2.5, 97.5
"""Percentiles of the resamples between which an interval lies."""


@dataclass(frozen=True, eq=False)
class Resampled:
    """Figures of rows in each resample.

    Attributes:
        figures: Figure -> float64 [resamples, rows].
    """

    figures: dict[str, Reals]

    def interval(self, figure: str, row: int, less: int | None = None) -> Interval:
        """Of a row's figure, or of its difference from another row's."""
        values = self.figures[figure][:, row]
        if less is not None:
            values = values - self.figures[figure][:, less]
        low, high = np.percentile(values, [LOW, HIGH])
        return float(low), float(high)


def resample(
    agreeing: Reals, right: Reals | None, labels: Integers | None, resamples: int = RESAMPLES, seed: int = SEED
) -> Resampled:
    """Agreement, accuracy and mean recall of rows in resamples of the samples.

    A class that a resample leaves out does not count in its mean recall.

    Args:
        agreeing: How far each sample's class is the full network's, 0..1, [samples, rows].
        right: The same of its label; None without labels.
        labels: Right classes.
        resamples: How many.
        seed: The same one gives the same resamples.
    """
    rng = np.random.default_rng(seed)
    samples = len(agreeing)
    classes = [] if labels is None else [np.flatnonzero(labels == k) for k in np.unique(labels)]
    agreement, accuracy, recall = [], [], []
    for _ in range(resamples):
        weights = np.bincount(rng.integers(0, samples, samples), minlength=samples).astype(np.float64)
        agreement.append(weights @ agreeing / samples)
        if right is None:
            continue
        sums, counts = (
            np.array([weights[at] @ right[at] for at in classes]),
            np.array([weights[at].sum() for at in classes]),
        )
        seen = counts > 0
        accuracy.append(sums.sum(axis=0) / samples)
        recall.append((sums[seen] / counts[seen, None]).mean(axis=0))
    figures = {"agreement": np.array(agreement)}
    if right is not None:
        figures |= {"accuracy": np.array(accuracy), "recall": np.array(recall)}
    return Resampled(figures)
