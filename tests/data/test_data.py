"""Promise: data is split the same way every time, and a file that is no data set is refused with its reason."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from dqt_edge.data.load import codes, load_data, require_training
from dqt_edge.errors import BadFileError, UsageError
from dqt_edge.graph import Graph, nested

RNG = np.random.default_rng(5)
X = RNG.random((40, 6, 5)).astype(np.float32)
Y = np.arange(40) % 4


def npz(path: Path, **arrays: object) -> str:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return str(path)


def test_digits_are_split_into_disjoint_stratified_parts() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    data = load_data("digits")
    assert data.shape == (8, 8, 1)
    assert [len(data.y_train), len(data.y_val), len(data.y_test)] == [1221, 216, 360]
    assert 0 <= data.x_train.min() <= data.x_train.max() == 1
    assert len(data.classes) == 10
    for y in (data.y_train, data.y_val, data.y_test):
        share = np.bincount(y, minlength=10) / len(y)
        assert share.min() > 0.08
        assert share.max() < 0.12
    everything = np.concatenate([data.x_train, data.x_val, data.x_test]).reshape(1797, -1)
    assert len(np.unique(everything, axis=0)) == 1797


def test_the_same_data_splits_alike() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    first, second = load_data("digits"), load_data("digits")
    for part in ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test"):
        np.testing.assert_array_equal(getattr(first, part), getattr(second, part))


def test_npz_of_bytes_is_scaled_to_one(tmp_path: Path) -> None:
    x = RNG.integers(0, 256, (30, 4, 4, 3), dtype=np.uint8)
    data = load_data(npz(tmp_path / "rgb.npz", x=x, y=np.arange(30) % 3))
    assert data.name == "rgb"
    assert data.shape == (4, 4, 3)
    every = np.concatenate([data.x_train, data.x_val, data.x_test])
    recovered = nested.quantize(every, data.input_scale, data.input_zero_point)
    assert sorted(map(bytes, recovered)) == sorted(map(bytes, x))


def test_npz_of_floats_gets_a_scale_that_covers_it_and_holds_zero(tmp_path: Path) -> None:
    x = np.linspace(-1.0, 3.0, 40 * 30, dtype=np.float32).reshape(40, 6, 5)
    data = load_data(npz(tmp_path / "signed.npz", x=x, y=Y))
    low, high = (data.input_scale * (code - data.input_zero_point) for code in (0, 255))
    assert low == pytest.approx(-1, abs=data.input_scale)
    assert high == pytest.approx(3, abs=data.input_scale)


def test_npz_keeps_its_own_test_set_and_class_names(tmp_path: Path) -> None:
    spec = npz(tmp_path / "own.npz", x=X, y=Y, x_test=X[:7], y_test=Y[:7], classes=np.array(["a", "b", "c", "d"]))
    data = load_data(spec)
    np.testing.assert_array_equal(data.x_test[..., 0], X[:7])
    assert data.classes == ("a", "b", "c", "d")
    assert len(data.y_train) + len(data.y_val) == 40


def test_npz_keeps_its_own_validation_set(tmp_path: Path) -> None:
    data = load_data(npz(tmp_path / "own.npz", x=X, y=Y, x_val=X[:9], y_val=Y[:9], x_test=X[:7], y_test=Y[:7]))
    np.testing.assert_array_equal(data.x_val[..., 0], X[:9])
    np.testing.assert_array_equal(data.x_train[..., 0], X)
    assert len(data.y_test) == 7
    data = load_data(npz(tmp_path / "split.npz", x=X, y=Y, x_val=X[:9], y_val=Y[:9]))
    assert (len(data.y_train), len(data.y_val), len(data.y_test)) == (32, 9, 8)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_test_set_alone_keeps_the_models_own_units(dtype: type, tmp_path: Path) -> None:
    x = RNG.integers(0, 256, (12, 4, 4, 3)).astype(dtype)
    data = load_data(npz(tmp_path / "own.npz", x_test=x, y_test=np.arange(12) % 3))
    np.testing.assert_array_equal(data.x_test, x.astype(np.float32))
    assert (len(data.x_train), len(data.x_val), len(data.y_test)) == (0, 0, 12)
    assert data.shape == (4, 4, 3)
    assert data.classes == ("0", "1", "2")
    with pytest.raises(BadFileError, match="nothing to train on"):
        require_training(data)


def test_a_test_set_of_vectors_is_one_row_each(tmp_path: Path) -> None:
    data = load_data(npz(tmp_path / "v.npz", x_test=np.ones((5, 640)), y_test=np.arange(5) % 2))
    assert data.x_test.shape == (5, 1, 1, 640)


BAD = {
    "test names too few": ({"x_test": X, "y_test": Y, "classes": np.array(["a"])}, "but there are 1 names"),
    "x missing": ({"y": Y}, "array 'x' is missing"),
    "one dimension": ({"x": np.ones(40), "y": Y}, "x has shape (40,)"),
    "five dimensions": ({"x": np.ones((40, 1, 1, 1, 1)), "y": Y}, "not [n, h, w, c], [n, h, w] or [n, features]"),
    "beyond range": ({"x": np.full((40, 6, 5), 1e30), "y": Y}, "beyond 1e+06"),
    "huge integers": ({"x": np.full((40, 6, 5), 2**62), "y": Y}, "beyond 1e+06"),
    "empty": ({"x": np.ones((0, 6, 5)), "y": Y[:0]}, "x is empty"),
    "text images": ({"x": np.full((40, 6, 5), "a"), "y": Y}, "not numbers"),
    "not a number": ({"x": np.full((40, 6, 5), np.nan), "y": Y}, "not finite"),
    "infinite": ({"x": np.full((40, 6, 5), np.inf), "y": Y}, "not finite"),
    "lengths": ({"x": X, "y": Y[:-1]}, "39 labels for 40 images"),
    "labels of two dimensions": ({"x": X, "y": np.eye(40, dtype=int)}, "not whole numbers"),
    "negative label": ({"x": X, "y": Y - 1}, "outside 0..65535"),
    "names too few": ({"x": X, "y": Y, "classes": np.array(["a", "b"])}, "but there are 2 names"),
    "x_test alone": ({"x": X, "y": Y, "x_test": X}, "x_test and y_test must come together"),
    "x_test of other shape": ({"x": X, "y": Y, "x_test": X[:, :3], "y_test": Y}, "another image shape"),
    "x_val alone": ({"x": X, "y": Y, "x_val": X}, "x_val and y_val must come together"),
    "x_val of other type": ({"x": X, "y": Y, "x_val": (X * 0).astype(np.uint8), "y_val": Y}, "shape or type than x"),
    "too few": ({"x": X[:2], "y": Y[:2]}, "too few to split"),
    "pickled": ({"x": np.array([{}] * 40, dtype=object), "y": Y}, "pickled objects"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_is_no_data_set_is_refused(name: str, tmp_path: Path) -> None:
    arrays, reason = BAD[name]
    path = tmp_path / "bad.npz"
    with pytest.raises(BadFileError) as caught:
        load_data(npz(path, **arrays))
    assert reason in caught.value.what
    assert caught.value.where == str(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "not a whole .npz"), (b"PK\x03\x04 cut", "not a whole .npz"), (b"hello", "not a whole .npz")],
    ids=["empty", "cut", "text"],
)
def test_bytes_that_are_no_archive_are_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.npz"
    path.write_bytes(content)
    with pytest.raises(BadFileError, match=reason):
        load_data(str(path))


def test_a_single_array_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.npz"
    with path.open("wb") as file:
        np.save(file, X)
    with pytest.raises(BadFileError, match="single array"):
        load_data(str(path))


def test_a_missing_file_is_named() -> None:
    with pytest.raises(BadFileError, match="does not exist"):
        load_data("nowhere/data.npz")


def test_a_misspelt_name_gets_a_suggestion() -> None:
    with pytest.raises(UsageError) as caught:
        load_data("digit")
    assert "did you mean 'digits'?" in caught.value.next_step


def test_digits_without_scikit_learn_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(UsageError) as caught:
        load_data("digits")
    assert caught.value.next_step == "run: pip install 'dqt-edge[data]'"


def test_codes_are_the_graphs_own_and_a_wrong_shape_is_named(graph: Graph) -> None:
    tensor = graph.tensor(graph.input)
    x = RNG.random((3, *tensor.shape)).astype(np.float32)
    np.testing.assert_array_equal(codes(x, graph), nested.quantize(x, tensor.scale, tensor.zero_point))
    with pytest.raises(BadFileError) as caught:
        codes(np.zeros((3, 9, 9, 1), np.float32), graph)
    assert "(9, 9, 1)" in caught.value.what
    assert str(tensor.shape) in caught.value.what


def test_an_archive_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("dqt_edge.data.npz.UNPACKED_MAX", 1000)
    with pytest.raises(BadFileError, match="unpack to"):
        load_data(npz(tmp_path / "bomb.npz", x=X, y=Y))


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npz")
    with pytest.raises(BadFileError, match="no regular file"):
        load_data(str(tmp_path / "pipe.npz"))
