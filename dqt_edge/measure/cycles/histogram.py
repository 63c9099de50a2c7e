"""What each address of an image did in a stretch of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Histogram:
    """Counts by address; an address that did not execute has no entry.

    Attributes:
        executed: How often the instruction executed, whether or not its condition held.
        taken: How often another address than the next one executed behind it.
        accesses: How many words, half-words or bytes it read and wrote, all its executions together.
        waits: Cycles that flash made it wait, all its executions together; empty where flash is taken to need none.
    """

    executed: dict[int, int] = field(default_factory=dict)
    taken: dict[int, int] = field(default_factory=dict)
    accesses: dict[int, int] = field(default_factory=dict)
    waits: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, groups: Iterable[tuple[int, int, int, int, int]]) -> Histogram:
        """Of groups (address, executed, taken, accesses, waits)."""
        found = cls()
        for address, executed, taken, accesses, waits in groups:
            found.executed[address] = executed
            if taken:
                found.taken[address] = taken
            if accesses:
                found.accesses[address] = accesses
            if waits:
                found.waits[address] = waits
        return found

    @classmethod
    def total(cls, histograms: Iterable[Histogram]) -> Histogram:
        """One of several."""
        executed: Counter[int] = Counter()
        taken: Counter[int] = Counter()
        accesses: Counter[int] = Counter()
        waits: Counter[int] = Counter()
        for one in histograms:
            executed.update(one.executed)
            taken.update(one.taken)
            accesses.update(one.accesses)
            waits.update(one.waits)
        return cls(dict(executed), dict(taken), dict(accesses), dict(waits))
