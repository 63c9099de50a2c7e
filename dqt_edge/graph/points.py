"""Decision points: places in a network where an easy input is answered early, and what decides it.

A point lies behind a layer. Its head, a few small layers, ends in int32 logits, one for each class; the *margin* is the
largest less the second of them. A large margin answers with the largest (an early *exit*). A small one may have the
layers behind the point run at their widest candidates. At the end, the margin of the output's codes may be too small
for narrow widths, and the layers are run a second time at their widest candidates. Everything that decides is a
:class:`Setting`, integers alone; a model's *tuned* points are settings with their measured cost and agreement.

Beside that, the network computes what it always did: with the widths given, no point is run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from numbers import Real
from typing import TYPE_CHECKING

from ..errors import UnsupportedError, UsageError
from .layers import Layer

if TYPE_CHECKING:
    from .graph import Graph

DECISION_POINTS_MAX = 8
TUNED_MAX = 64
"""Most tuned points of a model."""
NEVER = (1 << 32) - 1
"""A threshold that no margin reaches. A point that can neither exit nor widen is not run at all."""
WATCH = NEVER - 1
"""Another one: two logits differ by less, see ``checks``. But the head runs, and its margin is told."""
AGAIN_MAX = 256
"""A threshold for the second pass that no margin of two codes reaches: every answer is computed again."""
STOP_BITS = 32
"""Classes in a word of :func:`stop_words`."""
STEPS = 1000
"""Costs and agreements are compared in whole parts of this size."""


@dataclass(frozen=True)
class DecisionPoint:
    """An early answer.

    Attributes:
        name: Its own.
        after: Layer whose output its first layers read.
        layers: The head; of fixed widths. The last is a Dense without requantisation that leaves int32 logits,
            [classes of the network's output].
    """

    name: str
    after: str
    layers: tuple[Layer, ...]


@dataclass(frozen=True)
class Setting:
    """What decides how an input is computed.

    Attributes:
        widths: Index of each adaptive layer's candidate to begin with; None where the controller chooses.
        exits: For each point the least margin that answers there, 0..NEVER.
        widen: For each point the margin below which the layers behind it run at their widest candidates, 0..NEVER.
        again: Margin of the output's codes below which a second pass at the widest candidates answers, 0..AGAIN_MAX;
            0 for never.
        stops: Classes that may be answered early, ascending; None for all.
        bias: Added to the controller's logits, one for each candidate; None for none.
    """

    widths: tuple[int, ...] | None
    exits: tuple[int, ...]
    widen: tuple[int, ...]
    again: int = 0
    stops: tuple[int, ...] | None = None
    bias: tuple[int, ...] | None = None

    def runs_head(self, index: int) -> bool:
        """Whether a point's head is run: it is not where no margin changes anything."""
        return self.exits[index] < NEVER or self.widen[index] > 0

    def __str__(self) -> str:
        exits = ", ".join("never" if x >= WATCH else str(x) for x in self.exits)
        return f"exits at {exits or 'no point'}" + (f", again below {self.again}" if self.again else "")


@dataclass(frozen=True)
class TunedPoint:
    """A setting, and what it was measured to be on validation data.

    Attributes:
        cost: Mean cost of an inference, of one with the widest candidates and no point.
        agreement: Share of inferences with the class that the widest candidates give, 0..1.
        setting: The setting.
    """

    cost: float
    agreement: float
    setting: Setting

    def __post_init__(self) -> None:
        for name, most in (("cost", 2.0), ("agreement", 1.0)):
            value: object = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) <= most:
                raise _unsupported(f"{name} {value!r} of a tuned point is no number within 0..{most:g}")
            object.__setattr__(self, name, float(value))

    @property
    def cost_thousandths(self) -> int:
        """The cost as devices know it, rounded up: a device never promises less than it was measured to cost."""
        return -int(-self.cost * STEPS // 1)

    @property
    def agreement_thousandths(self) -> int:
        """The agreement as devices know it, rounded down."""
        return int(self.agreement * STEPS + 1e-9)


def widest_choices(graph: Graph) -> tuple[int, ...]:
    """Index of each adaptive layer's widest candidate: the one with the most bits."""
    return tuple(
        max(range(len(layer.options)), key=lambda k, c=layer.options: (c[k][0] * c[k][1], c[k][0]))  # type: ignore[misc]
        for layer in graph.adaptive
    )


def option_vectors(graph: Graph) -> list[tuple[int, ...]]:
    """Width vectors that together run each layer at each of its options: as few as that takes.

    The first ones skip nothing. A layer within a branch that others skip is skipped in a vector that runs that branch.
    """
    widest, inner = widest_choices(graph), graph.skipped_with
    sizes = [len(layer.candidates) for layer in graph.adaptive]
    found = [
        tuple(k if k < size else w for size, w in zip(sizes, widest, strict=True)) for k in range(max(sizes, default=1))
    ]
    skipping = [layer.skip_bias is not None for layer in graph.adaptive]
    within = [layer.name in inner for layer in graph.adaptive]
    for level in (False, True):
        at_once = [skips and inside == level for skips, inside in zip(skipping, within, strict=True)]
        if any(at_once):
            found.append(tuple(n if skip else w for skip, n, w in zip(at_once, sizes, widest, strict=True)))
    return found


def full_setting(graph: Graph) -> Setting:
    """Everything at the widest candidates, with every head run and no early answer: for measuring."""
    count = len(graph.points)
    return Setting(widest_choices(graph), (WATCH,) * count, (0,) * count)


def stop_words(stops: Sequence[int] | None, classes: int) -> tuple[int, ...] | None:
    """Classes that may be answered early as the bits of words, class 0 the lowest; None for all."""
    if stops is None:
        return None
    words = [0] * -(-classes // STOP_BITS)
    for stop in stops:
        words[stop // STOP_BITS] |= 1 << stop % STOP_BITS
    return tuple(words)


Refuse = Callable[[str], None]


def check_setting(
    graph: Graph, setting: Setting, error: type[UnsupportedError | UsageError] = UnsupportedError, of: str = ""
) -> None:
    """Raise an error unless the graph can run at a setting; ``of``: whose it is, such as ``tuned point 3 of ``."""

    def refuse(reason: str) -> None:
        raise error(reason, where=f"setting of {of}graph {graph.name!r}", next_step="tune the model again")

    if graph.states or len(graph.outputs) > 1:
        refuse("settings are for models with one output and without states")
    _check_widths(graph, setting, refuse)
    count = len(graph.points)
    for what, thresholds in (("exits", setting.exits), ("widen", setting.widen)):
        if len(thresholds) != count:
            refuse(f"it has {len(thresholds)} {what} for {count} decision points")
        if not all(_whole(threshold, NEVER) for threshold in thresholds):
            refuse(f"{what} {thresholds!r} are not within 0..{NEVER}")
    if not _whole(setting.again, AGAIN_MAX):
        refuse(f"again is {setting.again!r}, not within 0..{AGAIN_MAX}")
    if setting.again and not graph.second_pass:
        refuse("it asks for a second pass, and the model keeps nothing for one")
    _check_stops(graph, setting.stops, refuse)


def _check_widths(graph: Graph, setting: Setting, refuse: Refuse) -> None:
    """Given widths must be candidates; else a controller must choose, and its bias fit."""
    adaptive, bias = graph.adaptive, setting.bias
    if setting.widths is not None:
        if len(setting.widths) != len(adaptive):
            refuse(f"it has {len(setting.widths)} widths for {len(adaptive)} adaptive layers")
        for layer, choice in zip(adaptive, setting.widths, strict=True):
            if not _whole(choice, len(layer.options) - 1):
                refuse(f"layer {layer.name!r} has no candidate {choice!r}")
    elif graph.controller is None and adaptive:
        refuse("it leaves the widths to a controller, and there is none")
    if bias is None:
        return
    if setting.widths is not None or graph.controller is None:
        refuse("it has a bias for a controller that does not choose")
    elif len(bias) != len(adaptive[0].options):
        refuse(f"it has {len(bias)} biases for {len(adaptive[0].options)} candidates")
    if not all(_whole(each, NEVER // 2) or _whole(-each, NEVER // 2) for each in bias):
        refuse("a bias is no 32-bit integer")


def _check_stops(graph: Graph, stops: Sequence[int] | None, refuse: Refuse) -> None:
    if stops is None:
        return
    classes = graph.tensor(graph.output).size
    if not all(_whole(stop, classes - 1) for stop in stops) or any(a >= b for a, b in pairwise(stops)):
        refuse(f"stops {tuple(stops)!r} are no ascending classes within 0..{classes - 1}")


def check_tuned(graph: Graph) -> None:
    """Raise UnsupportedError unless the tuned points belong to the graph, cost and agreement both ascending."""
    if len(graph.tuned) > TUNED_MAX:
        raise _unsupported(f"there are {len(graph.tuned)} tuned points, more than {TUNED_MAX}")
    for number, point in enumerate(graph.tuned):
        check_setting(graph, point.setting, of=f"tuned point {number} of ")
    for number, (a, b) in enumerate(pairwise(graph.tuned)):
        if a.cost_thousandths >= b.cost_thousandths or a.agreement > b.agreement:
            raise _unsupported(
                "tuned points must ascend in cost, by a thousandth or more, and in agreement; "
                f"{number} and {number + 1} do not"
            )


def tuned_within(tuned: Sequence[TunedPoint], thousandths: int, where: str) -> TunedPoint:
    """The dearest point that costs no more; raises UsageError if there is none."""
    fitting = [point for point in tuned if point.cost_thousandths <= thousandths]
    if not fitting:
        raise _outside("costs no more than", thousandths, "dynamic", [p.cost_thousandths for p in tuned], where)
    return fitting[-1]


def tuned_agreeing(tuned: Sequence[TunedPoint], thousandths: int, where: str) -> TunedPoint:
    """The cheapest point that agrees as often; raises UsageError if there is none."""
    found = next((point for point in tuned if point.agreement_thousandths >= thousandths), None)
    if found is None:
        raise _outside("agrees on", thousandths, "agree", [p.agreement_thousandths for p in tuned], where)
    return found


def _outside(what: str, thousandths: int, word: str, known: Iterable[int], where: str) -> UsageError:
    listed = ", ".join(f"{word}:{value / STEPS:g}" for value in sorted(set(known)))
    return UsageError(
        f"no tuned point {what} {thousandths / STEPS:g} of the full network's "
        f"{'cost' if word == 'dynamic' else 'answers'}",
        where=where,
        next_step=f"choose from {listed}" if listed else "run 'dqt-edge tune' on the model first",
    )


def _whole(value: object, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def _unsupported(reason: str) -> UnsupportedError:
    return UnsupportedError(reason, where="tuned points", next_step="run 'dqt-edge tune' on the model again")
