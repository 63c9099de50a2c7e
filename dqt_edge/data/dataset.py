"""A labelled data set in three parts, and how one is split. Imports without TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import BadFileError
from .sources import Arrays, Images, Indices, Labels, Source, strata, stratified

SPLIT_SEED = 20_260
TEST_SHARE = 0.2
"""Part of all samples that is held out where no test part is given."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Three disjoint parts; of a test set alone, the first two are empty.

    Attributes:
        name: ``digits`` or ``cifar10``, or the stem of a file or folder.
        train, validation, test: See ``sources.Source``.
        classes: Class names; none where the targets are no classes.
        input_scale, input_zero_point: How an input becomes a code: ``round(x / scale) + zero_point``.
    """

    name: str
    train: Source
    validation: Source
    test: Source
    classes: tuple[str, ...]
    input_scale: float
    input_zero_point: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of one image."""
        return self.train.shape

    @property
    def x_train(self) -> Images:
        """All training images in memory, float32 [samples, height, width, channels]."""
        return everything(self.train)

    @property
    def y_train(self) -> Labels:
        """Their class indices, int64 [samples], 0..len(classes)-1; or other targets, see ``sources.Labels``."""
        return self.train.labels

    @property
    def x_val(self) -> Images:
        """All validation images in memory."""
        return everything(self.validation)

    @property
    def y_val(self) -> Labels:
        """Their class indices."""
        return self.validation.labels

    @property
    def x_test(self) -> Images:
        """All held-out samples in memory."""
        return everything(self.test)

    @property
    def y_test(self) -> Labels:
        """Their class indices."""
        return self.test.labels


def everything(source: Source) -> Images:
    """All images of a source, in memory."""
    return source.x if isinstance(source, Arrays) else source.images(np.arange(len(source.labels)))


def require_training(dataset: Dataset) -> None:
    """Refuse a test set alone.

    Raises:
        BadFileError: There is nothing to train on.
    """
    if not len(dataset.train.labels):
        raise BadFileError(
            "the data holds a test set and nothing to train on",
            where=dataset.name,
            next_step="add training images, or use the data with profile, import and compare",
        )


def require_classes(dataset: Dataset) -> None:
    """Refuse to learn to tell classes apart from samples of one.

    Raises:
        BadFileError: All training samples are of one class.
    """
    found = np.unique(dataset.train.labels)
    if len(found) < 2:
        names = [dataset.classes[k] if k < len(dataset.classes) else str(k) for k in found.astype(int)]
        raise BadFileError(
            f"all {len(dataset.train.labels):,} training samples are of class {names[0]!r}",
            where=dataset.name,
            next_step="give samples of at least two classes",
        )


def split(
    name: str,
    x: Images,
    y: Labels,
    *,
    held_out: int,
    classes: tuple[str, ...],
    coding: tuple[float, int],
    validation: float,
    tests: tuple[Images, Labels] | None = None,
    validations: tuple[Images, Labels] | None = None,
    where: str | None = None,
) -> Dataset:
    """Make stratified parts of arrays; the same data always splits alike.

    Args:
        name: Of the data set.
        x: Images to train and choose with, and to test with where ``tests`` is None.
        y: Their labels.
        held_out: Samples of the test part.
        classes: Class names.
        coding: Input scale and zero point.
        validation: Part of the training samples that is kept to choose by, 0..1.
        tests: A test part that is given.
        validations: A validation part that is given.
        where: File, for messages.

    Raises:
        BadFileError: There are too few samples.
    """
    train, val, held = split_indices(y, 0 if tests else held_out, 0 if validations else validation)
    parts = [(x[train], y[train]), validations or (x[val], y[val]), tests or (x[held], y[held])]
    if min(len(part[0]) for part in parts) == 0:
        raise too_few(len(y), where or name)
    sources = [Arrays(*part, coding) for part in parts]
    return Dataset(name, sources[0], sources[1], sources[2], classes, *coding)


def split_indices(y: Labels, held_out: int, validation: float) -> tuple[Indices, Indices, Indices]:
    """Indices of training, validation and ``held_out`` test samples: disjoint, sorted, stratified by class."""
    y = strata(y)
    rng = np.random.default_rng(SPLIT_SEED)
    rest, held = np.arange(len(y)), np.arange(0)
    if held_out:
        held = stratified(y, held_out, rng)
        rest = np.setdiff1d(rest, held)
    val = rest[stratified(y[rest], round(validation * len(rest)), rng)]
    return np.setdiff1d(rest, val), val, held


def too_few(count: int, where: str) -> BadFileError:
    """Error of a set that cannot be split."""
    return BadFileError(
        f"{count} images are too few to split into training, validation and test",
        where=where,
        next_step="give more images, or a larger part of them to each split",
    )
