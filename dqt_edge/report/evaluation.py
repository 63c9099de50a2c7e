"""A tuned model beside its rivals, for people and machines: terminal, JSON, a page, and a drawing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..system.files import write_together
from .charts import frontier_chart
from .examples import Example
from .frontier import Point, frontier
from .page import render
from .parts import Cell, Gallery, Page, Part, Table, number, section
from .provenance import provenance

if TYPE_CHECKING:
    from rich.console import Console

KINDS = {
    "full": "full network",
    "exit": "small network",
    "static": "fixed widths",
    "dynamic": "tuned point",
    "cascade": "cascade",
    "random": "by chance",
}
"""What each kind of row is called."""
FIGURES = {"agreement": "agreement", "accuracy": "accuracy", "recall": "mean_recall"}
"""Criterion -> its key in a row."""
Facts = Mapping[str, Any]
Groups = Sequence[tuple[str, Sequence[Example]]]


def write(facts: Facts, examples: Groups, folder: Path) -> list[Path]:
    """Write the report's files: all of one run, and each whole or not at all."""
    drawing = frontier_chart(chart_rows(facts), unit_title(facts), f"{criterion(facts)}, %")
    contents = {
        "evaluation.json": json.dumps(facts, indent=2) + "\n",
        "evaluation.html": html(facts, examples),
        **({} if drawing is None else {"frontier.svg": drawing}),
    }
    return write_together(folder, {name: text.encode() for name, text in contents.items()}, ["frontier.svg"])


def criterion(facts: Facts) -> str:
    """What rows are compared by, in words."""
    return "mean recall" if facts["by"] == "recall" else str(facts["by"])


def unit_title(facts: Facts) -> str:
    """What costs are, in words."""
    return f"mean cost in {facts['units'][facts['by_unit']]}, of the full network"


def chart_rows(facts: Facts) -> list[dict[str, Any]]:
    """Points of the drawing: cost, quality with its interval, and series."""
    name, by, unit = FIGURES[facts["by"]], facts["by"], facts["by_unit"]
    return [
        {
            "cost": row["costs"][unit],
            "quality": 100 * row[name],
            "low": 100 * row["intervals"][by][0],
            "high": 100 * row["intervals"][by][1],
            "series": KINDS[row["kind"]],
        }
        for row in facts["rows"]
        if row["kind"] != "random" and not (row["kind"] in ("static", "exit") and row["point"] is not None)
    ]


def columns_of(facts: Facts) -> list[str]:
    """Heads of the table."""
    labelled = "accuracy" in facts["rows"][0]
    units = ["cycles", "BitOPs"] if "cycles" in facts["units"] else ["BitOPs"]
    return [*units, "agrees, %", *(["accuracy, %", "recall, %"] if labelled else [])]


def cells(row: Facts) -> list[str]:
    """A row's numbers, in the order of :func:`columns`."""
    found = [f"{row['costs'][key]:.3f}" for key in ("cycles", "bitops") if key in row["costs"]]
    return [*found, *(f"{100 * row[key]:.2f}" for key in FIGURES.values() if key in row)]


def title(row: Facts) -> str:
    """What a row is."""
    if row["kind"] == "dynamic":
        return f"tuned: {', '.join(row['asked'])}"
    name = str(row["name"])
    pairs = set(name.split(","))
    short = pairs.pop() if len(pairs) == 1 else "a vector"
    return {
        "full": "full network",
        "exit": f"small network {name}",
        "static": f"fixed widths {short}",
        "cascade": f"cascade from {short}",
        "random": "by chance, same rates",
    }[row["kind"]]


def differences(row: Facts, by: str) -> list[tuple[str, str]]:
    """What a tuned point has more than each of its rivals, in points of per cent, with the interval."""
    found = []
    for kind, figures in row["less"].items():
        value, (low, high) = 100 * figures[by]["value"], (100 * each for each in figures[by]["interval"])
        found.append((KINDS[kind], f"{value:+.2f} ({low:+.2f} to {high:+.2f})"))
    return found


def groups(facts: Facts) -> list[list[Facts]]:
    """Rows without a tuned point, then those of each tuned point, itself first."""
    rows = facts["rows"]
    points = sorted({row["point"] for row in rows if row["point"] is not None})
    return [[row for row in rows if row["point"] == point] for point in (None, *points)]


