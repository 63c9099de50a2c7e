"""Promise: a part of a data set is a fair one, the same every time, and the first samples only if asked for."""

from __future__ import annotations

import numpy as np
import pytest

from dqt_edge.data.choose import choose

SORTED = np.repeat(np.arange(4), (600, 250, 100, 50))


def test_each_class_comes_in_proportion_though_the_file_is_sorted_by_class() -> None:
    found = choose(1000, 40, SORTED)
    assert np.bincount(SORTED[found]).tolist() == [24, 10, 4, 2]
    assert np.array_equal(found, np.unique(found))
    assert found[SORTED[found] == 0].max() > 300


def test_the_seed_decides() -> None:
    np.testing.assert_array_equal(choose(1000, 40, SORTED), choose(1000, 40, SORTED, seed=1))
    assert (choose(1000, 40, SORTED, seed=2) != choose(1000, 40, SORTED)).any()


@pytest.mark.parametrize(
    "labels",
    [None, np.linspace(0, 1, 1000), np.zeros((1000, 0)), np.zeros((1000, 2, 2), int), np.arange(1001)[:1000] * 3],
)
def test_without_classes_all_samples_are_alike(labels: np.ndarray | None) -> None:
    parts = [choose(1000, 100, labels, seed=seed) for seed in range(30)]
    assert {len(np.unique(part)) for part in parts} == {100}
    assert np.bincount(np.concatenate(parts) // 100, minlength=10).min() > 200  # of 300 expected in each tenth


def test_the_first_ones_or_all_of_them() -> None:
    np.testing.assert_array_equal(choose(1000, 7, SORTED, first=True), np.arange(7))
    for count in (None, 1000, 5000):
        np.testing.assert_array_equal(choose(1000, count, SORTED), np.arange(1000))
