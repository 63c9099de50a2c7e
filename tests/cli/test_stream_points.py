"""Promise: of a stream with decision points it is told where each answer came from, and what those cost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import dqt_edge
from dqt_edge.graph import Setting, interpreter
from dqt_edge.graph.points import full_setting
from tests.support.random_graphs import random_codes
from tests.support.random_points import SUITING, pointed_graph

SAMPLES = 24


@pytest.mark.filterwarnings("ignore::dqt_edge.errors.DataWarning")  # random codes lie at their ends too
@pytest.mark.parametrize("board", ["host", pytest.param("qemu-m4", marks=pytest.mark.qemu)])
def test_answers_are_told_by_point_and_by_time(board: str, tmp_path: Path) -> None:
    graph = pointed_graph(5)
    codes = np.tile(random_codes(SUITING[5], graph, 8), (3, 1, 1, 1))
    margins = interpreter.run(graph, codes, full_setting(graph)).margins
    exits = tuple(int(np.median(column)) + 1 for column in margins[:, :-1].T)
    widest = full_setting(graph).widths
    setting = Setting(widest, exits, (0,) * len(exits))
    want = interpreter.run(graph, codes, setting)
    assert set(want.points.tolist()) == {0, 1, 2, 3}

    made = dqt_edge.export(graph, board, tmp_path / "p")
    dqt_edge.build(made)
    arrays = {"x": codes, "t": np.arange(SAMPLES) * 1.0}
    session = dqt_edge.profile(made, arrays, policy=setting, stream=True, window=6).session
    stream = session.stream
    assert session.mismatches == 0
    assert stream is not None
    names = [*(point.name for point in graph.points), "end"]
    counts = np.bincount(want.points, minlength=len(names))
    assert [(item.point, item.samples) for item in stream.answered] == list(zip(names, counts.tolist(), strict=True))
    for window, part in zip(stream.windows, np.split(want.points, 4), strict=True):
        assert window.answered == pytest.approx((np.bincount(part, minlength=len(names)) / 6).tolist())
    assert not stream.events
    if board == "host":
        return
    cycles = {point: set(stream.each["cycles"][want.points == point].tolist()) for point in set(want.points.tolist())}
    assert all(len(same) == 1 for same in cycles.values()), "one path for each point"
    ordered = [min(cycles[point]) for point in sorted(cycles)]
    assert ordered == sorted(set(ordered)), "a later answer costs more"
    assert session.cycles == pytest.approx(stream.each["cycles"].mean())
