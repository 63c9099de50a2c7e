"""The model of memory protection: what a region allows, and what the manuals forbid."""

from __future__ import annotations

import pytest

from dqt_edge.device.chips.mpu import CTRL, MAIR0, RASR, RBAR, RNR, TYPE, Mpu
from dqt_edge.device.chips.values import RuleError

READ_ONLY, ALL_AREA = 6 << 24 | 1 << 17, 28 << 1 | 1


def set_up(architecture: int, *steps: tuple[int, int]) -> Mpu:
    mpu = Mpu(architecture, 8)
    for register, value in steps:
        mpu.write(register, value)
    return mpu


def test_the_higher_number_counts_where_it_does_not_leave_an_eighth_out() -> None:
    steps = [(RNR, 0), (RASR, READ_ONLY | ALL_AREA), (RNR, 3), (RBAR, 0x1000), (RASR, 3 << 24 | 3 << 16 | 2 << 8 | 23)]
    mpu = set_up(7, *steps)
    assert mpu.at(0x1000) == ("rwx", "through"), "off: the default map"
    mpu.write(CTRL, 5)
    assert [mpu.at(at) for at in (0xFFF, 0x1000, 0x1200, 0x1400, 0x2000)] == [
        ("rx", "through"),
        ("rwx", "back"),
        ("rx", "through"),
        ("rwx", "back"),
        ("rx", "through"),
    ]
    assert mpu.at(0x20000000) == ("rwx", "back, allocating")
    assert (mpu.read(TYPE), mpu.read(CTRL), mpu.read(RNR), mpu.read(RBAR)) == (0x800, 5, 3, 0x1000)
    mpu.write(CTRL, 1)
    with pytest.raises(RuleError, match="no region allows"):
        mpu.at(0x20000000)


WRONG = [
    (7, [(TYPE, 0)], "MPU_TYPE is read-only"),
    (7, [(RNR, 8)], "no region 8"),
    (7, [(CTRL, 8)], "MPU_CTRL are reserved"),
    (7, [(RBAR, 0x10)], "VALID and REGION"),
    (6, [(RASR, 1 << 19)], "bits 0x80000 of MPU_RASR"),
    (7, [(RASR, READ_ONLY | 3 << 1 | 1)], "no region of 16 bytes"),
    (6, [(RASR, READ_ONLY | 6 << 1 | 1)], "no region of 128 bytes"),
    (7, [(RBAR, 0x100), (RASR, READ_ONLY | ALL_AREA)], "begins at 0x00000100"),
    (7, [(RASR, 4 << 24 | ALL_AREA)], "AP 4 is reserved"),
    (7, [(RASR, 3 << 24 | 2 << 19 | ALL_AREA)], "TEX 2 with C and B 0"),
    (8, [(RASR, 0x10)], "bit 4 of MPU_RLAR"),
    (8, [(RBAR, 8)], "SH 1 is reserved"),
    (8, [(MAIR0, 0xAA), (RBAR, 0x100), (RASR, 1)], "ends at 0x00000020"),
    (8, [(RASR, 1)], "attribute 0x00"),
]


@pytest.mark.parametrize(("architecture", "steps", "words"), WRONG)
def test_what_the_manuals_forbid(architecture: int, steps: list[tuple[int, int]], words: str) -> None:
    with pytest.raises(RuleError, match=words):
        set_up(architecture, *steps)
