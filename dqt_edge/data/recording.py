"""Recorded streams: samples in the order of time, from an ``.npz`` file or from arrays by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import BadFileError

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Recording:
    """When the samples of a stream were taken.

    Attributes:
        t: Seconds, float64 [samples], never falling within a record; None where only the order is known.
        record: Index of each sample's record, int64 [samples], 0 and up in the order of the stream.
        names: Of the records.
        classes: Names of the classes, as the data has them; empty where it has none.
    """

    t: npt.NDArray[np.float64] | None
    record: npt.NDArray[np.int64]
    names: tuple[str, ...]
    classes: tuple[str, ...] = ()

    def head(self, count: int) -> Recording:
        """Of the first samples alone."""
        record = self.record[:count]
        t, names = None if self.t is None else self.t[:count], self.names[: int(record.max()) + 1]
        return Recording(t, record, names, self.classes)

    @property
    def pieces(self) -> list[slice]:
        """Samples of each record."""
        ends = np.searchsorted(self.record, np.arange(len(self.names)), side="right")
        return [slice(int(a), int(b)) for a, b in zip([0, *ends[:-1]], ends, strict=True)]

    @property
    def seconds(self) -> float | None:
        """How long all records last together: each from its first sample to its last, and a usual step more."""
        if self.t is None:
            return None
        steps = np.concatenate([np.diff(self.t[piece]) for piece in self.pieces])
        if not steps.size or not steps.sum():
            return None
        return float(steps.sum() + len(self.names) * np.median(steps))

    @property
    def places(self) -> npt.NDArray[np.float64]:
        """Where each sample lies in the whole stream, its records one behind another: seconds, or its number."""
        if self.t is None:
            return np.arange(len(self.record), dtype=np.float64)
        found, start = np.empty(len(self.t)), 0.0
        for piece in self.pieces:
            own = self.t[piece] - self.t[piece.start]
            found[piece] = start + own
            start += float(own[-1] + (np.median(np.diff(own)) if len(own) > 1 else 0.0))
        return found


def split_recording(arrays: Mapping[str, Array], where: str) -> tuple[dict[str, Array], Recording]:
    """A stream's samples and targets by name, and when they were.

    Of arrays with ``x_test`` the test part is the stream: ``t_test`` and ``record_test`` belong to it; else ``t`` and
    ``record`` belong to ``x``, or to the inputs by their names.

    Returns:
        ``x_test``, and ``y_test`` and ``classes`` where they are given; or the inputs by name, and ``y``.

    Raises:
        BadFileError: There is neither time nor record, or they are no such thing.
    """
    end = "_test" if "x_test" in arrays else ""
    t, record = arrays.get(f"t{end}"), arrays.get(f"record{end}")
    if t is None and record is None:
        raise _bad(
            f"a stream needs an array 't{end}' or 'record{end}' beside its samples, and there is "
            f"{', '.join(sorted(arrays)) or 'nothing'}",
            where,
        )
    if f"x{end}" in arrays:
        kept = {f"{name}_test": arrays[f"{name}{end}"] for name in "xy" if f"{name}{end}" in arrays}
        samples, length = kept | {n: arrays[n] for n in ("classes",) if n in arrays}, len(arrays[f"x{end}"])
    else:
        samples = {name: array for name, array in arrays.items() if name not in ("t", "record")}
        length = max((len(array) for array in samples.values() if array.ndim), default=0)
    if not length:
        raise _bad("the stream has no samples", where)
    groups, names = _records(record, f"record{end}", length, where)
    classes = tuple(map(str, arrays["classes"])) if "classes" in arrays and f"x{end}" in arrays else ()
    return samples, Recording(_times(t, f"t{end}", groups, where), groups, names, classes)


def _records(record: Array | None, name: str, length: int, where: str) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    """Index of each sample's record, and the records' names."""
    if record is None:
        return np.zeros(length, np.int64), ("0",)
    if record.shape != (length,):
        raise _bad(f"{name} has shape {list(record.shape)} for {length} samples", where)
    starts = np.flatnonzero(np.concatenate([[True], record[1:] != record[:-1]]))
    names = [str(record[start]) for start in starts]
    twice = next((each for i, each in enumerate(names) if each in names[:i]), None)
    if twice is not None:
        raise _bad(f"the samples of record {twice} do not follow each other", where)
    lengths = np.diff([*starts, length])
    return np.repeat(np.arange(len(names)), lengths), tuple(names)


def _times(t: Array | None, name: str, groups: npt.NDArray[np.int64], where: str) -> npt.NDArray[np.float64] | None:
    if t is None:
        return None
    real = np.issubdtype(t.dtype, np.floating) or np.issubdtype(t.dtype, np.integer)
    if t.shape != groups.shape or not real or not np.isfinite(t).all():
        raise _bad(f"{name} has type {t.dtype} and shape {list(t.shape)}, not {len(groups)} finite seconds", where)
    found = t.astype(np.float64)
    falls = np.flatnonzero((np.diff(found) < 0) & (np.diff(groups) == 0))
    if falls.size:
        i = int(falls[0]) + 1
        raise _bad(f"{name} does not ascend: sample {i} is at {found[i]:g} s, the one before at {found[i - 1]:g} s",
                   where)  # fmt: skip
    return found


def _bad(what: str, where: str) -> BadFileError:
    return BadFileError(
        what,
        where=where,
        next_step="save t, seconds that ascend, or record, groups in order, beside x and y with numpy.savez",
    )
