"""What a page shows, as values: sections with texts, tables, bars, heat maps, drawings and pictures.

Templates write them down and decide nothing. Every number stands in a table too, so that no reader needs a drawing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal


@dataclass(frozen=True)
class Text:
    """A paragraph; ``tone`` says whether it warns, or tells of a failure."""

    kind: ClassVar[str] = "text"
    text: str
    tone: Literal["", "warn", "bad"] = ""


@dataclass(frozen=True)
class Cell:
    """Text of a table.

    Attributes:
        number: Whether it is set to the right.
        bad: Whether it tells of a failure.
        bar: Length of a bar beside it, 0..1; None without one.
        heat: Strength of its colour, 0..1; None without one.
    """

    text: str
    number: bool = False
    bad: bool = False
    bar: float | None = None
    heat: float | None = None


def number(text: str, *, bar: float | None = None, bad: bool = False) -> Cell:
    """A number."""
    return Cell(text, number=True, bar=bar, bad=bad)


@dataclass(frozen=True)
class Table:
    """A table whose first column names the rows.

    Attributes:
        caption: What it shows.
        columns: Titles, that of the first column too.
        rows: As many cells each.
        note: What the numbers are not, or how they are read.
    """

    kind: ClassVar[str] = "table"
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""

    @property
    def aligned(self) -> tuple[str, ...]:
        """Where the title of each column stands: ``n``, to the right above numbers, ``c``, in the middle, or empty."""
        first = (*(self.rows[0] if self.rows else ()), *[Cell("")] * len(self.columns))
        known = first[: len(self.columns)]
        return tuple("n" if cell.number else "c" if cell.heat is not None else "" for cell in known)


@dataclass(frozen=True)
class Facts:
    """Names and their values; what a value is not stands below it."""

    kind: ClassVar[str] = "facts"
    caption: str
    rows: tuple[tuple[str, str, str], ...]
    bad: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Drawing:
    """A figure.

    Attributes:
        svg: Of which the label is part.
        caption: What is drawn.
        legend: Class of a mark, and what it stands for.
        fixed: Whether it keeps its own colours, on white.
    """

    kind: ClassVar[str] = "drawing"
    svg: str
    caption: str
    legend: tuple[tuple[str, str], ...] = ()
    fixed: bool = False


@dataclass(frozen=True)
class Gallery:
    """Small pictures: HTML of each, its caption, and whether its answer was right (None: nobody knows)."""

    kind: ClassVar[str] = "gallery"
    caption: str
    pictures: tuple[tuple[str, str, bool | None], ...]


@dataclass(frozen=True)
class Details:
    """Parts that are folded away until somebody opens them."""

    kind: ClassVar[str] = "details"
    title: str
    parts: tuple[Part, ...]
    opened: bool = False


Part = Text | Table | Facts | Drawing | Gallery | Details


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading of its own."""

    title: str
    parts: tuple[Part, ...]

    @property
    def id(self) -> str:
        """By which a link finds it."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


@dataclass(frozen=True)
class Page:
    """A whole page.

    Attributes:
        title: Its heading.
        lead: A sentence or two below it.
        sections: With distinct titles.
    """

    title: str
    lead: str
    sections: tuple[Section, ...] = field(default=())


def section(title: str, parts: Iterable[Part | None]) -> list[Section]:
    """A section of the parts that there are; none without any."""
    found = tuple(part for part in parts if part is not None)
    return [Section(title, found)] if found else []


def bars(
    caption: str, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[float | None]]], note: str = ""
) -> Table:
    """A table of numbers with a bar beside each, all to one scale."""
    most = max((value for _, values in rows for value in values if value is not None), default=0) or 1
    cells = tuple(
        (
            Cell(name),
            *(number("-" if v is None else f"{v:,.0f}", bar=None if v is None else v / most) for v in values),
        )
        for name, values in rows
    )
    return Table(caption, tuple(columns), cells, note)
