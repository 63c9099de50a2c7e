"""How results show themselves: a few lines at a prompt, a small table in a notebook."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from ..errors import plain

Facts = Sequence[tuple[str, str]]
"""Names and their values, as text."""
LINE_MAX = 100
"""Characters of a value; what is longer is cut."""
ROWS_MAX = 12


class Shown:
    """Mixin: a class says what is to be seen of it, and gets ``__repr__`` and ``_repr_html_``."""

    @abstractmethod
    def facts(self) -> tuple[str, Facts]:
        """Title and facts, at most a dozen."""

    def __repr__(self) -> str:
        title, rows = self.facts()
        width = max((len(name) for name, _ in rows[:ROWS_MAX]), default=0)
        lines = [f"  {name:<{width}}  {_cut(text)}" for name, text in rows[:ROWS_MAX]]
        return "\n".join([f"{type(self).__name__} {_cut(title)}", *lines])

    def _repr_html_(self) -> str:
        """For notebooks."""
        from html import escape  # noqa: PLC0415 - slow to load, and no command shows a notebook anything

        title, rows = self.facts()
        shown = [(escape(name), escape(_cut(text))) for name, text in rows[:ROWS_MAX]]
        left = "style='text-align:left'"
        cells = "".join(f"<tr><th {left}>{name}</th><td {left}>{text}</td></tr>" for name, text in shown)
        return f"<table><caption>{escape(type(self).__name__)} {escape(_cut(title))}</caption>{cells}</table>"


def _cut(text: str) -> str:
    text = plain(" ".join(text.split()))
    return text if len(text) <= LINE_MAX else f"{text[: LINE_MAX - 3]}..."


def percent(value: float | None) -> str:
    """``97.22 %``, or a dash."""
    return "-" if value is None else f"{100 * value:.2f} %"
