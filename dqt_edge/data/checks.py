"""What is wrong with a data set though it can be read, said before anything is computed with it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import DataWarning
from ..graph import nested
from .dataset import Dataset
from .sources import Arrays, Source

CLIPPED_MAX = 0.01
"""Part of the input values that may lie outside what the input scale holds."""
EXTREME_MAX = 0.3
"""Part of given codes that may be 0 or 255 without standing for zero."""
UNIT_FACTOR = 4.0
"""Values that span this many times what the input scale holds are in another unit."""
USED_MIN = 1 / 32
"""Values that use a smaller part of what the input scale holds are in another unit."""
SHOWN = 8


def check_dataset(dataset: Dataset, where: str) -> Dataset:
    """The same data set, after what is wrong with its labels and parts was said.

    Args:
        dataset: What was read.
        where: File or folder, for messages.

    Raises:
        BadFileError: All training samples are of one class.
    """
    for name, part in (("validation", dataset.validation), ("test", dataset.test)):
        if len(dataset.train.labels) and isinstance(part, Arrays):
            check_inputs(part.x, dataset.input_scale, dataset.input_zero_point, f"the {name} part of {where}")
    parts = (dataset.train, dataset.validation, dataset.test)
    if all(np.issubdtype(part.labels.dtype, np.integer) and part.labels.ndim == 1 for part in parts):
        _check_labels(dataset, where)
    return dataset


def _check_labels(dataset: Dataset, where: str) -> None:
    def counts(*parts: Source) -> npt.NDArray[np.int64]:
        return np.bincount(np.concatenate([part.labels for part in parts]), minlength=len(dataset.classes))

    trained, every = counts(dataset.train), counts(dataset.train, dataset.validation, dataset.test)
    if not trained.any():  # a test set alone
        if np.count_nonzero(every) == 1:
            _warn(
                f"all {every.sum():,} samples are of class {dataset.classes[int(every.argmax())]!r}",
                where,
                "what is measured on them says nothing of the other classes; give samples of each",
            )
        return
    if np.count_nonzero(trained) == 1:
        return  # an autoencoder learns from normal samples; training refuses other tasks
    names = np.array(dataset.classes, object)
    if not trained.all():
        _warn(
            f"no training sample is of class {_listed(names[trained == 0])}",
            where,
            "number the classes from 0 without gaps, or give samples of each",
        )
    if (every == 1).any():
        _warn(
            f"one sample alone is of class {_listed(names[every == 1])}: it cannot be both learned and tested",
            where,
            "give more samples of it, or leave the class out",
        )


def check_inputs(x: npt.NDArray[Any], scale: float, zero_point: int, where: str) -> None:
    """Warn where inputs do not suit the scale that turns them into codes.

    Args:
        x: Real inputs, of any shape.
        scale: Of the codes.
        zero_point: The code of 0.
        where: What they are, for messages.
    """
    if not x.size:
        return
    low, high = (scale * (code - zero_point) for code in (0, nested.CODE_MAX))
    least, most = float(x.min()), float(x.max())
    spans = f"the inputs run from {least:.4g} to {most:.4g}, the input scale holds {low:.4g} to {high:.4g}"
    beyond = most > low + UNIT_FACTOR * (high - low) or least < high - UNIT_FACTOR * (high - low)
    if beyond or max(most, 0.0) - min(least, 0.0) < USED_MIN * (high - low):
        _warn(
            f"{spans}: they seem to be in another unit than what the scale was made with",
            where,
            "give the data in the unit of the training or calibration data",
        )
        return
    clipped = float(np.mean((x < low - scale / 2) | (x > high + scale / 2)))
    if clipped > CLIPPED_MAX:
        _warn(
            f"{spans}: {clipped:.1%} of the values are cut off, at code 0 or {nested.CODE_MAX}",
            where,
            "give the data in the unit of the training or calibration data, or calibrate with inputs that span it",
        )


def check_codes(codes: npt.NDArray[np.uint8], zero_point: int, where: str) -> None:
    """Warn where codes that came without real values pile up at the ends; the code of 0 counts as no end."""
    at_ends = sum(float(np.mean(codes == end)) for end in (0, nested.CODE_MAX) if end != zero_point)
    if codes.size and at_ends > EXTREME_MAX:
        _warn(
            f"{at_ends:.1%} of the codes are 0 or {nested.CODE_MAX}: the inputs seem to be cut off",
            where,
            "make the codes with the model's own input scale and zero point",
        )


def _listed(names: npt.NDArray[Any]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(repr(str(name)) for name in names[:SHOWN]) + more


def _warn(what: str, where: str, next_step: str) -> None:
    warnings.warn(DataWarning(what, where=where, next_step=next_step), stacklevel=3)
