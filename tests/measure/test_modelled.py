"""Promise: profile and search speak of modelled cycles, name the model, and say so where there are none."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import dqt_edge as dqt
from dqt_edge import errors
from dqt_edge.boards import Flash, load_board
from dqt_edge.data.load import load_data
from dqt_edge.graph import Graph
from dqt_edge.measure import counting, layer_counts, modelled
from dqt_edge.project.manifest import Project
from dqt_edge.report import page
from dqt_edge.system import tools

MODEL = "modelled cycles (cortex-m4, trm-1, 0 wait states)"


@pytest.fixture(scope="module")
def made(graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = dqt.export(graph, "qemu-m4", tmp_path_factory.mktemp("modelled") / "p")
    dqt.build(made)
    return made


@pytest.mark.qemu
def test_a_profile_on_qemu_has_modelled_cycles(made: Project, tmp_path: Path) -> None:
    data = load_data("digits")
    result = dqt.profile(made, (data.x_test, data.y_test), count=3, report=tmp_path)
    session = result.session
    assert session.cycles_model == MODEL
    assert session.count is not None
    assert session.cycles is not None
    assert 1.2 < session.cycles / session.count < 1.8
    assert sum(layer.cycles or 0 for layer in session.layers) == pytest.approx(session.cycles)
    assert all(layer.cycles and layer.count and layer.cycles > layer.count for layer in session.layers)
    assert MODEL in str(result)
    assert json.loads((tmp_path / "report.json").read_text())["cycles"] == session.cycles
    assert f"{session.cycles:,.0f}" in (tmp_path / "report.html").read_text()
    console = Console(width=200, record=True, file=io.StringIO())
    page.print_session(session, console)
    page.print_dial([session], console)
    text = console.export_text()
    assert text.count(MODEL) == 2
    assert f"{session.cycles:,.0f}" in text


@pytest.mark.qemu
def test_cycles_of_a_policy_that_decides_are_the_mean_over_all_samples(made: Project) -> None:
    """The first samples may be unlike the others: the mean is that of the paths, as often as each was taken."""
    data = load_data("digits")
    x, y = data.x_test[:12], data.y_test[:12]
    whole = dqt.profile(made, (x, y)).session
    assert len(whole.width_vectors) > 1
    alone = [dqt.profile(made, (x[i : i + 1], y[i : i + 1])).session for i in range(12)]
    assert whole.cycles == pytest.approx(np.mean([session.cycles for session in alone]), rel=0.002)
    first = np.mean([session.cycles for session in alone[:4]])
    assert abs(first - whole.cycles) > abs(whole.cycles - np.mean([session.cycles for session in alone]))


@pytest.mark.qemu
def test_without_a_compiler_the_words_say_so(
    made: Project, graph: Graph, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def none(name: str, apt: str) -> str:
        raise errors.ToolchainError(f"{name} is not installed", where="PATH", next_step=apt)

    (made.elf.parent / counting.PLUGIN).unlink(missing_ok=True)
    monkeypatch.setattr(counting, "find_tool", none)
    data = load_data("digits")
    result = dqt.profile(made, (data.x_test, data.y_test), policy="4x4", count=1)
    why = "modelled cycles need QEMU's counting plugin, but cc is not installed"
    assert (result.session.cycles, result.session.cycles_model) == (None, why)
    assert ("modelled cycles", why) in page.facts(result.session)
    with pytest.raises(errors.ToolchainError, match=why):
        layer_counts.measure(graph, load_board("qemu-m4"), tmp_path / "p", data.x_test, cycles=True)
    assert tools.find_tool is not none


def test_a_core_without_a_model_is_named(tmp_path: Path) -> None:
    assert modelled.why_not(load_board("host"), tmp_path) == "cycles of host are not modelled"


@pytest.mark.qemu
def test_a_search_within_modelled_cycles(graph: Graph, here: Path) -> None:
    """The budget is cycles, and holds; a width vector's cycles are what a profile says."""
    data = load_data("digits")
    samples = (data.x_test[:60], data.y_test[:60])
    found = dqt.search(graph, samples, cycles=0.9, board="qemu-m4", samples=16, trials=0, biases=False)
    assert found.found.counts is not None
    assert found.found.counts.unit == MODEL
    best = found.best
    assert best is not None
    assert best.count is not None
    assert best.budget is not None
    assert 1000 < best.count <= best.budget


@pytest.mark.cross
def test_cycles_of_a_board_that_is_not_qemu(graph: Graph, tmp_path: Path) -> None:
    codes = load_data("digits").x_test
    with pytest.raises(errors.UsageError, match="cycles are modelled of code that runs in QEMU"):
        layer_counts.measure(graph, load_board("stm32h7"), tmp_path / "p", codes, cycles=True)


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"cycles": 0.5, "instructions": 0.5, "board": "qemu-m4"}, "`instructions`, `cycles`"),
        ({"cycles": 0.5}, "`cycles`, `board`"),
        ({"cycles": "many", "board": "qemu-m4"}, "parameter `cycles`"),
    ],
)
def test_budgets_that_do_not_go_together(graph: Graph, given: dict[str, object], where: str) -> None:
    with pytest.raises(errors.UsageError) as caught:
        dqt.search(graph, "digits", **given)
    assert caught.value.where == where


def test_a_board_says_what_flash_it_has(tmp_path: Path) -> None:
    text = Path("boards/qemu-m4.toml").read_text()
    file = tmp_path / "mine.toml"
    table = "\n[flash]\nwait_states = 5\nline = 8\nprefetch = true\ncode_cache = 1024\n"
    file.write_text(text.replace("\n[provenance]", table + "\n[provenance]"))
    assert load_board(file).flash == Flash(5, 8, prefetch=True, code_cache=1024)
    for wrong, words in {
        "wait_states = 99": "flash.wait_states must be 0 to 64",
        "line = 12": "flash.line must be a power of two",
        "code_cache = 1020": "flash.code_cache must be whole lines",
    }.items():
        key = wrong.split(" = ", maxsplit=1)[0]
        lines = [wrong if line.startswith(key) else line for line in table.splitlines()]
        file.write_text(text.replace("\n[provenance]", "\n".join(lines) + "\n\n[provenance]"))
        with pytest.raises(errors.BadFileError, match=words):
            load_board(file)
