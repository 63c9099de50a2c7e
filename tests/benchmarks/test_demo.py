"""Promise: the demo compares with the right fixed widths, and what it prints is what was measured."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from benchmarks import demo, demo_report
from dqt_edge.boards import load_board
from dqt_edge.data.load import codes, load_data
from dqt_edge.graph import Graph, interpreter
from dqt_edge.project.build import build
from dqt_edge.project.export import export


def tuned(recall: float) -> dict[str, Any]:
    rows = [("8x8", 1.0, 0.91), ("4x4", 0.8, 0.90), ("2x4", 0.6, 0.85)]
    static = [{"widths": w, "costs": {"cycles": c}, "mean_recall": r} for w, c, r in rows]
    return {"points": [{"mean_recall": recall}], "static": static}


@pytest.mark.parametrize(("recall", "widths"), [(0.95, "8x8"), (0.915, "8x8"), (0.905, "4x4"), (0.859, "2x4")])
def test_the_fixed_widths_are_the_cheapest_that_are_as_good_within_a_point(recall: float, widths: str) -> None:
    assert demo.fixed_widths(tuned(recall)) == widths


def test_the_table_has_what_a_stream_was(graph: Graph, tmp_path: Path) -> None:
    data = load_data("digits")
    x, y = data.x_test[:40], data.y_test[:40]
    np.savez(tmp_path / "s.npz", x_test=x, y_test=y, t_test=np.arange(40) / 10)
    made, _, _ = export(graph, load_board("host"), tmp_path / "p")
    build(made.folder, cross=False)
    names = {"full": "8x8", "static": "2x4", "exit": "4x4", "dynamic": "dynamic"}
    whole = {name: demo_report.whole_stream(made, graph, str(tmp_path / "s.npz"), each) for name, each in names.items()}
    for name, policy in names.items():
        right = (interpreter.run(graph, codes(x, graph), policy).outputs.argmax(axis=1) == y).mean()
        assert whole[name]["accuracy"] == right
        assert whole[name]["stream"]["answered"] == {"end": 1.0}
        assert whole[name]["cycles"] is None
    device = {name: {"instructions": 1000.0 * i, "mismatches": 0, "samples": 40} for i, name in enumerate(names, 1)}
    image = {kind: {"predicted": 12345, "elf": 12345} for kind in ("flash", "ram")}
    console = Console(width=80, file=io.StringIO())
    demo_report.show(console, {"whole_stream": whole, "devices": {"qemu-m4": device}, "images": {"qemu-m4": image}})
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    assert f"{100 * whole['dynamic']['accuracy']:.2f} %" in text
    assert "4,000" in text
    assert "digits found" in text