def show(facts: Facts, console: Console) -> None:
    """Tables for the terminal."""
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table("", box=box.SIMPLE_HEAD, pad_edge=False)
    for head in columns_of(facts):
        table.add_column(head, justify="right")
    for group in groups(facts):
        for row in group:
            table.add_row(title(row), *cells(row))
        table.add_section()
    console.print(table)
    kinds = [kind for kind in ("static", "cascade", "exit", "random") if any(r["kind"] == kind for r in facts["rows"])]
    table = Table(f"{criterion(facts)}:", box=box.SIMPLE_HEAD, pad_edge=False)
    for kind in kinds:
        table.add_column(f"more than\n{KINDS[kind]}")
    for row in facts["rows"]:
        if row["kind"] == "dynamic":
            found = dict(differences(row, facts["by"]))
            texts = [found.get(KINDS[kind], "-").removesuffix(")").replace(" (", "\n") for kind in kinds]
            table.add_row("\n".join(row["asked"]), *texts)
    console.print(table)
    for line in notes(facts):
        console.print(line, highlight=False)


def notes(facts: Facts) -> list[str]:
    """What the figures are of, in lines."""
    tuning = facts["tuning"]
    return [
        f"{facts['samples']:,} samples of {facts['data']}; {tuning['data']['samples']:,} of {tuning['data']['name']} "
        f"({tuning['data']['part']}) chose settings and rivals",
        f"costs are means, of the full network; rivals cost no more in {facts['units'][facts['by_unit']]}, "
        "or are the cheapest of their kind",
        f"intervals hold 95 % of {facts['resamples']:,} paired resamples",
    ]


def html(facts: Facts, examples: Groups) -> str:
    """A self-contained page."""
    title = f"{facts['model']}: tuned points beside what costs as much"
    sections = [
        *section("Frontier", _frontier(facts)),
        *section("All rows", [_rows(facts)]),
        *section(f"Differences in {criterion(facts)}", [_differences(facts)]),
        *section("Which point answers when", [_shares(facts)]),
        *section("Easy and hard", [_gallery(name, group) for name, group in examples]),
        *provenance([("data", f"{facts['data']}, {facts['samples']:,} samples")], None),
    ]
    return render(Page(title, ". ".join(text.capitalize() for text in notes(facts)) + ".", tuple(sections)))


def _frontier(facts: Facts) -> list[Part]:
    series = {"full": "full", "exit": "small", "static": "fixed", "dynamic": "dynamic", "cascade": "cascade"}
    name, by, unit = FIGURES[facts["by"]], facts["by"], facts["by_unit"]
    points = [
        Point(
            title(row),
            series[row["kind"]],
            row["costs"][unit],
            100 * row[name],
            (100 * row["intervals"][by][0], 100 * row["intervals"][by][1]),
        )
        for row in facts["rows"]
        if row["kind"] != "random" and not (row["kind"] in ("static", "exit") and row["point"] is not None)
    ]
    note = (
        "Costs are modelled or counted as the unit says, not measured on silicon. Fixed widths are those that nothing "
        "beat on the tuning samples; a small network is a point's head with the layers before it."
    )
    return frontier(points, unit_title(facts), f"{criterion(facts)}, %", note, names=False)


def _rows(facts: Facts) -> Table:
    recalls = list(facts["rows"][0].get("recalls", {}))
    rows = tuple(
        (
            Cell(title(row)),
            *(number(text) for text in cells(row)),
            *(number(f"{100 * value:.1f}") for value in row.get("recalls", {}).values()),
        )
        for group in groups(facts)
        for row in group
    )
    columns = ("", *columns_of(facts), *(f"{name}, %" for name in recalls))
    return Table("Every way to run the network; below a tuned point its rivals", columns, rows)


def _differences(facts: Facts) -> Table:
    tuned = [row for row in facts["rows"] if row["kind"] == "dynamic"]
    kinds = list(dict.fromkeys(name for row in tuned for name, _ in differences(row, facts["by"])))
    found = [(title(row), dict(differences(row, facts["by"]))) for row in tuned]
    rows = tuple((Cell(name), *(number(texts.get(kind, "-")) for kind in kinds)) for name, texts in found)
    caption = "What each tuned point has more than its rivals, in points of per cent"
    return Table(caption, ("", *(f"than {kind}" for kind in kinds)), rows, "In brackets the interval that holds 95 %.")


def _shares(facts: Facts) -> Table:
    rows = []
    for row in facts["rows"]:
        if row["kind"] != "dynamic":
            continue
        rows.append((Cell(title(row)), Cell("all"), *map(_share, (*row["shares"], row["again"]))))
        for k, shares in (row["shares_by_class"] or {}).items():
            rows.append((Cell(""), Cell(facts["classes"][k]), *map(_share, shares), Cell("")))
    columns = ("", "class", *facts["points"], "end", "again")
    return Table("Share of the samples that each point answered", columns, tuple(rows))


def _share(value: float) -> Cell:
    return Cell(f"{100 * value:.1f} %", heat=value)


def _gallery(name: str, group: Sequence[Example]) -> Gallery:
    pictures = tuple((example.picture, example.caption, example.right) for example in group)
    return Gallery(f"Samples {name}:", pictures)
