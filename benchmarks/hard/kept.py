"""Outcomes as docs/evidence.md states them: of lines that ran elsewhere, so that a run of one line keeps the others."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .line import Line, Outcome
from .page import LISTS

_TOLD = re.compile(r"(?P<figure>.*)\. Commit (?P<commit>\S+), (?P<date>\S+), (?P<time>[\d.]+) (?P<unit>min|s)\.")


def outcomes_of(page: str, lines: Sequence[Line]) -> dict[str, Outcome]:
    """Outcomes by name. They have no key: what they depend on is not known, so that a line which is asked for runs."""
    found = {}
    for line in lines:
        section = page.partition(f"\n## {line.name}\n")[2].partition("\n## ")[0]
        told = next((match for text in section.splitlines() if (match := _TOLD.fullmatch(text))), None)
        if told is None:
            continue
        seconds = float(told["time"]) * (60 if told["unit"] == "min" else 1)
        lists = {field: _listed(section, title) for field, title in LISTS.items()}
        found[line.name] = Outcome(
            line.name, line.proves, line.command, told["commit"], told["date"], seconds, "", told["figure"], **lists
        )
    return found


def _listed(section: str, title: str) -> list[str]:
    items = section.partition(f"\n{title}:\n\n")[2].partition("\n\n")[0]
    return [text.removeprefix("- ") for text in items.splitlines() if text.startswith("- ")]
