"""How many samples of each class are found: accuracy alone says little where one class makes most of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

PerClass = dict[str, tuple[int, int]]
"""Class name -> (right, samples)."""


def per_class(predicted: npt.NDArray[np.int64], labels: npt.NDArray[np.int64], names: Sequence[str]) -> PerClass:
    """Right answers and samples of each class.

    Args:
        predicted: Class indices [samples].
        labels: The right ones.
        names: Of the classes, by index.
    """
    right = predicted == labels
    return {name: (int(right[labels == k].sum()), int((labels == k).sum())) for k, name in enumerate(names)}


def mean_recall(counts: Mapping[str, Sequence[int]]) -> float | None:
    """Mean over the classes that occur of the part that was found, 0..1 (balanced accuracy); None without any."""
    recalls = [right / samples for right, samples in counts.values() if samples]
    return float(np.mean(recalls)) if recalls else None
