"""What a tuning found, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def show(points: Sequence[Mapping[str, Any]], facts: Mapping[str, Any], names: Sequence[str], console: Console) -> None:
    """Tables of the tuned points, as ``TuneResult.as_json`` has them: what they are worth, and what they do.

    Args:
        points: The rows.
        facts: The other figures.
        names: Of the decision points.
        console: Where to.
    """
    both, labelled = "cycles" in facts["full"], any("accuracy" in point for point in points)
    heads = ["promise", *(["cycles"] if both else []), "BitOPs", "agrees, %", "at least"]
    worth = _table([*heads, *(["accuracy, %", "recall, %"] if labelled else [])])
    does = _table(["promise", "begins at", *(f"{name}, %" for name in names), "end, %", "again, %"])
    begins = _begins(points)
    for point in points:
        costs, asked = point["costs"], "\n".join(point["asked"])
        row = [*([f"{costs['cycles']:.3f}"] if both else []), f"{costs['bitops']:.3f}"]
        row += [_percent(point["agreement"]), _percent(point["bound"])]
        row += [_percent(point["accuracy"]), _percent(point["mean_recall"])] if labelled else []
        worth.add_row(asked, *row)
        shares = [f"{100 * share:.1f}" for share in (*point["shares"], point["again"])]
        does.add_row(asked, begins[point["begins"]], *shares)
    console.print(worth)
    console.print(does)
    for name, short in begins.items():
        if short.startswith("vector"):
            console.print(f"{short}: {name}", highlight=False, soft_wrap=True)


def _table(heads: Sequence[str]) -> Any:  # noqa: ANN401 - of rich
    """An empty table: text left, numbers right."""
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in heads:
        text = head in ("promise", "begins at")
        table.add_column(head, justify="left" if text else "right", no_wrap=text)
    return table


def notes(facts: Mapping[str, Any]) -> list[str]:
    """What the figures are of, in lines."""
    data, options = facts["data"], facts["options"]
    lines = [
        f"{data['samples']:,} samples chose ({data['name']}, {data['part']}); costs are means, of the full network "
        f"in {facts['unit']}",
        "'at least': with 95 % confidence, were the thresholds not chosen on these samples; judge with 'evaluate'",
    ]
    if not facts["exact"]:
        lines.append("thresholds of the points but the last were thinned, then each moved to its best place")
    if options["confidence"] is not None:
        lines.append(f"promises of agreement are kept with {options['confidence']:.0%} confidence")
    return lines


def _begins(points: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Short names of what inferences begin with."""
    found: dict[str, str] = {}
    for point in points:
        name = str(point["begins"])
        parts = set(name.split(","))
        if name not in found:
            vectors = sum(short.startswith("vector") for short in found.values())
            found[name] = parts.pop() if len(parts) == 1 else f"vector {vectors + 1}"
    return found


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"
