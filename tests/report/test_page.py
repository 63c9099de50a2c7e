"""Promise: a page is well formed, whole in one file, and can be read by everyone; its figures follow from its data."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dqt_edge.boards import load_board
from dqt_edge.data.load import codes, load_data
from dqt_edge.graph import Graph, interpreter
from dqt_edge.lowering.plan import make_plan
from dqt_edge.measure.session import Session, run_session
from dqt_edge.report import page as report
from dqt_edge.report.canvas import ticks
from dqt_edge.report.frontier import Point, frontier
from dqt_edge.report.memory import memory_map, spans
from dqt_edge.report.parts import Drawing, Table, bars
from dqt_edge.system.resources import data_folder
from tests.measure.test_session import InterpreterDevice
from tests.support.html import Page

SAMPLES = 40
STYLE = (data_folder("templates") / "report" / "style.css").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def samples(graph: Graph):
    data = load_data("digits")
    return codes(data.x_test[:SAMPLES], graph), data.y_test[:SAMPLES]


@pytest.fixture(scope="module")
def sessions(graph: Graph, samples) -> list[Session]:
    device = InterpreterDevice(graph, lies=(2,))
    boards = [load_board(name) for name in ("qemu-m4", "qemu-m7")]
    return [
        run_session(device, graph, board, *samples, policy) for board in boards for policy in ("8x8", "4x4", "dynamic")
    ]


@pytest.fixture(scope="module")
def pages(sessions: list[Session]) -> dict[str, Page]:
    unlabelled = replace(sessions[2], score=None, interpreter_score=None, each=replace(sessions[2].each, targets=None))
    return {
        "several": Page(report.html(sessions)),
        "one": Page(report.html(sessions[2:3])),
        "without labels": Page(report.html([unlabelled])),
        "without inferences": Page(report.html([replace(sessions[0], each=None, count=None)])),
    }


@pytest.mark.parametrize("kind", ["several", "one", "without labels", "without inferences"])
def test_structure_and_names(pages: dict[str, Page], kind: str) -> None:
    pages[kind].check()


def test_what_each_number_is_not_stands_beside_it(pages: dict[str, Page]) -> None:
    for said in ("they are no time", "compared bit for bit with the reference interpreter", "never from silicon"):
        assert said in pages["one"].text
    assert "modelled" in pages["several"].text


def test_every_session_and_layer_is_there(pages: dict[str, Page], sessions: list[Session]) -> None:
    text = pages["several"].text
    for session in sessions:
        assert all(layer.name in text for layer in session.layers)
    assert "First difference: sample 2" in text
    assert text.count("Frontier on") == 2


def test_the_heat_map_shows_the_widths_that_were_chosen(graph: Graph, samples, pages: dict[str, Page]) -> None:
    chosen = interpreter.run(graph, samples[0], "dynamic").choices
    layer = graph.adaptive[0]
    w, a = np.array(layer.candidates, float)[chosen[:, 0]].mean(axis=0)
    assert re.search(rf"{layer.name} {w:.1f}x{a:.1f} ", pages["one"].text)
    assert "Widths of each layer by right class" in pages["one"].text
    assert "Widths of each layer by answer" in pages["without labels"].text


def test_the_confusion_matrix_counts_the_answers(graph: Graph, samples, pages: dict[str, Page]) -> None:
    answers = interpreter.run(graph, samples[0], "dynamic").outputs.argmax(1)
    right = int((answers == samples[1])[samples[1] == 0].sum())
    assert re.search(rf"right class( \d){{10}} recall 0 {right} ", pages["one"].text)
    assert "Confusion matrix" not in pages["without labels"].text


def test_pictures_of_samples_have_captions(pages: dict[str, Page]) -> None:
    assert len(pages["one"].all("img")) == 24  # eight of the easiest, of the hardest and of the widest
    assert all(image["src"].startswith("data:image/png;base64,") for image in pages["one"].all("img"))


def test_a_frontier_has_every_point_as_a_mark_and_in_its_table() -> None:
    points = [
        Point("a", "fixed", 2e6, 90, (85, 94)), Point("b", "full", 3e6, 95), Point("c", "dynamic", 1e6, 93),
        Point("d", "cascade", 1e6, 91), Point("e", "small", 5e5, 70),
    ]  # fmt: skip
    drawing, table = frontier(points, "cycles", "accuracy, %", "modelled")
    assert isinstance(drawing, Drawing)
    assert isinstance(table, Table)
    found = Page(drawing.svg)
    assert [p["class"] for p in found.all("path")] == [p.series for p in points]
    assert [row[0].text for row in table.rows] == ["e", "c", "d", "a", "b"]
    assert [row[4].text for row in table.rows][3] == "85 to 94"
    assert {mark for mark, _ in drawing.legend} == {p.series for p in points}
    assert frontier(points[:1], "cycles", "accuracy, %", "") == []


def test_equal_points_are_drawn_too() -> None:
    drawing, _ = frontier([Point("a", "fixed", 1, 100), Point("b", "fixed", 1, 100)], "x", "y", "")
    assert "nan" not in drawing.svg


@pytest.mark.parametrize(("low", "high"), [(0, 1), (88.3, 99.7), (3e5, 4.1e6), (5, 5), (-2, 2), (0, 1e-3)])
def test_ticks_are_round_and_within(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 1 <= len(found) <= 9
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in found)


def test_the_memory_map_covers_the_arena(graph: Graph) -> None:
    plan = make_plan(graph, load_board("qemu-m4"))
    drawing, table = memory_map(plan)
    assert max(region.offset + region.size for region, _, _ in spans(plan)) == plan.memory_size
    assert sum(last - first + 1 for _, first, last in spans(plan)) == sum(map(len, plan.regions))
    assert len(Page(drawing.svg).all("rect")) == len(spans(plan))
    assert [row[1].text for row in table.rows] == [layer.name for layer in plan.layers]
    assert f"{plan.memory_size:,} bytes" in drawing.caption


def test_bars_are_to_one_scale() -> None:
    table = bars("x", ("layer", "a", "b"), [("one", [50, 100]), ("two", [None, 0])])
    assert [[cell.bar for cell in row[1:]] for row in table.rows] == [[0.5, 1.0], [None, 0.0]]


# --- Colours ----------------------------------------------------------------------------------------------------------


def palettes() -> dict[str, dict[str, str]]:
    """Variables of both colour schemes."""
    light, dark = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    return {name: dict(re.findall(r"--(\w+): (#\w{6});", part)) for name, part in (("light", light), ("dark", dark))}


def luminance(colour: str) -> float:
    """Relative luminance, as WCAG 2 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    """From 1 to 21."""
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_have_enough_contrast_and_marks_are_seen(scheme: str) -> None:
    colours = palettes()[scheme]
    assert set(colours) == set(palettes()["light"])
    grounds = [colours[name] for name in ("paper", "card")]
    for text in ("ink", "soft", "blue", "bad"):
        assert min(contrast(colours[text], ground) for ground in grounds) >= 4.5, text
    for ground in ("warn", "heat", "card"):  # cells of a heat map lie between card and heat
        assert contrast(colours["ink"], colours[ground]) >= 4.5, ground
    for mark in ("orange", "blue", "green", "purple", "ink"):
        assert min(contrast(colours[mark], ground) for ground in grounds) >= 3, mark


def test_the_page_of_the_repository_needs_no_network(pages: dict[str, Page], tmp_path: Path) -> None:
    assert "url(" not in STYLE
    assert "@import" not in STYLE
    policy = next(m["content"] for m in pages["one"].all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
