"""Where the decision points of a run lie, and how large their heads are. Imports without TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..architectures.spec import Place, Spec, field_window, shapes
from ..errors import UnknownNameError, UsageError
from ..graph import Shape
from ..graph.points import DECISION_POINTS_MAX
from ..precision.cost import of_spec

SHARE = 0.03
"""Part of the network's multiply-accumulates that the heads of layers named by hand may take together."""
HIDDEN, HIDDEN_MIN = 64, 8
GRID, SIGNAL_GRID = 4, 8
"""Fields along each axis of a map, and of a signal."""
WHERE = "parameter `points`"


def with_points(spec: Spec, points: bool | Sequence[str], shape: Shape, task: str) -> Spec:
    """The structure with the decision points that a run asks for, and no others.

    Args:
        spec: A model's structure.
        points: See ``Options.points``.
        shape: Of the input.
        task: What the outputs stand for.

    Raises:
        UsageError: A layer that is not there, no place that is known, or a task whose answers are no classes.
    """
    if points is False:
        return replace(spec, points=())
    if task != "classifier":
        raise UsageError(
            f"a decision point answers with a class, and this is a {task}", where=WHERE, next_step="leave `points` out"
        )
    if points is True:
        if not spec.points:
            raise UsageError(
                f"it is not known where model {spec.name!r} had best have decision points",
                where=WHERE,
                next_step="name layers, such as those behind a half and a quarter of the network",
            )
        return spec
    return replace(spec, points=_places(spec, points, shape))


def _places(spec: Spec, names: Sequence[str], shape: Shape) -> tuple[Place, ...]:
    """Places behind the layers of those names: a named model's own, and others with heads as large as their share."""
    order = [node.name for node in spec.nodes[:-1]]
    for name in names:
        if name not in order:
            raise UnknownNameError.among("layer", name, order, f"{WHERE} of model {spec.name!r}")
    if len(set(names)) < len(names) or not 0 < len(names) <= DECISION_POINTS_MAX:
        raise UsageError(
            f"{len(names)} layers are named, {len(set(names))} different ones",
            where=WHERE,
            next_step=f"name 1 to {DECISION_POINTS_MAX} layers, each once",
        )
    sizes, known = shapes(spec, shape), {place.after: place for place in spec.points}
    most = SHARE * sum(layer.macs for layer in of_spec(spec, shape)) / len(names)
    found = (known.get(name) or _fitting(name, sizes, sizes[spec.nodes[-1].name], most) for name in names)
    return tuple(sorted(found, key=lambda place: order.index(place.after)))


def _fitting(name: str, sizes: dict[str, Shape], output: Shape, most: float) -> Place:
    """The largest head, of a few sizes, that takes no more multiply-accumulates than that."""
    source = sizes[name]
    place = Place(name, SIGNAL_GRID if 1 in source[:2] else GRID, HIDDEN)
    while place.hidden > HIDDEN_MIN and head_macs(place, source, output) > most:
        place = replace(place, hidden=place.hidden // 2)
    while place.grid > 1 and head_macs(place, source, output) > most:
        place = replace(place, grid=place.grid // 2)
    return place


def head_macs(place: Place, source: Shape, output: Shape) -> int:
    """Multiply-accumulates of a head behind an output of shape ``source``, those of the pooling left out."""
    height, width = field_window(place.grid, source).output_size(*source[:2])
    return place.hidden * (height * width * source[2] + int(np.prod(output)))
