"""What a policy asks of a device, and what a device's numbers are by: between a Graph and the client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from ..graph import Graph
from ..graph.dial import Dynamic
from ..graph.points import Setting
from ..graph.policy import Settled, fixed_choices

_T = TypeVar("_T")


def asked_of(graph: Graph, settled: Settled) -> dict[str, Any]:
    """Keyword arguments of ``Client.infer`` for a policy.

    A model without decision points, second pass or tuned settings runs no settings: widths and bias are all there is.
    """
    if isinstance(settled, tuple):
        return {"choices": fixed_choices(graph, settled)}
    if isinstance(settled, Dynamic):
        return {"bias": settled.bias}
    if not isinstance(settled, Setting):
        return {}
    if graph.points or graph.tuned or graph.second_pass:
        return {"setting": settled}
    if settled.widths is not None:
        return {"choices": settled.widths}
    return {} if settled.bias is None else {"bias": settled.bias}


def by_layer(graph: Graph, numbers: Sequence[_T]) -> list[_T]:
    """A device's counts or checksums in the order of ``graph.all_layers``."""
    return [numbers[number] for number in graph.device_numbers]


class Checked(Protocol):
    """What of a device's answer says which layers ran, and what they made."""

    @property
    def choices(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def passes(self) -> int: ...  # noqa: D102
    @property
    def checksums(self) -> Sequence[int] | None: ...  # noqa: D102


def checksums_by_layer(graph: Graph, answer: Checked) -> list[int]:
    """A device's checksums in the order of ``graph.all_layers``; 0 for layers of a branch that the answer skipped.

    A device tells those of what lay in their places.
    """
    skipped: set[str] = set()
    if answer.passes == 1:
        options = [len(layer.candidates) for layer in graph.adaptive]
        skipped = {name for name, i in graph.skipped_with.items() if answer.choices[i] == options[i]}
    numbers = by_layer(graph, answer.checksums or ())
    return [0 if layer.name in skipped else n for layer, n in zip(graph.all_layers, numbers, strict=True)]


def execution(graph: Graph, setting: Setting, point: int, passes: int) -> list[int]:
    """Numbers of the layers that ran, in order, of an inference that a point answered in some passes."""
    numbers = dict(zip((layer.name for layer in graph.all_layers), graph.device_numbers, strict=True))
    found: list[int] = []
    controller, heads = graph.controller, {p.after: (i, p.layers) for i, p in enumerate(graph.points)}
    for layer in graph.layers:
        found.append(numbers[layer.name])
        if controller is not None and controller.after == layer.name and setting.widths is None:
            found += [numbers[each.name] for each in controller.layers]
        index, head = heads.get(layer.name, (-1, ()))
        if head and setting.runs_head(index):
            found += [numbers[each.name] for each in head]
        if index == point:
            return found
    if passes == 2:
        found += [numbers[layer.name] for layer in graph.layers[graph.second_pass_start :]]
    return found
