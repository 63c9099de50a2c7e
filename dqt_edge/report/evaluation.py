"""A tuned model beside its rivals, for people and machines: terminal, JSON, a page, and a drawing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..system.files import write_atomically
from ..system.templates import environment
from .charts import frontier_chart
from .examples import Example

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
    """Write the report's files, each whole or not at all."""
    drawing = frontier_chart(chart_rows(facts), unit_title(facts), f"{criterion(facts)}, %")
    contents = {
        "evaluation.json": json.dumps(facts, indent=2) + "\n",
        "evaluation.html": html(facts, examples, drawing),
        **({} if drawing is None else {"frontier.svg": drawing}),
    }
    for name, text in contents.items():
        write_atomically(folder / name, text.encode())
    return [folder / name for name in contents]


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


def columns(facts: Facts) -> list[str]:
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
    for head in columns(facts):
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


def html(facts: Facts, examples: Groups, drawing: str | None) -> str:
    """A self-contained page."""
    return (
        environment(autoescape=True)
        .get_template("report/evaluation.html.j2")
        .render(
            facts=facts,
            heads=columns(facts),
            groups=[[(title(row), cells(row), row) for row in group] for group in groups(facts)],
            tuned=[
                (title(row), differences(row, facts["by"]), row) for row in facts["rows"] if row["kind"] == "dynamic"
            ],
            criterion=criterion(facts),
            unit=unit_title(facts),
            notes=notes(facts),
            drawing=drawing,
            examples=examples,
        )
    )
