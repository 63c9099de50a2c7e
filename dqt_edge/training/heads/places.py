"""Where decision points may lie, and where they lie unless somebody says so. Imports without TensorFlow.

A *cut* of a network is a layer whose output is all that the layers behind it need of those before: every path leads
through it, so what a head sees there is what the rest of the network sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import UnknownNameError, UnsupportedError, UsageError
from ...graph import Graph

SHARES = (0.01, 0.85)
"""Parts of the network's multiply-accumulates between which a point is worth its head."""
REACH = 0.75
"""Points are sought at even steps of this part: with two, at 25 and at 50 %."""


@dataclass(frozen=True)
class Place:
    """A layer to put a decision point behind.

    Attributes:
        after: Its name.
        share: Part of the network's multiply-accumulates that have run with it, 0..1.
        sought: The part that the point was sought at; None where the layer was named.
    """

    after: str
    share: float
    sought: float | None = None

    @property
    def why(self) -> str:
        """In a few words."""
        if self.sought is None:
            return "named"
        return f"the cut nearest to {100 * self.sought:.0f} % of the MACs"


def cuts(graph: Graph) -> tuple[Place, ...]:
    """All cuts but the last layer, in order; of several with the same share the last, whose output is the smallest."""
    total = max(graph.total_macs, 1)
    done, found = 0, {}
    made = {*graph.inputs, *(state.read for state in graph.states)}
    for index, layer in enumerate(graph.layers[:-1]):
        done += graph.macs(layer)
        made.add(layer.output)
        needed = {name for later in graph.layers[index + 1 :] for name in later.inputs}
        if made & needed == {layer.output}:
            found[done] = Place(layer.name, done / total)
    return tuple(found.values())


def choose_places(graph: Graph, points: int | Sequence[str]) -> tuple[Place, ...]:
    """Where to put decision points, in the order of the layers.

    Args:
        graph: The network.
        points: Names of layers; or how many points at most, which are put behind the cuts nearest to even steps of the
            network's multiply-accumulates.

    Raises:
        UsageError: A name that no layer has, twice the same, or the last layer's.
        UnsupportedError: The network has no cut.
    """
    if not isinstance(points, int):
        return _named(graph, points)
    candidates = [place for place in cuts(graph) if SHARES[0] <= place.share <= SHARES[1]]
    if not candidates:
        raise UnsupportedError(
            f"no layer between {SHARES[0]:.0%} and {SHARES[1]:.0%} of the multiply-accumulates is one that all paths "
            "lead through",
            where=f"graph {graph.name!r}",
            next_step="name the layers with `points`",
        )
    chosen: list[Place] = []
    for step in range(1, points + 1):
        sought = REACH * step / (points + 1)
        left = [place for place in candidates if place.after not in {p.after for p in chosen}]
        if left:
            nearest = min(left, key=lambda place, at=sought: (abs(place.share - at), place.share))  # type: ignore[misc]
            chosen.append(Place(nearest.after, nearest.share, sought))
    return tuple(sorted(chosen, key=lambda place: place.share))


def _named(graph: Graph, names: Sequence[str]) -> tuple[Place, ...]:
    order = [layer.name for layer in graph.layers]
    for name in names:
        if name not in order:
            raise UnknownNameError.among("layer", name, order[:-1], "parameter `points`")
        if name == order[-1]:
            raise _refuse(f"layer {name!r} is the last one, and a point behind it would come too late")
    if len(set(names)) < len(names):
        raise _refuse("a layer is named twice")
    total, macs = max(graph.total_macs, 1), [graph.macs(layer) for layer in graph.layers]
    indices = sorted(order.index(name) for name in names)
    return tuple(Place(order[i], sum(macs[: i + 1]) / total) for i in indices)


def _refuse(what: str) -> UsageError:
    return UsageError(what, where="parameter `points`", next_step="name other layers, or give their number")
