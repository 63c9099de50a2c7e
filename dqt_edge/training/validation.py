"""How good a network in training is: every policy on the validation set, read and computed in parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ..data.augment import Codes
from ..data.sources import Labels, Source, ahead
from . import dial, losses
from .distribution import Devices
from .quantizers import Array
from .steps import Steps

PART = 256
PART_VALUES = 1 << 24
"""Input values that go through the network at a time: large images come in smaller parts."""
DIAL_FILL = 0.98
"""Part of the budget that the dial is set to on the validation set: other inputs cost a little more or less."""

Row = dict[str, Any]
"""One epoch: phase, losses, accuracies and cost ratio."""
Found = npt.NDArray[Any]


def samples_at_once(shape: tuple[int, int, int], most: int = PART, values: int = PART_VALUES) -> int:
    """How many images of that shape go through the network together: at most ``most``, of ``values`` input values."""
    return max(1, min(most, values // int(np.prod(shape))))


def validate(steps: Steps, source: Source, devices: Devices, on_integers: bool) -> Row:
    """Accuracy of each policy in per cent, their mean loss, dynamic BitOPs ratio, and what the epoch is chosen by."""
    y = source.labels
    if not on_integers:
        (logits,) = in_parts([steps.predict_float], steps, source, devices)
        return {"val_float": share(y, logits)}
    model, options = steps.model, steps.options
    policies: list[Callable[[Array], tuple[Array, ...]]] = [
        partial(steps.predict_fixed, steps.all_at(index)) for index in (steps.full, steps.least)
    ]
    if model.controller is not None:
        policies.append(steps.decide)
    full, least, *decided = in_parts(policies, steps, source, devices)
    row: Row = {"val_full": share(y, full), "val_least": share(y, least)}
    every = [full, least]
    if decided:
        pairs, target = options.candidates, DIAL_FILL * options.budget
        lift = dial.lift_for(decided[0], pairs, steps.table, steps.fixed, target)
        bias = tf.constant(lift * dial.direction(pairs), tf.float32)
        logits, choices = in_parts([partial(steps.predict_dynamic, bias)], steps, source, devices)
        every.append(logits)
        row["val_dynamic"] = share(y, logits)
        row["val_cost"] = float(steps.fixed + steps.table[np.arange(choices.shape[1]), choices].sum(axis=1).mean())
        row["vectors"] = len(np.unique(choices, axis=0))
    row["val_loss"] = float(np.mean([losses.hard_loss(y, logits) for logits in every]))
    row["val_score"] = float(np.mean([share(y, logits, options.balance) for logits in (full, every[-1])]))
    return row


def in_parts(
    functions: list[Callable[[Array], tuple[Array, ...]]], steps: Steps, source: Source, devices: Devices
) -> list[Found]:
    """Results of each function for all samples of a source, in the order of the samples."""
    count = len(source.labels)
    parts: list[list[Found]] = []
    with closing(ahead(_parts(source, devices))) as read:
        for start, codes in read:
            x = devices.place(steps.model.of_codes(codes))
            # Results of samples that only fill up the last part are cut off.
            found = [np.asarray(value) for function in functions for value in function(x)]
            parts.append([value[: count - start] for value in found])
    return [np.concatenate(values) for values in zip(*parts, strict=True)]


def _parts(source: Source, devices: Devices) -> Iterator[tuple[int, Codes]]:
    """First sample of each part, and this process's share of its codes."""
    count, size = len(source.labels), samples_at_once(source.shape) * devices.replicas
    for start in range(0, count, size):
        indices = np.arange(start, min(start + size, count))
        indices = np.pad(indices, (0, -len(indices) % devices.replicas), mode="edge")
        yield start, source.codes(indices[devices.share(len(indices))])


def share(y: Labels, logits: Found, balance: float = 0.0) -> float:
    """Accuracy in per cent; a sample counts ``(samples of its class) ** -balance``, so 1 makes it the mean recall."""
    weights = np.maximum(np.bincount(y), 1.0)[y] ** -balance
    return 100 * float(np.average(logits.argmax(-1) == y, weights=weights))
