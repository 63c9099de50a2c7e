"""Which samples a command takes where it takes a part of a data set."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .sources import Indices, stratified

SEED = 1
"""Of the choice, unless another is given: the same part of the same data every time."""


def choose(
    total: int,
    count: int | None = None,
    labels: npt.NDArray[Any] | None = None,
    *,
    seed: int = SEED,
    first: bool = False,
) -> Indices:
    """Sorted indices of ``count`` samples, at random; with at least as many as classes, each class in proportion.

    A file may be sorted by class, person or day; its first samples would be a part like no other.

    Args:
        total: Samples that there are.
        count: How many to take; None, or as many as there are, is all.
        labels: Class indices [total]; anything but whole numbers, one for a sample, is no classes.
        seed: Of the choice.
        first: Take the first ones instead.
    """
    if count is None or count >= total:
        return np.arange(total)
    if first:
        return np.arange(count)
    rng = np.random.default_rng(seed)
    classes = labels is not None and labels.ndim == 1 and np.issubdtype(labels.dtype, np.integer)
    if labels is not None and classes and len(np.unique(labels)) <= count:
        return stratified(labels.astype(np.int64), count, rng)
    return np.sort(rng.permutation(total)[:count])
