"""Samples that may be too many for the memory."""

from __future__ import annotations

from typing import Any, Protocol

import numpy.typing as npt


class Pieces(Protocol):
    """Samples that are read in pieces, because thousands would fill the memory: an array, or what acts as one."""

    def __len__(self) -> int:
        """How many samples there are."""
        ...

    def __getitem__(self, wanted: Any, /) -> npt.NDArray[Any]:  # noqa: ANN401 - as arrays take it
        """One sample by its number, or some by a slice or an array of numbers."""
        ...
