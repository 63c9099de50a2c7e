"""Promise: one call says all that can be said of a model, and of what it leaves out, why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import dqt_edge as dqt
from dqt_edge import errors
from dqt_edge.api import trying_work
from dqt_edge.api.given import Samples
from dqt_edge.api.trying import TryResult
from dqt_edge.graph import interpreter
from dqt_edge.graph.samples import sample_shape
from dqt_edge.report import trying
from dqt_edge.tasks import every_output, reals, task_of
from tests.support.digits import DIGITS
from tests.support.html import Page
from tests.support.task_models import cases
from tests.support.tflite_models import small_network

COUNT = 24

pytestmark = pytest.mark.xdist_group("trying")


@pytest.fixture(scope="module", autouse=True)
def boards() -> Iterator[list[str]]:
    """Two boards stand for all that are shipped: planning for each takes a moment."""
    names = ["qemu-m0", "stm32h7"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trying_work, "shipped_boards", lambda: list(names))
        yield names


@pytest.fixture(scope="module")
def tried(boards: list[str], tmp_path_factory: pytest.TempPathFactory) -> TryResult:
    """The digits model with labelled data, on this computer."""
    return dqt.try_model(DIGITS, "digits", board="host", out=tmp_path_factory.mktemp("try") / "t", count=COUNT)


@pytest.fixture(scope="module")
def page(tried: TryResult) -> Page:
    return Page(tried.page.read_text(encoding="utf-8"))


def test_it_composes_what_the_functions_say(tried: TryResult) -> None:
    assert sorted(fit.board.id for fit in tried.trial.fits) == ["qemu-m0", "stm32h7"]
    for fit in tried.trial.fits:
        report = dqt.plan(DIGITS, fit.board)
        assert fit.spare == (report.spare["flash"], report.spare["ram"])
        assert fit.fits == report.fits
        assert (fit.cycles is None) == (fit.unknown == len(report.layers))
        if fit.cycles is not None:
            assert fit.cycles == report.plans[0].estimated_cycles(0)
            assert fit.milliseconds == pytest.approx(1e3 * fit.cycles / fit.board.cpu.hz)
    full, dynamic = tried.trial.sessions
    assert (full.policy, dynamic.policy) == ("8x8,8x8,8x8,8x8", "dynamic")
    assert full.samples == COUNT
    assert dynamic.accuracy == dqt.validate(DIGITS, "digits", count=COUNT).score.accuracy
    assert tried.trial.mismatches == 0
    tried.require_agreement()
    assert dqt.load(tried.files[2]) == dqt.load(DIGITS)


def test_the_page_is_whole_and_says_what_the_result_says(tried: TryResult, page: Page) -> None:
    page.check()
    for fit in tried.trial.fits:
        assert f"{fit.footprint.flash:,}" in page.text
        assert fit.board.id in page.text
    assert trying.RANDOM_INPUTS not in page.text
    for heading in ("Boards", "Precision", "Cost by layer", "What each layer chose", "Right and wrong", "Provenance"):
        assert heading in page.texts
    assert "time of this computer, not of a board" in page.text
    assert tried.trial.as_json()["source_sha256"] in page.text


def test_the_json_is_the_result(tried: TryResult) -> None:
    told = json.loads(tried.files[1].read_text())
    assert told == json.loads(json.dumps(tried.trial.as_json()))
    assert (told["calibration"], told["data"], told["labelled"], told["mismatches"]) == ("none", "digits", True, 0)
    assert [b["board"] for b in told["boards"] if b["fits"]] == list(tried.boards)
    assert told["search"]["points"][0]["widths"]


def test_the_frontier_has_fixed_widths_and_what_decides(tried: TryResult) -> None:
    points = trying.frontier_points(tried.trial)
    assert {p.series for p in points} == {"full", "fixed", "dynamic"}
    dynamic = next(p for p in points if p.series == "dynamic")
    assert dynamic.cost == tried.trial.sessions[1].bitops_ratio
    assert dynamic.quality == pytest.approx(100 * tried.trial.sessions[1].accuracy)
    assert all(p.interval is not None for p in points)


def test_without_data_random_numbers_are_used_and_it_is_said(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object, **__: object) -> None:
        raise errors.ToolchainError("no package runs such models", where="x", next_step="x")

    monkeypatch.setattr(trying_work, "compare", absent)
    said: list[str] = []
    found = dqt.try_model(
        small_network("FLOAT32").write(here / "real.tflite"), board="host", out="out", count=COUNT, say=said.append
    )
    assert found.trial.calibration == "random"
    assert next(line for line in said if line.startswith("! ")) == f"! {trying.RANDOM_CALIBRATION}"
    page = Page(found.page.read_text(encoding="utf-8"))
    page.check()
    for text in (trying.RANDOM_CALIBRATION, trying.RANDOM_INPUTS, "Not compared with the original: no package runs"):
        assert text in page.text
    assert "agrees with 8x8" in page.text
    assert found.trial.search is not None
    full = next(point for point in found.trial.search.points if point.bitops_ratio == 1)
    assert full.score.accuracy == 1  # every answer agrees with itself


@pytest.mark.parametrize("task", ["binary", "regression", "classifier", "map"])
def test_without_labels_a_model_is_judged_by_its_own_answers(task: str, tmp_path: Path) -> None:
    graph = dqt.import_model(cases(tmp_path)[task].model, task=task)
    codes = np.random.default_rng(1).integers(0, 256, (6, *sample_shape(graph)), dtype=np.uint8)
    _, targets = trying_work.as_data(graph, Samples(codes, trying_work.own_targets(graph, codes), None))
    own = task_of(graph).targets(targets)
    outputs = reals(graph, every_output(interpreter.run(graph, codes, "8x8")))
    assert task_of(graph).score(outputs, own).main.value == (0 if task == "regression" else 1)


def test_what_cannot_run_on_a_board_runs_here_and_the_page_says_why(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str, apt: str) -> str:
        raise errors.ToolchainError(f"{name} is not installed", where="PATH", next_step=f"apt-get install {apt}")

    monkeypatch.setattr("dqt_edge.system.tools.find_tool", absent)
    found = dqt.try_model(DIGITS, out="out", count=COUNT)
    assert found.trial.session.board == "host"
    assert "Not run on qemu-m4: qemu-system-arm is not installed" in Page(found.page.read_text()).text
    assert any(fit.fits for fit in found.trial.fits)
