"""From a session over a recorded stream to its :class:`Stream`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ..boards import Board
from ..data.recording import Recording
from ..errors import UnknownNameError, UsageError
from ..graph import Graph
from ..tasks import task_of
from ..tasks.kinds import Binary, Classifier
from .session import Inferences
from .stream import Alarm, Answered, Event, Stream, Window

Integers = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]
WINDOWS = 40
"""About as many windows a stream is cut into where no length is given."""
END = "end"


@dataclass(frozen=True)
class Asked:
    """What is wanted of a stream.

    Attributes:
        recording: When its samples were.
        labels: Class of each sample, or None.
        events: Classes whose runs are events, ascending.
        names: Of all classes; empty for a task without classes.
        window: Length of a window in seconds, or in samples where the time is not known; None is chosen.
    """

    recording: Recording
    labels: Integers | None
    events: tuple[int, ...]
    names: tuple[str, ...]
    window: float | None = None


def ask(
    graph: Graph,
    recording: Recording,
    labels: npt.NDArray[Any] | None,
    events: Sequence[str],
    window: float | None = None,
) -> Asked:
    """Check what is wanted of a stream.

    Args:
        graph: The model, whose task names the classes.
        recording: When the samples were.
        labels: Targets of the samples, or None.
        events: Names or numbers of the classes whose runs are events; none are all but the most frequent class.
        window: See :class:`Asked`.

    Raises:
        UsageError: A class is unknown, the stream has no classes, or a window is no length.
    """
    if window is not None and not window > 0:
        raise UsageError(
            f"a window of {window:g} has no length", where="parameter `window`", next_step="give a number above 0"
        )
    names = _class_names(graph, recording)
    if labels is None or not names:
        if events:
            raise UsageError(
                "the stream has no classes, so there are no events to find",
                where="parameter `events`",
                next_step="give class numbers y beside the samples of a classifier, or leave out `events`",
            )
        return Asked(recording, None, (), names, window)
    found = labels.astype(np.int64)
    if not events:
        usual = int(np.bincount(found).argmax())
        chosen = [k for k in np.unique(found).tolist() if k != usual]
    else:
        chosen = sorted({_class(name, names) for name in events})
    return Asked(recording, found, tuple(chosen), names, window)


def _class_names(graph: Graph, recording: Recording) -> tuple[str, ...]:
    """Names by the model, or by the data where the model has none; else numbers."""
    task = task_of(graph)
    if not isinstance(task, Classifier | Binary):
        return ()
    known = task.names
    return recording.classes if not graph.classes and len(recording.classes) == len(known) else known


def _class(name: str, names: Sequence[str]) -> int:
    """Index of a class by its name or number."""
    if name in names:
        return names.index(name)
    if name.isdigit() and int(name) < len(names):
        return int(name)
    raise UnknownNameError.among("class", name, names, "parameter `events`")


def stream_of(each: Inferences, graph: Graph, board: Board, asked: Asked, cycles: Reals | None = None) -> Stream:
    """What happened when, of inferences in order.

    Args:
        each: The inferences.
        graph: The model.
        board: Where they ran; gives the counter's unit and the clock.
        asked: See :func:`ask`.
        cycles: Modelled cycles of each inference, or None.
    """
    recording, names = asked.recording, asked.names
    windows = asked.window or _nice((recording.seconds or len(recording.record)) / WINDOWS)
    events, alarms = _events(asked, names, each.answers), _alarms(asked, names, each.answers)
    duty, clock = _duty(board, recording.seconds, each.counts, cycles)
    return Stream(
        timed=recording.t is not None,
        seconds=recording.seconds,
        records=recording.names,
        end=float(recording.places[-1]) if recording.seconds is None else recording.seconds,
        window=windows,
        windows=tuple(_windows(recording, windows, each, cycles, len(graph.points))),
        answered=tuple(_answered(graph, each, cycles)),
        twice=int((each.passes > 1).sum()),
        classes=tuple(names[k] for k in asked.events),
        events=tuple(events),
        alarms=tuple(alarms),
        count_worst=None if each.counts is None else int(each.counts.argmax()),
        cycles_worst=None if cycles is None else float(cycles.max()),
        duty=duty,
        duty_clock=clock,
        each=_columns(asked, names, each, cycles),
    )


def _nice(length: float) -> float:
    """The next 1, 2 or 5 with a power of ten that is no smaller."""
    power = 10.0 ** np.floor(np.log10(length))
    found = next(step * power for step in (1, 2, 5, 10) if step * power >= length * (1 - 1e-9))
    return float(found)


def _runs(values: npt.NDArray[Any], recording: Recording) -> Iterator[slice]:
    """Pieces of consecutive samples of one record with one value."""
    changes = (np.diff(values) != 0) | (np.diff(recording.record) != 0)
    ends = [0, *(np.flatnonzero(changes) + 1).tolist(), len(values)]
    yield from (slice(a, b) for a, b in pairwise(ends))


def _events(asked: Asked, names: Sequence[str], answers: Integers | None) -> Iterator[Event]:
    if asked.labels is None or answers is None:
        return
    recording, places = asked.recording, asked.recording.places
    for run in _runs(asked.labels, recording):
        label = int(asked.labels[run.start])
        if label not in asked.events:
            continue
        right = np.flatnonzero(answers[run] == label)
        yield Event(
            names[label],
            recording.names[recording.record[run.start]],
            float(places[run.start]),
            run.stop - run.start,
            int(right[0]) if right.size else None,
        )


def _alarms(asked: Asked, names: Sequence[str], answers: Integers | None) -> Iterator[Alarm]:
    if asked.labels is None or answers is None:
        return
    recording, places = asked.recording, asked.recording.places
    for run in _runs(answers, recording):
        answer = int(answers[run.start])
        if answer in asked.events and not (asked.labels[run] == answer).any():
            name = recording.names[recording.record[run.start]]
            yield Alarm(names[answer], name, float(places[run.start]), run.stop - run.start)


def _mean_most(values: Reals | None, chosen: slice | npt.NDArray[np.bool_]) -> tuple[float | None, float | None]:
    if values is None or not values[chosen].size:
        return None, None
    return float(values[chosen].mean()), float(values[chosen].max())


def _windows(
    recording: Recording, length: float, each: Inferences, cycles: Reals | None, points: int
) -> Iterator[Window]:
    places = recording.places
    for piece, name in zip(recording.pieces, recording.names, strict=True):
        number = np.floor((places[piece] - places[piece.start]) / length * (1 + 1e-12)).astype(np.int64)
        starts = piece.start + np.flatnonzero(np.diff(number, prepend=-1))
        for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), piece.stop], strict=True):
            part = slice(start, stop)
            share = np.bincount(each.points[part], minlength=points + 1) / (stop - start)
            yield Window(
                name,
                float(places[start]),
                stop - start,
                *_mean_most(each.counts, part),
                *_mean_most(cycles, part),
                tuple(share.tolist()),
            )


def _answered(graph: Graph, each: Inferences, cycles: Reals | None) -> Iterator[Answered]:
    for index, name in enumerate([*(point.name for point in graph.points), END]):
        here = each.points == index
        yield Answered(name, int(here.sum()), _mean_most(each.counts, here)[0], _mean_most(cycles, here)[0])


def _duty(
    board: Board, seconds: float | None, counts: Reals | None, cycles: Reals | None
) -> tuple[float | None, str | None]:
    """Part of the time that the core computes, and by what clock."""
    if not seconds:
        return None, None
    if counts is not None and board.counter.unit == "nanoseconds":
        return float(counts.sum()) * 1e-9 / seconds, "the clock of this computer"
    if counts is not None and board.counter.unit == "cycles":
        cycles = counts
    if cycles is None or not board.cpu.hz:
        return None, None
    return float(cycles.sum()) / board.cpu.hz / seconds, f"{board.cpu.hz / 1e6:g} MHz, {board.cpu.core}"


def _columns(asked: Asked, names: Sequence[str], each: Inferences, cycles: Reals | None) -> dict[str, npt.NDArray[Any]]:
    recording = asked.recording
    found: dict[str, npt.NDArray[Any]] = {"record": np.array(recording.names)[recording.record]}
    if recording.t is not None:
        found["t"] = recording.t
    known = np.array(names) if names else None
    for name, values in (("label", asked.labels), ("answer", each.answers)):
        if values is not None and known is not None:
            found[name] = known[values]
    found |= {"point": each.points, "passes": each.passes}
    for name, costs in (("count", each.counts), ("cycles", cycles)):
        if costs is not None:
            found[name] = costs
    return found
