"""Layers that one product requantises: at the bound of what it takes, and one past it, where a plain kernel runs."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dqt_edge.graph import (
    AveragePool2D,
    Concat,
    Graph,
    Lookup,
    Multiply,
    Requantize,
    Tensor,
    Window,
    interpreter,
    nested,
)
from tests.support.rig.cases import make_rig, plan_case
from tests.support.rig.layer_case import Case

CORES = ("m0", "m3", "m4", "m55")
SHAPE = (3, 5, 7)
CODES = np.stack([np.full(105, 255), np.zeros(105), np.arange(105) % 2 * 255, np.arange(105) * 2 + 40]).astype(np.uint8)
"""Of one input; the other has them in another order."""


def rq(shift: int) -> Requantize:
    return Requantize(np.array([2**30 + 12345], np.int32), np.array([shift], np.uint8))


def most(shift: int) -> int:
    """Largest accumulator that a left shift to 32 keeps within int32."""
    return nested.INT32_MAX >> (32 - shift)


def product(shift: int, past: int) -> tuple[Any, tuple[Tensor, ...]]:
    bias = most(shift) - 2 * 255**2 + past
    layer = Multiply("l", ("x", "z"), "y", np.array([bias], np.int32), rq(shift))
    return layer, (Tensor("y", SHAPE, 0.02, 9),)


def parts(shift: int, past: int) -> tuple[Any, tuple[Tensor, ...]]:
    """The first input has zero point 3, and the second is copied."""
    multiplier, shifts = np.array([2**30 + 12345, 2**30], np.int32), np.array([shift, 31], np.uint8)
    bias = -(most(shift) - 510 + past) + 2 * 3
    layer = Concat("l", ("x", "z"), "y", 2, np.array([bias, 2 * 200], np.int32), Requantize(multiplier, shifts))
    return layer, (Tensor("y", (*SHAPE[:2], 14), 0.02, 200),)


def mean(shift: int, past: int) -> tuple[Any, tuple[Tensor, ...]]:
    bias = most(shift) - 2 * 255 * 15 + past
    layer = AveragePool2D("l", "x", "y", Window(SHAPE[:2]), (15,), np.array([bias], np.int32), rq(shift))
    return layer, (Tensor("y", (1, 1, 7), 0.02),)


@pytest.mark.qemu
@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("make", [product, parts, mean])
def test_at_the_bound_of_one_product_and_one_past_it(core: str, make: Callable[[int, int], Any]) -> None:
    jobs, kernels = [], []
    for shift in (19, 25, 31, 32):
        for past in (0, 1) if shift < 32 else (0,):
            layer, outputs = make(shift, past)
            live = {"x": CODES.reshape(4, *SHAPE), "z": CODES[::-1, ::-1].reshape(4, *SHAPE)}
            before = Lookup("before", "x", "z", np.zeros((1, 256), np.uint8))
            tensors = (Tensor("x", SHAPE, 0.02, 3), Tensor("z", SHAPE, 0.02, 200), *outputs)
            graph = Graph("bound", tensors, (before, layer), "x", "y", more_outputs=("z",) if make is mean else ())
            expected = [zlib.crc32(y.tobytes()) for y in interpreter.run_layer(layer, graph, live)]
            operands = tuple(live[name].reshape(4, -1) for name in layer.inputs)
            case = Case((graph,), "l", operands, False, ((8, 8),), np.array([expected], np.uint32))
            jobs += list(plan_case(make_rig(core), shift, case))
            kernels.append(jobs[-1].layer.kernel)
    fast = [kernel.endswith(("_words", "_mve")) for kernel in kernels]
    assert fast[::2] == [True, True, True, True]
    assert fast[1::2] == [False, False, False]
    assert make_rig(core).run(jobs) == (4 * len(jobs), [])
