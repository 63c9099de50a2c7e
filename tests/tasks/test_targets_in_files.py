"""Promise: a file's targets are what its arrays say: classes, numbers, maps, or none at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dqt_edge.data.load import load_data
from dqt_edge.data.sources import has_targets
from dqt_edge.errors import BadFileError

RNG = np.random.default_rng(8)
X = RNG.normal(size=(60, 5, 4, 2)).astype(np.float32)


def load(folder: Path, **arrays: np.ndarray):
    np.savez(folder / "d.npz", **arrays)
    return load_data(str(folder / "d.npz"))


@pytest.mark.parametrize("shape", [(60,), (60, 1), (60, 3)])
def test_real_targets_are_numbers_to_predict(tmp_path: Path, shape: tuple[int, ...]) -> None:
    y = RNG.normal(size=shape)
    found = load(tmp_path, x=X, y=y)
    assert found.classes == ()
    parts = (found.train, found.validation, found.test)
    assert [part.labels.shape[1] for part in parts] == [max(1, *shape[1:], 1)] * 3
    assert sum(len(part.labels) for part in parts) == 60
    for part in parts:  # a sample keeps its target
        for x, target in zip(part.images(np.arange(len(part.labels))), part.labels, strict=True):
            index = next(i for i in range(60) if np.array_equal(X[i], x))
            np.testing.assert_array_equal(target, y.reshape(60, -1)[index])


def test_maps_have_a_class_at_each_place(tmp_path: Path) -> None:
    found = load(tmp_path, x=X, y=RNG.integers(0, 3, (60, 5, 4)))
    assert (found.classes, found.test.labels.shape) == (("0", "1", "2"), (12, 5, 4))


def test_inputs_alone_need_no_targets(tmp_path: Path) -> None:
    found = load(tmp_path, x=X)
    assert found.train.labels.shape == (len(found.x_train), 0)
    assert not has_targets(found.train.labels)
    assert not has_targets(load(tmp_path, x_test=X).test.labels)
    assert has_targets(load(tmp_path, x_test=X, y_test=np.arange(60) % 2).test.labels)


def test_inputs_without_labels_beside_labelled_ones_are_normal(tmp_path: Path) -> None:
    found = load(tmp_path, x=X, x_test=X, y_test=np.arange(60) % 2)
    assert found.train.labels.tolist() == [0] * len(found.x_train)
    assert found.test.labels.tolist() == [0, 1] * 30


def test_features_are_channels_of_one_pixel(tmp_path: Path) -> None:
    features = X.reshape(60, -1)
    found = load(tmp_path, x=features, y=np.arange(60) % 2)
    assert found.shape == (1, 1, 40)
    assert len(found.test.labels) == 12


def test_yes_and_no_are_labels(tmp_path: Path) -> None:
    found = load(tmp_path, x=X, y=np.arange(60) % 3 == 0)
    assert found.classes == ("0", "1")
    assert found.test.labels.sum() == 4, "stratified"


WRONG = {
    "not finite": ({"x": X, "y": np.full(60, np.nan)}, "not finite"),
    "three axes of real numbers": ({"x": X, "y": RNG.normal(size=(60, 5, 4))}, "or real ones [n] or [n, outputs]"),
    "parts differ": ({"x": X, "y": np.zeros(60, int), "x_test": X, "y_test": np.zeros(60)}, "differ in type or shape"),
    "sizes differ": ({"x": X, "y": np.ones((60, 2)), "x_test": X, "y_test": np.ones((60, 3))}, "differ in type or"),
    "text": ({"x": X, "y": np.full(60, "a")}, "y has type <U1"),
}


@pytest.mark.parametrize("name", WRONG)
def test_targets_of_no_kind_are_refused(name: str, tmp_path: Path) -> None:
    arrays, reason = WRONG[name]
    with pytest.raises(BadFileError) as caught:
        load(tmp_path, **arrays)
    assert reason in caught.value.what
