"""Kernels built with DQT_STRICT_ALIGNMENT, on cores that trap every unaligned access: exact, and never trapped.

Half of the layers have their tensors at any byte of the arena, and channels are of any count.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.rig.cases import CORES, plan_case, runs_on
from tests.support.rig.kernel_layers import KINDS, make_case
from tests.support.rig.kernel_rig import Job, Rig

pytestmark = pytest.mark.qemu

TRAP = "-DRIG_TRAP_UNALIGNED"
STRICT = ("-mno-unaligned-access", "-DDQT_STRICT_ALIGNMENT=1")
LAYERS = 12


def make(core: str, folder: Path, *flags: str) -> Rig:
    chosen = CORES[core]
    return Rig(chosen.board, chosen.planned_for, folder, chosen.machine, flags)


def jobs_of(rig: Rig, core: str) -> Iterator[Job]:
    """Layers of every kind that the core has kernels for; one behind another in number, so at all alignments."""
    for kind in KINDS:
        if runs_on(kind, core):
            for number in range(LAYERS):
                yield from plan_case(rig, number, make_case(kind, number))


@pytest.mark.some(2)
@pytest.mark.parametrize("core", ["m3", "m4", pytest.param("m55", marks=pytest.mark.slow)])
def test_a_strict_build_makes_no_unaligned_access_and_is_exact(core: str, tmp_path: Path) -> None:
    rig = make(core, tmp_path, TRAP, *STRICT)
    jobs = list(jobs_of(rig, core))
    cases, failures = rig.run(jobs)
    assert failures == [], [str(failure) for failure in failures[:5]]
    assert cases == sum(job.expected.size for job in jobs)


@pytest.mark.some(2)
@pytest.mark.parametrize("core", ["m4", "m55"])
def test_the_trap_catches_the_default_build(core: str, tmp_path: Path) -> None:
    rig = make(core, tmp_path, TRAP)
    _, failures = rig.run(list(jobs_of(rig, core)))
    assert [failure.kind for failure in failures] == ["fault"]
