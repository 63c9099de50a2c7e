"""Sections of a page about sessions: one or more devices, one or more policies, one model."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from html import escape
from typing import Any

from ..measure.session import LayerFact, Session
from ..tasks import headline, main_text
from .answers import answer_parts, sample_parts
from .charts import axis_title, axis_value
from .choices import choice_parts
from .frontier import Point, frontier
from .parts import Cell, Details, Drawing, Facts, Part, Section, Table, Text, bars, number, section
from .stream import class_rows, point_rows, stream_chart, stream_facts
from .texts import detail, facts, percent, policy_name, widths
from .texts import number as count_text

UNITS = {
    "instructions": "retired instructions, exact and repeatable in QEMU; they are no time",
    "ns": "time of this computer, not of a board",
    "nanoseconds": "time of this computer, not of a board",
    "cycles": "what the device's own counter said",
}
"""What a count is, and what it is not."""
CYCLES = "a model of the core from manuals or llvm-mca, not measured on silicon"
BITOPS = "weight bits x activation bits x multiply-accumulates; no time: kernels gain less from narrow widths"
DIFFER = "compared bit for bit with the reference interpreter of dqt-edge, on these samples only"
WIDE = 6
"""Policies whose layers stand beside each other in one table."""


def session_sections(sessions: Sequence[Session], *, dial: bool = False) -> list[Section]:
    """Everything that sessions hold, but provenance.

    Args:
        sessions: Of one model.
        dial: They are the points of its dial.
    """
    found: list[Section] = []
    if len(sessions) > 1:
        title = "One image over the points of its dial" if dial else "Boards and policies"
        found += section(title, [_overview(sessions), *_frontiers(sessions, dial=dial)])
    else:
        found += section("In short", [fact_table(sessions[0]), _difference(sessions[0])])
    found += section("Cost by layer", layer_parts(sessions))
    chosen = _main(sessions)
    by_policy = list({s.policy: s for s in sessions}.values())
    found += section("What each layer chose", [p for s in by_policy for p in choice_parts(s)])
    found += section("Right and wrong", [*answer_parts(chosen), *_score_details(chosen)])
    found += section("Samples", sample_parts(chosen))
    found += section("Over time", [p for s in sessions for p in _stream_parts(s)])
    found += section("Every session", [_details(s) for s in sessions] if len(sessions) > 1 else _vectors(sessions[0]))
    return found


def fact_table(session: Session) -> Facts:
    """Headline facts, and what each is not."""
    rows = tuple((name, text, remark(name, session)) for name, text in facts(session))
    bad = frozenset(name for name, _ in facts(session) if name.startswith("answers that differ") and session.mismatches)
    return Facts(f"{session.model} on {session.board}, policy {policy_name(session)}", rows, bad)


def remark(name: str, session: Session) -> str:
    """What the fact of that name is not; empty where it needs no remark."""
    if name.startswith("answers that differ"):
        return DIFFER
    if name.startswith("modelled cycles"):
        return CYCLES if session.cycles is not None else ""
    if name.startswith("BitOPs"):
        return BITOPS
    if name == f"{session.unit} for an inference":
        return UNITS.get(session.unit, "")
    figures = session.score.figures if session.score is not None else ()
    if any(name == figure.title and figure.interval for figure in figures):
        return "of these samples; the interval holds 95 %"
    return ""


def layer_parts(sessions: Sequence[Session]) -> list[Part]:
    """Bars for each layer, of each policy beside each other; a table for each board."""
    found: list[Part] = []
    boards = list(dict.fromkeys(s.board for s in sessions))
    for board in boards:
        of_board = [s for s in sessions if s.board == board]
        tables = [_layers(of_board[i : i + WIDE]) for i in range(0, len(of_board), WIDE)]
        found += tables if len(boards) == 1 else [Details(f"Layers on {board}", tuple(tables), board == boards[0])]
    return found


def _layers(sessions: Sequence[Session]) -> Table:
    first = sessions[0]
    if all(s.cycles is not None for s in sessions):
        unit, note = "modelled cycles", f"{str(first.cycles_model).capitalize()}: {CYCLES}."
    elif all(s.count is not None for s in sessions):
        unit, note = first.unit, f"{first.unit.capitalize()}: {UNITS.get(first.unit, 'by the device')}."
    else:
        unit, note = "MAC", "Nothing was counted: multiply-accumulates, which are no time."

    def value(layer: LayerFact) -> float | None:
        return layer.cycles if unit == "modelled cycles" else layer.count if unit != "MAC" else float(layer.macs)

    rows = [
        (f"{layer.name} ({layer.kernel})", [value(s.layers[i]) for s in sessions])
        for i, layer in enumerate(first.layers)
    ]
    columns = ("layer", *(f"{policy_name(s)}: {unit}" for s in sessions))
    note += " Means over the samples; a layer that an input does not reach counts 0."
    return bars(f"Where the {unit} go on {first.board}", columns, rows, note)


def _overview(sessions: Sequence[Session]) -> Table:
    rows = tuple(
        (
            Cell(f"{s.board}, {policy_name(s)}"),
            Cell("-" if s.score is None else main_text(s.score)),
            number(f"{s.mismatches:,} of {s.samples:,}", bad=bool(s.mismatches)),
            number("-" if s.count is None else f"{count_text(s.count)} {s.unit}"),
            number(count_text(s.cycles)),
            number(f"{s.bitops_ratio:.3f}"),
        )
        for s in sessions
    )
    columns = ("board, policy", "how good", "differ from the interpreter", "count for an inference", "modelled cycles",
               "BitOPs, of 8x8")  # fmt: skip
    units = "; ".join(dict.fromkeys(f"{s.unit}: {UNITS[s.unit]}" for s in sessions if s.unit in UNITS))
    return Table("Every board and policy", columns, rows, f"{units}. Modelled cycles: {CYCLES}. BitOPs: {BITOPS}.")


def _frontiers(sessions: Sequence[Session], *, dial: bool) -> list[Part]:
    """A drawing for each board whose sessions differ in cost; in the best unit that all of them have."""
    found: list[Part] = []
    boards = list(dict.fromkeys(s.board for s in sessions))
    for board in boards:
        scored = [s for s in sessions if s.board == board and s.score is not None]
        if len(scored) < (2 if dial else 3):
            continue
        points, unit, note = session_points(scored)
        parts = frontier(points, f"{unit} for an inference, {board}", axis_title(scored), note)
        found += parts if len(boards) == 1 else [Details(f"Frontier on {board}", tuple(parts), board == boards[0])]
    return found


def session_points(sessions: Sequence[Session]) -> tuple[list[Point], str, str]:
    """Points of sessions that are scored, the unit of their costs, and what that is not."""
    if all(s.cycles is not None for s in sessions):
        costs, unit, note = [s.cycles for s in sessions], "modelled cycles", CYCLES
    elif all(s.count is not None for s in sessions):
        unit = sessions[0].unit
        costs, note = [s.count for s in sessions], UNITS.get(unit, "by the device")
    else:
        costs, unit, note = [s.bitops_ratio for s in sessions], "BitOPs, of 8x8", BITOPS
    points = []
    for session, cost in zip(sessions, costs, strict=True):
        assert session.score is not None
        assert cost is not None
        main = session.score.main
        factor = 100 if main.percent else 1
        interval = None if main.interval is None else (factor * main.interval[0], factor * main.interval[1])
        points.append(Point(policy_name(session), _series(session), float(cost), axis_value(session.score), interval))
    return points, unit, f"Costs: {note}."


def _series(session: Session) -> str:
    if session.policy.partition(":")[0] in ("dynamic", "agree") or session.answered_at:
        return "dynamic"
    return "full" if session.bitops_ratio >= 1 else "fixed"


def _main(sessions: Sequence[Session]) -> Session:
    """The session that samples and matrices are shown of: one that decides, if there is one."""
    return next((s for s in sessions if _series(s) == "dynamic"), sessions[0])


def _difference(session: Session) -> Text | None:
    return Text(f"First difference: {session.first_difference}", "bad") if session.first_difference else None


def _score_details(session: Session) -> list[Part]:
    """What a score says of classes and outputs."""
    if session.score is None:
        return []
    found: list[Part] = []
    if session.per_class and len(session.per_class) > 2:
        rows = tuple(
            (Cell(name), number(str(right)), number(str(total)), number(percent(right / total if total else None)))
            for name, (right, total) in session.per_class.items()
        )
        found.append(Table("Recall of each class", ("class", "right", "samples", "recall"), rows))
    for kind, values in session.score.details.items():
        told = "IoU" if kind == "iou" else "errors"
        said = tuple((Cell(str(name)), Cell(detail(value))) for name, value in values.items())
        found.append(Table(f"{told} of each {'class' if kind == 'iou' else 'output'}", ("", told), said))
    return found


def _stream_parts(session: Session) -> list[Part]:
    if session.stream is None:
        return []
    what = f"{session.board}, policy {policy_name(session)}"
    found: list[Part] = [Facts(f"The stream: {what}", tuple((*row, "") for row in stream_facts(session)))]
    chart = stream_chart(session)
    caption = (
        "Over time: mean cost of each window, and in grey its dearest inference; events of each class; where the "
        "answers came from."
    )
    if chart is None:
        found.append(Text("This drawing needs the extra report: pip install 'dqt-edge[report]'."))
    else:
        found.append(Drawing(labelled(chart, caption), caption, fixed=True))
    classes = tuple((Cell(row[0]), *(number(text) for text in row[1:])) for row in class_rows(session.stream))
    if classes:
        found.append(Table(f"Events: {what}", ("class", "events", "found", "false alarms"), classes))
    points = tuple((Cell(row[0]), *(number(text) for text in row[1:])) for row in point_rows(session))
    columns = ("answered at", "share", session.unit, "modelled cycles")
    return [*found, Table(f"Where answers came from: {what}", columns, points)]


def labelled(svg: str, label: str) -> str:
    """A drawing of others with a label, and without ids that another drawing may have too."""
    digest = f"{zlib.crc32(svg.encode()):08x}"
    svg = re.sub(r'id="([\w-]+)"', rf'id="\1-{digest}"', svg)
    svg = re.sub(r"url\(#([\w-]+)\)", rf"url(#\1-{digest})", svg)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(label)}" ', 1)


def _vectors(session: Session) -> list[Part]:
    rows = tuple((Cell(vector), number(f"{count:,}")) for vector, count in session.width_vectors.items())
    layers = tuple(
        (Cell(x.name), Cell(x.kernel), number(f"{x.macs:,}"), number(count_text(x.count)), number(count_text(x.cycles)),
         number(widths(x)))
        for x in session.layers
    )  # fmt: skip
    columns = ("layer", "kind", "MAC", session.unit, "modelled cycles", "mean widths")
    return [
        Table("Layers", columns, layers, "Mean widths: weights x activations, bits."),
        Table("Width vectors, one pair for each adaptive layer", ("width vector", "inferences"), rows),
    ]


def _details(session: Session) -> Details:
    parts: list[Any] = [fact_table(session), _difference(session), *_vectors(session)]
    title = f"{session.board}, policy {policy_name(session)}: {session.mismatches:,} differences"
    return Details(title, tuple(part for part in parts if part is not None))


def lead(sessions: Sequence[Session]) -> str:
    """A sentence on what was run."""
    boards = ", ".join(dict.fromkeys(s.board for s in sessions))
    first = sessions[0]
    wrong = sum(s.mismatches for s in sessions)
    total = sum(s.samples for s in sessions)
    task = f"{first.task}, judged by {headline(first.task)}"
    return (
        f"Run on {boards}: {total:,} inferences, {wrong:,} of which differ from the reference interpreter's. "
        f"Task: {task}."
    )
