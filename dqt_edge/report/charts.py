"""Drawings of a session as inline SVG, made by Altair; none when it is not installed (extra ``report``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..measure.session import Session
from ..precision.curve import CurvePoint
from ..tasks import Score
from .drawing import WIDTH, find_altair, svg


def axis_value(score: Score) -> float:
    """What an axis shows of a score: its main figure, shares in per cent."""
    return 100 * score.main.value if score.main.percent else score.main.value


def axis_title(scored: Sequence[Session] | Sequence[CurvePoint]) -> str:
    """Title of that axis, ``accuracy, %``."""
    main = next(item.score.main for item in scored if item.score is not None)
    return f"{main.title}, %" if main.percent else main.title


def dial_chart(sessions: Sequence[Session]) -> str | None:
    """Lines: the task's figure against BitOPs, and against counts if there are any, over the points of a dial."""
    altair = find_altair()
    if altair is None or len(sessions) < 2 or any(s.score is None for s in sessions):
        return None
    title = axis_title(sessions)
    costs = {"BitOPs, of all layers at 8x8": [s.bitops_ratio for s in sessions]}
    counts = [s.count for s in sessions if s.count is not None]
    if len(counts) == len(sessions):
        costs[f"{sessions[0].unit} for an inference"] = counts
    panels = []
    for cost, values in costs.items():
        rows = [
            {"policy": s.policy.partition(":")[2], "quality": axis_value(s.score), cost: value}
            for s, value in zip(sessions, values, strict=True)
            if s.score is not None
        ]
        base = altair.Chart(altair.Data(values=rows)).encode(
            x=altair.X(f"{cost}:Q", scale=altair.Scale(zero=False, padding=20)),
            y=altair.Y("quality:Q", title=title, scale=altair.Scale(zero=False, padding=20)),
        )
        line = base.mark_line(color="#b5651d", point={"color": "#b5651d", "size": 60})
        names = base.mark_text(dy=-12, color="#55606b").encode(text="policy:N")
        panels.append((line + names).properties(width=WIDTH // 2 - 60, height=240))
    return svg(altair.hconcat(*panels))


def curve_chart(rows: Sequence[dict[str, Any]], unit: str, title: str) -> tuple[str, bytes] | None:
    """The task's figure against cost, as SVG and PNG: a line through what was searched, labelled points beside it.

    Args:
        rows: Points with ``cost``, ``quality``, ``widths`` (the series) and ``label``.
        unit: Title of the cost axis.
        title: Of the other one.
    """
    altair = find_altair()
    if altair is None:
        return None
    import vl_convert  # noqa: PLC0415

    base = altair.Chart(altair.Data(values=list(rows))).encode(
        x=altair.X("cost:Q", title=unit, scale=altair.Scale(zero=False)),
        y=altair.Y("quality:Q", title=title, scale=altair.Scale(zero=False)),
    )
    colours = altair.Scale(range=["#35618f", "#b5651d"])
    line = base.mark_line(color="#35618f").transform_filter("datum.widths == 'found by search'")
    points = base.mark_point(size=80, filled=True).encode(
        color=altair.Color("widths:N", scale=colours, title=None, legend=altair.Legend(orient="bottom"))
    )
    labels = base.mark_text(dx=8, align="left").encode(text="label:N")
    chart = (line + points + labels).properties(width=WIDTH, height=320)
    text = chart.properties(padding={"left": 20, "right": 40, "top": 10, "bottom": 10}).to_json()
    return str(vl_convert.vegalite_to_svg(text)), bytes(vl_convert.vegalite_to_png(text, scale=2))


def frontier_chart(rows: Sequence[dict[str, Any]], unit: str, title: str) -> str | None:
    """Quality against cost: a line through each series, and the interval of each point.

    Args:
        rows: Points with ``cost``, ``quality``, ``low``, ``high`` and ``series``.
        unit: Title of the cost axis.
        title: Of the other one.
    """
    altair = find_altair()
    if altair is None:
        return None
    colours = {
        "tuned point": "#b5651d",
        "fixed widths": "#35618f",
        "cascade": "#4f8a4f",
        "small network": "#8a6fb0",
        "full network": "#1c2733",
    }
    used = [name for name in colours if any(row["series"] == name for row in rows)]
    scale = altair.Scale(domain=used, range=[colours[name] for name in used])
    base = altair.Chart(altair.Data(values=list(rows))).encode(
        x=altair.X("cost:Q", title=unit),
        color=altair.Color("series:N", scale=scale, title=None, legend=altair.Legend(orient="bottom")),
    )
    axis = altair.Y("quality:Q", title=title, scale=altair.Scale(zero=False))
    joined = altair.FieldOneOfPredicate(field="series", oneOf=["tuned point", "fixed widths", "cascade"])
    lines = base.mark_line(strokeWidth=1.2).transform_filter(joined).encode(y=axis)
    bars = base.mark_rule(strokeWidth=1.5).encode(y=altair.Y("low:Q", title=title), y2="high:Q")
    return svg(
        (lines + bars + base.mark_point(size=60, filled=True).encode(y=axis)).properties(width=WIDTH, height=340)
    )
