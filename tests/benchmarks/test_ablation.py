"""Promise: an ablation trains what its row says, measures the whole test set, and goes on from what was done."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import ablation

RECIPE = 'model = "tiny"\ncandidates = "8x8,4x4,2x4"\nepochs = 4\nbatch = 256\n'


def test_a_subset_keeps_the_test_set_and_the_shares_of_classes(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    x, y = rng.integers(0, 256, (1000, 6, 6)).astype(np.uint8), np.arange(1000) % 4
    np.savez(tmp_path / "all.npz", x=x, y=y, x_test=x[:40], y_test=y[:40])
    with np.load(ablation.part_of(str(tmp_path / "all.npz"), 80, tmp_path)) as part:
        assert part["x"].dtype == np.uint8
        np.testing.assert_array_equal(part["x_test"][..., 0], x[:40])
        assert np.bincount(part["y"]).tolist() == [20, 20, 20, 20]


@pytest.mark.slow
@pytest.mark.train
def test_a_variant_differs_in_its_one_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorflow")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE)
    command = ["ablation", "--recipe", str(recipe), "--data", "digits", "--folder", str(tmp_path / "out")]
    monkeypatch.setattr("sys.argv", [*command, "--variants", "ours", "beta 0"])
    ablation.main()
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    ours, other = (results[name]["options"] for name in ("ours", "beta 0"))
    assert {key for key in ours if ours[key] != other[key]} == {"beta"}
    for result in results.values():
        assert result["samples"] == 360
        assert all(0 < result[key] <= 1 for key in ("8x8", "4x4", "2x4"))
        assert 0.1 < result["dynamic"]["bitops_ratio"] <= 0.55
