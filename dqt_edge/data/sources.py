"""Where images come from: arrays in memory, or anything else that gives them by number. Imports without TensorFlow.

A data set has three sources. Training asks one for the batch of a step, on codes and varied at random; the variation
follows from the step's own key and from nothing that was asked before, so that a run can go on from any step and
several workers can each read their share of a batch.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from ..graph import nested
from . import augment
from .augment import Codes

Images = npt.NDArray[np.float32]
Labels = npt.NDArray[Any]
"""Targets by sample: class indices int64 [n], of a map int64 [n, height, width], real numbers float64 [n, outputs];
[n, 0] where there are none."""
Indices = npt.NDArray[np.int64]
Key = tuple[int, ...]
Item = TypeVar("Item")


@dataclass(frozen=True)
class Variation:
    """How training images vary.

    Attributes:
        shift: Largest move along either axis, pixels.
        flip: Mirror every other image, left and right.
    """

    shift: int = 0
    flip: bool = False


def has_targets(labels: Labels) -> bool:
    """Whether samples have targets at all: those of an autoencoder need none, and have targets [samples, 0]."""
    return bool(np.asarray(labels).size)


def strata(labels: Labels) -> npt.NDArray[np.int64]:
    """Class indices to split by; one class for targets that are none."""
    if labels.ndim == 1 and np.issubdtype(labels.dtype, np.integer):
        return labels.astype(np.int64)
    return np.zeros(len(labels), np.int64)


class Source(Protocol):
    """One part of a data set.

    Attributes:
        labels: Class indices, int64 [samples], or other targets; known before any image is read.
        shape: (height, width, channels) of every image.
    """

    labels: Labels
    shape: tuple[int, int, int]

    def images(self, indices: Indices) -> Images:
        """Images in the data's own units, float32 [len(indices), height, width, channels].

        Raises:
            BadFileError: One cannot be read.
        """
        ...

    def codes(self, indices: Indices) -> Codes:
        """The same on the codes of the data set's scale and zero point."""
        ...

    def varied(self, indices: Indices, variation: Variation, key: Key, part: slice) -> Codes:
        """Codes of one training batch, at random.

        Args:
            indices: The whole batch.
            variation: How far images vary.
            key: What the randomness follows from.
            part: Of the batch, what is wanted: the same images whatever else is.
        """
        ...


class Arrays:
    """A source in memory.

    Args:
        x: Images, float32 [samples, height, width, channels].
        labels: Class indices, int64 [samples], or other targets.
        coding: Input scale and zero point.
    """

    def __init__(self, x: Images, labels: Labels, coding: tuple[float, int]) -> None:
        self.x, self.labels, self.coding = x, labels, coding
        height, width, channels = x.shape[1:]
        self.shape = (int(height), int(width), int(channels))

    @cached_property
    def _codes(self) -> Codes:
        return nested.quantize(self.x, *self.coding)

    def images(self, indices: Indices) -> Images:
        """See :class:`Source`."""
        return self.x[indices]

    def codes(self, indices: Indices) -> Codes:
        """See :class:`Source`."""
        return self._codes[indices]

    def varied(self, indices: Indices, variation: Variation, key: Key, part: slice) -> Codes:
        """See :class:`Source`."""
        rng = np.random.default_rng(key)
        return augment.varied(self._codes[indices], variation.shift, variation.flip, self.coding[1], rng)[part]


class Subset:
    """Some samples of another source.

    Args:
        source: The other one.
        kept: Indices of its samples.
    """

    def __init__(self, source: Source, kept: Indices) -> None:
        self.source, self.kept = source, kept
        self.labels, self.shape = source.labels[kept], source.shape

    def images(self, indices: Indices) -> Images:
        """See :class:`Source`."""
        return self.source.images(self.kept[indices])

    def codes(self, indices: Indices) -> Codes:
        """See :class:`Source`."""
        return self.source.codes(self.kept[indices])

    def varied(self, indices: Indices, variation: Variation, key: Key, part: slice) -> Codes:
        """See :class:`Source`."""
        return self.source.varied(self.kept[indices], variation, key, part)


def stratified(y: Labels, count: int, rng: np.random.Generator) -> Indices:
    """Sorted indices of ``count`` samples, each class in proportion (largest remainders)."""
    order = rng.permutation(len(y))
    classes, inverse, sizes = np.unique(y, return_inverse=True, return_counts=True)
    exact = sizes * count / len(y)
    quota = np.floor(exact).astype(np.int64)
    quota[np.argsort(quota - exact, kind="stable")[: count - int(quota.sum())]] += 1
    picked = [order[inverse[order] == index][: quota[index]] for index in range(len(classes))]
    return np.sort(np.concatenate(picked)).astype(np.int64)


def ahead(items: Iterable[Item], depth: int = 2) -> Generator[Item, None, None]:
    """The same items, up to ``depth`` of them made by a thread before they are asked for.

    What goes wrong while one is made is raised where it would have come out.
    """
    ready: queue.Queue[tuple[list[Item], BaseException | None]] = queue.Queue(depth)
    stopped = threading.Event()

    def offer(item: list[Item], error: BaseException | None = None) -> None:
        while not stopped.is_set():
            try:
                ready.put((item, error), timeout=0.1)
                return
            except queue.Full:
                pass

    def work() -> None:
        try:
            for item in items:
                offer([item])
                if stopped.is_set():
                    return
        except BaseException as error:  # raised again by the reader
            offer([], error)
        else:
            offer([])

    thread = threading.Thread(target=work, name="read-ahead", daemon=True)
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if error is not None:
                raise error
            if not item:
                return
            yield item[0]
    finally:
        stopped.set()
        thread.join()
