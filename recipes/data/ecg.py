"""MIT-BIH heartbeats: records of PhysioNet, or the same beats already cut, to the .npz that ``recipes/ecg.toml`` takes.

    python -m recipes.data.ecg --mitdb mitdb/ --out ecg.npz
    python -m recipes.data.ecg --beats ecg_mitbih_beats.npz --out ecg.npz

The records are those of https://physionet.org/content/mitdb/1.0.0/ (ODC-By 1.0): ``*.hea``, ``*.dat`` and ``*.atr``.
``FEATURES`` says what the channels are, ``TRAINING``, ``VALIDATION`` and ``TEST`` which records go where. ``record``
(``_val``, ``_test``) is the record of each beat, ``t_test`` its time: the beats of a patient in order are a stream, for
``dqt-edge profile --stream``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from . import wfdb
from .files import arrays_of, check_sums, fail, report

FEATURES = """\
Channels of x [n, 128, 1, 4], float32, a beat at 180 Hz with its R peak at sample 50:
  0  signal of lead MLII in mV, cut to -3..3
  1  interval since the beat before, in seconds, minus 0.8, cut to -1..1; the same at all 128 samples, as 2 and 3
  2  twice (interval before, over the mean of the record's last ten intervals, minus 1), cut to -1..1
  3  twice (interval after, over that mean, minus 1), cut to -1..1: a beat is known one beat late
The last ten intervals are those that end with this beat and the nine before it; fewer where the record begins."""

CLASSES = "NSVFQ"
SYMBOLS = {"N": "NLRej", "S": "AaJS", "V": "VE", "F": "F", "Q": "/fQ"}
"""Annotation symbols of each class, by the standard of the AAMI (EC57). Anything else is no beat."""

# The inter-patient split of de Chazal et al., IEEE Trans. Biomed. Eng. 51(7), 2004: no patient is in two parts. Records
# 201 and 202 are of one patient in truth, which that split overlooks; it is kept, since all published figures use it.
DS1 = (101, 106, 108, 109, 112, 114, 115, 116, 118, 119, 122, 124, 201, 203, 205, 207, 208, 209, 215, 220, 223, 230)
TEST = (100, 103, 105, 111, 113, 117, 121, 123, 200, 202, 210, 212, 213, 214, 219, 221, 222, 228, 231, 232, 233, 234)
VALIDATION = (114, 124, 205, 207, 220, 223)
TRAINING = tuple(record for record in DS1 if record not in VALIDATION)

LEAD = "MLII"
RATE = 360
"""Samples a second of the records."""
UNITS = 400
"""Two neighbouring samples, of 200 units a mV each, make one of 180 Hz: their sum has 400 units a mV."""
BEFORE, SAMPLES = 50, 128
INTERVALS = 10
SUM = "d7a37b288ce119831cf0d11394a35b910886e5d3abed3d2dc35952f324abc744"
"""SHA-256 of the arrays that both sources make, see ``files.report``."""


class Beats(NamedTuple):
    """Beats in the order of time within each record.

    Attributes:
        x: int16 [n, 128], 1/400 mV at 180 Hz.
        intervals: int64 [n, 2], before and after, 1/360 s.
        labels: Index in ``CLASSES``, int64 [n].
        record: int64 [n].
    """

    x: npt.NDArray[np.int16]
    intervals: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    record: npt.NDArray[np.int64]


def features(beats: Beats) -> npt.NDArray[np.float32]:
    """The four channels of ``FEATURES``, float32 [n, 128, 1, 4]."""
    before, after = (beats.intervals / RATE).T
    usual = np.concatenate([running_mean(before[beats.record == record]) for record in in_order(beats.record)])
    x = np.empty((len(before), SAMPLES, 1, 4), np.float32)
    x[..., 0, 0] = np.clip(beats.x / UNITS, -3, 3)
    x[..., 0, 1] = np.clip(before - 0.8, -1, 1)[:, None]
    x[..., 0, 2] = np.clip(2 * (before / usual - 1), -1, 1)[:, None]
    x[..., 0, 3] = np.clip(2 * (after / usual - 1), -1, 1)[:, None]
    return x


def in_order(record: npt.NDArray[np.int64]) -> list[int]:
    """The records in the order in which they first occur; each must be in one piece."""
    found: list[int] = record[np.flatnonzero(np.diff(record, prepend=-1))].tolist()
    if len(set(found)) != len(found):
        fail("the beats of a record do not follow each other", "sort them by record and time")
    return found


def times(beats: Beats) -> npt.NDArray[np.float64]:
    """Seconds since the first beat of each beat's record, [n]."""
    found = np.empty(len(beats.record))
    for record in in_order(beats.record):
        places = beats.record == record
        before = beats.intervals[places, 0]
        found[places] = (np.cumsum(before) - before[0]) / RATE
    return found


def running_mean(intervals: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Mean of each interval and up to nine before it."""
    total = np.concatenate([[0.0], np.cumsum(intervals)])
    last = np.arange(1, len(intervals) + 1)
    first = np.maximum(last - INTERVALS, 0)
    return np.asarray((total[last] - total[first]) / (last - first), np.float64)


def cut(record: int, signal: npt.NDArray[np.int16], marks: wfdb.Marks, zero: int) -> Beats:
    """Beats of a record; the first and the last have no interval on one side and are left out.

    Args:
        record: Its number.
        signal: Samples at 360 Hz.
        marks: Annotations of the record.
        zero: Unit of 0 mV.
    """
    of_symbol = {symbol: CLASSES.index(name) for name, symbols in SYMBOLS.items() for symbol in symbols}
    known = [(place, of_symbol[symbol]) for place, symbol in marks if symbol in of_symbol]
    places, labels = (np.array(column, np.int64) for column in zip(*known, strict=True))
    steps = np.diff(places)
    first, length = places[1:-1] - 2 * BEFORE, 2 * SAMPLES
    # A window may reach beyond the record by a few samples; they are at 0 mV.
    padded = np.pad(signal.astype(np.int64), (2 * BEFORE, length), constant_values=zero)
    windows = padded[(first + 2 * BEFORE)[:, None] + np.arange(length)]
    x = windows.reshape(-1, SAMPLES, 2).sum(axis=2) - 2 * zero
    every = np.full(len(x), record)
    return Beats(x.astype(np.int16), np.stack([steps[:-1], steps[1:]], 1), labels[1:-1], every)


def from_records(folder: Path, records: tuple[int, ...]) -> Beats:
    """Beats of PhysioNet's files."""
    found = []
    for record in records:
        header = wfdb.read_header(folder / f"{record}.hea")
        if header.rate != RATE or LEAD not in header.leads:
            fail(f"{record}.hea: {header.rate} Hz, leads {', '.join(header.leads)}", f"give mitdb, {RATE} Hz, {LEAD}")
        lead = header.leads.index(LEAD)
        signal = wfdb.read_212(folder / f"{record}.dat", len(header.leads))[:, lead]
        found.append(cut(record, signal, wfdb.read_marks(folder / f"{record}.atr"), header.zeros[lead]))
    return Beats(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def from_packed(path: Path, records: tuple[int, ...]) -> Beats:
    """Beats of a packed file: ``x_PART`` int16, ``rr_PART``, ``y_PART`` and ``rec_PART`` for PART train and test."""
    arrays = arrays_of(path, [f"{name}_{part}" for name in ("x", "rr", "y", "rec") for part in ("train", "test")])
    x, rr, y, rec = (np.concatenate([arrays[f"{n}_{p}"] for p in ("train", "test")]) for n in ("x", "rr", "y", "rec"))
    places = np.concatenate([np.flatnonzero(rec == record) for record in records])
    return Beats(*(array[places].astype(np.int64) for array in (x, rr, y, rec)))


def main() -> None:
    """Read the arguments, write the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0], epilog=FEATURES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--mitdb", type=Path, help="folder with PhysioNet's records")
    source.add_argument("--beats", type=Path, help="packed beats, .npz")
    parser.add_argument("--out", type=Path, required=True, help="file to write, .npz")
    given = parser.parse_args()
    if given.mitdb:
        check_sums(given.mitdb)
    arrays: dict[str, npt.NDArray[np.generic]] = {"classes": np.array(list(CLASSES))}
    for suffix, records in (("", TRAINING), ("_val", VALIDATION), ("_test", TEST)):
        beats = from_records(given.mitdb, records) if given.mitdb else from_packed(given.beats, records)
        arrays |= {f"x{suffix}": features(beats), f"y{suffix}": beats.labels.astype(np.uint8)}
        arrays[f"record{suffix}"] = beats.record.astype(np.int16)
    arrays["t_test"] = times(beats)
    report(given.out, arrays, SUM)


if __name__ == "__main__":
    main()
