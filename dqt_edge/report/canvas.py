"""A drawing as SVG text whose colours are the page's, so that it follows light and dark."""

from __future__ import annotations

import math
from html import escape


class Canvas:
    """Collects shapes; coordinates are in the drawing's own units, about a pixel of a narrow screen.

    Args:
        width, height: Of the drawing.
        label: What it shows, for those who do not see it.
    """

    def __init__(self, width: float, height: float, label: str) -> None:
        self.width, self.height, self.label = width, height, label
        self.parts: list[str] = []

    def text(self, x: float, y: float, text: str, *, anchor: str = "start", mark: str = "", turn: int = 0) -> None:
        """Text whose line begins, ends or has its middle (``anchor``) at a place; ``turn`` is in degrees."""
        turned = f' transform="rotate({turn} {x:.1f} {y:.1f})"' if turn else ""
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{mark}"{turned}>{escape(text)}</text>'
        )

    def line(self, x1: float, y1: float, x2: float, y2: float, mark: str = "grid") -> None:
        """A line."""
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{mark}"/>')

    def path(self, points: list[tuple[float, float]], mark: str) -> None:
        """Lines from each point to the next."""
        places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{places}" class="{mark}"/>')

    def area(
        self, x: float, y: float, width: float, height: float, mark: str, title: str = "", style: str = ""
    ) -> None:
        """A rectangle; the pointer shows its title."""
        inside = f"<title>{escape(title)}</title>" if title else ""
        styled = f' style="{style}"' if style else ""
        self.parts.append(
            f'<rect x="{x:.2f}" y="{y:.2f}" width="{max(width, 0):.2f}" height="{max(height, 0):.2f}" '
            f'class="{mark}"{styled}>{inside}</rect>'
        )

    def mark(self, x: float, y: float, mark: str, title: str = "") -> None:
        """A mark of a series, told from others by its shape too: see ``MARKS``."""
        self.parts.append(marked(x, y, mark, title))

    def svg(self) -> str:
        """The drawing."""
        return (
            f'<svg viewBox="0 0 {self.width:g} {self.height:g}" role="img" aria-label="{escape(self.label)}">'
            f"{''.join(self.parts)}</svg>"
        )


MARKS = {
    "dynamic": "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z",
    "fixed": "M-4 -4h8v8h-8z",
    "cascade": "M0 -5l5 9h-10z",
    "small": "M0 -5.5l5.5 5.5l-5.5 5.5l-5.5 -5.5z",
    "full": "M-5 -2h3v-3h4v3h3v4h-3v3h-4v-3h-3z",
}
"""Series -> shape: circle, square, triangle, diamond, cross."""

SQUARE = MARKS["fixed"]
"""Of anything else in a legend."""


def marked(x: float, y: float, mark: str, title: str = "") -> str:
    """A mark of a series as a path."""
    inside = f"<title>{escape(title)}</title>" if title else ""
    return f'<path d="{MARKS[mark]}" transform="translate({x:.1f} {y:.1f})" class="{mark}">{inside}</path>'


def ticks(low: float, high: float, count: int = 6) -> list[float]:
    """Round numbers from ``low`` to ``high``, about ``count`` of them."""
    span = high - low
    if span <= 0:
        return [low]
    step = 10.0 ** math.floor(math.log10(span / count))
    step = next(step * factor for factor in (1, 2, 5, 10) if step * factor >= span / count * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(step * i, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def short(value: float) -> str:
    """A number in few characters: ``1.2 M``, ``350 k``, ``0.25``."""
    for factor, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= factor:
            return f"{value / factor:.3g}{unit}"
    return f"{value:.3g}"
