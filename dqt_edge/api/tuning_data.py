"""Samples that tuning may choose by: never those that judge."""

from __future__ import annotations

import os
from typing import Literal

import numpy as np

from ..data.choose import choose
from ..data.dataset import Dataset
from ..data.load import codes
from ..data.sources import has_targets
from ..errors import UsageError
from ..graph import Graph
from ..tasks import task_of
from .given import Data, Samples, by_input, dataset_of, samples_of

Part = Literal["validation", "training", "both"]
PARTS = ("validation", "training", "both")


def tuning_samples(
    data: Data, graph: Graph, part: Part, validation: float | None, count: int, *, seed: int, first: bool
) -> Samples:
    """Samples of a part of a data set; of arrays, some of all.

    Args:
        data: See ``given.Data``.
        graph: The model.
        part: Which part of a data set.
        validation: Share of its training samples that is the validation part, 0..1; None is the usual one.
        count: How many at most.
        seed: Of the choice.
        first: Take the first ones instead.

    Raises:
        UsageError, BadFileError: It is no data, has no such part, or targets that the model cannot answer.
    """
    if part not in PARTS:
        raise UsageError(f"{part!r} is no part", where="parameter `part`", next_step=f"choose from {', '.join(PARTS)}")
    if validation is not None and not 0 < validation < 1:
        raise UsageError(
            f"{validation!r} is no share", where="parameter `validation`", next_step="give one between 0 and 1"
        )
    given = by_input(data, graph)
    if not isinstance(given, str | os.PathLike | Dataset):
        return samples_of(given, graph, count, seed=seed, first=first)
    found = dataset_of(given, validation, shape=graph.tensor(graph.input).shape)
    sources = {"validation": [found.validation], "training": [found.train], "both": [found.train, found.validation]}[
        part
    ]
    labels = np.concatenate([source.labels for source in sources])
    if not len(labels):
        raise UsageError(
            f"the data has no {'training' if part == 'both' else part} samples, and test samples must not choose",
            where="parameter `data`",
            next_step="give data with a training part, or in Python the arrays (x, y) that may choose",
        )
    chosen = choose(len(labels), count, labels, seed=seed, first=first)
    ends = np.cumsum([0, *(len(source.labels) for source in sources)])
    real = np.concatenate(
        [
            source.images(chosen[(chosen >= start) & (chosen < start + len(source.labels))] - start)
            for source, start in zip(sources, ends, strict=False)
        ]
    )
    labels = labels[chosen]
    return Samples(codes(real, graph), task_of(graph).targets(labels) if has_targets(labels) else None, real)
