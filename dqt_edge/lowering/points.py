"""Decision points as a device has them: heads behind the network's layers, and tuned settings as constants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..graph import Graph
from ..graph.points import Setting, stop_words, widest_choices
from . import records
from .constants import Constants

if TYPE_CHECKING:
    from .plan import PlannedLayer


@dataclass(frozen=True)
class PlannedPoint:
    """A decision point.

    Attributes:
        name: Its own.
        before: Number of the layer that follows it; the head runs before that.
        layers: Its head.
        logits: Offset of the head's logits in the arena.
    """

    name: str
    before: int
    layers: tuple[PlannedLayer, ...]
    logits: int


@dataclass(frozen=True)
class PlannedPoints:
    """All that decides for each input, of a model that has decision points, a second pass or tuned settings.

    Attributes:
        points: In order; there may be none.
        widest: Constant with the index of each adaptive layer's widest candidate; None without such layers.
        second: Number of the layer that a second pass begins with; None if the model keeps nothing for one.
        tuned: Tuned points, by ascending cost.
    """

    points: tuple[PlannedPoint, ...]
    widest: str | None
    second: int | None
    tuned: tuple[records.Tuned, ...]

    @property
    def layers(self) -> tuple[PlannedLayer, ...]:
        """Layers of all heads, in the order of their numbers."""
        return tuple(layer for point in self.points for layer in point.layers)

    def point_records(self, heads: str) -> tuple[records.Point, ...]:
        """The table of points; ``heads``: name in C of the table of :attr:`layers`."""
        found, first = [], 0
        for point in self.points:
            found.append(records.Point(f"{heads} + {first}", point.logits, len(point.layers), point.before, first))
            first += len(point.layers)
        return tuple(found)

    def record(self, symbol: str) -> records.Points:
        """The record of a model with that name in C, whose tables the template names."""
        return records.Points(
            f"&{symbol}",
            f"{symbol}_point_list" if self.points else None,
            f"{symbol}_tuned" if self.tuned else None,
            self.widest,
            self.second,
            len(self.layers),
            len(self.points),
            len(self.tuned),
        )

    @property
    def table_size(self) -> int:
        """Bytes of its own descriptors in flash, without those of layers."""
        points = len(self.points) * records.Point.byte_size()
        return records.Points.byte_size() + points + len(self.tuned) * records.Tuned.byte_size()


def planned_points(
    graph: Graph, layers: Sequence[PlannedLayer], offsets: Mapping[str, int], constants: Constants
) -> PlannedPoints | None:
    """The points of a lowered graph, whose constants are added; None of a graph that has nothing to decide.

    Args:
        graph: The network.
        layers: All of its layers, as planned.
        offsets: Of tensors in the arena.
        constants: Of the model.
    """
    if not graph.points and not graph.tuned and not graph.second_pass:
        return None
    numbers = {layer.name: layer.number for layer in layers}
    order = [layer.name for layer in graph.layers]
    points = tuple(
        PlannedPoint(
            point.name,
            numbers[order[order.index(point.after) + 1]],
            tuple(layer for layer in layers if layer.point == point.name),
            offsets[point.layers[-1].output],
        )
        for point in graph.points
    )
    widest = None
    if graph.adaptive:
        indices = np.array(widest_choices(graph), np.uint8)
        widest = constants.add("points", "widest", indices, "widest candidate of each adaptive layer")
    second = numbers[graph.layers[graph.second_pass_start].name] if graph.second_pass else None
    return PlannedPoints(points, widest, second, _tuned(graph, constants))


class _Rows:
    """Rows of numbers of one kind in one constant array; equal rows lie there once."""

    def __init__(self, kind: str, dtype: type[np.generic], comment: str) -> None:
        self.kind, self.dtype, self.comment = kind, dtype, comment
        self.places: dict[tuple[int, ...], int] = {}
        self.values: list[int] = []

    def place(self, row: Sequence[int] | None) -> str | None:
        """Name in C of where a row lies; None for no row, or an empty one."""
        if not row:
            return None
        key = tuple(row)
        if key not in self.places:
            self.places[key] = len(self.values)
            self.values += key
        return f"points_{self.kind} + {self.places[key]}"

    def keep(self, constants: Constants) -> None:
        """Add the array to the model's constants, unless it is empty."""
        if self.values:
            array: npt.NDArray[Any] = np.array(self.values, self.dtype)
            constants.add("points", self.kind, array, self.comment)


def _tuned(graph: Graph, constants: Constants) -> tuple[records.Tuned, ...]:
    widths = _Rows("widths", np.uint8, "candidates of tuned settings")
    biases = _Rows("biases", np.int32, "biases of tuned settings")
    exits = _Rows("exits", np.uint32, "least margins that answer, of tuned settings")
    widens = _Rows("widens", np.uint32, "margins below which tuned settings widen")
    stops = _Rows("stops", np.uint32, "classes that may be answered early, as bits")
    classes = graph.tensor(graph.output).size

    def record(setting: Setting) -> records.Setting:
        return records.Setting(
            widths.place(setting.widths),
            biases.place(setting.bias),
            exits.place(setting.exits),
            widens.place(setting.widen),
            stops.place(stop_words(setting.stops, classes)),
            setting.again,
        )

    found = tuple(
        records.Tuned(record(point.setting), point.cost_thousandths, point.agreement_thousandths)
        for point in graph.tuned
    )
    for rows in (widths, biases, exits, widens, stops):
        rows.keep(constants)
    return found
