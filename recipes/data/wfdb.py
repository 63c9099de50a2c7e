"""Records of PhysioNet's WFDB format, as far as MIT-BIH needs it (https://wfdb.io/spec/): header, format 212, marks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .files import fail

Marks = list[tuple[int, str]]
"""Sample and symbol of each annotation, in order."""

BEATS = {
    1: "N", 2: "L", 3: "R", 4: "a", 5: "V", 6: "F", 7: "J", 8: "A", 9: "S", 10: "E", 11: "j", 12: "/", 13: "Q",
    30: "?", 31: "!", 34: "e", 35: "n", 38: "f", 41: "r",
}  # fmt: skip
"""Codes of the annotations that are beats or waves, table 1 of the specification of annotation files."""
SKIP, NUMBER, SUBTYPE, CHANNEL, TEXT = 59, 60, 61, 62, 63
"""Codes that belong to another annotation."""


class Header(NamedTuple):
    """What a ``.hea`` file says.

    Attributes:
        rate: Samples a second of each signal.
        leads: Names of the signals.
        zeros: Unit of 0 mV of each.
    """

    rate: float
    leads: tuple[str, ...]
    zeros: tuple[int, ...]


def read_header(path: Path) -> Header:
    """Read a header whose signals lie in one file in format 212."""
    lines = [line.split() for line in read(path).decode("ascii").splitlines() if line and line[0] != "#"]
    signals = lines[1 : 1 + int(lines[0][1])]
    if any(re.match(r"\d+", signal[1])[0] != "212" for signal in signals):  # type: ignore[index]
        fail(f"{path}: the signals are not in format 212", "give the files of mitdb 1.0.0")
    leads, zeros = (" ".join(signal[8:]) for signal in signals), (int(signal[4]) for signal in signals)
    return Header(float(lines[0][2].split("/")[0]), tuple(leads), tuple(zeros))


def read_212(path: Path, signals: int) -> npt.NDArray[np.int16]:
    """Samples [n, signals] of format 212: two numbers of 12 bits, two's complement, in three bytes."""
    low, both, high = np.frombuffer(read(path), np.uint8).reshape(-1, 3).astype(np.int16).T
    pairs = np.stack([low | (both & 15) << 8, high | (both >> 4) << 8], axis=1)
    return np.where(pairs > 2047, pairs - 4096, pairs).astype(np.int16).reshape(-1, signals)


def read_marks(path: Path) -> Marks:
    """Annotations of the MIT format: 6 bits of code and 10 of samples since the one before, in 16-bit words."""
    words = np.frombuffer(read(path), "<u2")
    found: Marks = []
    at = place = 0
    while at < len(words):
        code, count = int(words[at]) >> 10, int(words[at]) & 1023
        at += 1
        if code == count == 0:
            return found
        if code == SKIP:
            skipped = int(words[at]) << 16 | int(words[at + 1])
            place += skipped - (1 << 32) * (skipped >> 31)
            at += 2
        elif code == TEXT:
            at += (count + 1) // 2
        elif code not in (NUMBER, SUBTYPE, CHANNEL):
            place += count
            if code in BEATS:
                found.append((place, BEATS[code]))
    return fail(f"{path}: it does not end with the mark of its end", "download it again")


def read(path: Path) -> bytes:
    """All of a file."""
    try:
        return path.read_bytes()
    except OSError as error:
        fail(f"{path}: {error.strerror or error}", "give the folder of mitdb 1.0.0 with all its records")
