"""Tables of single layers, made of what ``make bench-shapes`` wrote."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from generate_results import load
from generate_table import Table

CORES = ("m0", "m3", "m4", "m7", "m33", "m55")
COLUMNS = {"8x8": "8x8", "4x4": "4x4", "2x4": "2x4", "alone": "8x8 alone", "cmsis-nn": "CMSIS-NN", "bakenn": "BakeNN"}
"""Key of a figure (kernel, instructions, cycles) -> its title."""


def means() -> Table:
    """Geometric means of ours by CMSIS-NN's."""
    found: Any = load("shapes.json").get("means", [])
    rows = [
        (f"Cortex-{core.upper()}, {quantity}", f"{whole:.3f}", f"{alone:.3f}", str(count))
        for core, quantity, whole, alone, count in found
    ]
    return Table(("ours / CMSIS-NN's", "8x8", "8x8 alone", "layers"), rows, "ours / CMSIS-NN's")


def slower() -> Table:
    """Where CMSIS-NN takes less."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    listed: Any = load("shapes.json").get("slower", [])
    for ratio, where in listed:
        core, layer, key, quantity = where.split("/")
        found.setdefault((layer, core), {})[f"{key} {quantity}"] = ratio
    columns = [f"{key} {quantity}" for key in ("8x8", "alone") for quantity in ("instructions", "cycles")]
    rows = [
        (f"`{layer}`, {core.upper()}", *(f"{cells[c]:.2f}" if c in cells else "" for c in columns))
        for (layer, core), cells in found.items()
    ]
    return Table(("layer, core", *(c.replace("alone", "8x8 alone") for c in columns)), rows, "layer, core")


def layers(core: str) -> Callable[[], Table]:
    """Every layer on a core: instructions, and modelled cycles behind a stroke."""

    def table() -> Table:
        found = load("shapes.json").get("layers", {})
        shown = {name: rows[core] for name, rows in found.items() if core in rows}
        keys = [key for key in COLUMNS if any(key in row for row in shown.values())]
        rows = [
            (f"`{name}`", f"`{row['8x8'][0]}`", *(_cell(row.get(key)) for key in keys)) for name, row in shown.items()
        ]
        return Table(("layer", "kernel", *(COLUMNS[key] for key in keys)), rows, "layer")

    return table


def _cell(figure: Sequence[Any] | None) -> str:
    if figure is None:
        return ""
    _, instructions, cycles = figure
    return f"{instructions:,}" if cycles is None else f"{instructions:,} / {cycles:,}"
