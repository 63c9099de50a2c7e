"""Promise: each figure is what its definition says, counted another way, and its interval holds the truth."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dqt_edge.tasks import statistics

RNG = np.random.default_rng(12)


def test_wilson_gives_the_published_intervals() -> None:
    """Newcombe, Statistics in Medicine 17 (1998), table I, method 3."""
    cases = {
        (81, 263): (0.2553, 0.3662),
        (15, 148): (0.0624, 0.1605),
        (0, 20): (0.0, 0.1611),
        (1, 29): (0.0061, 0.1718),
    }
    for (right, samples), (low, high) in cases.items():
        assert statistics.wilson(right, samples) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.97])
def test_wilson_holds_the_true_share_as_often_as_it_says(share: float) -> None:
    held = 0
    for right in RNG.binomial(60, share, 2000):
        low, high = statistics.wilson(int(right), 60)
        held += low <= share <= high
    assert 0.92 < held / 2000 < 0.99


def test_the_interval_of_the_mean_recall_holds_it() -> None:
    recalls, samples = (0.95, 0.6, 0.8), (400, 12, 30)
    held = 0
    for _ in range(1000):
        counts = {str(k): (int(RNG.binomial(n, r)), n) for k, (n, r) in enumerate(zip(samples, recalls, strict=True))}
        low, high = statistics.mean_recall_interval(counts)
        held += low <= np.mean(recalls) <= high
    assert held > 900
    assert statistics.mean_recall_interval({"a": (0, 0)}) is None


def pairs_won(scores: np.ndarray, positive: np.ndarray) -> float:
    """By the definition: every pair on its own."""
    pairs = list(itertools.product(scores[positive], scores[~positive]))
    return sum((a > b) + (a == b) / 2 for a, b in pairs) / len(pairs)


@pytest.mark.parametrize("levels", [3, 1000])
def test_auc_counts_the_pairs_and_ties_half(levels: int) -> None:
    positive = RNG.random(70) < 0.3
    scores = RNG.integers(0, levels, 70) + 0.4 * levels * positive
    assert statistics.auc(scores, positive) == pytest.approx(pairs_won(scores, positive))
    low, high = statistics.auc_interval(scores, positive)
    assert 0 <= low < statistics.auc(scores, positive) < high <= 1
    assert statistics.auc(scores, np.ones(70, bool)) is None


def test_the_best_threshold_is_found_by_trying_all() -> None:
    for _ in range(50):
        positive = RNG.random(40) < 0.4
        if positive.all() or not positive.any():
            continue
        scores = np.round(RNG.normal(positive * 1.5, 1), 1)

        def mean_of_recalls(threshold: float, scores=scores, positive=positive) -> float:
            return ((scores > threshold)[positive].mean() + (scores <= threshold)[~positive].mean()) / 2

        found = statistics.best_threshold(scores, positive)
        assert mean_of_recalls(found) == pytest.approx(max(mean_of_recalls(t) for t in [*scores, scores.min() - 1]))


def test_overlaps_and_determination_by_hand() -> None:
    answers, wanted = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 1, 1, 1])
    assert statistics.intersections_over_unions(answers, wanted, ("a", "b", "c", "d")) == {
        "a": 1 / 2,
        "b": 2 / 4,
        "c": 0,
    }
    targets = np.array([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]])
    assert statistics.r_squared(targets + np.array([0.5, 1.0]), targets) == pytest.approx(1 - 3 * 0.25 / 2)
    assert statistics.r_squared(targets[:, 1:], targets[:, 1:]) is None


def test_the_interval_of_a_mean() -> None:
    values = RNG.normal(3, 2, 400)
    low, high = statistics.mean_interval(values)
    assert (low + high) / 2 == pytest.approx(values.mean())
    assert high - low == pytest.approx(2 * 1.96 * 2 / 20, rel=0.15)
    assert statistics.mean_interval(values[:1]) is None
