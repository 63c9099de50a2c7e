"""Tables made of results that are committed: what came in, how near it is, and where it ran."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
FORMATS = ("tflite", "keras", "h5", "onnx")
ZOO_FORMATS = ("tflite", "keras", "onnx")
CORES = {
    "host": "host",
    "qemu-m0": "M0",
    "qemu-m3": "M3",
    "qemu-m4": "M4",
    "qemu-m7": "M7",
    "qemu-m33": "M33",
    "qemu-m55": "M55",
}
Row = dict[str, Any]


def load(name: str) -> dict[str, Row]:
    """A file of results; empty if there is none yet."""
    path = RESULTS / name
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def operator_rows() -> list[tuple[str, ...]]:
    """An operator, its cell in each format, and whether it trains."""
    rows, results = [], load("operators.json")
    asked = {board for cells in results.values() for cell in cells.values() for board in cell.get("exact", ())}
    for name, cells in results.items():
        trains = cells["keras"].get("trains")
        told = "yes" if trains is True else f"no: {trains}" if trains else ""
        rows.append((name, *(_cell(cells[kind], asked) for kind in FORMATS), told))
    return rows


def _cell(cell: Row, asked: set[str]) -> str:
    if "refused" in cell:
        return "refused"
    if "unwritten" in cell:
        return "not written"
    missing = [title for board, title in CORES.items() if board in asked and board not in cell["exact"]]
    return f"{cell['agrees']}, {'all' if not missing else 'all but ' + ', '.join(missing)}"


def random_network_rows() -> list[tuple[str, str]]:
    """What ``benchmarks/fuzz_import.py`` counted."""
    found = load("fuzz_import.json")
    if not found:
        return []
    first, last = found["seeds"]
    boards = ", ".join(title for board, title in CORES.items() if board in found["boards"])
    within = found["imported"] - len(found["explained"]) - len(found["beyond"])

    def some(seeds: list[int]) -> str:
        return f"{len(seeds)}" + (f" ({', '.join(map(str, seeds))})" if seeds else "")

    return [
        ("seeds", f"{first} to {last}"),
        ("layers", f"{sum(found['layers'].values()):,}"),
        ("imported", f"{found['imported']:,}"),
        ("refused", f"{len(found['refused'])}"),
        ("not to be converted or run by TFLite itself", some(found["unconverted"])),
        ("every layer within one code, where TFLite does not compute real numbers between integers", f"{within:,}"),
        ("further apart, and ours are the exact result", some(found["explained"])),
        ("further apart otherwise", some(found["beyond"])),
        ("tables that differ from the layers that they stand for", some(found["unequal"])),
        (f"runs on {boards}, of {found['on_devices']} networks", f"{found['exact_runs']:,} exact"),
        ("runs that differ", f"{len(found['differing'])}"),
        ("runs too large for the board", f"{found['too_large']}"),
    ]


def zoo_rows() -> list[tuple[str, ...]]:
    """A network, and its cell in each format."""
    found: dict[str, dict[str, str]] = {}
    sizes: dict[str, str] = {}
    for key, result in load("zoo.json").items():
        name, kind = key.rsplit(" / ", 1)
        found.setdefault(name, {})[kind] = _zoo_cell(result)
        if "macs" in result:
            sizes[name] = f"{result['macs'] / 1e6:.2f}"
    return [
        (name, sizes.get(name, ""), *(cells.get(kind, "") for kind in ZOO_FORMATS)) for name, cells in found.items()
    ]


def _zoo_cell(result: Row) -> str:
    if "refused" in result:
        return f"refused: {result['reason']}" if result.get("reason") else "refused"
    if "unconverted" in result:
        return f"not written: {result['unconverted']}"
    exact = [CORES[board] for board, told in result["devices"].items() if told == "exact"]
    small = [CORES[board] for board, told in result["devices"].items() if told == "does not fit"]
    told = f"{result['layer']}; exact on {', '.join(exact)}" if exact else str(result["layer"])
    return told + (f"; too large for {', '.join(small)}" if small else "")
