"""Promise: CIFAR-10 comes from its authors' archive, without TensorFlow, and its absence is said plainly."""

from __future__ import annotations

import io
import pickle
import tarfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dqt_edge.data import cifar10
from dqt_edge.data.load import load_data
from dqt_edge.errors import BadFileError


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home of Keras, on a machine without a network."""

    def offline(*_: Any, **__: Any) -> None:
        raise urllib.error.URLError("no network here")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlopen", offline)
    return tmp_path / cifar10.CACHE


def archive(path: Path, **more: Any) -> None:
    """Write an archive like the real one, of black images whose first red pixel is their place in the batch."""
    path.parent.mkdir(parents=True)
    data = np.zeros((10_000, 3072), np.uint8)
    data[:, 0] = np.arange(10_000) % 256
    batch = pickle.dumps({b"data": data, b"labels": [i % 10 for i in range(10_000)], **more}, protocol=2)
    with tarfile.open(path, "w:gz", compresslevel=1) as file:
        for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
            entry = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            entry.size = len(batch)
            file.addfile(entry, io.BytesIO(batch))


def test_cifar10_is_read_from_the_cache(cache: Path) -> None:
    archive(cache)
    data = load_data("cifar10", 0.1)
    assert (data.name, data.shape, data.classes[:2]) == ("cifar10", (32, 32, 3), ("airplane", "automobile"))
    assert [len(data.y_train), len(data.y_val), len(data.y_test)] == [45_000, 5_000, 10_000]
    assert (data.input_scale, data.input_zero_point) == (1.0, 0)
    np.testing.assert_array_equal(data.x_test[:300, 0, 0, 0], np.arange(300) % 256)
    assert not data.x_test[..., 1:].any()
    np.testing.assert_array_equal(data.y_test[:20], np.arange(20) % 10)


def test_an_archive_that_would_run_a_program_is_refused(cache: Path) -> None:
    archive(cache, then=print)
    with pytest.raises(BadFileError, match=r"print, which is no array"):
        load_data("cifar10")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x1f\x8b\x08\0\0\0"])
def test_a_damaged_archive_is_refused(content: bytes, cache: Path) -> None:
    cache.parent.mkdir(parents=True)
    cache.write_bytes(content)
    with pytest.raises(BadFileError, match="no whole archive of CIFAR-10") as caught:
        load_data("cifar10")
    assert caught.value.where == str(cache)


def test_without_a_network_the_error_says_where_to_put_the_archive(cache: Path) -> None:
    with pytest.raises(BadFileError) as caught:
        load_data("cifar10")
    assert "CIFAR-10 is not on this machine and could not be downloaded" in caught.value.what
    assert "no network here" in caught.value.what
    assert f"copy {cifar10.URL} to {cache}" in caught.value.next_step


def test_what_comes_down_damaged_is_not_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: io.BytesIO(b"an error page"))
    with pytest.raises(BadFileError, match="another SHA-256"):
        load_data("cifar10")
    assert not cache.exists()
