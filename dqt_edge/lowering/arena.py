"""Where each tensor lies in the arena: lifetimes, overlap of outputs with inputs, offsets.

While a layer runs, its scratch lies at the start of the arena; every tensor that is needed then lies behind it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

ALIGNMENT = 8
PAIRS_MAX = 8_000_000
"""Most comparisons of a tensor with one that is needed at the same time; no public network comes near it."""


@dataclass(frozen=True)
class Overlap:
    """How an output may share memory with an input that nothing needs afterwards.

    Attributes:
        distance: Bytes by which the output must begin before the input; negative: by which it may begin later.
        step: What the difference of the two offsets must be a multiple of.
    """

    distance: int
    step: int = 1

    def allows(self, tensor: int, output: int) -> bool:
        """Whether an output at offset ``output`` may overwrite the input at offset ``tensor``."""
        return tensor - output >= self.distance and (tensor - output) % self.step == 0

    def joined(self, other: Overlap) -> Overlap:
        """Both rules at once: the larger distance, the least common multiple of the steps.

        For a layer that reads one tensor twice.
        """
        return Overlap(max(self.distance, other.distance), math.lcm(self.step, other.step))


@dataclass(frozen=True)
class Step:
    """One executed layer, as the arena sees it.

    Attributes:
        reads: Tensor names.
        writes: Name of its output.
        overlaps: Inputs whose memory the output may take over while they are read; see ``kernels/orders.py``.
        scratch: Bytes at the start of the arena that the layer clobbers.
    """

    reads: tuple[str, ...]
    writes: str
    overlaps: Mapping[str, Overlap] = field(default_factory=dict)
    scratch: int = 0


@dataclass(frozen=True)
class Arena:
    """A placement, in bytes.

    Attributes:
        offsets: By tensor name.
        size: Of tensors and scratch together.
        lower_bound: No placement can be smaller than this.
        extents: For each step, the end of the last byte that is needed during it.
        live: For each step, the tensors that are needed during it.
    """

    offsets: Mapping[str, int]
    size: int
    lower_bound: int
    extents: tuple[int, ...]
    live: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class _Tensor:
    """A tensor with its lifetime, steps ``first`` to ``last``.

    ``base`` is the end of the largest scratch of these steps: the tensor may not begin below it.
    """

    name: str
    size: int
    first: int
    last: int
    base: int

    def meets(self, other: _Tensor) -> bool:
        """Whether both are needed during some step."""
        return self.first <= other.last and other.first <= self.last


def aligned(size: int, alignment: int = ALIGNMENT) -> int:
    """``size`` rounded up."""
    return -(-size // alignment) * alignment


def place(sizes: Mapping[str, int], steps: Sequence[Step], given: Sequence[str], wanted: Sequence[str]) -> Arena:
    """Place every tensor so that nothing is overwritten while it is needed.

    A tensor is needed from the step that writes it to the last step that reads it. Those that are ``given``, as inputs,
    are needed from the start; those that are ``wanted``, as outputs, to the end; a state is both.

    First fit: tensors are placed one by one, each at its lowest free offset. Several orders of placing are tried, and
    the smallest result is taken.
    """
    tensors = _lifetimes(sizes, steps, given, wanted)
    live = tuple(tuple(t for t in tensors if t.first <= i <= t.last) for i in range(len(steps)))
    bound = max(_least(step, here) for step, here in zip(steps, live, strict=True))
    offsets = _search(tensors, steps, bound)
    ends = {t.name: offsets[t.name] + t.size for t in tensors}
    extents = tuple(
        max([aligned(step.scratch), *(ends[t.name] for t in here)]) for step, here in zip(steps, live, strict=True)
    )
    names = tuple(tuple(t.name for t in here) for here in live)
    return Arena(offsets, max(*extents, *ends.values()), bound, extents, names)


def _lifetimes(
    sizes: Mapping[str, int], steps: Sequence[Step], given: Sequence[str], wanted: Sequence[str]
) -> tuple[_Tensor, ...]:
    first = dict.fromkeys(given, -1)
    for i, step in enumerate(steps):
        first.setdefault(step.writes, i)  # a step that makes a view "writes" what is there already
    last = first | {name: i for i, step in enumerate(steps) for name in step.reads}
    last |= dict.fromkeys(wanted, len(steps))
    return tuple(
        _Tensor(
            name,
            aligned(sizes[name]),
            first[name],
            last[name],
            max((aligned(step.scratch) for step in steps[max(0, first[name]) : last[name] + 1]), default=0),
        )
        for name in first
    )


def _least(step: Step, live: Sequence[_Tensor]) -> int:
    """Least bytes that a step can need, however its tensors are placed."""
    sizes = {t.name: t.size for t in live}
    output = sizes.pop(step.writes)
    shared = [name for name in step.overlaps if _dies(step, name, live)]
    below = sum(sizes.pop(name) for name in shared)
    together = max(output, below)
    if len(shared) == 1:
        distance = aligned(max(0, step.overlaps[shared[0]].distance))
        together = min(output + below, max(output, below + distance))
    return aligned(step.scratch) + sum(sizes.values()) + together


def _dies(step: Step, name: str, live: Sequence[_Tensor]) -> bool:
    """Whether a step is the last to need a tensor."""
    now = next(t.first for t in live if t.name == step.writes)
    return any(t.name == name and t.last == now for t in live)


class _Taken:
    """Bytes that are taken, as intervals that do not meet; empty ones take nothing."""

    def __init__(self, intervals: Iterable[tuple[int, int]]) -> None:
        self.starts: list[int] = []
        self.ends: list[int] = []
        for start, end in sorted(intervals):
            if start == end:
                continue
            if self.ends and start <= self.ends[-1]:
                self.ends[-1] = max(self.ends[-1], end)
            else:
                self.starts.append(start)
                self.ends.append(end)

    def meets(self, start: int, end: int) -> bool:
        """Whether any byte from ``start`` to before ``end`` is taken."""
        before = bisect_left(self.starts, end) - 1
        return before >= 0 and self.ends[before] > start


class _Rules:
    """Which tensors may not overlap, and which may under a rule."""

    def __init__(self, tensors: Sequence[_Tensor], steps: Sequence[Step]) -> None:
        self.rules = {
            (name, step.writes): rule for step in steps for name, rule in step.overlaps.items() if name != step.writes
        }
        self.near = {t.name: [o for o in tensors if o is not t and t.meets(o)] for t in tensors}
        self.ruled = {t.name: [(other, *self.between(t, other)) for other in self.near[t.name]] for t in tensors}

    def between(self, tensor: _Tensor, other: _Tensor) -> tuple[Overlap | None, bool]:
        """The overlap that is allowed between two tensors, or None; and whether ``tensor`` is the output of the two."""
        for a, b, is_output in ((other, tensor, True), (tensor, other, False)):
            rule = self.rules.get((a.name, b.name))
            if rule is not None and a.last == b.first:
                return rule, is_output
        return None, False

    def lowest(self, tensor: _Tensor, placed: Mapping[str, int]) -> int:
        """Lowest byte offset for ``tensor`` that breaks no rule with the tensors already placed.

        Candidates are the tensor's own minimum and the end of every placed neighbour; where an overlap is allowed, also
        the neighbour's start plus its distance. Multiples of 8.
        """
        others = [
            (other, placed[other.name], rule, is_output)
            for other, rule, is_output in self.ruled[tensor.name]
            if other.name in placed
        ]
        starts = {tensor.base}
        for other, start, rule, is_output in others:
            starts.add(start + other.size)
            if rule is not None and not is_output:
                starts.add(start + rule.distance)
        for _, start, rule, _ in others:
            if rule is not None:
                step = math.lcm(rule.step, ALIGNMENT)
                starts |= {s + (start - s) % step for s in starts}

        taken = _Taken((start, start + other.size) for other, start, rule, _ in others if rule is None)
        ruled = [(start, start + other.size, rule, out) for other, start, rule, out in others if rule is not None]

        def free(at: int) -> bool:
            if taken.meets(at, at + tensor.size):
                return False
            for start, end, rule, is_output in ruled:
                if at >= end or at + tensor.size <= start:
                    continue
                if not (rule.allows(start, at) if is_output else rule.allows(at, start)):
                    return False
            return True

        return next(s for s in sorted(map(aligned, starts)) if s >= tensor.base and free(s))


KEYS: tuple[Callable[[_Tensor], tuple[int, int]], ...] = (
    lambda t: (-t.size, t.first),
    lambda t: (-t.size * (t.last - t.first + 1), t.first),
    lambda t: (t.first, -t.size),
    lambda t: (-t.last, -t.size),
)
"""Orders of placing to start from."""


def _search(tensors: Sequence[_Tensor], steps: Sequence[Step], bound: int) -> dict[str, int]:
    """Smallest placement found by first fit in several orders.

    Each order is improved: the tensor that ends last is moved to the front, until an order comes back. In the first
    round, each tensor that is needed together with it is tried at the front too. Stops early at ``bound``, and where
    hundreds of tensors are needed at once after ``PAIRS_MAX`` comparisons.
    """
    rules = _Rules(tensors, steps)
    pairs = sum(map(len, rules.near.values()))
    left = max(len(KEYS), PAIRS_MAX // max(pairs, 1))
    best: tuple[int, dict[str, int]] | None = None

    def attempt(order: Sequence[_Tensor]) -> _Tensor:
        """Place in this order, keep the result if it is the smallest, and return the tensor that ends last."""
        nonlocal best, left
        left -= 1
        placed: dict[str, int] = {}
        for tensor in order:
            placed[tensor.name] = rules.lowest(tensor, placed)
        top = max(order, key=lambda t: placed[t.name] + t.size)
        size = placed[top.name] + top.size
        if best is None or size < best[0]:
            best = size, placed
        return top

    for number, key in enumerate(KEYS):
        order = sorted(tensors, key=key)
        seen: set[tuple[_Tensor, ...]] = set()
        kept = len(KEYS) - 1 - number  # an attempt for each order that is still to come
        while tuple(order) not in seen and len(seen) <= 2 * len(tensors) and left > kept:
            seen.add(tuple(order))
            top = attempt(order)
            for beside in rules.near[top.name] if len(seen) == 1 else ():
                if left <= kept:
                    break
                attempt([beside, *(t for t in order if t is not beside)])
            assert best is not None
            if best[0] <= bound:
                return best[1]
            order = [top, *(t for t in order if t is not top)]
    assert best is not None
    return best[1]
