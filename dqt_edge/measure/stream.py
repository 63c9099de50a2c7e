"""What a device did with a recorded stream: cost over time, events found and missed, false alarms, duty."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy.typing as npt

THOUSAND = 1000


@dataclass(frozen=True)
class Window:
    """A piece of a stream.

    Attributes:
        record: Name of its record.
        place: Where it begins in the whole stream, seconds or a sample's number.
        samples: In it.
        count, count_most: Mean and most, in the session's unit; None where nothing is counted.
        cycles, cycles_most: The same in modelled cycles.
        answered: Part of the answers that each decision point gave, and last the network's end.
    """

    record: str
    place: float
    samples: int
    count: float | None
    count_most: float | None
    cycles: float | None
    cycles_most: float | None
    answered: tuple[float, ...]


@dataclass(frozen=True)
class Event:
    """A run of consecutive samples of one class.

    Attributes:
        label: Name of the class.
        record: Name of the record.
        place: Where its first sample lies in the whole stream, seconds or a sample's number.
        samples: In it.
        found_after: Samples before the first that is answered with the class; None for an event that was missed.
    """

    label: str
    record: str
    place: float
    samples: int
    found_after: int | None


@dataclass(frozen=True)
class Alarm:
    """A run of consecutive answers of a class of interest, none of whose samples is of it."""

    label: str
    record: str
    place: float
    samples: int


@dataclass(frozen=True)
class Answered:
    """What a decision point, or the network's end, did.

    Attributes:
        point: Name of the point; ``end``.
        samples: Answered there.
        count, cycles: Mean of these inferences.
    """

    point: str
    samples: int
    count: float | None
    cycles: float | None


@dataclass(frozen=True, eq=False)
class Stream:
    """A stream under one policy.

    Attributes:
        timed: Whether places are seconds; else they are samples' numbers.
        seconds: How long it lasts; None where that is not known.
        records: Their names.
        end: Where it ends, as a place.
        window: Length of a window, seconds or samples.
        windows: All of them, in order.
        answered: By point, and last the network's end.
        twice: Inferences with a second pass.
        classes: Names of the classes of interest; empty where there are no events to find.
        events, alarms: In order.
        count_worst: Sample with the highest count; None where nothing is counted.
        cycles_worst: Most modelled cycles of an inference.
        duty: Part of the time that the core computes, 0 and up; None where time or cycles are not known.
        duty_clock: What it was computed with, in words; None likewise.
        each: Every inference, by column: ``record``, ``t``, ``label``, ``answer``, ``point``, ``passes``, ``count``,
            ``cycles``; what is not known is left out.
    """

    timed: bool
    seconds: float | None
    records: tuple[str, ...]
    end: float
    window: float
    windows: tuple[Window, ...]
    answered: tuple[Answered, ...]
    twice: int
    classes: tuple[str, ...]
    events: tuple[Event, ...]
    alarms: tuple[Alarm, ...]
    count_worst: int | None
    cycles_worst: float | None
    duty: float | None
    duty_clock: str | None
    each: dict[str, npt.NDArray[Any]]

    @property
    def samples(self) -> int:
        """How many inferences."""
        return len(self.each["point"])

    @property
    def found(self) -> int:
        """Events that were found."""
        return sum(event.found_after is not None for event in self.events)

    @property
    def alarm_rate(self) -> tuple[float, str]:
        """False alarms, and of what: an hour, or 1,000 samples where the time is not known."""
        if self.seconds:
            return len(self.alarms) * 3600 / self.seconds, "an hour"
        return len(self.alarms) * THOUSAND / self.samples, "for 1,000 samples, since the data has no t"

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values, without the single inferences."""
        rate, _ = self.alarm_rate
        found = {name: value for name, value in vars(self).items() if name != "each"}
        for name in ("windows", "answered", "events", "alarms"):
            found[name] = [asdict(item) for item in found[name]]
        hourly = rate if self.seconds else None
        return found | {
            "found": self.found,
            "missed": len(self.events) - self.found,
            "alarms_an_hour": hourly,
            "alarms_per_1000_samples": len(self.alarms) * THOUSAND / self.samples,
        }
