"""What a search found, for people and machines: terminal, search.json, and a drawing."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..graph import pair_text, vector_text
from ..precision.counts import Counts
from ..precision.curve import CurvePoint
from ..precision.sensitivity import Sensitivity
from ..system.files import write_together
from ..tasks import headline, score_json
from .charts import axis_title, axis_value, curve_chart

if TYPE_CHECKING:
    from rich.console import Console

NAME = "search"


@dataclasses.dataclass(frozen=True)
class Facts:
    """Everything that a search measured.

    Attributes:
        model, data: Names.
        task: Of the model.
        loss: ``kl`` or ``mse``.
        calibration_samples, test_samples: How many chose the widths, and how many judged them.
        overlap: Whether the calibration samples were taken from the test set; they are not judged on then.
        board: Board whose counts are the budget's unit, or None.
        interrupted: Whether the search was stopped before its end.
    """

    model: str
    task: str
    data: str
    loss: str
    calibration_samples: int
    test_samples: int
    overlap: bool
    layers: tuple[str, ...]
    sensitivities: tuple[Sensitivity, ...]
    board: str | None = None
    counts: Counts | None = None
    points: tuple[CurvePoint, ...] = ()
    interrupted: bool = False


def as_json(facts: Facts) -> dict[str, Any]:
    """Plain JSON values; width pairs as text."""
    found = {f.name: getattr(facts, f.name) for f in dataclasses.fields(facts)}
    found["layers"] = list(facts.layers)
    found["sensitivities"] = [dataclasses.asdict(s) | {"pair": pair_text(s.pair)} for s in facts.sensitivities]
    found["points"] = [
        {name: value for name, value in dataclasses.asdict(point).items() if name not in ("pairs", "score")}
        | score_json(facts.task, point.score)
        | {"widths": vector_text(point.pairs)}
        for point in facts.points
    ]
    if facts.counts is not None:
        by_layer: dict[str, dict[str, float]] = {}
        for (layer, pair), count in facts.counts.layers.items():
            by_layer.setdefault(layer, {})[pair_text(pair)] = count
        found["counts"] = {"unit": facts.counts.unit, "fixed": facts.counts.fixed, "layers": by_layer}
    return found


def write(facts: Facts, folder: Path) -> list[Path]:
    """Write search.json and, where the extra ``report`` is installed, search.svg and search.png."""
    contents = {f"{NAME}.json": (json.dumps(as_json(facts), indent=2) + "\n").encode()}
    rows = chart_rows(facts)
    drawn = curve_chart(rows, unit(facts), axis_title(facts.points)) if rows else None
    if drawn is not None:
        contents |= {f"{NAME}.svg": drawn[0].encode(), f"{NAME}.png": drawn[1]}
    return write_together(folder, contents, [f"{NAME}.svg", f"{NAME}.png"])


def unit(facts: Facts) -> str:
    """Unit of the cost axis."""
    return "BitOPs, of all layers at 8x8" if facts.counts is None else f"{facts.counts.unit} for an inference"


def chart_rows(facts: Facts) -> list[dict[str, Any]]:
    """Points of the drawing: cost, quality and series."""
    return [
        {
            "cost": point.bitops_ratio if facts.counts is None else point.count,
            "quality": axis_value(point.score),
            "widths": "found by search" if point.origin == "search" else "one pair for all",
            "label": "" if point.origin == "search" else pair_text(min(point.pairs)),
        }
        for point in facts.points
        if point.score is not None
    ]


def show(facts: Facts, console: Console) -> None:
    """Tables for the terminal."""
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    pairs = list(dict.fromkeys(s.pair for s in facts.sensitivities))
    losses = {(s.layer, s.pair): s for s in facts.sensitivities}
    table = Table("layer alone at", *map(pair_text, pairs), box=box.SIMPLE_HEAD, title=f"loss ({facts.loss})")
    for layer in facts.layers:
        row = [losses.get((layer, pair)) for pair in pairs]
        table.add_row(layer, *("-" if s is None else f"{s.loss:.4f}{'*' if s.corrected else ''}" for s in row))
    console.print(table)
    if any(s.corrected for s in facts.sensitivities):
        console.print("* with a bias of its own", highlight=False)
    scores = [point.score for point in facts.points if point.score is not None]
    title = scores[0].main.title if scores else headline(facts.task)
    table = Table(
        "budget", "BitOPs", facts.counts.unit if facts.counts else "", "loss", title, "widths",
        box=box.SIMPLE_HEAD,
    )  # fmt: skip
    for point in facts.points:
        budget = (
            "-" if point.budget is None else f"{point.budget:,.4g}" if point.budget <= 1 else f"{point.budget:,.0f}"
        )
        counted = "" if point.count is None else f"{point.count:,.0f}"
        right = "-" if point.score is None else point.score.main.text
        widths = vector_text(point.pairs) if point.origin == "search" else f"all {pair_text(min(point.pairs))}"
        table.add_row(budget, f"{point.bitops_ratio:.4f}", counted, f"{point.loss:.4f}", right, widths)
    console.print(table)
