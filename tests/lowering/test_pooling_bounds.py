"""Average pooling: sums of 16 bits are folded before they are full, on every core."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dqt_edge.graph import AveragePool2D, Graph, Requantize, Tensor, Window, interpreter
from tests.support.rig import kernel_rig
from tests.support.rig.cases import CORES, make_rig, plan_case
from tests.support.rig.kernel_rig import Job
from tests.support.rig.layer_case import Case

KERNELS = [(2, 3), (1, 255), (16, 16), (2, 129), (129, 2), (31, 25), (32, 32), (64, 64)]
CHANNELS = 8
KERNEL_OF = {
    "m0": "average_pool2d_words",
    "m3": "average_pool2d_words",
    "m4": "average_pool2d_words",
    "m55": "average_pool2d_mve",
}


def pool_of(core: str, kernel: tuple[int, int], beside: int) -> Job:
    """The mean of a window in an input with as many rows, and ``beside`` columns more: if 0, its rows are one run.

    On codes that are all 255, and on some that are 0 or 255 by chance.
    """
    shape, window = (kernel[0], kernel[1] + beside, CHANNELS), Window(kernel)
    elements = kernel[0] * kernel[1]
    requantize = Requantize(np.array([2**31 // elements], np.int32), np.array([32], np.uint8))
    layer = AveragePool2D("l", "x", "y", window, (elements,), np.zeros(1, np.int32), requantize)
    target = (*window.output_size(*shape[:2]), CHANNELS)
    graph = Graph("pools", (Tensor("x", shape, 0.02), Tensor("y", target, 0.02)), (layer,), "x", "y")
    codes = np.full((2, *shape), 255, np.uint8)
    codes[1] = np.random.default_rng(elements).choice(np.array([0, 255], np.uint8), shape)
    outputs = interpreter.run_layer(layer, graph, {"x": codes})
    expected = np.array([[zlib.crc32(output.tobytes()) for output in outputs]], np.uint32)
    case = Case((graph,), "l", (codes.reshape(2, -1),), False, ((8, 8),), expected)
    return next(plan_case(make_rig(core), elements, case))


@pytest.mark.parametrize("core", KERNEL_OF)
def test_average_pooling_folds_before_16_bits_are_full(
    core: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They hold 257 codes of 255, and the kernel folds after 256. One that folds after 258 is wrong from 258 on."""
    jobs = [pool_of(core, kernel, beside) for kernel in KERNELS for beside in (0, 1)]
    assert all(job.layer.kernel == KERNEL_OF[core] for job in jobs)
    count, failures = make_rig(core).run(jobs)
    assert (count, failures) == (2 * len(jobs), [])
    files = kernel_rig.kernel_files

    def late(*arguments: Any) -> dict[str, str]:
        return {
            path: text.replace("#define MOST 256u", "#define MOST 258u") for path, text in files(*arguments).items()
        }

    monkeypatch.setattr(kernel_rig, "kernel_files", late)
    chosen = CORES[core]
    _, failures = kernel_rig.Rig(chosen.board, chosen.planned_for, tmp_path, chosen.machine).run(jobs)
    # Windows of more elements are folded row by row, unless their rows are one run.
    wrong = {
        2 * i + beside
        for i, (height, width) in enumerate(KERNELS)
        for beside in (0, 1)
        if height * width == 258 or (height * width > 258 and not beside)
    }
    assert {failure.job for failure in failures} == wrong
