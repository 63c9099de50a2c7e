"""Where a file finds no room, the error is typed and says so: in temporary folders too."""

from __future__ import annotations

import resource
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import dqt_edge as dqt
from dqt_edge.errors import BadFileError
from dqt_edge.importers.keras.opened import private_copy
from dqt_edge.system.files import write_atomically
from tests.support.tflite_models import small_network


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Files of this process may have ``size`` bytes, as where a quota is used up."""
    before, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, hard))


def test_a_model_in_memory_is_imported_or_there_is_no_room() -> None:
    content = small_network().encode()
    with files_of_at_most(len(content) - 1), pytest.raises(BadFileError, match="cannot write: File too large"):
        dqt.import_model(content)
    with files_of_at_most(len(content)):
        assert dqt.import_model(content).layers


@pytest.mark.parametrize("size", [0, 3000, 5000])
def test_the_copy_of_a_keras_file_has_no_room(size: int, tmp_path: Path) -> None:
    """At 5,000 bytes the archive itself still fits, and what is copied of it does not."""
    model = tmp_path / "model.keras"
    with zipfile.ZipFile(model, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("config.json", "metadata.json", "model.weights.h5"):
            archive.writestr(name, b"x" * 1_000_000)
    assert 3000 < model.stat().st_size < 5000
    folder = tmp_path / "copy"
    folder.mkdir()
    with files_of_at_most(size), pytest.raises(BadFileError, match="cannot write: File too large"):
        private_copy(model, folder)


def test_nothing_is_left_beside_a_file_that_has_no_room(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with files_of_at_most(10), pytest.raises(BadFileError):
        write_atomically(path, bytes(11))
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("file", b"old")]
