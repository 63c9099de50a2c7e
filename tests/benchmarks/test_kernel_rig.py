"""A sample of ``make fuzz-kernels``; and that the rig notices wrong outputs, stray writes and faults."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.support.random_graphs import ALL_PAIRS
from tests.support.rig.cases import CORES, WITHOUT_PAIRS, make_rig, plan_case, run_chunk, runs_on
from tests.support.rig.kernel_layers import BLOCK, DENSE_PAIRS, INPUTS, KINDS, make_case, pairs_of
from tests.support.rig.kernel_rig import Job
from tests.support.rig.structures import Member, Scalar, Structure

pytestmark = pytest.mark.qemu


SLOW = ("m3", "m7", "m33")
"""Cores whose kernels are in part those of others here, which other tests run on each."""


@pytest.mark.parametrize("core", [pytest.param(c, marks=pytest.mark.slow) if c in SLOW else c for c in CORES])
def test_a_block_of_layers_of_each_kind(core: str) -> None:
    """Every kernel of the core at all pairs of the kind; other layers each time the numbers below change."""
    for kind in [k for k in KINDS if runs_on(k, core)]:
        counts, failures = run_chunk((kind, 1000, BLOCK, (core,)))
        assert not failures
        pairs = DENSE_PAIRS.get(kind, ALL_PAIRS)
        shared_out = len(pairs) + sum(p[1] == 8 for p in pairs) + 3 * kind.startswith("three")
        assert sum(counts.values()) == INPUTS * (5 if kind in WITHOUT_PAIRS else shared_out)


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in WITHOUT_PAIRS])
def test_a_block_shares_out_the_pairs(kind: str) -> None:
    shared = [pairs_of(kind, BLOCK * 7 + place)[0] for place in range(BLOCK - 1)]
    pairs = DENSE_PAIRS.get(kind, ALL_PAIRS)
    if kind.startswith("three"):  # every layer has 8x8 too, which has a kernel of its own
        assert all((8, 8) in found for found in shared)
        shared = [tuple(pair for pair in found if pair != (8, 8)) for found in shared]
        shared.append(((8, 8),))
    assert sorted(pair for found in shared for pair in found) == sorted(pairs)
    assert pairs_of(kind, BLOCK * 7 + BLOCK - 1) == (tuple(p for p in pairs if p[1] == 8), True)


def test_the_same_number_makes_the_same_layer() -> None:
    first, again = make_case("conv", 12), make_case("conv", 12)
    np.testing.assert_array_equal(first.expected, again.expected)
    np.testing.assert_array_equal(first.operands[0], again.operands[0])
    assert not np.array_equal(first.expected, make_case("conv", 16).expected)


def jobs_of(kind: str, number: int, core: str = "plain") -> list[Job]:
    return list(plan_case(make_rig(core), number, make_case(kind, number)))


def test_a_wrong_output_is_found() -> None:
    good, bad = jobs_of("dense", 0)[0], jobs_of("conv", 1)[0]
    expected = bad.expected.copy()
    expected[3, 2] ^= 1
    cases, failures = make_rig("plain").run([good, dataclasses.replace(bad, expected=expected)])
    assert cases == good.expected.size + bad.expected.size
    assert [(f.kind, f.job, f.candidate, f.input) for f in failures] == [("differs", 1, 3, 2)]


def test_a_write_behind_the_scratch_is_found() -> None:
    """The plain kernels fill their scratch, so one that is promised less of it hits the zone behind."""
    job = jobs_of("dense", 3)[0]
    layer = dataclasses.replace(job.layer, scratch=job.layer.scratch - 4)
    _, failures = make_rig("plain").run([dataclasses.replace(job, layer=layer)])
    assert {f.kind for f in failures} == {"strays"}


def test_a_write_outside_the_output_is_found() -> None:
    job = jobs_of("max_pool", 2)[0]
    layer = dataclasses.replace(job.layer, output_size=job.layer.output_size - 1)
    _, failures = make_rig("plain").run([dataclasses.replace(job, layer=layer)])
    assert {"strays", "differs"} == {f.kind for f in failures}


def test_a_fault_is_found() -> None:
    """A descriptor without weights makes the kernel read where there is no memory."""
    job = jobs_of("depthwise", 1)[0]
    operand = np.zeros((INPUTS, 1), np.uint8)
    layer = dataclasses.replace(job.layer, kernel="nothing")
    rig = make_rig("plain")
    rig.functions["dqt_nothing"] = 0xE000_0001
    _, failures = rig.run([dataclasses.replace(job, layer=layer, operands=(operand,))])
    assert [f.kind for f in failures] == ["fault"]
    assert "the core stopped at 0xe0000000" in str(failures[0])


def test_a_structure_names_what_is_missing() -> None:
    made = Structure("pair", 4, (Member("low", 0, Scalar(2, False, None)), Member("high", 2, Scalar(1, False, None))))
    assert made.pack({"low": -2, "high": 7}, len) == b"\xfe\xff\x07\x00"
    with pytest.raises(ValueError, match=r"struct pair: \['high', 'top'\]"):
        made.pack({"low": 1, "top": 2}, len)
