"""Requantisation on corners, against Python's integers of any size: both forms of C, and the interpreter's.

Run by ``python -m benchmarks.hard.requantise``. Corners: accumulators, multipliers and shifts at and beside powers of
two and the ends of their ranges; accumulators at which the rounding or a clamp turns over, and their neighbours; and
random ones. C is compiled with UndefinedBehaviorSanitizer and with ``-O3``.
"""

from __future__ import annotations

import argparse
import ctypes
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.progress import track

from dqt_edge.graph import nested
from dqt_edge.system.resources import data_folder

from .told import finish, have

SOURCE = Path(__file__).parent / "requantise.c"
CHUNK = 1 << 18
FLAGS = ("-std=c11", "-shared", "-fPIC", "-fno-strict-aliasing", "-Wall", "-Wextra", "-Wconversion", "-Werror")
BUILDS = (("-O3",), ("-O1", "-fsanitize=undefined", "-fno-sanitize-recover=all", "-static-libubsan"))
LEAST, MOST = -(2**31), 2**31 - 1
SHIFT_MAX = 62
Ints = npt.NDArray[np.int64]


def edges() -> list[int]:
    """Powers of two and their neighbours, of both signs, within int32."""
    near = {sign * (1 << k) + d for k in range(32) for d in range(-2, 3) for sign in (-1, 1)}
    return sorted(value for value in near | {0, 255, 256, -255} if LEAST <= value <= MOST)


def chunk(number: int) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    """Accumulators, multipliers, shifts, lower and upper clamps: ``CHUNK`` corners of a number."""
    rng = np.random.default_rng((number, 11))
    every = np.array(edges(), np.int64)
    positive = every[every > 0]
    multiplier = np.where(
        rng.random(CHUNK) < 0.5, rng.choice(positive, CHUNK), rng.integers(1, 2**31, CHUNK, dtype=np.int64)
    )
    shift = rng.integers(1, SHIFT_MAX + 1, CHUNK)
    low = np.where(rng.random(CHUNK) < 0.5, 0, rng.integers(0, 256, CHUNK))
    high = np.where(rng.random(CHUNK) < 0.5, 255, rng.integers(0, 256, CHUNK))
    low, high = np.minimum(low, high), np.maximum(low, high)
    # twice * multiplier + 2^(shift-1) passes a multiple of 2^shift about here: where a code begins.
    code = rng.choice(np.array([-1, 0, 1, 2, 127, 128, 254, 255, 256, 257], np.int64), CHUNK).astype(object)
    turn = [
        max(LEAST, min(MOST, (int(c) * (1 << int(s)) - (1 << int(s) >> 1)) // int(m) + int(d)))
        for c, s, m, d in zip(code, shift, multiplier, rng.integers(-1, 3, CHUNK), strict=True)
    ]
    kind = rng.integers(0, 4, CHUNK)
    twice = np.select(
        [kind == 0, kind == 1],
        [rng.choice(every, CHUNK), rng.integers(LEAST, MOST + 1, CHUNK, dtype=np.int64)],
        np.array(turn, np.int64),
    )
    return twice, multiplier, shift, low, high


def wanted(corners: tuple[Ints, ...]) -> tuple[list[int], list[int]]:
    """The code of each corner, and its high word rounded, with integers of any size."""
    codes, scaled = [], []
    for twice, multiplier, shift, low, high in zip(*(column.tolist() for column in corners), strict=True):
        product = twice * multiplier
        codes.append(min(high, max(low, (product + (1 << shift - 1)) >> shift)))
        scaled.append((product + (1 << 31)) >> 32)
    return codes, scaled


def compiled(folder: Path, number: int) -> ctypes.CDLL:
    """The C of a build."""
    library = folder / f"requantise{number}.so"
    includes = f"-I{data_folder('firmware') / 'dqt'}"
    subprocess.run(["gcc", *FLAGS, *BUILDS[number], includes, str(SOURCE), "-o", str(library)], check=True)
    return ctypes.CDLL(str(library))


def differences(library: ctypes.CDLL, corners: tuple[Ints, ...], codes: Ints, scaled: Ints) -> list[int]:
    """Corners at which C says something else."""
    types = (np.int32, np.int32, np.uint8, np.uint8, np.uint8)
    given = [np.ascontiguousarray(column.astype(kind)) for column, kind in zip(corners, types, strict=True)]
    count = len(codes)
    wide, halves, high = np.zeros(count, np.uint8), np.zeros(count, np.uint8), np.zeros(count, np.int32)
    pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (*given, wide, halves, high)]
    library.corners(*pointers[:5], ctypes.c_uint32(count), *pointers[5:])
    return np.flatnonzero((wide != codes) | (halves != codes) | (high != scaled)).tolist()


def by_the_interpreter(corners: tuple[Ints, ...]) -> Ints:
    """The interpreter's codes, which clamps a whole layer alike: to 0 and 255, and then to each corner's own."""
    twice, multiplier, shift, low, high = corners
    codes = nested.requantize(twice, multiplier.astype(np.int32), shift.astype(np.uint8), 0, 255).astype(np.int64)
    return np.clip(codes, low, high)


def main() -> None:
    """Try every corner."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corners", type=int, default=8_000_000)
    options = parser.parse_args()
    assert have("gcc", "gcc", "requantisation")
    findings, tried = list[str](), 0
    with tempfile.TemporaryDirectory() as name:
        libraries = [compiled(Path(name), number) for number in range(len(BUILDS))]
        for number in track(range(-(-options.corners // CHUNK)), "corners", transient=True):
            corners = chunk(number)
            codes, scaled = (np.array(values, np.int64) for values in wanted(corners))
            found = {i for library in libraries for i in differences(library, corners, codes, scaled)}
            found |= set(np.flatnonzero(by_the_interpreter(corners) != codes).tolist())
            findings += [f"{[int(column[i]) for column in corners]} is not {codes[i]}" for i in sorted(found)]
            tried += len(codes)
    finish(findings[:20], f"{tried:,} corners, {len(findings)} differences")


if __name__ == "__main__":
    main()
