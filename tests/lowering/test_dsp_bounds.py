"""Kernels on Cortex-M4 at the bound of each form of a convolution, and one K past it: what the planner proves is exact.

Activations are 255 and weights of one sign, so that fields are as full as their width allows. Past a bound the planner
takes another form: sums that are unwrapped, or several passes. Kept to the form of the bound, results are wrong. And
average pooling, whose sums of 16 bits are folded before they can overflow.
"""

from __future__ import annotations

import dataclasses
import zlib

import numpy as np
import pytest

from dqt_edge.graph import Conv2D, Graph, Pair, Tensor, Window, interpreter
from dqt_edge.lowering.records import Proof
from tests.support.kernel_cases import full_scale
from tests.support.rig.cases import make_rig, plan_case
from tests.support.rig.kernel_layers import Case
from tests.support.rig.kernel_rig import Job

pytestmark = pytest.mark.qemu

CHANNELS = 12
"""Three tiles: two that a form may take together, and one by itself."""

BOUNDS: list[tuple[Pair, int, int, int]] = [
    ((8, 8), -128, 257, 1),
    ((8, 8), 127, 259, 1),
    ((5, 8), -128, 257, 1),
    ((8, 4), -128, 273, 1),
    ((4, 4), -128, 273, 1),
    ((4, 4), 127, 312, 1),
    ((3, 6), -128, 130, 1),
    ((2, 8), -128, 64, 1),
    ((2, 4), -128, 1092, 1),
    ((4, 4), 127, 18, 2),
    ((3, 6), 127, 18, 2),
    ((2, 8), 127, 21, 2),
    ((2, 4), 127, 364, 2),
]
"""Pair, master weight, the most K that keep the field in bounds; what is then proved: 1 top fields, 2 low ones too."""

GEOMETRIES = ("flat", "gathered", "rows")
"""How windows become runs: pixels that follow one another; one by one; two runs of two rows."""


def job_of(pair: Pair, weight: int, count: int, rest: int, geometry: str) -> Job:
    """A layer whose channels have ``count`` weights of one value, and of another what its shape has beyond that."""
    depth = -(-count // 8) * 4 if geometry == "rows" else -(-count // 4) * 4 + (geometry == "gathered")
    shape, window = ((3, 3, depth), Window((2, 1))) if geometry == "rows" else ((1, 3, depth), Window((1, 1)))
    weights = np.full((CHANNELS, window.kernel[0] * depth), weight, np.int8)
    weights[:, count:] = rest
    bias, requantize, _ = full_scale(weights)
    layer = Conv2D(
        "l", "x", "y", weights.reshape(CHANNELS, *window.kernel, depth), bias, requantize, (pair,), window=window
    )
    target = (*window.output_size(*shape[:2]), CHANNELS)
    graph = Graph("bounds", (Tensor("x", shape, 0.02), Tensor("y", target, 0.02)), (layer,), "x", "y")
    return planned(layer, graph, shape, count)


def planned(layer: Conv2D, graph: Graph, shape: tuple[int, int, int], seed: int) -> Job:
    """A layer on codes that are all 255, and on some that are 0 or 255 by chance."""
    codes = np.full((2, *shape), 255, np.uint8)
    codes[1] = np.random.default_rng(seed).choice(np.array([0, 255], np.uint8), shape)
    outputs = interpreter.run_layer(layer, graph, {"x": codes})
    expected = np.array([[zlib.crc32(output.tobytes()) for output in outputs]], np.uint32)
    case = Case((graph,), "l", (codes.reshape(2, -1),), False, ((8, 8),), expected)
    return next(plan_case(make_rig("m4"), seed, case))


@pytest.mark.parametrize(("pair", "weight", "most", "proved"), BOUNDS)
def test_at_the_bound_of_a_form_and_one_past_it(pair: Pair, weight: int, most: int, proved: int) -> None:
    rest = 0 if proved == 1 else -128  # adds nothing to the field in question
    at, past = ([job_of(pair, weight, k, rest, geometry) for geometry in GEOMETRIES] for k in (most, most + 1))
    assert all(job.layer.kernel == "conv2d_dsp" for job in at + past)
    assert all(a.layer.proofs[0] >= proved > p.layer.proofs[0] for a, p in zip(at, past, strict=True))
    cases, failures = make_rig("m4").run(at + past)
    assert (cases, failures) == (2 * len(at + past), [])
    kept = [dataclasses.replace(job, layer=dataclasses.replace(job.layer, proofs=(Proof(proved),))) for job in past]
    _, failures = make_rig("m4").run(kept)
    assert {(failure.kind, failure.job) for failure in failures} == {("differs", i) for i in range(len(kept))}
