"""The gate against slower or larger images: what it watches, and that it notices growth."""

from __future__ import annotations

import json

from benchmarks.networks import BASELINE, CORES, PAIRS, QUANTITIES, growth
from tests.support.topologies import TOPOLOGIES


def test_the_baseline_holds_every_figure() -> None:
    baseline = json.loads(BASELINE.read_text())
    wanted = {f"{c}/{n}/{p}/{q}" for c in CORES for n in TOPOLOGIES for p in PAIRS for q in QUANTITIES}
    modelled = {name for name in wanted if name.endswith("/cycles")}
    assert wanted - modelled <= set(baseline) <= wanted
    assert all(isinstance(value, int) and value > 0 for value in baseline.values())


def test_growth_beyond_one_percent_is_named() -> None:
    baseline = {"m4/ad/8x8/instructions": 1000, "m4/ad/8x8/flash": 1000}
    assert growth({"m4/ad/8x8/instructions": 1010, "m4/ad/8x8/flash": 900}, baseline) == []
    assert growth({"m4/ad/8x8/instructions": 1011}, baseline) == ["m4/ad/8x8/instructions: 1,011, +1.1% over 1,000"]
    assert growth({"m4/ad/4x4/flash": 5}, baseline) == ["m4/ad/4x4/flash: 5, not in the baseline"]


def test_cycles_are_watched_where_the_baseline_has_them() -> None:
    baseline = {"m4/ad/8x8/cycles": 1000, "m55/ad/8x8/instructions": 1000}
    assert growth({"m4/ad/8x8/cycles": 1011}, baseline) == ["m4/ad/8x8/cycles: 1,011, +1.1% over 1,000"]
    assert growth({"m55/ad/8x8/cycles": 5, "m55/ad/8x8/instructions": 1000}, baseline) == []
