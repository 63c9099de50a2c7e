"""The summary picture of a training run. Imports without TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..tasks import Figure, stated
from ..tasks.score import FIGURES
from .drawing import WIDTH, find_altair, svg

LINES = {
    "val_float": "floating point",
    "val_full": "8x8",
    "val_least": "least widths",
    "val_dynamic": "dynamic",
}
COLOURS = ["#8a949e", "#35618f", "#5b8c5a", "#b5651d"]


def run_picture(log: Sequence[Mapping[str, Any]], measured: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Draw, as SVG: the task's figure on the validation set by epoch, and of each policy on held-out samples by cost.

    Dots mark the epoch that was taken.

    Args:
        log: Rows of the loop.
        measured: ``provenance["keras"]`` of the checkpoint; may be empty.

    Returns:
        The drawing, or None where Altair is not installed.
    """
    altair = find_altair()
    if altair is None:
        return None
    taken = max((row["epoch"] for row in log if row.get("best")), default=None)
    kind = FIGURES[log[0].get("metric", "accuracy")] if log else FIGURES["accuracy"]
    unit = ", %" if kind.percent else ""
    points = [
        {"epoch": row["epoch"], "policy": title, "figure": row[name], "taken": row["epoch"] == taken}
        for row in log
        for name, title in LINES.items()
        if name in row
    ]
    titles = [title for title in LINES.values() if any(p["policy"] == title for p in points)]
    colours = altair.Scale(domain=titles, range=[COLOURS[list(LINES.values()).index(title)] for title in titles])
    base = altair.Chart(altair.Data(values=points)).encode(
        x=altair.X("epoch:Q", axis=altair.Axis(tickMinStep=1)),
        y=altair.Y("figure:Q", scale=altair.Scale(zero=False), title=f"{kind.title} on the validation set{unit}"),
        color=altair.Color("policy:N", scale=colours, title=None, legend=altair.Legend(orient="bottom")),
    )
    best = base.mark_point(size=70, filled=True).transform_filter("datum.taken")
    panels = [(base.mark_line() + best).properties(width=WIDTH // 2 - 60, height=260)]
    results = [
        {"policy": name, "BitOPs, of all layers at 8x8": facts["bitops_ratio"], "figure": _axis(stated(facts)[0])}
        for name, facts in measured.items()
    ]
    if results:
        main = stated(next(iter(measured.values())))[0]
        base = altair.Chart(altair.Data(values=results)).encode(
            x=altair.X("BitOPs, of all layers at 8x8:Q", scale=altair.Scale(domain=[0, 1.1])),
            y=altair.Y(
                "figure:Q",
                scale=altair.Scale(zero=False, padding=20),
                title=f"{main.title} on the held-out set{', %' if main.percent else ''}",
            ),
        )
        dots = base.mark_point(size=80, filled=True, color="#35618f")
        names = base.mark_text(dy=-12, color="#55606b").encode(text="policy:N")
        panels.append((dots + names).properties(width=WIDTH // 2 - 60, height=260))
    return svg(altair.hconcat(*panels))


def _axis(figure: Figure) -> float:
    return 100 * figure.value if figure.percent else figure.value
