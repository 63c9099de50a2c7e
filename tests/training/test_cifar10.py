"""Promise: CIFAR-10 comes from Keras's cache, and its absence is said plainly."""

# ruff: noqa: PLC0415 - TensorFlow is imported where a test needs it, not where tests are collected

from __future__ import annotations

import io
import pickle
import tarfile
import urllib.error
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dqt_edge.data.load import CIFAR10_FILE, CIFAR10_URL, load_data
from dqt_edge.errors import BadFileError

pytestmark = pytest.mark.train


@pytest.fixture
def cache(tensorflow: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home of Keras, on a machine without a network."""
    from keras.src.utils import file_utils

    def offline(*_: Any) -> None:
        raise urllib.error.URLError("no network here")

    monkeypatch.setattr(file_utils.config, "keras_home", lambda: str(tmp_path))
    monkeypatch.setattr(file_utils, "urlretrieve", offline)
    return tmp_path


def archive(path: Path) -> None:
    """Write an archive like the real one, of black images whose first pixel is their place in the batch."""
    path.parent.mkdir(parents=True)
    data = np.zeros((10_000, 3072), np.uint8)
    data[:, 0] = np.arange(10_000) % 256
    batch = pickle.dumps({b"data": data, b"labels": [i % 10 for i in range(10_000)]})
    with tarfile.open(path, "w:gz", compresslevel=1) as file:
        for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
            entry = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            entry.size = len(batch)
            file.addfile(entry, io.BytesIO(batch))


def test_cifar10_is_read_from_the_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from keras.src.utils import file_utils

    archive(cache / CIFAR10_FILE)
    monkeypatch.setattr(file_utils, "validate_file", lambda *_, **__: True)  # ours has another hash
    data = load_data("cifar10", 0.1)
    assert (data.name, data.shape, data.classes[:2]) == ("cifar10", (32, 32, 3), ("airplane", "automobile"))
    assert [len(data.y_train), len(data.y_val), len(data.y_test)] == [45_000, 5_000, 10_000]
    assert (data.input_scale, data.input_zero_point) == (1.0, 0)
    np.testing.assert_array_equal(data.x_test[:300, 0, 0, 0], np.arange(300) % 256)
    np.testing.assert_array_equal(data.y_test[:20], np.arange(20) % 10)


def test_without_a_network_the_error_says_where_to_put_the_archive(cache: Path) -> None:
    with pytest.raises(BadFileError) as caught:
        load_data("cifar10")
    assert "CIFAR-10 is not on this machine and could not be downloaded" in caught.value.what
    assert "no network here" in caught.value.what
    assert f"copy {CIFAR10_URL} to ~/.keras/{CIFAR10_FILE}" in caught.value.next_step
