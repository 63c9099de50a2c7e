"""Products of 64 bits from halves of 32 (Armv6-M) = the definition, with overflow of any intermediate value a trap."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import pytest

from dqt_edge.system.resources import data_folder

from .stand_in import WARNINGS

SOURCE = r"""
#include "dqt_product.h"
void scale(const int32_t *twice, const int32_t *multiplier, uint32_t count, int32_t *to);
void code(const int32_t *twice, const int32_t *multiplier, uint32_t count, uint32_t shift, const uint32_t *limits,
          uint32_t *to);
void scale(const int32_t *twice, const int32_t *multiplier, uint32_t count, int32_t *to) {
    for (uint32_t i = 0; i < count; ++i) {
        to[i] = dqt_product_scale(twice[i], multiplier[i]);
    }
}
void code(const int32_t *twice, const int32_t *multiplier, uint32_t count, uint32_t shift, const uint32_t *limits,
          uint32_t *to) {
    for (uint32_t i = 0; i < count; ++i) {
        to[i] = dqt_product_code(twice[i], multiplier[i], shift, limits[0], limits[1]);
    }
}
"""
ENDS = [0, 1, 2, 3, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x10001, 0x7FFEFFFF, 0x7FFF0000, 0x7FFFFFFE, 0x7FFFFFFF]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp("product")
    (folder / "product.c").write_text(SOURCE)
    traps = ["-fsanitize=signed-integer-overflow,shift-exponent", "-fsanitize-undefined-trap-on-error"]
    include = f"-I{data_folder('firmware') / 'dqt'}"
    command = ["gcc", "-std=c11", "-O2", "-shared", "-fPIC", *WARNINGS, *traps, include]
    command += [str(folder / "product.c"), "-o", str(folder / "product.so")]
    subprocess.run(command, check=True, timeout=600)
    return ctypes.CDLL(str(folder / "product.so"))


def factors() -> tuple[np.ndarray, np.ndarray]:
    """All pairs of ends of the range and their neighbours, and random ones of any size."""
    rng = np.random.default_rng(14)
    ends = np.array([*ENDS, *(-x for x in ENDS), -(2**31), -(2**31) + 1], np.int64)
    grid = np.array(np.meshgrid(ends, [x for x in ENDS if x > 0])).reshape(2, -1)
    size = rng.integers(0, 32, (2, 40_000))
    some = rng.integers(-(2**31), 2**31, size.shape) >> size
    some[1] = np.clip(np.abs(some[1]), 1, 2**31 - 1)
    twice, multiplier = np.concatenate([grid, some], axis=1)
    return twice.astype(np.int32), multiplier.astype(np.int32)


def pointer(values: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(values.ctypes.data)


def test_the_scaled_product(library: ctypes.CDLL) -> None:
    twice, multiplier = factors()
    found = np.empty_like(twice)
    library.scale(pointer(twice), pointer(multiplier), ctypes.c_uint32(twice.size), pointer(found))
    want = (twice.astype(np.int64) * multiplier + 2**31) >> 32
    np.testing.assert_array_equal(found, want)


@pytest.mark.parametrize("limits", [(0, 255), (3, 200), (128, 128)])
def test_codes_at_every_shift(library: ctypes.CDLL, limits: tuple[int, int]) -> None:
    twice, multiplier = factors()
    product = twice.astype(np.int64) * multiplier
    bounds = np.array(limits, np.uint32)
    found = np.empty(twice.shape, np.uint32)
    for shift in range(1, 63):
        library.code(
            *(pointer(twice), pointer(multiplier), ctypes.c_uint32(twice.size), ctypes.c_uint32(shift)),
            *(pointer(bounds), pointer(found)),
        )
        want = np.clip((product + (1 << (shift - 1))) >> shift, *limits)
        np.testing.assert_array_equal(found, want, err_msg=f"shift {shift}")


def test_the_traps_work(tmp_path: Path) -> None:
    """The sanitizer of the tests above does stop a program whose sum overflows."""
    (tmp_path / "main.c").write_text("int main(int n, char **v) { (void)v; n += 0x7FFFFFFF; return n == 0; }")
    command = ["gcc", "-O2", "-fsanitize=signed-integer-overflow", "-fsanitize-undefined-trap-on-error"]
    subprocess.run([*command, str(tmp_path / "main.c"), "-o", str(tmp_path / "main")], check=True, timeout=600)
    assert subprocess.run([str(tmp_path / "main")], check=False, timeout=600).returncode < 0
