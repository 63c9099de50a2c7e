"""Kernels for the DSP extension = interpreter: every window, width pair, channel count, at the extremes of the data."""

from __future__ import annotations

from pathlib import Path

import pytest

from dqt_edge.boards import load_board
from dqt_edge.lowering.kernels import dsp_conv
from dqt_edge.lowering.plan import make_plan
from dqt_edge.lowering.records import Mac
from tests.support.device_kernels import assert_cases_agree
from tests.support.kernel_cases import cases

pytestmark = pytest.mark.usefixtures("catalogue_order")

KERNELS = {"conv": "conv2d_dsp", "depthwise": "depthwise_conv2d_dsp", "dense": "dense_masked_dsp"}
SHAPES = [
    ("conv", (5, 7, 4), 60, 0),
    ("conv", (9, 6, 3), 60, 0),
    ("conv", (4, 5, 16), 50, 0),
    ("conv", (6, 9, 1), 60, 0),
    ("conv", (3, 3, 68), 30, 0),
    ("conv", (3, 4, 132), 16, 0),
    ("conv", (2, 3, 33), 40, 0),
    ("conv", (1, 9, 12), 50, 0),
    ("conv", (7, 5, 8), 50, 131),
    ("conv", (6, 5, 5), 50, 255),
    ("dense", (1, 1, 33), 100, 0),
    ("dense", (3, 5, 16), 60, 0),
    ("dense", (1, 1, 3), 60, 0),
    ("dense", (1, 1, 650), 30, 0),
    ("dense", (1, 1, 70), 50, 201),
    ("depthwise", (5, 7, 4), 60, 0),
    ("depthwise", (6, 5, 7), 60, 0),
    ("depthwise", (3, 9, 9), 40, 0),
    ("depthwise", (1, 1, 5), 40, 0),
    ("depthwise", (4, 6, 6), 50, 77),
    ("depthwise", (11, 3, 4), 90, 0),
    ("depthwise", (7, 2, 6), 60, 0),
]


@pytest.mark.some(2)
@pytest.mark.qemu
@pytest.mark.parametrize(("kind", "shape", "count", "zero"), SHAPES)
def test_kernels_agree_with_the_interpreter(kind: str, shape, count: int, zero: int, tmp_path: Path) -> None:
    assert_cases_agree("qemu-m4", KERNELS[kind], kind, shape, count, zero, tmp_path / "p")


def test_depthwise_cases_cover_both_directions_and_both_requantisations() -> None:
    """The cases above run along rows and along columns, and end in codes and in accumulators, each in either stride."""
    found = set()
    kernels = ("depthwise_conv2d_dsp", "depthwise_conv2d_raw_dsp")
    for kind, shape, count, zero in SHAPES:
        if kind == "depthwise":
            plan = make_plan(cases(kind, sum(shape) + zero, shape, count, zero=zero), load_board("qemu-m4"))
            for layer in plan.layers:
                if layer.kernel in kernels:
                    assert isinstance(layer.record, Mac)
                    by_column, window = layer.record.block, layer.record.window
                    stride = window.stride_y if by_column else window.stride_x
                    found.add((layer.kernel, by_column, stride))
    assert found == {(kernel, by_column, stride) for kernel in kernels for by_column in (0, 1) for stride in (1, 2)}


@pytest.mark.qemu
@pytest.mark.parametrize("strip", [1, 2])
@pytest.mark.parametrize(("shape", "zero"), [((5, 7, 4), 0), ((4, 9, 8), 131), ((7, 6, 3), 0), ((6, 5, 12), 0)])
def test_strips_of_any_width_agree_with_the_interpreter(
    strip: int, shape, zero: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows cut into strips of one or two pairs of pixels, in scratch of the size that goes with it."""
    monkeypatch.setattr(dsp_conv, "strips", lambda *_: [strip])
    test_kernels_agree_with_the_interpreter("conv", shape, 30, zero, tmp_path)
