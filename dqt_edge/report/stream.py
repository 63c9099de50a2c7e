"""What a device did with a recorded stream, for people: tables of 80 columns, a drawing, every sample."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..measure.session import Session
from ..measure.stream import Stream, Window
from .drawing import WIDTH, find_altair, svg

if TYPE_CHECKING:
    from rich.console import Console

DEAREST = 8
"""Windows that the terminal shows."""
SECONDS_MOST = 300
"""Longer streams are drawn in minutes."""
FLAT = 0.01
"""Windows whose costs differ by no more than this are not worth a table."""
BARS = "▁▂▃▄▅▆▇█"
LINE = 48
"""Characters of the line that shows cost over time."""


def number(value: float | None) -> str:
    """With thousands separators, or a dash."""
    return "-" if value is None else f"{value:,.0f}"


def share(value: float) -> str:
    """In per cent, with two digits that count where it is small."""
    return f"{100 * value:.3g} %" if value < 0.1 else f"{100 * value:.1f} %"


def place(value: float, stream: Stream) -> str:
    """``3:07.5``, minutes and seconds, hours where it takes them; or a sample's number."""
    if not stream.timed:
        return f"{value:,.0f}"
    minutes, seconds = divmod(value, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{seconds:02.0f}" if hours else f"{minutes}:{seconds:04.1f}"


def stream_facts(session: Session) -> list[tuple[str, str]]:
    """Headline facts of a stream as (name, text)."""
    stream = session.stream
    assert stream is not None
    length = "" if stream.seconds is None else f" in {place(stream.seconds, stream)}"
    records = "" if len(stream.records) == 1 else f", {len(stream.records)} records"
    rows = [("samples", f"{stream.samples:,}{length}{records}"), *_cost_rows(session, stream)]
    if stream.duty is not None:
        rows.append(("duty: computing, of all the time", f"{share(stream.duty)} ({stream.duty_clock})"))
    if stream.classes:
        rate, unit = stream.alarm_rate
        late = [event.found_after for event in stream.events if event.found_after]
        rows += [
            ("events found", f"{stream.found:,} of {len(stream.events):,}"),
            ("events missed", f"{len(stream.events) - stream.found:,}"),
            ("found later than at the first sample", f"{len(late):,}"),
            ("false alarms", f"{len(stream.alarms):,}: {rate:.3g} {unit}"),
        ]
    if stream.twice:
        rows.append(("computed twice", share(stream.twice / stream.samples)))
    return rows


def _cost_rows(session: Session, stream: Stream) -> list[tuple[str, str]]:
    rows = []
    if session.count is not None:
        worst = f", at most {number(session.count_most)} (sample {stream.count_worst})"
        rows.append((f"{session.unit} for an inference", number(session.count) + worst))
    if session.cycles is not None:
        rows.append(
            ("modelled cycles for an inference", f"{number(session.cycles)}, at most {number(stream.cycles_worst)}")
        )
    line = cost_line(stream.windows)
    if line:
        rows.append((f"cost over time, 0 to {number(max(map(_cost, stream.windows)))}", line))
    return rows


def _cost(window: Window) -> float:
    """Modelled cycles, or else the count."""
    return window.count or 0.0 if window.cycles is None else window.cycles


def cost_line(windows: Sequence[Window]) -> str:
    """Mean cost of the windows from first to last, as a line of bars; neighbours share a bar where there are many."""
    costs = np.array([_cost(window) for window in windows])
    if not costs.any():
        return ""
    groups = np.array_split(costs, min(LINE, len(costs)))
    heights = [group.mean() / costs.max() * (len(BARS) - 1) for group in groups]
    return "".join(BARS[round(float(height))] for height in heights)


def class_rows(stream: Stream) -> list[tuple[str, str, str, str]]:
    """For each class of interest: name, events, found, false alarms."""
    rows = []
    for label in stream.classes:
        events = [event for event in stream.events if event.label == label]
        found = sum(event.found_after is not None for event in events)
        alarms = sum(alarm.label == label for alarm in stream.alarms)
        rows.append((label, f"{len(events):,}", f"{found:,}", f"{alarms:,}"))
    return rows


def point_rows(session: Session) -> list[tuple[str, str, str, str]]:
    """For each decision point, and the end: name, share of the answers, mean count, mean modelled cycles."""
    stream = session.stream
    assert stream is not None
    return [
        (item.point, share(item.samples / stream.samples), number(item.count), number(item.cycles))
        for item in stream.answered
    ]


def dearest(stream: Stream) -> list[Window]:
    """The windows of highest mean cost, the dearest first."""
    return sorted(stream.windows, key=_cost, reverse=True)[:DEAREST]


def print_stream(session: Session, console: Console) -> None:
    """Tables for the terminal; nothing for a session that is no stream."""
    from rich.table import Table  # noqa: PLC0415

    stream = session.stream
    if stream is None:
        return
    head = Table(title=f"The stream, policy {session.policy}", show_header=False)
    for name, text in stream_facts(session):
        head.add_row(name, text)
    console.print(head)
    if stream.classes:
        _print_table(console, ("class", "events", "found", "false alarms"), class_rows(stream))
    _print_table(console, ("answered at", "share", session.unit, "modelled cycles"), point_rows(session))
    costs = [_cost(window) for window in stream.windows]
    if max(costs) <= min(costs) * (1 + FLAT):
        return
    unit = "s" if stream.timed else "samples"
    rows = [
        (place(w.place, stream), w.record, f"{w.samples:,}", number(w.count), number(w.cycles)) for w in dearest(stream)
    ]
    columns = ("from", "record", "samples", session.unit, "modelled cycles")
    _print_table(console, columns, rows, f"The dearest windows of {stream.window:g} {unit}, means")


def _print_table(
    console: Console, columns: Sequence[str], rows: Sequence[Sequence[str]], title: str | None = None
) -> None:
    """Leaves out columns that hold dashes alone."""
    from rich.table import Table  # noqa: PLC0415

    kept = [i for i in range(len(columns)) if i == 0 or any(row[i] != "-" for row in rows)]
    table = Table(title=title)
    for i in kept:
        table.add_column(columns[i], justify="left" if i == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*(row[i] for i in kept))
    console.print(table)


def samples_csv(stream: Stream) -> str:
    """Every inference, a line each, with a head."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(stream.each)
    writer.writerows(zip(*(column.tolist() for column in stream.each.values()), strict=True))
    return text.getvalue()


def stream_chart(session: Session) -> str | None:
    """Cost over time, events and false alarms, and where the answers came from, one above another."""
    altair, stream = find_altair(), session.stream
    if altair is None or stream is None:
        return None
    long = stream.timed and stream.end > SECONDS_MOST
    title = "minutes" if long else "seconds" if stream.timed else "sample"
    scale = 1 / 60 if long else 1.0
    axis = altair.X("place:Q", title=None)
    panels = []
    last = stream.windows[-1]
    windows = [*stream.windows, replace(last, place=min(last.place + stream.window, stream.end))]
    if any(map(_cost, stream.windows)):
        unit = session.unit if stream.windows[0].cycles is None else "modelled cycles"
        costs = [
            {"place": w.place * scale, "mean": w.count if w.cycles is None else w.cycles,
             "most": w.count_most if w.cycles_most is None else w.cycles_most}
            for w in windows
        ]  # fmt: skip
        base = altair.Chart(altair.Data(values=costs)).encode(x=axis)
        most = base.mark_line(interpolate="step-after", color="#c9c2b2").encode(y=altair.Y("most:Q", title=unit))
        mean = base.mark_line(interpolate="step-after", color="#35618f").encode(y="mean:Q")
        panels.append((most + mean).properties(width=WIDTH, height=160))
    marks = [
        {"place": e.place * scale, "class": e.label, "what": "missed" if e.found_after is None else "found"}
        for e in stream.events
    ] + [{"place": a.place * scale, "class": a.label, "what": "false alarm"} for a in stream.alarms]
    if marks:
        colours = altair.Scale(domain=["found", "missed", "false alarm"], range=["#35618f", "#a11111", "#b5651d"])
        events = altair.Chart(altair.Data(values=marks)).mark_tick(thickness=2)
        colour = altair.Color("what:N", title=None, scale=colours)
        rows = altair.Y("class:N", title=None, sort=list(stream.classes))
        panels.append(events.encode(x=axis, y=rows, color=colour).properties(width=WIDTH))
    if len(stream.answered) > 1:
        names = [item.point for item in stream.answered]
        parts = [
            {"place": w.place * scale, "point": name, "share": 100 * part, "order": k}
            for w in windows
            for k, (name, part) in enumerate(zip(names, w.answered, strict=True))
        ]
        area = altair.Chart(altair.Data(values=parts)).mark_area(interpolate="step-after")
        colour = altair.Color("point:N", title="answered at", sort=names)
        height = altair.Y("share:Q", title="answers, %", stack="zero", scale=altair.Scale(domain=[0, 100]))
        panels.append(area.encode(x=axis, y=height, color=colour, order="order:Q").properties(width=WIDTH, height=120))
    if not panels:
        return None
    panels[-1] = panels[-1].encode(x=altair.X("place:Q", title=title))
    return svg(altair.vconcat(*panels).resolve_scale(x="shared", color="independent"))
