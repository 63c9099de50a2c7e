"""How fast a run goes, and how long it will still take. Imports nothing large."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

FLOAT, NESTED = "float", "nested"
NESTED_COST = 4.5
"""Steps of the warm-up that a nested step takes as long as, until one was measured."""
RECENT = 50
"""Steps over which the mean time of a step forgets."""
LEAST = 3
"""Steps of a phase before its rate is told."""


@dataclass(frozen=True)
class Step:
    """Where a run is, behind a step.

    Attributes:
        epoch: The one that the step is of, counted from 1.
        epochs: Of the run.
        step: Steps done of the epoch, from 1.
        steps: Of an epoch.
        phase: ``float`` (the warm-up) or ``nested``.
        floating: Epochs of the warm-up.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    phase: str
    floating: int


@dataclass
class _Mean:
    """Mean seconds of something whose first time, with its compilation, counts only until there is a second one."""

    count: int = 0
    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        self.count += 1
        weight = max(1 / max(1, self.count - 1), 1 / RECENT)
        self.seconds += weight * (seconds - self.seconds)


@dataclass
class Pace:
    """Measures steps and what lies between epochs, each phase by itself.

    Attributes:
        clock: Seconds of a clock that never goes back.
    """

    clock: Callable[[], float] = time.monotonic
    _mark: float | None = None
    _last: Step | None = None
    _between: bool = False
    _step: dict[str, _Mean] = field(default_factory=lambda: {FLOAT: _Mean(), NESTED: _Mean()})
    _end: dict[str, _Mean] = field(default_factory=lambda: {FLOAT: _Mean(), NESTED: _Mean()})

    def begin(self) -> None:
        """Training begins now."""
        self._mark = self.clock()

    def step(self, step: Step) -> None:
        """A step is done."""
        self._took(self._step[step.phase])
        self._last, self._between = step, False

    def epoch(self) -> None:
        """An epoch is done, with its validation and what is written."""
        if self._last is not None:
            self._took(self._end[self._last.phase])
            self._between = True

    def _took(self, mean: _Mean) -> None:
        now = self.clock()
        if self._mark is not None:
            mean.add(now - self._mark)
        self._mark = now

    @property
    def rate(self) -> float | None:
        """Steps a second of the phase that the last step was of; None while too few are done."""
        if self._last is None:
            return None
        mean = self._step[self._last.phase]
        return 1 / mean.seconds if mean.count >= LEAST and mean.seconds > 0 else None

    @property
    def left(self) -> float | None:
        """Seconds until the last epoch is done; None while the rate is not known.

        What is left of each phase counts at that phase's own time of a step and of an epoch's end. A nested phase that
        has not begun counts :data:`NESTED_COST` steps of the warm-up for each of its own.
        """
        last = self._last
        if last is None or self.rate is None:
            return None
        float_steps, nested_steps = self._steps_left(last)
        nested = self._step[NESTED].seconds
        if self._step[NESTED].count < LEAST:
            nested = NESTED_COST * self._step[FLOAT].seconds
        ends = (max(0, last.floating - last.epoch), last.epochs - max(last.floating, last.epoch))
        if not self._between:
            ends = (ends[0] + (last.phase == FLOAT), ends[1] + (last.phase == NESTED))
        float_end = self._end[FLOAT].seconds
        nested_end = self._end[NESTED].seconds if self._end[NESTED].count else NESTED_COST * float_end
        steps = float_steps * self._step[FLOAT].seconds + nested_steps * nested
        return steps + ends[0] * float_end + ends[1] * nested_end

    @staticmethod
    def _steps_left(last: Step) -> tuple[int, int]:
        """Steps that are left of the warm-up and of the nested phase."""
        of_epoch = last.steps - last.step
        later = last.epochs - last.epoch
        if last.phase == NESTED:
            return 0, of_epoch + later * last.steps
        floating = last.floating - last.epoch
        return of_epoch + floating * last.steps, (later - floating) * last.steps
