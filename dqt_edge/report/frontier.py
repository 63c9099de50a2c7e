"""How good answers are against what they cost: a drawing, and the table behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .canvas import Canvas, short, ticks
from .parts import Cell, Drawing, Part, Table, number

WIDTH, HEIGHT = 360, 250
LEFT, RIGHT, TOP, BOTTOM = 46, 350, 14, 210
SERIES = {
    "dynamic": "chosen for each input",
    "fixed": "fixed widths",
    "cascade": "cascade",
    "small": "small network",
    "full": "every layer at its widest",
}
"""Mark of a series -> its name, in the order of the legend."""
JOINED = ("dynamic", "fixed", "cascade")
"""Series with a line through their points."""
LETTER = 6.2
"""Width of a letter at the size of labels."""


@dataclass(frozen=True)
class Point:
    """One way to run the network.

    Attributes:
        name: Such as its policy.
        series: Key of ``SERIES``.
        cost: In the drawing's unit.
        quality: In the figure's unit, shares in per cent.
        interval: What holds it with 95 % confidence, if that is known.
    """

    name: str
    series: str
    cost: float
    quality: float
    interval: tuple[float, float] | None = None


def frontier(points: Sequence[Point], unit: str, quality: str, note: str, *, names: bool = True) -> list[Part]:
    """The drawing and its table; nothing for fewer than two points.

    Args:
        points: At least two.
        unit: Of the cost.
        quality: Title of the other axis.
        note: What the numbers are not.
        names: Write names beside points, where there is room.
    """
    if len(points) < 2:
        return []
    used = tuple((mark, title) for mark, title in SERIES.items() if any(p.series == mark for p in points))
    bars = "; bars hold 95 % of what other samples would give" if any(p.interval for p in points) else ""
    caption = f"{quality} against {unit}{bars}. The table below has every point."
    drawing = Drawing(_draw(points, unit, quality, names=names), caption, used)
    rows = tuple(
        (
            Cell(p.name),
            Cell(SERIES[p.series]),
            number(f"{p.cost:,.3f}" if p.cost < 10 else f"{p.cost:,.0f}"),
            number(f"{p.quality:.4g}"),
            number("-" if p.interval is None else f"{p.interval[0]:.4g} to {p.interval[1]:.4g}"),
        )
        for p in sorted(points, key=lambda p: p.cost)
    )
    return [drawing, Table(f"{quality} and cost", ("policy", "series", unit, quality, "95 %"), rows, note)]


def _draw(points: Sequence[Point], unit: str, quality: str, *, names: bool) -> str:
    costs = [p.cost for p in points]
    values = [v for p in points for v in (p.quality, *(p.interval or ()))]
    best = max(points, key=lambda p: p.quality)
    label = f"{quality} against {unit} of {len(points)} points; the best has {best.quality:.4g} at {short(best.cost)}"
    canvas = Canvas(WIDTH, HEIGHT, label)
    margin = (max(costs) - min(costs) or max(costs) or 1) * 0.06
    low, high = max(0.0, min(costs) - margin), max(costs) + margin
    height = (max(values) - min(values) or abs(max(values)) or 1) * 0.08
    least, most = min(values) - height, max(values) + height

    def x(cost: float) -> float:
        return LEFT + (RIGHT - LEFT) * (cost - low) / (high - low)

    def y(value: float) -> float:
        return float(BOTTOM - (BOTTOM - TOP) * (value - least) / (most - least))

    for tick in ticks(least, most):
        canvas.line(LEFT, y(tick), RIGHT, y(tick))
        canvas.text(LEFT - 5, y(tick) + 4, f"{tick:g}", anchor="end")
    for tick in ticks(low, high):
        canvas.line(x(tick), BOTTOM, x(tick), BOTTOM + 4, "axis")
        canvas.text(x(tick), BOTTOM + 17, short(tick), anchor="middle")
    canvas.line(LEFT, BOTTOM, RIGHT, BOTTOM, "axis")
    canvas.text((LEFT + RIGHT) / 2, BOTTOM + 34, unit, anchor="middle")
    canvas.text(10, (TOP + BOTTOM) / 2, quality, anchor="middle", turn=-90)
    for series in JOINED:
        line = sorted((p.cost, p.quality) for p in points if p.series == series)
        if len(line) > 1:
            canvas.path([(x(cost), y(value)) for cost, value in line], f"line {series}-line")
    for p in points:
        if p.interval is not None:
            canvas.line(x(p.cost), y(p.interval[0]), x(p.cost), y(p.interval[1]), f"bar {p.series}-line")
    for p in points:
        canvas.mark(x(p.cost), y(p.quality), p.series, f"{p.name}: {p.quality:.4g} at {p.cost:,.4g}")
    if names:
        _label(canvas, [(x(p.cost), y(p.quality), p.name) for p in points])
    return canvas.svg()


def _label(canvas: Canvas, places: Sequence[tuple[float, float, str]]) -> None:
    """Names beside their points, as far as they cover no other name or point and stay within the drawing."""
    taken = [(px - 6, py - 6, px + 6, py + 6) for px, py, _ in places]
    for px, py, name in places:
        wide = LETTER * len(name)
        middle, own = px - wide / 2, (px - 6, py - 6, px + 6, py + 6)
        for left, base in ((px + 8, py + 4), (px - 8 - wide, py + 4), (middle, py - 10), (middle, py + 18)):
            box = (left, base - 9, left + wide, base + 2)
            inside = box[0] >= LEFT and box[2] <= RIGHT + 8 and box[1] >= 2 and box[3] <= BOTTOM
            if inside and not any(_meet(box, other) for other in taken if other != own):
                canvas.text(left, base, name)
                taken.append(box)
                break


def _meet(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
