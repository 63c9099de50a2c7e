"""Many boards at once: each as `plan` sees it alone, in the order that is promised, and what would have to change."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

import dqt_edge as dqt
from dqt_edge.boards import Board, board_ids, load_board
from dqt_edge.errors import DoesNotFitError, UsageError
from dqt_edge.graph import Graph
from tests.support.random_graphs import random_graph

SHIPPED = [name for name in board_ids() if name != "host"]


@pytest.fixture(scope="module")
def small() -> Graph:
    return random_graph(4)


def with_memory(name: str, kind: str, size: int) -> Board:
    board = load_board(name)
    return replace(board, memory=tuple(replace(m, size=size) if m.kind == kind else m for m in board.memory))


def test_every_shipped_board_is_ranked_as_plan_sees_it(small: Graph) -> None:
    ranking = dqt.rank_boards(small)
    assert sorted(fit.board.id for fit in ranking.boards) == SHIPPED
    for fit in ranking.boards:
        alone = dqt.plan(small, fit.board)
        assert fit.report is not None
        assert (fit.fits, fit.report.spare, fit.report.flash) == (alone.fits, alone.spare, alone.flash)
        assert f"about {fit.cycles:,.0f} cycles" in alone.estimate
        assert fit.milliseconds == pytest.approx(1e3 * fit.cycles / fit.board.cpu.hz)
    times = [fit.milliseconds for fit in ranking.fitting]
    assert times == sorted(times)
    assert ranking.boards[: len(times)] == ranking.fitting
    found = json.loads(json.dumps(ranking.as_json()))["boards"]
    assert [each["board"] for each in found] == [fit.board.id for fit in ranking.boards]
    assert all(each["spare"] and each["estimated_cycles"] and each["changes"] == [] for each in found if each["fits"])
    assert "rank" not in repr(ranking).partition("\n")[2]


def test_what_does_not_fit_comes_last_the_nearest_first_and_says_what_to_change(graph: Graph) -> None:
    needs = dqt.plan(graph, "qemu-m4")
    weights = needs.footprint.weights
    least = dqt.plan(graph, "qemu-m7", optimize="ram").ram
    boards = [
        with_memory("qemu-m4", "flash", weights),
        with_memory("qemu-m7", "ram", least - 8),
        load_board("qemu-m3"),
    ]
    ranking = dqt.rank_boards(graph, boards)
    assert [fit.board.id for fit in ranking.boards] == ["qemu-m3", "qemu-m7", "qemu-m4"]
    ram, flash = ranking.boards[1:]
    assert ram.report is not None
    assert ram.changes[0].startswith(f"{ram.missing:,} bytes of RAM too many: the arena of ")
    assert repr(ram.report.plans[0].peak) in ram.changes[0]
    assert flash.changes[0].startswith(f"{flash.missing:,} bytes of flash too many: of {weights:,} of weights layer ")
    ranking.require_fit()
    with pytest.raises(DoesNotFitError, match="fits none of 2 boards; 'qemu-m7' is nearest"):
        dqt.rank_boards(graph, boards[:2]).require_fit()


def test_a_memory_that_suffices_if_it_is_weighed_most_is_told(graph: Graph) -> None:
    least, fast = (dqt.plan(graph, "qemu-m4", optimize=how).flash for how in ("flash", "speed"))
    assert least < fast
    for size, end in ((least, "it fits"), (least - 8, f"it needs {fast - least:,} less, and does not fit")):
        (fit,) = dqt.rank_boards(graph, [with_memory("qemu-m4", "flash", size)]).boards
        assert fit.changes[0].endswith(f"; optimised for flash {end}")
    (fit,) = dqt.rank_boards(graph, [with_memory("qemu-m4", "flash", least)], optimize="flash").boards
    assert fit.fits


def test_one_board_that_cannot_run_a_model_stops_no_other(small: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    from dqt_edge.api import ranking  # noqa: PLC0415
    from dqt_edge.errors import UnsupportedError  # noqa: PLC0415

    def refusing(graphs, board: Board, **options):
        if board.id == "qemu-m4":
            raise UnsupportedError("a layer is too wide", where="layer 'x'", next_step="make it narrower")
        return dqt.plan(graphs, board, **options)

    monkeypatch.setattr(ranking, "plan", refusing)
    found = dqt.rank_boards(small, ["qemu-m4", "qemu-m3"])
    assert [fit.board.id for fit in found.boards] == ["qemu-m3", "qemu-m4"]
    last = found.boards[-1]
    assert (last.reason, last.changes) == ("a layer is too wide (layer 'x')", ("make it narrower",))
    assert last.as_json()["spare"] is None
    assert "a layer is too wide" in repr(found)
    with pytest.raises(UnsupportedError, match="a layer is too wide"):
        dqt.rank_boards(small, ["qemu-m4"])


def test_wrong_boards_are_refused(small: Graph) -> None:
    with pytest.raises(UsageError, match="there is no board"):
        dqt.rank_boards(small, [])
    with pytest.raises(UsageError, match="the host has no flash"):
        dqt.rank_boards(small, ["qemu-m3", "host"])
    with pytest.raises(UsageError, match="unknown board 'stm32f7'"):
        dqt.rank_boards(small, ["stm32f7"])


def test_the_command_ranks_all_boards_or_those_named(here: Path, model_file: Path) -> None:
    from click.testing import CliRunner  # noqa: PLC0415

    from dqt_edge.cli.check import check  # noqa: PLC0415

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(check, [str(model_file), *arguments], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    text = run()
    lines = [line.split()[0] for line in text.splitlines() if line.strip()]
    places = [lines.index(name) for name in SHIPPED]
    assert f"tiny fits {len(SHIPPED)} of {len(SHIPPED)} boards" in text
    assert len(set(places)) == len(SHIPPED)
    (here / "mine.toml").write_text(
        (Path(__file__).parents[2] / "boards" / "qemu-m4.toml").read_text().replace('"qemu-m4"', '"mine"')
    )
    named = json.loads(run("--board", "all", "--board", "mine.toml", "--board", "qemu-m4", "--json"))["boards"]
    assert sorted(each["board"] for each in named) == sorted([*SHIPPED, "mine"])
    order = [(not each["fits"], each["milliseconds"]) for each in named]
    assert all(a <= b for a, b in pairwise(order))
