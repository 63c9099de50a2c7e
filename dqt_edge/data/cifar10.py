"""CIFAR-10 from the archive that its authors publish, where Keras keeps it. Imports without TensorFlow."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import tarfile
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import BadFileError

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
CACHE = "datasets/cifar-10-batches-py-target_archive"
"""Where Keras keeps the archive, under ``~/.keras`` or ``$KERAS_HOME``."""
TRAIN, TEST = tuple(f"data_batch_{i}" for i in range(1, 6)), ("test_batch",)

Part = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]
"""Images, uint8 [n, 32, 32, 3], and labels."""


def cached() -> Path:
    """The archive on this machine, downloaded if it is not there yet.

    Raises:
        BadFileError: It could not be downloaded.
    """
    path = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / CACHE
    if path.exists():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(URL, timeout=60) as answer:
            content = answer.read()
        if hashlib.sha256(content).hexdigest() != SHA256:
            raise OSError("what came has another SHA-256")
        part = path.with_name(f"{path.name}.part")
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        raise BadFileError(
            f"CIFAR-10 is not on this machine and could not be downloaded ({error})",
            where="parameter `data` cifar10",
            next_step=f"with a network, try again; or copy {URL} to {path}, or give the images as an .npz file",
        ) from error
    return path


def read_archive(path: Path) -> tuple[Part, Part]:
    """The 50,000 training and 10,000 test images of ``cifar-10-python.tar.gz``, in its order.

    Raises:
        BadFileError: It is missing, damaged, or something else.
    """
    try:
        with tarfile.open(path) as archive:
            train, test = ([_batch(archive, name) for name in names] for names in (TRAIN, TEST))
    except (OSError, EOFError, ValueError, KeyError, TypeError, pickle.UnpicklingError, tarfile.TarError) as error:
        raise BadFileError(
            f"this is no whole archive of CIFAR-10 ({error})", where=str(path), next_step=f"download {URL} again"
        ) from error
    return _joined(train), _joined(test)


def _joined(parts: list[Part]) -> Part:
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _batch(archive: tarfile.TarFile, name: str) -> Part:
    """One of its six files: rows of 1,024 red, green and blue pixels each."""
    file = archive.extractfile(f"cifar-10-batches-py/{name}")
    if file is None:
        raise ValueError(f"{name} is no file")
    content = _Reader(io.BytesIO(file.read()), encoding="bytes").load()
    rows, labels = np.asarray(content[b"data"], np.uint8), np.asarray(content[b"labels"], np.int64)
    return np.ascontiguousarray(rows.reshape(len(labels), 3, 32, 32).transpose(0, 2, 3, 1)), labels


class _Reader(pickle.Unpickler):
    """Reads what makes an array and nothing else: a pickle could run any program."""

    ALLOWED = frozenset(
        {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")}
        | {(f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")}
        | {(f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")}
    )

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - functions and types
        """The function or type of that name, if it is one of those."""
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"it holds {module}.{name}, which is no array")
        return super().find_class(module, name)
