"""The dial: one trained model at several costs, by an integer bias on the controller's logits.

The controller chooses, for each layer, the candidate with the largest logit. A bias for each candidate, the same for
all layers, is added before that choice: one that favours narrow candidates makes inferences cheaper. A dial is a list
of biases with the cost that each was measured to have; between two of them the bias is interpolated, in integers, as
``firmware/dqt/dqt_dial.c`` does it. Costs are mean BitOPs ratios (everything at 8x8 is 1), in thousandths where
they are compared or sent. See ``docs/dial.md``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from numbers import Real

from ..errors import UnsupportedError, UsageError
from . import nested

POINTS_MAX = 64
"""Most points of a dial."""
STEPS = 1000
"""A target is a whole number of parts of this size."""


@dataclass(frozen=True)
class DialPoint:
    """One measured position of a dial.

    Attributes:
        target: Mean BitOPs ratio on validation data with this bias, 0..1.
        bias: Added to the logits, int32, one for each candidate.
    """

    target: float
    bias: tuple[int, ...]

    def __post_init__(self) -> None:
        target: object = self.target
        if isinstance(target, bool) or not isinstance(target, Real) or not 0 <= float(target) <= 1:
            raise _unsupported(f"its target {target!r} is no number within 0..1")
        object.__setattr__(self, "target", float(target))
        object.__setattr__(self, "bias", _biases(self.bias, UnsupportedError))

    @property
    def thousandths(self) -> int:
        """The target as devices know it, 0..1000, rounded half up."""
        return math.floor(self.target * STEPS + 0.5)


@dataclass(frozen=True)
class Dynamic:
    """Policy: the controller decides, with a bias on its logits.

    Attributes:
        bias: int32, one for each candidate.
        thousandths: The target that the bias was interpolated for; None for a bias of other origin.
    """

    bias: tuple[int, ...]
    thousandths: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "bias", _biases(self.bias, UsageError))

    def __str__(self) -> str:
        if self.thousandths is None:
            return f"dynamic with bias {', '.join(map(str, self.bias))}"
        return f"dynamic:{target_text(self.thousandths)}"


def target_text(thousandths: int) -> str:
    """``0.4`` for 400."""
    return f"{thousandths / STEPS:g}"


def check_dial(dial: Sequence[DialPoint], candidates: int, logit_bound: int) -> None:
    """Raise UnsupportedError unless a controller can have this dial.

    Args:
        dial: Its points; none is no dial.
        candidates: How many the decided layers have.
        logit_bound: Largest magnitude of a logit on any input.
    """
    if len(dial) > POINTS_MAX:
        raise _unsupported(f"it has {len(dial)} points, more than {POINTS_MAX}")
    for point in dial:
        if len(point.bias) != candidates:
            raise _unsupported(f"it has {len(point.bias)} biases at {point.target:g} for {candidates} candidates")
        worst = logit_bound + max(map(abs, point.bias))
        if worst > nested.INT32_MAX:
            raise _unsupported(f"at {point.target:g} a biased logit can reach {worst}, more than int32 holds")
    targets = [point.thousandths for point in dial]
    if any(a >= b for a, b in pairwise(targets)):
        shown = ", ".join(map(target_text, targets))
        raise _unsupported(f"its targets must increase, by a thousandth or more each, and are {shown}")


def bias_at(dial: Sequence[DialPoint], thousandths: int, where: str) -> tuple[int, ...]:
    """Bias of each candidate at a target: on the line between the points beside it, rounded half up.

    Args:
        dial: At least one point.
        thousandths: The target, in thousandths.
        where: For the error's text.

    Raises:
        UsageError: The target is outside the dial.
    """
    least, greatest = dial[0].thousandths, dial[-1].thousandths
    if not least <= thousandths <= greatest:
        raise UsageError(
            f"the target {target_text(thousandths)} is outside the model's dial",
            where=where,
            next_step=f"choose from {target_text(least)} to {target_text(greatest)}",
        )
    above = next(i for i, point in enumerate(dial) if point.thousandths >= thousandths)
    right = dial[above]
    left = dial[max(above - 1, 0)]
    span, way = right.thousandths - left.thousandths, thousandths - left.thousandths
    if span == 0:
        return right.bias
    # floor((2n + span) / 2span) is n/span rounded half up
    pairs = zip(left.bias, right.bias, strict=True)
    return tuple((2 * (a * (span - way) + b * way) + span) // (2 * span) for a, b in pairs)


def _unsupported(reason: str) -> UnsupportedError:
    return UnsupportedError(reason, where="dial of the controller", next_step="calibrate it again with the training")


def _biases(values: Iterable[int], error: type[UnsupportedError | UsageError]) -> tuple[int, ...]:
    """Checked Python integers, whatever integer type they came in."""
    found = []
    for value in values:
        whole = hasattr(value, "__index__") and not isinstance(value, bool)
        if not whole or not nested.INT32_MIN <= int(value) <= nested.INT32_MAX:
            raise error(
                f"the bias {value!r} is no 32-bit integer",
                where="bias of the controller's logits",
                next_step="give one integer for each candidate",
            )
        found.append(int(value))
    return tuple(found)
