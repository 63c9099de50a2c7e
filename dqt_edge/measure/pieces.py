"""Samples that may be too many for the memory."""

from __future__ import annotations

import hashlib
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

PIECE = 256
"""Samples that are read at once where all are looked at."""


class Pieces(Protocol):
    """Samples that are read in pieces, because thousands would fill the memory: an array, or what acts as one."""

    def __len__(self) -> int:
        """How many samples there are."""
        ...

    def __getitem__(self, wanted: Any, /) -> npt.NDArray[Any]:  # noqa: ANN401 - as arrays take it
        """One sample by its number, or some by a slice or an array of numbers."""
        ...


def digest(samples: Pieces, targets: npt.NDArray[Any] | None) -> str:
    """SHA-256 of samples in their order, and of what they are judged by, in hexadecimal: of their values.

    Samples count as rows of float32, whole targets as rows of int64, so that arrays and the file they were written to
    are the same data. Reads each sample once, in pieces.
    """
    found = hashlib.sha256()
    for at in range(0, len(samples), PIECE):
        _add(found, samples[at : at + PIECE], "<f4")
    if targets is not None:
        _add(found, targets, "<i8" if targets.dtype.kind in "biu" else "<f4")
    return found.hexdigest()


def _add(found: hashlib._Hash, values: npt.NDArray[Any], kind: str) -> None:
    content = np.ascontiguousarray(values, kind).reshape(len(values), -1)
    found.update(f"{kind} {content.shape}\n".encode() + content.tobytes())
