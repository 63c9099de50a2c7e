"""Promise: no variant of the ablation is cheaper than all parts together, and each forbids what it says."""

from __future__ import annotations

from benchmarks import points_ablation
from dqt_edge.api.given import Samples
from dqt_edge.api.tuning_work import Work
from dqt_edge.data.load import codes, load_data
from dqt_edge.precision.goals import Goal
from tests.support.trained_points import pointed_digits


def test_everything_is_never_dearer_than_its_parts() -> None:
    graph, data = pointed_digits(controller=True), load_data("digits")
    work = Work(graph, None, lambda *_: None)
    work.record(Samples(codes(data.x_val[:60], graph), None, None), None, None)
    rows = {row["variant"]: row["costs"] for row in points_ablation.measure(work, [Goal(errors=0), Goal(errors=3)])}
    assert {
        "exits alone, full widths",
        "fixed widths alone",
        "controller and exits",
        "everything, point0 alone",
    } <= set(rows)
    for name, costs in rows.items():
        assert all(cost is not None for cost in costs), name
        assert costs[1] <= costs[0]
        assert rows["everything"][0] <= costs[0] * (1 + 1e-9)
    assert rows["everything"][0] < rows["fixed widths alone"][0]
    assert rows["fixed widths alone"][0] <= 1
