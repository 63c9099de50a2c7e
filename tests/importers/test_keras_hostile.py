"""Promise: a Keras file is read for what it is, once, alone, and within what it holds; whatever it claims."""

from __future__ import annotations

import json
import os
import shutil
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dqt_edge.errors import BadFileError, DqtError
from dqt_edge.importers.files import read_model
from dqt_edge.importers.keras import read_keras
from dqt_edge.importers.keras.config import check_config
from dqt_edge.importers.keras.opened import private_copy
from dqt_edge.importers.keras.weights import FREE_BYTES, count_values

h5py = pytest.importorskip("h5py", reason="h5py is not installed")
pytestmark = [  # of Keras and TensorFlow themselves, with NumPy 2
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


def archive(path: Path, *members: tuple[str, bytes]) -> Path:
    """An archive with these members, in that order."""
    with zipfile.ZipFile(path, "w") as made:
        for name, content in members:
            made.writestr(name, content)
    return path


# --- One kind, one reading ------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_file_that_is_two_things_at_once_is_read_as_its_name_says(suffix: str, tmp_path: Path) -> None:
    """An archive behind an HDF5 header is a whole file of both kinds."""
    first, second = tmp_path / "first.h5", archive(tmp_path / "second.zip", ("config.json", b"{}"))
    with h5py.File(first, "w") as file:
        file["x"] = np.zeros(3)
    both = tmp_path / f"both{suffix}"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    assert zipfile.is_zipfile(both)
    if suffix == ".keras":
        with pytest.raises(BadFileError, match="not an archive of Keras"):
            private_copy(both, tmp_path)
        return
    copy, content = private_copy(both, tmp_path)
    assert copy.suffix == ".h5"
    assert copy.read_bytes() == content == both.read_bytes()


def test_an_archive_under_the_name_of_hdf5_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "m.h5", ("config.json", b"{}"))
    with pytest.raises(BadFileError, match="not an HDF5 file"):
        private_copy(path, tmp_path)


def test_only_what_makes_a_model_is_copied_and_once(tmp_path: Path) -> None:
    members = [("config.json", b"{}"), ("assets/run.py", b"1"), ("../out", b"2"), ("model.weights.h5", b"3")]
    copy, _ = private_copy(archive(tmp_path / "m.keras", *members), tmp_path)
    with zipfile.ZipFile(copy) as found:
        assert found.namelist() == ["config.json", "model.weights.h5"]
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = archive(tmp_path / "twice.keras", ("config.json", b"{}"), ("config.json", b'{"other": 1}'))
    with pytest.raises(BadFileError, match="twice"):
        private_copy(twice, tmp_path)


def test_an_archive_that_unpacks_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dqt_edge.importers.keras.opened.UNPACKED_MAX", 1 << 20)
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("config.json", b"{}")
        made.writestr("model.weights.h5", bytes(2 << 20))
    assert path.stat().st_size < 10_000
    with pytest.raises(BadFileError, match="unpacks to"):
        private_copy(path, tmp_path)


def test_a_member_that_claims_to_be_large_takes_no_memory(tmp_path: Path) -> None:
    path = archive(tmp_path / "m.keras", ("config.json", b"{}" * 5000))
    size, claimed = (10_000).to_bytes(4, "little"), (FREE_BYTES // 2).to_bytes(4, "little")
    content = path.read_bytes()
    assert content.count(2 * size) == 2, "packed and unpacked, in the member's header and in the directory"
    path.write_bytes(content.replace(2 * size, 2 * claimed))
    tracemalloc.start()
    try:
        with pytest.raises(BadFileError, match="damaged"):
            private_copy(path, tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".tflite", ".onnx"])
def test_what_is_no_file_is_refused_before_it_is_read(suffix: str, tmp_path: Path) -> None:
    if suffix == ".onnx":
        pytest.importorskip("onnx", reason="onnx is not installed")
    fifo, link, folder = (tmp_path / f"{name}{suffix}" for name in ("fifo", "link", "folder"))
    os.mkfifo(fifo)
    link.symlink_to("/dev/zero")
    folder.mkdir()
    for path in (fifo, link, folder):
        with pytest.raises(DqtError) as caught:
            read_model(path)
        assert caught.value.where == str(path)


# --- Weights --------------------------------------------------------------------------------------------------


def test_arrays_of_the_file_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "w.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros(3)
        file["group/y"] = np.zeros((2, 2))
    with h5py.File(path, "r") as file:
        assert count_values(file, path.stat().st_size, path) == 7


@pytest.mark.train
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("units", [10**6, 10**9, 10**15])
def test_layers_that_are_larger_than_their_weights_take_no_memory(
    suffix: str, units: int, keras: Any, tmp_path: Path
) -> None:
    """A file of a few kilobytes whose configuration asks for gigabytes."""
    layers = keras.layers
    model = keras.Sequential([keras.Input((1000,)), layers.Dense(3, name="large"), layers.Dense(2)])
    good, path = tmp_path / f"good{suffix}", tmp_path / f"m{suffix}"
    model.save(good)
    read_keras(good)

    def grown(text: str | bytes) -> str:
        config = json.loads(text)
        config["config"]["layers"][1]["config"]["units"] = units
        return json.dumps(config)

    if suffix == ".h5":
        shutil.copyfile(good, path)
        with h5py.File(path, "r+") as file:
            file.attrs["model_config"] = grown(file.attrs["model_config"])
    else:
        with zipfile.ZipFile(good) as source:
            members = {name: source.read(name) for name in source.namelist()}
        members["config.json"] = grown(members["config.json"]).encode()
        archive(path, *members.items())
    with pytest.raises(BadFileError, match="more weights than the file holds"):
        read_keras(path)


@pytest.mark.train
def test_a_file_that_changes_after_it_was_read_changes_nothing(
    keras: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    path = tmp_path / "m.keras"
    model.save(path)
    whole = path.read_bytes()

    def spoiled(*given: Any) -> Any:
        path.write_bytes(b"PK\x03\x04 something else")
        return check_config(*given)

    monkeypatch.setattr("dqt_edge.importers.keras.files.check_config", spoiled)
    network = read_keras(path)
    assert [node.kind for node in network.nodes] == ["dense"]
    assert path.read_bytes() != whole
