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
from ..data.sources import Source, ahead
from . import dial
from .distribution import Devices
from .purpose import Purpose
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


def validate(steps: Steps, source: Source, devices: Devices, purpose: Purpose, on_integers: bool) -> Row:
    """The task's figure of each policy, their mean loss, dynamic BitOPs ratio, and what the epoch is chosen by.

    Args:
        steps: The network and what computes it.
        source: The validation samples.
        devices: What computes.
        purpose: Gives targets and figures: shares in per cent, errors in the data's unit.
        on_integers: In the nested phase.
    """
    y, objective = purpose.targets(source, np.arange(len(source.labels))), purpose.objective
    if not on_integers:
        outputs, *early = in_parts([steps.predict_float], steps, source, devices)
        return {"val_float": objective.value(y, outputs), **_told(steps, y, early)}
    model, options = steps.model, steps.options
    policies: list[Callable[[Array], tuple[Array, ...]]] = [
        partial(steps.predict_fixed, steps.all_at(index)) for index in (steps.full, steps.least)
    ]
    if model.controller is not None:
        policies.append(steps.decide)
    found, each = in_parts(policies, steps, source, devices), 1 + len(model.heads)
    (full, *early), (least, *_), decided = found[:each], found[each : 2 * each], found[2 * each :]
    row: Row = {"val_full": objective.value(y, full), "val_least": objective.value(y, least)}
    every = [full, least]
    if decided:
        pairs, target = options.candidates, DIAL_FILL * options.budget
        lift = dial.lift_for(decided[0], pairs, steps.table, steps.fixed, target)
        bias = tf.constant(lift * dial.direction(pairs), tf.float32)
        outputs, choices = in_parts([partial(steps.predict_dynamic, bias)], steps, source, devices)
        every.append(outputs)
        row["val_dynamic"] = objective.value(y, outputs)
        row["val_cost"] = float(steps.fixed + steps.table[np.arange(choices.shape[1]), choices].sum(axis=1).mean())
        row["vectors"] = len(np.unique(choices, axis=0))
    row["val_loss"] = float(np.mean([objective.plain(y, outputs) for outputs in every]))
    row["val_score"] = float(np.mean([objective.quality(y, outputs) for outputs in (full, every[-1], *early)]))
    return {**row, **_told(steps, y, early)}


def _told(steps: Steps, y: Found, early: list[Found]) -> Row:
    """The task's figure of each point's own answers to all samples."""
    places = steps.model.spec.points
    return {f"val_{p.name}": steps.objective.value(y, found) for p, found in zip(places, early, strict=True)}


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
